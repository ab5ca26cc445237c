#include <cstddef>
#include <cstdint>

#include "online/redis_client.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view url(reinterpret_cast<const char*>(data), size);
  const assay::Result<assay::online::RedisAddress> address = assay::online::parse_redis_url(url);
  if (address.ok() && address->prefix.empty()) {
    __builtin_trap();
  }
  return 0;
}

// Any bytes as what servers, nodes of a cluster and sentinels answer: understood or refused, and
// what is understood is within its bounds.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "online/redis_cluster.h"
#include "online/redis_pool.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const assay::online::RedisNode asked{"asked", 7000};
  const auto is_place = [](const assay::online::RedisNode& node) {
    return !node.host.empty() && node.port > 0 && node.port <= 65535;
  };
  ASSAY_CHECK(assay::online::redis_slot(bytes) >= 0 &&
              assay::online::redis_slot(bytes) < assay::online::kRedisSlots);
  const auto redirect = assay::online::read_redirect(bytes, asked.host);
  ASSAY_CHECK(!redirect.has_value() || (is_place(redirect->node) && redirect->slot >= 0 &&
                                        redirect->slot < assay::online::kRedisSlots));
  const auto reply = assay::online::read_redis_reply(bytes);
  if (!reply.has_value()) {
    return 0;
  }
  const auto slots = assay::online::read_slots(*reply, asked);
  for (int slot = 0; slots.ok() && slot < assay::online::kRedisSlots; ++slot) {
    ASSAY_CHECK(!slots->has_owner(slot) || is_place(slots->owner(slot)));
  }
  const auto primary = assay::online::read_primary(*reply, "main");
  ASSAY_CHECK(!primary.ok() || is_place(*primary));
  return 0;
}

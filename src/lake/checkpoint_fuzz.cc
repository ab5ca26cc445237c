// Any bytes as a checkpoint of version 2, JSON: refused, or a state.

#include <cstddef>
#include <cstdint>

#include "lake/lake_under_test.h"
#include "lake/snapshot.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static assay::lake::LakeUnderTest lake;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static_cast<void>(lake.store().put(
      "t/_delta_log/00000000000000000003.checkpoint.01234567-89ab-cdef-0123-456789abcdef.json",
      bytes));
  const auto state =
      assay::lake::load_state(lake.store(), lake.sql(), "t", assay::lake::Version{3});
  ASSAY_CHECK(!state.ok() || (*state)->snapshot.version == 3);
  return 0;
}

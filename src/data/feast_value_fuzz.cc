// Any bytes as a Feast value of any type: what is read is written and read back alike.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "data/feast_value.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using assay::data::Scalar;
  using assay::data::Type;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const Type& type : {Type(Type::kBool),
                           Type(Type::kInt32),
                           Type(Type::kInt64),
                           Type(Type::kFloat32),
                           Type(Type::kFloat64),
                           Type(Type::kString),
                           Type(Type::kBytes),
                           Type(Type::kDate),
                           Type(Type::kTimestamp),
                           Type::list(Type::kInt64),
                           Type::list(Type::kString),
                           Type::list(Type::kFloat32),
                           Type::array(Type::kFloat64, 2)}) {
    const assay::Result<Scalar> value = assay::data::from_feast_value(bytes, type);
    if (value.ok()) {
      const std::string written = assay::data::to_feast_value(*value);
      const assay::Result<Scalar> again = assay::data::from_feast_value(written, type);
      ASSAY_CHECK(again.ok() && assay::data::to_feast_value(*again) == written);
    }
  }
  return 0;
}

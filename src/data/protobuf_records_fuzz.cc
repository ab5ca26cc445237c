#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "data/protobuf_records.h"

namespace assay::data {
namespace {

constexpr char kSchema[] = R"(syntax = "proto3";
import "google/protobuf/timestamp.proto";
message Event {
  int64 id = 1;
  string name = 2;
  repeated Event children = 3;
  map<string, double> numbers = 4;
  google.protobuf.Timestamp at = 5;
  bytes raw = 6;
  enum Kind { A = 0; B = 1; }
  Kind kind = 7;
}
)";

/// A schema up to a zero byte, then a message of it; and the whole as a message of a fixed schema.
void read(const uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  static const auto fixed = *parse_protobuf_schema(kSchema);
  std::string first;
  std::string second;
  const bool is_good = fixed->append_json(input, &first);
  ASSAY_CHECK(fixed->append_json(input, &second) == is_good);
  ASSAY_CHECK(first == second);
  const std::size_t cut = std::min(input.find('\0'), size);
  const auto schema = parse_protobuf_schema(input.substr(0, cut));
  if (schema.ok()) {
    std::string json;
    (*schema)->append_json(input.substr(std::min(cut + 1, size)), &json);
  }
}

}  // namespace
}  // namespace assay::data

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t size) {
  assay::data::read(bytes, size);
  return 0;
}

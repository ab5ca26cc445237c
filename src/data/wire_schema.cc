#include "data/wire_schema.h"

namespace assay::data {
namespace {

class JsonText : public WireSchema {
 public:
  bool append_json(std::string_view payload, std::string* json) const override {
    json->append(payload);
    return true;
  }
  [[nodiscard]] bool is_text() const override { return true; }
};

}  // namespace

std::shared_ptr<const WireSchema> json_text_schema() {
  return std::make_shared<JsonText>();
}

std::optional<WireRecord> split_wire_record(std::string_view bytes) {
  constexpr std::size_t kHeaderBytes = 5;
  if (bytes.size() < kHeaderBytes || bytes[0] != '\0') {
    return std::nullopt;
  }
  uint32_t number = 0;
  for (std::size_t i = 1; i < kHeaderBytes; ++i) {
    number = (number << 8) | static_cast<uint8_t>(bytes[i]);
  }
  return WireRecord{static_cast<int32_t>(number), bytes.substr(kHeaderBytes)};
}

}  // namespace assay::data

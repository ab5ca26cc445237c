// Any bytes as a stored value: decoding never reads outside them, and what decodes encodes to the
// same.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "online/crc32c.h"
#include "online/row_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  std::string value(reinterpret_cast<const char*>(data), size);
  const std::string_view key = "view";
  if (value.size() >= 4) {  // with a right checksum, so that the rest of the decoder is reached
    const uint32_t crc =
        assay::online::crc32c(std::string_view(value).substr(4), assay::online::crc32c(key));
    value.replace(0, 4, reinterpret_cast<const char*>(&crc), 4);
  }
  const assay::Result<assay::online::StoredRow> row = assay::online::decode_row(key, value);
  if (row.ok() && !row->entity_key.empty()) {
    ASSAY_CHECK(assay::online::encode_row(key, row->entity_key, row->row) == value);
  }
  const assay::Result<assay::online::ViewMeta> meta = assay::online::decode_meta(key, value);
  if (meta.ok()) {
    ASSAY_CHECK(assay::online::encode_meta(key, *meta) == value);
  }
  return 0;
}

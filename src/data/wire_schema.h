#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace assay::data {

/// The schema that a binary record was written with. Records are read as JSON, so that columns are
/// found by name whatever fields the writer had: what was added is passed over, what was removed is
/// null, and an int is read as a long or a double where a column is declared so.
///
/// Threads immutable; one may be used by many threads at once.
class WireSchema {
 public:
  virtual ~WireSchema() = default;
  /// Append the record as one JSON value. Dates and timestamps are text, bytes are base64, decimals
  /// are text with all their digits, NaN and infinities are text.
  ///
  /// Gives false when `payload` was not written with this schema; then `json` holds a part.
  virtual bool append_json(std::string_view payload, std::string* json) const = 0;
  /// Whether records are JSON text already, in which decimals stand as their writer wrote them.
  [[nodiscard]] virtual bool is_text() const { return false; }
};

/// A schema that others refer to, by the name they use for it.
struct NamedSchema {
  std::string name;
  std::string text;
};

/// Records that are JSON text already.
std::shared_ptr<const WireSchema> json_text_schema();

/// A record in Confluent's wire format: a zero byte, the number of its schema (4 bytes, big
/// endian), then what was written with it.
struct WireRecord {
  int32_t schema = 0;
  std::string_view payload;
};

/// Nothing when `bytes` do not begin so. Whose memory: that of `bytes`.
std::optional<WireRecord> split_wire_record(std::string_view bytes);

}  // namespace assay::data

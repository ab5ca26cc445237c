#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/protobuf.h"
#include "serve/column_list.h"
#include "serve/json_request.h"

namespace assay::serve {

/// Hands every field of a message to `take`.
///
/// Errors  kInvalidArgument: not a message; and those of `take`.
template <typename Take>
Status for_fields(std::string_view message, const Take& take) {
  data::ProtoReader reader(message);
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<data::ProtoField> field, reader.next());
    if (!field.has_value()) {
      return {};
    }
    ASSAY_RETURN_IF_ERROR(take(*field));
  }
}

/// Reads a `map<string, feast.types.RepeatedValue>` as the columns that a body over HTTP would
/// have: bytes in base64, times in whole seconds, `json_val` as it says. A name said twice counts
/// once, the last.
class ColumnsReader {
 public:
  /// Take one entry.
  ///
  /// Errors  kInvalidArgument: not such an entry, a value that JSON has not, or more than kNamesMax
  ///         names.
  Status add(std::string_view entry);
  std::vector<JsonColumn> columns() && { return columns_.take(); }

 private:
  ColumnList columns_;
};

}  // namespace assay::serve

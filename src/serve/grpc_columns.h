#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/protobuf.h"
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

/// Put one entry of a `map<string, feast.types.RepeatedValue>` behind `columns`, its values as a
/// body over HTTP would have them: bytes in base64, times in whole seconds, `json_val` as it says.
///
/// Errors  kInvalidArgument: not such an entry, or a value that JSON has not.
Status read_column(std::string_view entry, std::vector<JsonColumn>* columns);

}  // namespace assay::serve

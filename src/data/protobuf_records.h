#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/wire_schema.h"

namespace assay::data {

/// A `.proto` file, and messages of it as Confluent's wire format brings them: the path of the
/// message type in the file (zigzag numbers: how many, then each; a single 0 is the first type),
/// then the message.
///
/// Shape   fields by the names they have in the file; enums by name; maps as objects;
///         google.protobuf.Timestamp and google.type.Date as text, wrappers as their value,
///         confluent.type.Decimal as text. A field without presence has its default, one with it
///         that is not set is left out.
/// Errors  kInvalidArgument: not a .proto file, or one that names what it does not have; the first
///         error with its line.
/// Source  https://protobuf.dev/programming-guides/encoding/
Result<std::shared_ptr<const WireSchema>> parse_protobuf_schema(
    std::string_view text, const std::vector<NamedSchema>& references = {});

}  // namespace assay::data

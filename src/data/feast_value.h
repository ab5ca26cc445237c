#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/scalar.h"
#include "data/schema.h"

// Feast's bytes: messages `feast.types.Value` and keys of its Redis layout, drawn in
// docs/formats/feast.md.

namespace assay::data {

/// Feast's number for a type (feast.types.ValueType.Enum, which is also the field of a Value).
///
/// What Feast does not have is text: dates, times without a zone; structs, maps and lists of lists
/// are JSON. Decimals are Feast's decimals: text with all digits.
int feast_value_type(const Type& type);
/// The type that one of these numbers stands for, where it is one of Feast's own types or a list of
/// one; nothing for all others.
std::optional<Type> type_of_feast_value(uint64_t number);

/// A serialized feast.types.Value: "" for null. Times lose what is below the second, nulls inside
/// lists become Feast's stand-ins (0, "", false, the smallest time).
std::string to_feast_value(const Scalar& value);
/// Read one back as a value of `type`.
///
/// Nulls   no field set, null_val, or the smallest time: null.
/// Errors  kInvalidArgument: not a Value, or one of another type.
Result<Scalar> from_feast_value(std::string_view value, const Type& type);

/// Feast's entity key, serialization version 3: names sorted, all integers little-endian.
///
/// Nulls   nothing when one of the values is null.
/// Errors  kInvalidArgument: bool keys, which Feast does not have.
Result<std::optional<std::string>> feast_entity_key(std::span<const Field> keys,
                                                    std::span<const Scalar> values);
/// Field of a feature in the hash of its entity: murmur3_x86_32 of "view:feature", little-endian.
std::string feast_redis_field(std::string_view view, std::string_view feature);

}  // namespace assay::data

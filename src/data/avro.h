#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/wire_schema.h"

namespace assay::data {

/// A schema of Apache Avro, and records in its binary encoding.
///
/// Shape   records and maps are objects, arrays are arrays, a union is its value. The logical types
///         date, timestamp-* and local-timestamp-* are text, decimal and uuid too; what Debezium
///         names in `connect.name` (io.debezium.time.*) likewise. Times of day stay numbers.
/// Errors  kInvalidArgument: not an Avro schema, or one that names a type it does not have.
/// Cost    a record of n bytes has at most n + 100,000 values, else it is refused.
/// Source  https://avro.apache.org/docs/1.11.1/specification/
Result<std::shared_ptr<const WireSchema>> parse_avro_schema(
    std::string_view json, const std::vector<NamedSchema>& references = {});

/// Reads records that stand one behind the other, as in a container file.
///
/// Threads immutable.
class AvroSequence {
 public:
  virtual ~AvroSequence() = default;
  /// Append the next record as JSON and take its bytes from the front; false when there is no whole
  /// record.
  virtual bool take(std::string_view* bytes, std::string* json) const = 0;
};

/// Errors  as parse_avro_schema.
Result<std::unique_ptr<AvroSequence>> parse_avro_sequence(std::string_view json);

/// The numbers that container files are made of: zigzag, as `long` is written. False when there is
/// none.
bool take_avro_long(std::string_view* bytes, int64_t* value);

}  // namespace assay::data

#include "bronze/wire_records.h"

#include <optional>
#include <utility>

#include "data/wire_schema.h"

namespace assay::bronze {
namespace {

using data::RejectReason;

/// Stands for the column of a reject whose value does not begin as wire format does: a zero byte,
/// and four of the schema's number.
constexpr const char* kNoWireFormat = "not in wire format";

/// The JSON of one record, or why there is none.
std::optional<RejectReason> read(const ingest::RecordBatch& records,
                                 std::string_view bytes,
                                 std::string* json,
                                 bool* was_text) {
  const std::optional<data::WireRecord> record = data::split_wire_record(bytes);
  if (!record) {
    *json = bytes;
    *was_text = true;
    const bool may_be_plain = records.format == catalog::Format::kDebezium ||
                              records.format == catalog::Format::kJsonLines;
    return may_be_plain ? std::nullopt : std::optional(RejectReason::kMalformed);
  }
  const auto schema = records.schemas.find(record->schema);
  if (schema == records.schemas.end() && records.format == catalog::Format::kJsonSchema) {
    *json = record->payload;
    *was_text = true;
    return std::nullopt;
  }
  if (schema == records.schemas.end() || schema->second == nullptr) {
    return RejectReason::kUnknownSchema;
  }
  *was_text = schema->second->is_text();
  return schema->second->append_json(record->payload, json)
             ? std::nullopt
             : std::optional(RejectReason::kMalformed);
}

}  // namespace

bool names_schemas(const ingest::RecordBatch& records) {
  return !records.schemas.empty() || records.format == catalog::Format::kAvro ||
         records.format == catalog::Format::kProtobuf ||
         records.format == catalog::Format::kJsonSchema;
}

UnwrappedRecords unwrap(const ingest::RecordBatch& records,
                        std::span<const std::string_view> texts) {
  UnwrappedRecords unwrapped;
  for (std::size_t place = 0; place < texts.size(); ++place) {
    std::string json;
    // A tombstone of a table of changes has been given an object of its own.
    const bool is_tombstone = texts[place] == "{}";
    bool was_text = is_tombstone;
    const std::optional<RejectReason> reason =
        is_tombstone ? std::nullopt : read(records, texts[place], &json, &was_text);
    if (reason) {
      const bool is_in_wire_format = data::split_wire_record(texts[place]).has_value();
      unwrapped.rejects.push_back(
          {static_cast<int64_t>(place), *reason, is_in_wire_format ? "" : kNoWireFormat});
      continue;
    }
    unwrapped.texts.push_back(is_tombstone ? "{}" : std::move(json));
    unwrapped.was_text.push_back(was_text);
    unwrapped.places.push_back(place);
  }
  return unwrapped;
}

}  // namespace assay::bronze

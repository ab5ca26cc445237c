#include "bronze/redact.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/json_writer.h"
#include "bronze/cast_rows.h"
#include "bronze/decode.h"
#include "privacy/hmac.h"
#include "quality/quarantine.h"

namespace assay::bronze {
namespace {

constexpr char kRedacted[] = "[redacted]";

data::Decoded decode_one(const std::vector<catalog::ColumnDef>& columns,
                         const ingest::RecordBatch& records,
                         int64_t record,
                         const DecoderOptions& reading) {
  const data::DecodeOptions options = decode_options(columns);
  if (records.format == catalog::Format::kParquet) {
    return cast_rows(options, records.rows.slice(record, record + 1));
  }
  const std::string_view text[] = {records.records[static_cast<std::size_t>(record)]};
  const int64_t number[] = {record};
  return decode_texts(options, reading, records, text, number);
}

}  // namespace

PayloadRedactor::PayloadRedactor(const catalog::BronzeDef& bronze,
                                 const privacy::ScrubPlan& plan,
                                 const privacy::PrivacyKey* key,
                                 const DecoderOptions& reading)
    : bronze_(bronze), plan_(plan), key_(key), reading_(reading) {
  ASSAY_CHECK(!plan.has_personal_data() || key != nullptr);
}

std::string PayloadRedactor::payload(const ingest::RecordBatch& records, int64_t record) const {
  const bool is_parquet = records.format == catalog::Format::kParquet;
  if (!plan_.has_personal_data()) {
    return is_parquet ? quality::row_json(records.rows, record)
                      : std::string(records.records[static_cast<std::size_t>(record)]);
  }
  const auto at = static_cast<std::size_t>(record);
  const bool is_cut = at < records.oversized.size() && records.oversized[at];
  const std::string readable = is_cut ? std::string() : readable_part(records, record);
  if (!readable.empty()) {
    return readable;
  }
  return summary(is_parquet ? std::string_view(quality::row_json(records.rows, record))
                            : records.records[at]);
}

/// The columns that may be stored, one less for every value that does not read, until the rest
/// reads.
/// "" when the record is not of its format.
std::string PayloadRedactor::readable_part(const ingest::RecordBatch& records,
                                           int64_t record) const {
  std::vector<catalog::ColumnDef> columns;
  for (catalog::ColumnDef column : bronze_.columns) {
    if (is_raw_column(column.name)) {
      column.required = false;
      columns.push_back(std::move(column));
    }
  }
  data::Decoded decoded = decode_one(columns, records, record, reading_);
  while (decoded.rows.rows() == 0) {
    const auto culprit =
        std::find_if(columns.begin(), columns.end(), [&](const catalog::ColumnDef& column) {
          return !decoded.rejects.empty() && column.field() == decoded.rejects.front().column;
        });
    if (culprit == columns.end()) {
      return "";
    }
    columns.erase(culprit);
    decoded = decode_one(columns, records, record, reading_);
  }
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  for (const catalog::ColumnDef& column : bronze_.columns) {
    json.key(column.field());
    const data::Column* values = decoded.rows.find(column.field());
    if (values == nullptr) {
      json.string(kRedacted);
    } else {
      quality::write_json_value(*values, 0, &json);
    }
  }
  json.end_object();
  return text;
}

std::string PayloadRedactor::summary(std::string_view bytes) const {
  std::string message = "v1|record|";
  message += bytes;
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  json.key("redacted");
  json.begin_object();
  json.key("bytes");
  json.integer(static_cast<int64_t>(bytes.size()));
  json.key("hmac");
  json.string(privacy::HmacSha256(key_->bytes()).hex(message));
  json.end_object();
  json.end_object();
  return text;
}

bool PayloadRedactor::is_raw_column(std::string_view name) const {
  return plan_.is_stored_raw(name);
}

}  // namespace assay::bronze

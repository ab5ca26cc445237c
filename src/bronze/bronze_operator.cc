#include "bronze/bronze_operator.h"

#include <algorithm>
#include <utility>

#include "base/json_writer.h"
#include "base/suggest.h"
#include "bronze/contract.h"
#include "catalog/table_schema.h"
#include "data/entity_key.h"
#include "data/json_text.h"
#include "data/utf8.h"
#include "quality/quarantine.h"

namespace assay::bronze {
namespace {

using catalog::BronzeDef;
using catalog::ColumnDef;
using data::RejectReason;
using data::Type;

constexpr char kStage[] = "bronze";

/// Declared columns as they were decoded, and the system columns that checks may use.
data::SchemaPtr read_schema(const BronzeDef& bronze) {
  std::vector<data::Field> fields;
  for (const ColumnDef& column : bronze.columns) {
    if (column.name != kEventTime) {  // a declared event_time is the system column of that name
      fields.push_back({column.name, column.type, !catalog::is_always_there(bronze, column)});
    }
  }
  fields.push_back({kEventTime, Type::kTimestamp, false});
  fields.push_back({kKnownTime, Type::kTimestamp, false});
  fields.push_back({kSequence, Type::kInt64, false});
  if (bronze.of_changes) {
    fields.push_back({kIsDeleted, Type::kBool, false});
  }
  return data::make_schema(std::move(fields));
}

Status check_key(const BronzeDef& bronze) {
  std::vector<std::string> names;
  for (const ColumnDef& column : bronze.columns) {
    names.push_back(column.name);
  }
  for (const std::string& name : bronze.key) {
    if (std::count(names.begin(), names.end(), name) == 0) {
      return {Code::kInvalidArgument,
              "bronze table `" + bronze.name + "`: no key column `" + name + "`" +
                  did_you_mean(name, names)};
    }
  }
  return {};
}

data::ColumnPtr sequences(const ingest::RecordBatch& records, const std::vector<int64_t>& numbers) {
  std::vector<int64_t> positions(numbers.size());
  std::transform(numbers.begin(), numbers.end(), positions.begin(), [&](int64_t number) {
    return records.position_of(number);
  });
  data::ColumnBuilder builder(Type::kInt64);
  builder.append_block(positions.data(), static_cast<int64_t>(positions.size()));
  return builder.finish();
}

EventTime event_time_at(const data::Batch& rows, int64_t row) {
  return {rows.find(kEventTime)->values<int64_t>()[static_cast<std::size_t>(row)]};
}

data::ColumnPtr flags(const std::vector<uint8_t>& values) {
  data::ColumnBuilder builder(Type::kBool);
  builder.append_block(values.data(), static_cast<int64_t>(values.size()));
  return builder.finish();
}

data::Batch take_if_fewer(const data::Batch& batch, const std::vector<int64_t>& rows) {
  return static_cast<int64_t>(rows.size()) == batch.rows() ? batch : batch.take(rows);
}

DecoderOptions reading_of(const BronzeOptions& options) {
  DecoderOptions reading;
  reading.delimiter = options.source.delimiter;
  reading.threads = options.threads;
  reading.has_meta = options.source.kafka.has_value();
  reading.reals_may_be_text = options.source.format == catalog::Format::kAvro;
  reading.decimals_are_text = options.source.decimals == catalog::DecimalText::kString;
  return reading;
}

bool is_null_value(const ingest::RecordBatch& records, int64_t record) {
  return !records.null_values.empty() && records.null_values[static_cast<std::size_t>(record)];
}

/// Key, time and headers of a record of a topic.
void write_meta(const data::Batch& meta, int64_t record, JsonWriter& json) {
  const auto column = [&](catalog::KafkaColumn which) {
    return meta.find(catalog::kKafkaColumns[which]);
  };
  if (column(catalog::kKey)->is_valid(record)) {
    const std::string_view key = column(catalog::kKey)->text(record);
    json.key(data::is_utf8(key) ? "key" : "key_base64");
    json.string(data::is_utf8(key) ? std::string(key) : data::to_base64(key));
  }
  if (const data::Column* raw = meta.find(ingest::kRawKey); raw->is_valid(record)) {
    json.key(ingest::kRawKey);
    json.string(data::to_base64(raw->text(record)));
  }
  if (column(catalog::kTimestamp)->is_valid(record)) {
    json.key("timestamp");
    json.integer(column(catalog::kTimestamp)->values<int64_t>()[static_cast<std::size_t>(record)]);
  }
  if (column(catalog::kHeaders)->is_valid(record) &&
      data::is_utf8(column(catalog::kHeaders)->text(record))) {
    json.key("headers");
    json.raw(column(catalog::kHeaders)->text(record));
  }
}

/// What quarantine keeps of what stood beside a record of a topic, and that it had no value.
std::string meta_json(const ingest::RecordBatch& records, int64_t record) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  if (records.meta.rows() > 0) {
    write_meta(records.meta, record, json);
  }
  if (is_null_value(records, record)) {
    json.key("null_value");
    json.raw("true");
  }
  json.end_object();
  return text;
}

/// Records that have a key and no value are tombstones, whatever `delete_when` says.
void add_null_values(const ingest::RecordBatch& records,
                     const std::vector<int64_t>& record_of_row,
                     std::vector<uint8_t>* tombstones) {
  for (std::size_t row = 0; row < record_of_row.size() && !records.null_values.empty(); ++row) {
    if (records.null_values[static_cast<std::size_t>(record_of_row[row])]) {
      (*tombstones)[row] = 1;
    }
  }
}

/// What the records call a column.
const std::string& field_of(const BronzeDef& bronze, const std::string& name) {
  const auto column = std::find_if(bronze.columns.begin(),
                                   bronze.columns.end(),
                                   [&](const ColumnDef& each) { return each.name == name; });
  return column == bronze.columns.end() ? name : column->field();
}

/// Refuse the rows that miss what a version of a key needs.
void leave_out_incomplete(const BronzeDef& bronze,
                          const RowVersions& versions,
                          data::Decoded* decoded,
                          std::vector<uint8_t>* tombstones,
                          std::vector<RefusedRecord>* refused) {
  const data::Rejects missing = versions.missing(decoded->rows, *tombstones);
  if (missing.empty()) {
    return;
  }
  std::vector<int64_t> kept;
  std::vector<int64_t> records;
  std::vector<uint8_t> kept_tombstones;
  std::size_t next = 0;
  for (int64_t row = 0; row < decoded->rows.rows(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    if (next < missing.size() && missing[next].row == row) {
      refused->push_back({{decoded->record_of_row[at],
                           missing[next].reason,
                           field_of(bronze, missing[next].column)},
                          std::nullopt});
      ++next;
    } else {
      kept.push_back(row);
      records.push_back(decoded->record_of_row[at]);
      kept_tombstones.push_back((*tombstones)[at]);
    }
  }
  decoded->rows = decoded->rows.take(kept);
  decoded->record_of_row = std::move(records);
  *tombstones = std::move(kept_tombstones);
}

}  // namespace

BronzeOperator::BronzeOperator(BronzeDef bronze,
                               BronzeOptions options,
                               RecordDecoder decoder,
                               RecordTimes times,
                               privacy::ScrubPlan plan)
    : bronze_(std::move(bronze)),
      options_(std::move(options)),
      decoder_(std::move(decoder)),
      times_(std::move(times)),
      plan_(std::move(plan)),
      read_schema_(read_schema(bronze_)) {}

Result<std::unique_ptr<BronzeOperator>> BronzeOperator::create(const BronzeDef& bronze,
                                                               const BronzeOptions& options) {
  const std::string context = "bronze table `" + bronze.name + "`";
  Result<data::SchemaPtr> schema = catalog::bronze_schema(bronze);
  if (!schema.ok()) {
    return schema.status().with_context(context);
  }
  ASSAY_RETURN_IF_ERROR(check_key(bronze));
  ASSAY_ASSIGN_OR_RETURN(privacy::ScrubPlan plan, privacy::ScrubPlan::compile(bronze));
  if (plan.has_personal_data() && !options.key) {
    return Status(Code::kFailedPrecondition,
                  context + " holds personal data and there is no privacy key");
  }
  RecordDecoder decoder(bronze, reading_of(options));
  Result<RecordTimes> times = RecordTimes::compile(bronze, *decoder.schema());
  if (!times.ok()) {
    return times.status().with_context(context);
  }
  std::unique_ptr<BronzeOperator> made(new BronzeOperator(
      bronze, options, std::move(decoder), std::move(times).value(), std::move(plan)));
  made->schema_ = std::move(schema).value();
  if (bronze.of_changes) {
    Result<RowVersions> versions = RowVersions::compile(bronze, *made->decoder_.schema());
    if (!versions.ok()) {
      return versions.status().with_context(context);
    }
    made->versions_ = std::move(versions).value();
  }
  Result<quality::CheckSet> checks = quality::CheckSet::compile(bronze.checks, *made->read_schema_);
  if (!checks.ok()) {
    return checks.status().with_context(context);
  }
  made->checks_ = std::move(checks).value();
  return made;
}

Result<ReadRecords> BronzeOperator::read(const ingest::RecordBatch& records) const {
  ASSAY_ASSIGN_OR_RETURN(data::Decoded decoded, decoder_.decode(records));
  ReadRecords read;
  read.skipped = decoded.skipped;
  for (data::Reject& reject : decoded.rejects) {
    read.refused.push_back({std::move(reject), std::nullopt});
  }
  std::vector<uint8_t> tombstones;
  if (versions_) {
    ASSAY_ASSIGN_OR_RETURN(tombstones, versions_->tombstones(decoded.rows));
    add_null_values(records, decoded.record_of_row, &tombstones);
    leave_out_incomplete(bronze_, *versions_, &decoded, &tombstones, &read.refused);
  }
  ASSAY_ASSIGN_OR_RETURN(const RecordTimes::Times times,
                         times_.times(decoded.rows, records.received, tombstones));
  std::vector<int64_t> timed;
  std::size_t next = 0;
  for (int64_t row = 0; !times.rejects.empty() && row < decoded.rows.rows(); ++row) {
    const int64_t record = decoded.record_of_row[static_cast<std::size_t>(row)];
    if (next == times.rejects.size() || times.rejects[next].row != row) {
      timed.push_back(row);
      read.record_of_row.push_back(record);
      continue;
    }
    const data::Reject& reject = times.rejects[next++];
    const bool is_future = reject.reason == RejectReason::kFutureEventTime ||
                           reject.reason == RejectReason::kFutureKnownTime;
    const EventTime event_time{times.event_time->values<int64_t>()[static_cast<std::size_t>(row)]};
    read.refused.push_back(
        {{record, reject.reason, reject.column},
         is_future && event_time < kEndInstant ? std::optional(event_time) : std::nullopt});
  }
  std::vector<data::ColumnPtr> columns;
  for (int index = 0; index < decoded.rows.column_count(); ++index) {
    if (decoded.rows.schema().field(index).name != kEventTime) {
      columns.push_back(decoded.rows.column_ptr(index));
    }
  }
  columns.push_back(times.event_time);
  columns.push_back(times.known_time);
  columns.push_back(sequences(records, decoded.record_of_row));
  if (versions_) {
    columns.push_back(flags(tombstones));
  }
  const data::Batch all(read_schema_, std::move(columns), decoded.rows.rows());
  if (times.rejects.empty()) {
    read.rows = all;
    read.record_of_row = std::move(decoded.record_of_row);
  } else {
    read.rows = take_if_fewer(all, timed);
  }
  return read;
}

std::vector<TimeRange> BronzeOperator::needed_ranges(const data::Batch& rows) const {
  if (bronze_.key.empty()) {
    return {};
  }
  return bronze::needed_ranges(*rows.find(kEventTime), bronze_.dedup_for);
}

std::vector<std::string> BronzeOperator::dedup_columns() const {
  std::vector<std::string> columns = dedup_key();
  for (const std::string& name : content_columns()) {
    if (std::count(columns.begin(), columns.end(), name) == 0) {
      columns.push_back(name);
    }
  }
  for (const char* name : {kEventTime, kSequence}) {
    if (std::count(columns.begin(), columns.end(), name) == 0) {
      columns.emplace_back(name);
    }
  }
  return columns;
}

/// Versions of a key that are known at one instant are compared with each other.
std::vector<std::string> BronzeOperator::dedup_key() const {
  std::vector<std::string> columns = bronze_.key;
  if (versions_ && std::count(columns.begin(), columns.end(), kKnownTime) == 0) {
    columns.emplace_back(kKnownTime);
  }
  return columns;
}

/// What a version says: all that the table keeps of it. Empty where a key is a record's only one.
std::vector<std::string> BronzeOperator::content_columns() const {
  std::vector<std::string> columns;
  for (const data::Field& field : schema_->fields()) {
    const bool is_place = field.name == kSequence || field.name == kDate || field.name == kHour;
    if (versions_ && !is_place && field.name != kRowKey) {
      columns.push_back(field.name);
    }
  }
  return columns;
}

Status BronzeOperator::load_accepted(const data::Batch& rows,
                                     const TimeRange& range,
                                     BronzeState* state) const {
  const std::vector<uint64_t> contents =
      versions_ ? row_contents(rows, content_columns()) : std::vector<uint64_t>();
  return state->dedup.load(rows, dedup_key(), range, contents);
}

Status BronzeOperator::load_accepted(data::BatchReader& rows,
                                     const TimeRange& range,
                                     BronzeState* state) const {
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<data::Batch> batch, rows.next());
    if (!batch.has_value()) {
      break;
    }
    const std::vector<uint64_t> contents =
        versions_ ? row_contents(*batch, content_columns()) : std::vector<uint64_t>();
    ASSAY_RETURN_IF_ERROR(state->dedup.load_some(*batch, dedup_key(), contents));
  }
  state->dedup.note_loaded(range);
  return {};
}

std::vector<const data::Column*> BronzeOperator::dedup_key_of(const data::Batch& rows) const {
  std::vector<const data::Column*> columns;
  for (const std::string& name : dedup_key()) {
    columns.push_back(rows.find(name));
  }
  return columns;
}

/// Bring to the index's memory what its files have of the rows' keys.
Status BronzeOperator::recall(const data::Batch& rows,
                              const data::EncodedKeys& keys,
                              DedupIndex* index) {
  if (index->files().empty()) {
    return {};
  }
  std::vector<DedupIndex::AskedKey> asked;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    if (const auto key = keys.key(row)) {
      asked.push_back({*key, event_time_at(rows, row)});
    }
  }
  return index->recall(asked);
}

/// Rows that are new, by key and event time; of a table of changes those that say something new.
std::vector<int64_t> BronzeOperator::accepted_rows(const data::Batch& rows,
                                                   const data::EncodedKeys& keys,
                                                   DedupIndex* index) const {
  const std::vector<uint64_t> contents =
      versions_ ? row_contents(rows, content_columns()) : std::vector<uint64_t>();
  const auto sequence = rows.find(kSequence)->values<int64_t>();
  const auto event_time = rows.find(kEventTime)->values<int64_t>();
  std::vector<int64_t> accepted;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    const auto key = keys.key(row);
    if (!key ||
        index->accept(
            *key, EventTime{event_time[at]}, sequence[at], contents.empty() ? 0 : contents[at])) {
      accepted.push_back(row);
    }
  }
  return accepted;
}

/// The rows judged; tombstones have nothing to judge.
Result<quality::CheckOutcome> BronzeOperator::check(const data::Batch& rows,
                                                    quality::CheckState state) const {
  if (!versions_) {
    return checks_.evaluate(rows, std::move(state));
  }
  const auto deleted = rows.find(kIsDeleted)->values<uint8_t>();
  std::vector<int64_t> judged;
  std::vector<int64_t> kept;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    (deleted[static_cast<std::size_t>(row)] == 0 ? judged : kept).push_back(row);
  }
  ASSAY_ASSIGN_OR_RETURN(quality::CheckOutcome outcome,
                         checks_.evaluate(take_if_fewer(rows, judged), std::move(state)));
  for (const int64_t row : outcome.kept) {
    kept.push_back(judged[static_cast<std::size_t>(row)]);
  }
  std::sort(kept.begin(), kept.end());
  outcome.kept = std::move(kept);
  for (data::Reject& reject : outcome.rejects) {
    reject.row = judged[static_cast<std::size_t>(reject.row)];
  }
  return outcome;
}

/// The rows scrubbed. A required value that could not be is refused with its row.
data::Batch BronzeOperator::scrub(const data::Batch& rows,
                                  std::vector<int64_t>* records,
                                  std::vector<RefusedRecord>* refused,
                                  int64_t* unreadable) const {
  if (!plan_.has_personal_data()) {
    return rows;
  }
  privacy::Scrubbed scrubbed = plan_.scrub(rows, *options_.key);
  if (scrubbed.unreadable.empty()) {
    return std::move(scrubbed.rows);
  }
  std::vector<std::string> missing(static_cast<std::size_t>(rows.rows()));
  for (const privacy::Unreadable& column : scrubbed.unreadable) {
    *unreadable += static_cast<int64_t>(column.rows.size());
    const auto index = rows.schema().find(column.column);
    for (const int64_t row : column.rows) {
      std::string& name = missing[static_cast<std::size_t>(row)];
      if (!rows.schema().field(*index).nullable && name.empty()) {
        name = field_of(bronze_, column.column);
      }
    }
  }
  std::vector<int64_t> kept;
  std::vector<int64_t> kept_records;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    if (missing[at].empty()) {
      kept.push_back(row);
      kept_records.push_back((*records)[at]);
    } else {
      refused->push_back(
          {{(*records)[at], RejectReason::kWrongType, missing[at]}, event_time_at(rows, row)});
    }
  }
  *records = std::move(kept_records);
  return take_if_fewer(scrubbed.rows, kept);
}

data::Batch BronzeOperator::with_partitions(const data::Batch& rows) const {
  constexpr int64_t kHourMicros = 3600 * kMicrosPerSecond;
  std::vector<int32_t> date_of_row(static_cast<std::size_t>(rows.rows()));
  std::vector<int32_t> hour_of_row(date_of_row.size());
  int64_t begin = 0;  // of the hour of the row before
  int32_t date = 0;
  int32_t hour = 0;
  const std::span<const int64_t> times = rows.find(kEventTime)->values<int64_t>();
  for (std::size_t row = 0; row < times.size(); ++row) {
    const int64_t micros = times[row];
    if (row == 0 || micros < begin || micros - begin >= kHourMicros) {
      begin = floor_to(micros, kHourMicros);
      date = quality::date_of({micros});
      hour = static_cast<int32_t>((begin - floor_to(begin, kMicrosPerDay)) / kHourMicros);
    }
    date_of_row[row] = date;
    hour_of_row[row] = hour;
  }
  data::ColumnBuilder dates(Type::kDate);
  data::ColumnBuilder hours(Type::kInt32);
  dates.append_block(date_of_row.data(), rows.rows());
  hours.append_block(hour_of_row.data(), rows.rows());
  std::vector<data::ColumnPtr> columns;
  for (int index = 0; index < rows.column_count(); ++index) {
    if (rows.schema().field(index).name == kIsDeleted && versions_) {
      columns.push_back(row_keys(rows, bronze_.key));  // it stands before is_deleted
    }
    columns.push_back(rows.column_ptr(index));
  }
  columns.push_back(dates.finish());
  columns.push_back(hours.finish());
  return {schema_, std::move(columns), rows.rows()};
}

data::Batch BronzeOperator::quarantine(const ingest::RecordBatch& records,
                                       std::vector<RefusedRecord> refused) const {
  std::sort(refused.begin(), refused.end(), [](const RefusedRecord& a, const RefusedRecord& b) {
    return a.reject.row < b.reject.row;
  });
  const PayloadRedactor redactor(
      bronze_, plan_, options_.key ? &*options_.key : nullptr, reading_of(options_));
  quality::QuarantineBuilder builder;
  for (const RefusedRecord& each : refused) {
    const auto at = static_cast<std::size_t>(each.reject.row);
    const std::string payload = redactor.payload(records, each.reject.row);
    quality::QuarantineRow row;
    row.source = records.source;
    row.file = records.part_name(each.reject.row);
    row.position = records.position_of(each.reject.row);
    if (at < records.lines.size()) {
      row.line = records.lines[at];
    }
    row.stage = kStage;
    row.reason = each.reject.reason;
    row.column = each.reject.column;
    row.payload = payload;
    row.event_time = each.event_time;
    row.known_time = records.received;
    const bool has_meta = records.meta.rows() > 0 || is_null_value(records, each.reject.row);
    if (has_meta && !plan_.has_personal_data()) {
      row.meta = meta_json(records, each.reject.row);
    }
    builder.add(row);
  }
  return builder.finish();
}

Result<BronzeOutput> BronzeOperator::process(const ingest::RecordBatch& records,
                                             ReadRecords read,
                                             BronzeState state) const {
  ASSAY_ASSIGN_OR_RETURN(BronzeOutput output, prepare(records, std::move(read), std::move(state)));
  ASSAY_ASSIGN_OR_RETURN(output.rows, judge(output.rows, &output.state.dedup));
  output.account.duplicates = output.account.out - output.rows.rows();
  output.account.out = output.rows.rows();
  return output;
}

Result<data::Batch> BronzeOperator::judge(const data::Batch& prepared, DedupIndex* index) const {
  if (bronze_.key.empty()) {
    return prepared;
  }
  const data::EncodedKeys keys(dedup_key_of(prepared), prepared.rows());
  ASSAY_RETURN_IF_ERROR(recall(prepared, keys, index));
  return take_if_fewer(prepared, accepted_rows(prepared, keys, index));
}

Result<BronzeOutput> BronzeOperator::prepare(const ingest::RecordBatch& records,
                                             ReadRecords read,
                                             BronzeState state) const {
  BronzeOutput output;
  output.account.in = records.size();
  ASSAY_ASSIGN_OR_RETURN(quality::CheckOutcome checked, check(read.rows, std::move(state.checks)));
  state.checks = std::move(checked.state);
  output.checks = std::move(checked.results);
  output.account.filtered = checked.filtered + read.skipped;

  std::vector<RefusedRecord> refused = std::move(read.refused);
  for (data::Reject& reject : checked.rejects) {
    const EventTime event_time = event_time_at(read.rows, reject.row);
    reject.row = read.record_of_row[static_cast<std::size_t>(reject.row)];
    refused.push_back({std::move(reject), event_time});
  }
  std::vector<int64_t> numbers;
  if (checked.kept.size() == read.record_of_row.size()) {
    numbers = std::move(read.record_of_row);
  } else {
    for (const int64_t row : checked.kept) {
      numbers.push_back(read.record_of_row[static_cast<std::size_t>(row)]);
    }
  }
  const data::Batch good = take_if_fewer(read.rows, checked.kept);
  output.rows = with_partitions(scrub(good, &numbers, &refused, &output.unreadable_values));
  output.account.out = output.rows.rows();
  output.account.quarantined = static_cast<int64_t>(refused.size());
  output.quarantine = quarantine(records, std::move(refused));
  if (!output.account.balances()) {
    return Status(Code::kInternal,
                  "bronze table `" + bronze_.name + "`: rows in and out do not balance");
  }
  output.state = std::move(state);
  return output;
}

Result<BronzeOutput> BronzeOperator::process(const ingest::RecordBatch& records,
                                             BronzeState state) const {
  ASSAY_ASSIGN_OR_RETURN(ReadRecords read_records, read(records));
  return process(records, std::move(read_records), std::move(state));
}

}  // namespace assay::bronze

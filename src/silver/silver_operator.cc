#include "silver/silver_operator.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/ascii.h"
#include "base/suggest.h"
#include "bronze/contract.h"
#include "quality/quarantine.h"
#include "silver/contract.h"
#include "silver/lateness.h"

namespace assay::silver {
namespace {

using data::RejectReason;
using data::Type;

constexpr char kStage[] = "silver";

bool in_range(int64_t micros) {
  return micros >= kFirstInstant.micros && micros < kEndInstant.micros;
}

data::Batch in_sequence_order(const data::Batch& bronze) {
  const auto sequence = bronze.find(bronze::kSequence)->values<int64_t>();
  if (std::is_sorted(sequence.begin(), sequence.end())) {
    return bronze;
  }
  std::vector<int64_t> order(sequence.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return sequence[static_cast<std::size_t>(a)] < sequence[static_cast<std::size_t>(b)];
  });
  return bronze.take(order);
}

/// Dates become timestamps at midnight.
data::ColumnPtr timestamps_of(const data::Column& column) {
  data::ColumnBuilder builder(Type::kTimestamp);
  builder.reserve(column.size());
  for (int64_t row = 0; row < column.size(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    if (column.is_null(row)) {
      builder.append_null();
    } else if (column.type() == Type::kDate) {
      builder.append(int64_t{column.values<int32_t>()[at]} * kMicrosPerDay);
    } else {
      builder.append(column.values<int64_t>()[at]);
    }
  }
  return builder.finish();
}

/// Rows whose index is not in `gone` (ascending).
std::vector<int64_t> others(int64_t rows, const std::vector<int64_t>& gone) {
  std::vector<int64_t> kept;
  std::size_t next = 0;
  for (int64_t row = 0; row < rows; ++row) {
    if (next < gone.size() && gone[next] == row) {
      ++next;
    } else {
      kept.push_back(row);
    }
  }
  return kept;
}

/// Keep `rows` of a batch and of the input row numbers beside it.
data::Batch keep(const data::Batch& batch,
                 const std::vector<int64_t>& rows,
                 std::vector<int64_t>* inputs) {
  if (static_cast<int64_t>(rows.size()) == batch.rows()) {
    return batch;
  }
  std::vector<int64_t> kept_inputs;
  for (const int64_t row : rows) {
    kept_inputs.push_back((*inputs)[static_cast<std::size_t>(row)]);
  }
  *inputs = std::move(kept_inputs);
  return batch.take(rows);
}

void add_system_fields(bool of_changes, std::vector<data::Field>* fields) {
  fields->push_back({kEventTime, Type::kTimestamp, false});
  fields->push_back({kKnownTime, Type::kTimestamp, false});
  fields->push_back({kSequence, Type::kInt64, false});
  if (of_changes) {
    fields->push_back({kRowKey, Type::kBytes, false});
    fields->push_back({kIsDeleted, Type::kBool, false});
  }
}

/// Numbers of the rows that are tombstones, or that are none.
std::vector<int64_t> rows_deleted(const data::Batch& bronze, bool deleted) {
  const auto is_deleted = bronze.find(bronze::kIsDeleted)->values<uint8_t>();
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < bronze.rows(); ++row) {
    if ((is_deleted[static_cast<std::size_t>(row)] != 0) == deleted) {
      rows.push_back(row);
    }
  }
  return rows;
}

/// Rows of a SELECT's input that gave neither a row nor an error.
std::vector<int64_t> left_out(const RowWiseSql::Output& sql, int64_t rows) {
  std::vector<bool> seen(static_cast<std::size_t>(rows));
  for (const int64_t row : sql.input_rows) {
    seen[static_cast<std::size_t>(row)] = true;
  }
  for (const data::Reject& reject : sql.rejects) {
    seen[static_cast<std::size_t>(reject.row)] = true;
  }
  std::vector<int64_t> gone;
  for (int64_t row = 0; row < rows; ++row) {
    if (!seen[static_cast<std::size_t>(row)]) {
      gone.push_back(row);
    }
  }
  return gone;
}

Status lookup_missing(const std::string& name) {
  return {Code::kInvalidArgument, "enrichment needs the rows of `" + name + "`"};
}

}  // namespace

/// Bronze rows that go to quarantine, by row number of the bronze batch.
struct SilverOperator::Refused {
  data::Rejects rejects;
};

SilverOperator::SilverOperator(catalog::SilverDef silver, RowWiseSql sql, data::SqlEngine& engine)
    : silver_(std::move(silver)), sql_(std::move(sql)), engine_(engine) {}

Result<std::unique_ptr<SilverOperator>> SilverOperator::create(
    const catalog::SilverDef& silver,
    const data::Schema& from,
    const std::map<std::string, data::SchemaPtr>& lookups,
    data::SqlEngine& engine) {
  const std::string context = "silver table `" + silver.name + "`";
  for (const char* name : {bronze::kEventTime, bronze::kKnownTime, bronze::kSequence}) {
    if (!from.find(name)) {
      return Status(Code::kInvalidArgument,
                    context + ": `" + silver.from + "` has no column " + name);
    }
  }
  Result<RowWiseSql> sql = RowWiseSql::compile(engine, silver.sql, silver.from, from);
  if (!sql.ok()) {
    return sql.status().with_context(context + ", its SQL");
  }
  std::unique_ptr<SilverOperator> made(new SilverOperator(silver, std::move(sql).value(), engine));
  made->of_changes_ = from.find(bronze::kRowKey).has_value();
  Status status = made->check_system_names();
  if (status.ok()) {
    status = made->compile_enrichments(lookups);
  }
  if (status.ok()) {
    status = made->compile_output();
  }
  ASSAY_RETURN_IF_ERROR(status.with_context(context));
  return made;
}

std::vector<const char*> SilverOperator::system_columns() const {
  std::vector<const char*> names = {kEventTime, kKnownTime, kSequence};
  if (of_changes_) {
    names.insert(names.end(), {kRowKey, kIsDeleted});
  }
  return names;
}

bool SilverOperator::is_system(std::string_view name) const {
  const std::vector<const char*> names = system_columns();
  return std::find(names.begin(), names.end(), name) != names.end();
}

Status SilverOperator::check_system_names() const {
  const RowWiseSql& sql = sql_;
  for (const data::Field& field : sql.schema()->fields()) {
    const std::string folded = lower_ascii(field.name);
    if (folded != field.name && (is_system(folded) || folded == kEventDate)) {
      return {Code::kInvalidArgument,
              "the SQL's column `" + field.name + "` differs from `" + folded +
                  "` only in case; write it so"};
    }
    if (field.name == kReplacedTime || (field.name == kRowKey && !of_changes_)) {
      return {Code::kInvalidArgument,
              "the SQL's column `" + field.name +
                  "` has a name that tables of changes use; give it another name"};
    }
    const bool is_computed = !sql.is_plain_column(field.name);
    if (is_system(field.name) && field.name != kEventTime && is_computed) {
      return {Code::kInvalidArgument,
              "the SQL computes `" + field.name +
                  "`, which bronze decides; give the column another name"};
    }
    if (field.name == kEventDate) {
      return {Code::kInvalidArgument,
              "the SQL selects `event_date`, which silver adds itself as the date "
              "of event_time; leave it out or give it another name"};
    }
    const bool is_time = field.type == Type::kTimestamp || field.type == Type::kDate;
    if (field.name == kEventTime && !is_time) {
      return {Code::kInvalidArgument,
              "the SQL's event_time is " + std::string(data::type_name(field.type)) +
                  ", not a timestamp; write CAST(... AS TIMESTAMP) AS event_time"};
    }
  }
  return {};
}

Status SilverOperator::compile_enrichments(const std::map<std::string, data::SchemaPtr>& lookups) {
  std::vector<data::Field> fields;
  for (const data::Field& field : sql_.schema()->fields()) {
    if (!is_system(field.name)) {
      fields.push_back(field);
      fields.back().nullable = field.nullable || of_changes_;  // tombstones say nothing
    }
  }
  add_system_fields(of_changes_, &fields);
  timed_schema_ = data::make_schema(fields);
  for (const catalog::EnrichDef& def : silver_.enrich) {
    const auto lookup = lookups.find(def.lookup);
    if (lookup == lookups.end()) {
      return lookup_missing(def.lookup);
    }
    ASSAY_ASSIGN_OR_RETURN(Enrichment enrichment,
                           Enrichment::compile(def, data::Schema(fields), *lookup->second));
    fields.insert(fields.end(), enrichment.added().begin(), enrichment.added().end());
    enrichments_.push_back(std::move(enrichment));
  }
  return {};
}

Status SilverOperator::compile_output() {
  std::vector<data::Field> fields;
  for (const data::Field& field : timed_schema_->fields()) {
    if (!is_system(field.name)) {
      fields.push_back(field);
    }
  }
  for (const Enrichment& enrichment : enrichments_) {
    fields.insert(fields.end(), enrichment.added().begin(), enrichment.added().end());
  }
  add_system_fields(of_changes_, &fields);
  fields.push_back({kEventDate, Type::kDate, false});
  schema_ = data::make_schema(std::move(fields));
  for (const std::string& name : silver_.partition_by) {
    if (!schema_->find(name)) {
      return {Code::kInvalidArgument,
              "no partition column `" + name + "`" + did_you_mean(name, schema_->names())};
    }
  }
  ASSAY_ASSIGN_OR_RETURN(checks_, quality::CheckSet::compile(silver_.checks, *schema_));
  return {};
}

std::map<std::string, std::vector<std::string>> SilverOperator::lookup_columns() const {
  std::map<std::string, std::vector<std::string>> columns;
  for (const Enrichment& enrichment : enrichments_) {
    std::vector<std::string>& names = columns[enrichment.definition().lookup];
    for (std::string& name : enrichment.lookup_columns()) {
      if (std::count(names.begin(), names.end(), name) == 0) {
        names.push_back(std::move(name));
      }
    }
  }
  return columns;
}

/// The SELECT's columns with event_time, known_time and sequence in their places.
Result<data::Batch> SilverOperator::with_system_columns(const data::Batch& bronze,
                                                        const RowWiseSql::Output& sql) const {
  std::vector<data::ColumnPtr> columns;
  for (const data::Field& field : timed_schema_->fields()) {
    const auto selected = sql.rows.schema().find(field.name);
    const bool from_sql = selected && (!is_system(field.name) || field.name == kEventTime);
    if (!from_sql) {
      columns.push_back(data::take(*bronze.find(field.name), sql.input_rows));
    } else if (field.name == kEventTime) {
      columns.push_back(timestamps_of(sql.rows.column(*selected)));
    } else {
      columns.push_back(sql.rows.column_ptr(*selected));
    }
  }
  return data::Batch(timed_schema_, std::move(columns), sql.rows.rows());
}

Result<data::Batch> SilverOperator::timed_rows(const data::Batch& bronze,
                                               const RowWiseSql::Output& sql,
                                               std::vector<int64_t>* inputs,
                                               Refused* refused) const {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, with_system_columns(bronze, sql));
  const data::Column& event_time = *rows.find(kEventTime);
  std::vector<int64_t> gone;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    if (event_time.is_null(row) || !in_range(event_time.values<int64_t>()[at])) {
      gone.push_back(row);
      refused->rejects.push_back({(*inputs)[at], RejectReason::kBadEventTime, kEventTime});
    }
  }
  return keep(rows, others(rows.rows(), gone), inputs);
}

Result<data::Batch> SilverOperator::enriched_rows(data::Batch rows,
                                                  const Lookups& lookups,
                                                  std::vector<int64_t>* inputs,
                                                  Refused* refused) const {
  for (const Enrichment& enrichment : enrichments_) {
    const catalog::EnrichDef& def = enrichment.definition();
    const auto lookup = lookups.find(def.lookup);
    if (lookup == lookups.end()) {
      return lookup_missing(def.lookup);
    }
    ASSAY_ASSIGN_OR_RETURN(Enrichment::Enriched enriched, enrichment.apply(rows, lookup->second));
    rows = std::move(enriched.rows);
    if (def.required) {
      for (const int64_t row : enriched.unmatched) {
        refused->rejects.push_back({(*inputs)[static_cast<std::size_t>(row)],
                                    RejectReason::kEnrichmentFailed,
                                    def.on.front()});
      }
      rows = keep(rows, others(rows.rows(), enriched.unmatched), inputs);
    }
  }
  data::ColumnBuilder dates(Type::kDate);
  dates.reserve(rows.rows());
  const auto times = rows.find(kEventTime)->values<int64_t>();
  for (const int64_t micros : times) {
    dates.append(quality::date_of({micros}));
  }
  std::vector<data::ColumnPtr> columns;
  for (const data::Field& field : schema_->fields()) {
    columns.push_back(field.name == kEventDate ? dates.finish()
                                               : rows.column_ptr(*rows.schema().find(field.name)));
  }
  return data::Batch(schema_, std::move(columns), rows.rows());
}

/// The rows and the input rows that are gone, as tombstones, in order of sequence.
data::Batch SilverOperator::with_tombstones(const data::Batch& bronze,
                                            const data::Batch& rows,
                                            const std::vector<int64_t>& inputs,
                                            const std::vector<int64_t>& gone) const {
  if (gone.empty()) {
    return rows;
  }
  std::vector<std::pair<int64_t, int64_t>> order;  // input row, row of `rows` or -1
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    order.emplace_back(inputs[i], static_cast<int64_t>(i));
  }
  for (const int64_t row : gone) {
    order.emplace_back(row, -1);
  }
  std::sort(order.begin(), order.end());
  data::BatchBuilder builder(schema_);
  for (const auto& [input, row] : order) {
    for (int c = 0; c < schema_->size(); ++c) {
      const std::string& name = schema_->field(c).name;
      if (row >= 0) {
        builder.column(c).append_from(rows.column(c), row);
      } else if (name == kIsDeleted) {
        builder.column(c).append(uint8_t{1});
      } else if (name == kEventDate) {
        const int64_t time =
            bronze.find(kEventTime)->values<int64_t>()[static_cast<std::size_t>(input)];
        builder.column(c).append(quality::date_of({time}));
      } else if (is_system(name)) {
        builder.column(c).append_from(*bronze.find(name), input);
      } else {
        builder.column(c).append_null();
      }
    }
  }
  return builder.finish();
}

data::Batch SilverOperator::quarantine(const data::Batch& bronze, Refused refused) const {
  std::sort(refused.rejects.begin(),
            refused.rejects.end(),
            [](const data::Reject& a, const data::Reject& b) { return a.row < b.row; });
  quality::QuarantineBuilder builder;
  const auto sequence = bronze.find(bronze::kSequence)->values<int64_t>();
  const auto event_time = bronze.find(bronze::kEventTime)->values<int64_t>();
  const auto known_time = bronze.find(bronze::kKnownTime)->values<int64_t>();
  for (const data::Reject& reject : refused.rejects) {
    const auto at = static_cast<std::size_t>(reject.row);
    const std::string payload = quality::row_json(bronze, reject.row);
    quality::QuarantineRow row;
    row.source = silver_.from;
    row.position = sequence[at];
    row.stage = kStage;
    row.reason = reject.reason;
    row.column = reject.column;
    row.payload = payload;
    row.event_time = EventTime{event_time[at]};
    row.known_time = {known_time[at]};
    builder.add(row);
  }
  return builder.finish();
}

/// Run the SQL over a table's rows; `gone` are those it leaves out and, of changes, the tombstones,
/// which go past it.
Result<RowWiseSql::Output> SilverOperator::select(const data::Batch& input,
                                                  std::vector<int64_t>* gone) const {
  *gone = of_changes_ ? rows_deleted(input, true) : std::vector<int64_t>();
  if (gone->empty()) {
    ASSAY_ASSIGN_OR_RETURN(RowWiseSql::Output sql, sql_.run(engine_, input));
    *gone = left_out(sql, input.rows());
    return sql;
  }
  const std::vector<int64_t> standing = rows_deleted(input, false);
  ASSAY_ASSIGN_OR_RETURN(RowWiseSql::Output sql, sql_.run(engine_, input.take(standing)));
  for (const int64_t row : left_out(sql, static_cast<int64_t>(standing.size()))) {
    gone->push_back(standing[static_cast<std::size_t>(row)]);
  }
  for (int64_t& row : sql.input_rows) {
    row = standing[static_cast<std::size_t>(row)];
  }
  for (data::Reject& reject : sql.rejects) {
    reject.row = standing[static_cast<std::size_t>(reject.row)];
  }
  return sql;
}

Result<SilverOutput> SilverOperator::process(const data::Batch& bronze,
                                             const Lookups& lookups,
                                             SilverState state) const {
  const data::Batch input = in_sequence_order(bronze);
  SilverOutput output;
  Refused refused;
  std::vector<int64_t> gone;
  ASSAY_ASSIGN_OR_RETURN(RowWiseSql::Output sql, select(input, &gone));
  output.account.in = input.rows();
  output.account.filtered = of_changes_ ? 0 : static_cast<int64_t>(gone.size());
  refused.rejects = std::move(sql.rejects);

  std::vector<int64_t> inputs = sql.input_rows;
  ASSAY_ASSIGN_OR_RETURN(data::Batch rows, timed_rows(input, sql, &inputs, &refused));
  ASSAY_ASSIGN_OR_RETURN(rows, enriched_rows(std::move(rows), lookups, &inputs, &refused));
  ASSAY_ASSIGN_OR_RETURN(quality::CheckOutcome checked,
                         checks_.evaluate(rows, std::move(state.checks)));
  state.checks = std::move(checked.state);
  output.checks = std::move(checked.results);
  output.account.filtered += checked.filtered;
  for (data::Reject& reject : checked.rejects) {
    reject.row = inputs[static_cast<std::size_t>(reject.row)];
    refused.rejects.push_back(std::move(reject));
  }
  rows = keep(rows, checked.kept, &inputs);
  rows = of_changes_ ? with_tombstones(input, rows, inputs, gone) : rows;

  const data::Column& times = *rows.find(of_changes_ ? kKnownTime : kEventTime);
  const LatenessSplit split =
      state.parts.has_value()
          ? split_late_by_part(
                times, *rows.find(kSequence), silver_.allowed_lateness, &*state.parts)
          : split_late(times, silver_.allowed_lateness, state.newest);
  state.newest = split.newest;
  output.late = rows.take(split.late);
  output.rows = split.late.empty() ? rows : rows.take(split.on_time);
  output.account.out = output.rows.rows();
  output.account.late = output.late.rows();
  output.account.quarantined = static_cast<int64_t>(refused.rejects.size());
  output.quarantine = quarantine(input, std::move(refused));
  if (!output.account.balances()) {
    return Status(Code::kInternal,
                  "silver table `" + silver_.name + "`: rows in and out do not balance");
  }
  output.state = std::move(state);
  return output;
}

}  // namespace assay::silver

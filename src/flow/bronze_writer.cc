#include "flow/bronze_writer.h"

#include <algorithm>
#include <iterator>

#include "base/fail_point.h"
#include "base/suggest.h"
#include "bronze/contract.h"
#include "flow/part_facts.h"
#include "flow/part_position.h"
#include "ingest/kafka_marks.h"
#include "privacy/key.h"
#include "quality/quarantine.h"

namespace assay::flow {
namespace {

/// Of parts, duplicates are looked up in whole spans: small batches would else ask the table each
/// time for a sliver more. A span is a part of what is asked for anyway, between these.
constexpr int64_t kSpanMin = 60 * kMicrosPerSecond;
constexpr int64_t kSpanMax = 3600 * kMicrosPerSecond;
constexpr int64_t kSpansOfARange = 4;
/// Rows of the table that are taken into the index at once.
constexpr int64_t kLoadedRows = 100'000;

/// Tell of a CSV file whose header lacks a required column: it was not written for this table, or
/// has no header. Its rows all go to quarantine; its first line is told here, since no row stands
/// for it.
void warn_of_header(Log& log,
                    const catalog::BronzeDef& definition,
                    const ingest::RecordBatch& records) {
  if (records.format != catalog::Format::kCsv || records.first.record() != 0) {
    return;
  }
  for (const catalog::ColumnDef& column : definition.columns) {
    const auto found = std::find(records.header.begin(), records.header.end(), column.field());
    if (column.required && found == records.header.end()) {
      std::string header;
      for (const std::string& name : records.header) {
        header += (header.empty() ? "" : ",") + name;
      }
      log.warn("csv_header_lacks_required_column",
               {{"table", definition.name},
                {"file", records.file},
                {"column", column.field() + did_you_mean(column.field(), records.header)},
                {"header", header}});
    }
  }
}

/// SQL of the rows with such event times.
std::string where_in(const bronze::TimeRange& range) {
  return "event_time >= TIMESTAMPTZ '" + format_time(range.first) +
         "' AND event_time <= TIMESTAMPTZ '" + format_time(range.last) + "'";
}

/// Without a lake the table has what duplicates are known by.
data::SchemaPtr schema_of_duplicates(const bronze::BronzeOperator& operation,
                                     const catalog::BronzeDef& definition) {
  const std::vector<std::string> columns = operation.dedup_columns();
  std::vector<data::Field> fields;
  for (const data::Field& field : operation.schema()->fields()) {
    const auto names = [&](const std::vector<std::string>& list) {
      return std::count(list.begin(), list.end(), field.name) != 0;
    };
    if (names(columns) || names(definition.partition_by)) {
      fields.push_back(field);
    }
  }
  return data::make_schema(std::move(fields));
}

/// The ranges widened to whole spans, where that stays within what a table may hold.
void widen(Duration dedup_for, std::vector<bronze::TimeRange>* ranges) {
  const int64_t span = std::clamp(dedup_for.micros / kSpansOfARange, kSpanMin, kSpanMax);
  for (bronze::TimeRange& range : *ranges) {
    if (range.first > kFirstInstant && range.last < kEndInstant) {
      range.first = {floor_to(range.first.micros, span)};
      range.last = {floor_to(range.last.micros, span) + span - 1};
    }
  }
}

}  // namespace

Result<std::unique_ptr<bronze::BronzeOperator>> make_bronze_operator(
    Workspace& workspace, const catalog::BronzeDef& definition, int threads) {
  bronze::BronzeOptions options;
  options.source = workspace.project().sources.at(definition.source);
  options.threads = threads;
  bool personal = false;
  for (const catalog::ColumnDef& column : definition.columns) {
    personal = personal || column.scrub != catalog::Scrub::kNone || !column.pii.empty();
  }
  if (personal) {
    ASSAY_ASSIGN_OR_RETURN(
        options.key, privacy::load_or_create_key(workspace.world(), workspace.project().folder));
  }
  return bronze::BronzeOperator::create(definition, options);
}

Result<std::unique_ptr<BronzeWriter>> BronzeWriter::open(Workspace& workspace,
                                                         const std::string& name,
                                                         const RunOptions& options) {
  const catalog::BronzeDef& definition = workspace.project().bronze.at(name);
  std::unique_ptr<BronzeWriter> writer(new BronzeWriter(workspace, name));
  writer->turn_wait_max_ = options.turn_wait;
  writer->turn_wait_ = options.turn_wait;
  writer->keys_memory_ = {join_path(workspace.project().folder, kStateFolder),
                          options.duplicates_bytes};
  Metrics& metrics = workspace.world().metrics;
  writer->keys_memory_bytes_ = &metrics.gauge("assay_flow_keys_memory_bytes",
                                              "Memory of keys by which duplicates are told",
                                              {{"name", name}});
  writer->keys_file_bytes_ = &metrics.gauge(
      "assay_flow_keys_file_bytes", "Files of keys that memory does not hold", {{"name", name}});
  ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.bronze_table_key(name));
  writer->app_id_ = workspace.app_id(key);
  writer->taken_.emplace(writer->app_id_);
  ASSAY_ASSIGN_OR_RETURN(writer->operation_,
                         make_bronze_operator(workspace, definition, options.threads));
  writer->state_ = writer->operation_->initial_state(writer->keys_memory_);
  writer->kept_ = workspace.project().has_lake
                      ? writer->operation_->schema()
                      : schema_of_duplicates(*writer->operation_, definition);
  ASSAY_ASSIGN_OR_RETURN(
      writer->table_,
      workspace.open_or_create_table(key, {key, writer->kept_, definition.partition_by}));
  if (workspace.project().has_lake && !options.is_live) {  // else it is opened every other second
    const Status told = tell_of_rows_not_known_yet(workspace, definition, key);
    if (!told.ok()) {  // a hint stops no line
      workspace.world().log.warn("cannot_tell_of_rows_not_known_yet", {{"why", told.to_string()}});
    }
  }
  const lake::TableSpec quarantine{key + "_quarantine", quality::quarantine_schema(), {"dt"}};
  ASSAY_ASSIGN_OR_RETURN(writer->quarantine_, SideTable::open(workspace, quarantine, "position"));
  const catalog::SourceDef& source = workspace.project().sources.at(definition.source);
  if (source.kafka.has_value() && !source.kafka->dead_letter.empty()) {
    ASSAY_ASSIGN_OR_RETURN(writer->dead_letters_,
                           DeadLetters::open(workspace.world(), source, name, options.ask_timeout));
  }
  return writer;
}

Result<int64_t> BronzeWriter::position() {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
  return snapshot->txn(app_id_).value_or(0);
}

/// What the table says of each of the first `parts` parts under such an id.
Result<std::map<int64_t, int64_t>> BronzeWriter::said_of_parts(
    int64_t parts, std::string (*id_of)(const std::string&, int64_t)) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
  std::map<int64_t, int64_t> said;
  for (int64_t ordinal = 0; ordinal < parts; ++ordinal) {
    const std::optional<int64_t> number = snapshot->txn(id_of(app_id_, ordinal));
    if (number.has_value()) {
      said[ordinal] = *number;
    }
  }
  return said;
}

Result<std::map<int64_t, int64_t>> BronzeWriter::part_positions(int64_t parts) {
  return said_of_parts(parts, part_app_id);
}

Result<std::map<int64_t, int64_t>> BronzeWriter::part_marks(int64_t parts) {
  return said_of_parts(parts, part_last_app_id);
}

Result<std::map<int64_t, EventTime>> BronzeWriter::part_times(int64_t parts) {
  ASSAY_ASSIGN_OR_RETURN(const auto said, said_of_parts(parts, part_time_app_id));
  std::map<int64_t, EventTime> times;
  for (const auto& [ordinal, time] : said) {
    times[ordinal] = EventTime{time};
  }
  return times;
}

Result<BronzeWriter::Journaled> BronzeWriter::journaled() {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
  const std::optional<int64_t> said_at = snapshot->txn(said_at_app_id(app_id_));
  return Journaled{snapshot->txn(epoch_app_id(app_id_)).value_or(0),
                   snapshot->txn(reads_app_id(app_id_)).value_or(0),
                   read_part_facts(*snapshot, app_id_),
                   said_at.has_value() ? std::optional(EventTime{*said_at}) : std::nullopt};
}

/// Load from the table the accepted rows with such event times, where that was not done.
Status BronzeWriter::load_accepted(std::vector<bronze::TimeRange> needed) {
  if (workspace_.project().sources.at(definition().source).kafka.has_value()) {
    widen(definition().dedup_for, &needed);
  }
  for (const bronze::TimeRange& range : needed) {
    if (ranges_.empty() || ranges_.back() != range) {
      ranges_.push_back(range);
    }
  }
  ASSAY_RETURN_IF_ERROR(make_room());
  for (const bronze::TimeRange& range : state_.dedup.missing(needed)) {
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
    ASSAY_ASSIGN_OR_RETURN(const std::string relation,
                           table_->relation(*snapshot, where_in(range)));
    ASSAY_RETURN_IF_ERROR(load_accepted_of(relation, range));
  }
  return {};
}

Status BronzeWriter::load_accepted_of(const std::string& relation, const bronze::TimeRange& range) {
  ASSAY_ASSIGN_OR_RETURN(
      const std::unique_ptr<data::BatchReader> rows,
      workspace_.sql().stream("SELECT " + column_list(operation_->dedup_columns()) + " FROM " +
                                  relation + " WHERE " + where_in(range),
                              kLoadedRows));
  return operation_->load_accepted(*rows, range, &state_);
}

/// Rows that are not in the table yet asked for the ranges of this epoch or of the one before.
Status BronzeWriter::make_room() {
  if (state_.dedup.is_full()) {
    std::vector<bronze::TimeRange> needed = last_ranges_;
    needed.insert(needed.end(), ranges_.begin(), ranges_.end());
    ASSAY_RETURN_IF_ERROR(state_.dedup.make_room(needed).with_context("keys of bronze." + name_));
  }
  keys_memory_bytes_->set(static_cast<double>(state_.dedup.bytes()));
  keys_file_bytes_->set(static_cast<double>(state_.dedup.files().file_bytes()));
  return {};
}

Result<data::Batch> BronzeWriter::take(const ingest::RecordBatch& records) {
  warn_of_header(workspace_.world().log, definition(), records);
  clock_.look();
  ASSAY_ASSIGN_OR_RETURN(bronze::ReadRecords read, operation_->read(records));
  ASSAY_RETURN_IF_ERROR(load_accepted(operation_->needed_ranges(read)));
  ASSAY_ASSIGN_OR_RETURN(bronze::BronzeOutput output,
                         operation_->process(records, std::move(read), std::move(state_)));
  state_ = std::move(output.state);
  quality::log_warnings(output.checks, "bronze." + name_, workspace_.world().log);
  pending_.bytes += output.rows.bytes() + output.quarantine.bytes();
  pending_.rows.push_back(output.rows);
  pending_.quarantine.push_back(std::move(output.quarantine));
  pending_.account += output.account;
  return std::move(output.rows);
}

Status BronzeWriter::commit_quarantine(const Pending& pending, const Reached& reached) {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rejected,
                         data::concat(quality::quarantine_schema(), pending.quarantine));
  ASSAY_RETURN_IF_ERROR(commit_to_quarantine(rejected, reached));
  return send_letters(rejected);
}

Status BronzeWriter::look_for_letters_topic() {
  return dead_letters_ == nullptr ? Status() : dead_letters_->look_for_topic();
}

/// Behind quarantine, so that a lake that is away is not tried with the same letters again and
/// again.
Status BronzeWriter::send_letters(const data::Batch& rejected) {
  return dead_letters_ == nullptr ? Status() : dead_letters_->send(rejected);
}

Status BronzeWriter::commit_to_quarantine(const data::Batch& rejected, const Reached& reached) {
  if (reached.parts.empty()) {
    return quarantine_->commit(rejected, reached.position);
  }
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
  SideTable::Parts parts{{}, reached.parts};
  for (const auto& [ordinal, end] : reached.parts) {
    const std::optional<int64_t> begun = snapshot->txn(part_app_id(app_id_, ordinal));
    if (begun.has_value()) {
      parts.begun[ordinal] = *begun;
    }
  }
  return quarantine_->commit_parts(rejected, parts);
}

Status BronzeWriter::add_positions(const Reached& reached, lake::CommitRequest* request) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
  const auto add = [&](const std::string& id, int64_t value) {
    request->txns.push_back({id, value, snapshot->txn(id)});
  };
  if (reached.parts.empty()) {
    add(app_id_, reached.position);
  }
  for (const auto& [ordinal, position] : reached.parts) {
    if (snapshot->txn(part_app_id(app_id_, ordinal)) != position) {
      add(part_app_id(app_id_, ordinal), position);
    }
  }
  for (const auto& [ordinal, mark] : reached.marks) {
    if (snapshot->txn(part_last_app_id(app_id_, ordinal)).value_or(ingest::KafkaMark::kNone) !=
        mark) {
      add(part_last_app_id(app_id_, ordinal), mark);
    }
  }
  if (reached.epoch.has_value()) {
    add(epoch_app_id(app_id_), *reached.epoch);
    add(reads_app_id(app_id_), reached.reads);
  }
  std::vector<lake::TxnUpdate>& txns = request->txns;
  if (reached.facts.has_value()) {
    std::ranges::move(say_part_facts(*reached.facts, *snapshot, app_id_), std::back_inserter(txns));
    add(said_at_app_id(app_id_), workspace_.world().clock.now().micros);
  }
  for (const auto& [id, times] : reached.times) {
    std::ranges::move(say_part_times(times, *snapshot, id), std::back_inserter(txns));
  }
  return {};
}

/// The rows that the table gets; without a lake, and without a key, none.
Result<data::Batch> BronzeWriter::rows_to_keep(const Pending& pending) const {
  if (!workspace_.project().has_lake && definition().key.empty()) {
    return data::Batch::empty(kept_);
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, data::concat(operation_->schema(), pending.rows));
  return workspace_.project().has_lake ? rows : rows.select(kept_->names());
}

Status BronzeWriter::commit(const Pending& pending, const Reached& reached, StageAccount* total) {
  StageAccount account;
  account.stage = "bronze";
  account.name = name_;
  account.rows = pending.account;
  ASSAY_RETURN_IF_ERROR(check_account(account));
  ASSAY_RETURN_IF_ERROR(commit_quarantine(pending, reached));
  fail_point("flow.bronze.between_commits");

  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, rows_to_keep(pending));
  lake::CommitRequest request;
  request.operation = "STREAMING UPDATE";
  request.parameters = account_parameters(pending.account);
  request.parameters["stage"] = "bronze";
  ASSAY_ASSIGN_OR_RETURN(request.adds, table_->write_files(rows));
  ASSAY_RETURN_IF_ERROR(add_positions(reached, &request));
  ASSAY_ASSIGN_OR_RETURN(const lake::TxnUpdate fingerprint, workspace_.fingerprint_update(*table_));
  request.txns.push_back(fingerprint);
  ASSAY_RETURN_IF_ERROR(table_->commit(request).status());
  fail_point("flow.bronze.after_commit");
  total->rows += pending.account;
  total->commits += 1;
  return {};
}

void BronzeWriter::forget() {
  state_.dedup.keep_only({});
}

Result<std::set<int64_t>> BronzeWriter::present(std::span<const int64_t> positions) {
  std::string list;
  for (const int64_t position : positions) {
    list += (list.empty() ? "" : ",") + std::to_string(position);
  }
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch rows,
      workspace_.read_table(table_->key(),
                            bronze::kSequence,
                            std::string(bronze::kSequence) + " IN (" + list + ")",
                            ""));
  const auto found = rows.column(0).values<int64_t>();
  return std::set<int64_t>(found.begin(), found.end());
}

Result<bool> BronzeWriter::has_read(int64_t position) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
  const int64_t ordinal = ingest::Position{position}.file_ordinal();
  const std::string id = workspace_.reads_parts(name_) ? part_app_id(app_id_, ordinal) : app_id_;
  return snapshot->txn(id).value_or(0) > position;
}

Result<bronze::BronzeOutput> BronzeWriter::replay(const ingest::RecordBatch& records, bool is_own) {
  // Records that came later may have been accepted in the place of these.
  state_ = {bronze::DedupIndex(definition().dedup_for, false, keys_memory_), {}};
  ASSAY_ASSIGN_OR_RETURN(bronze::ReadRecords read, operation_->read(records));
  ASSAY_RETURN_IF_ERROR(load_accepted(operation_->needed_ranges(read)));
  ASSAY_ASSIGN_OR_RETURN(bronze::BronzeOutput output,
                         operation_->process(records, std::move(read), std::move(state_)));
  state_ = operation_->initial_state(keys_memory_);
  data::Account moved = output.account;
  moved.quarantined = 0;
  moved.in = moved.out + moved.filtered + moved.duplicates;
  if (is_own) {  // they came in before, and are no longer quarantined
    moved.quarantined = -moved.in;
    moved.in = 0;
  }
  if (output.account.in == output.account.quarantined) {
    return output;
  }
  lake::CommitRequest request;
  request.operation = "STREAMING UPDATE";
  request.parameters = account_parameters(moved);
  request.parameters["stage"] = "bronze";
  request.parameters["replay"] = "quarantine";
  ASSAY_ASSIGN_OR_RETURN(request.adds, table_->write_files(output.rows));
  ASSAY_ASSIGN_OR_RETURN(const lake::TxnUpdate fingerprint, workspace_.fingerprint_update(*table_));
  request.txns.push_back(fingerprint);
  ASSAY_RETURN_IF_ERROR(table_->commit(request).status());
  fail_point("flow.bronze.replayed");
  return output;
}

Status BronzeWriter::finish() {
  ASSAY_ASSIGN_OR_RETURN(const quality::CheckResults checks, operation_->finish(state_));
  quality::log_warnings(checks, "bronze." + name_, workspace_.world().log);
  return {};
}

}  // namespace assay::flow

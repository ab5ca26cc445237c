#include "flow/kafka_line.h"

#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "base/fail_point.h"
#include "base/pause.h"
#include "bronze/contract.h"
#include "data/wire_schema.h"
#include "flow/direct_line.h"
#include "flow/lag_metrics.h"

namespace assay::flow {
namespace {

/// How long the records of a journal may take to come again.
constexpr Duration kReadAgainWait{60 * kMicrosPerSecond};
/// So many are held at once, or one read's.
constexpr int64_t kReadAgainRecords = 100'000;
/// Epochs that may be in journals: one on its way to the lake, and one that is read.
constexpr int64_t kEpochsMax = 2;

/// Tell in the metrics what silver tables are to say, by the ids of theirs.
Status tell_times(Workspace& workspace, const std::map<std::string, silver::PartTimes>& times) {
  for (const auto& [name, definition] : workspace.project().silver) {
    ASSAY_ASSIGN_OR_RETURN(const std::string key, workspace.silver_table_key(name));
    const auto of_table = times.find(workspace.app_id(key));
    if (of_table != times.end()) {
      tell_part_times(workspace, name, of_table->second);
    }
  }
  return {};
}

/// Remove the journals of tables that no definition has any more: views of those are made anew.
Status remove_others(Workspace& workspace, ReadJournal& journal) {
  std::vector<std::string> keys;
  for (const auto& [name, definition] : workspace.project().bronze) {
    ASSAY_ASSIGN_OR_RETURN(keys.emplace_back(), workspace.bronze_table_key(name));
  }
  return journal.remove_others(keys);
}

}  // namespace

bool keeps_kafka_columns(const catalog::BronzeDef& bronze) {
  return std::any_of(
      bronze.columns.begin(), bronze.columns.end(), [](const catalog::ColumnDef& column) {
        return std::count(
                   catalog::kKafkaColumns.begin(), catalog::kKafkaColumns.end(), column.name) != 0;
      });
}

void note_newest_times(const catalog::BronzeDef& bronze,
                       const data::Batch& rows,
                       std::map<int64_t, EventTime>* newest) {
  const auto sequences = rows.find(bronze::kSequence)->values<int64_t>();
  // Of a table of changes lateness goes by known time: an old event may be corrected any time.
  const auto times =
      rows.find(bronze.of_changes ? bronze::kKnownTime : bronze::kEventTime)->values<int64_t>();
  for (std::size_t row = 0; row < times.size(); ++row) {
    const auto [entry, is_new] =
        newest->try_emplace(ingest::Position{sequences[row]}.file_ordinal(), EventTime{times[row]});
    entry->second = std::max(entry->second, EventTime{times[row]});
  }
}

Result<std::unique_ptr<KafkaLine>> KafkaLine::open(Workspace& workspace,
                                                   const std::string& bronze,
                                                   const RunOptions& options,
                                                   bool* source_failed) {
  std::unique_ptr<KafkaLine> line(new KafkaLine(workspace));
  ASSAY_ASSIGN_OR_RETURN(line->writer_, BronzeWriter::open(workspace, bronze, options));
  const catalog::BronzeDef& definition = line->writer_->definition();
  line->gauge_.emplace(definition.source,
                       bronze,
                       workspace.project().sources.at(definition.source).kafka->rejects_max);
  ASSAY_ASSIGN_OR_RETURN(
      line->source_,
      ingest::KafkaSource::open(workspace.world(),
                                workspace.project().sources.at(definition.source),
                                line->ledger_,
                                {.keep_meta = keeps_kafka_columns(definition),
                                 .timeout = options.ask_timeout,
                                 .stop = options.stop,
                                 .wakeup = options.wakeup,
                                 .waits_for_registry = options.waits_for_registry,
                                 .left_askers = options.left_askers}));
  const Status placed = line->find_place();
  if (source_failed != nullptr) {
    *source_failed = !placed.ok();
  }
  ASSAY_RETURN_IF_ERROR(placed);
  line->begins_anew_ = options.begins_anew;
  line->journal_ = std::make_unique<ReadJournal>(
      workspace.world(), workspace.project().folder, line->writer_->table().key());
  ASSAY_RETURN_IF_ERROR(remove_others(workspace, *line->journal_));
  ASSAY_ASSIGN_OR_RETURN(line->fast_path_, FastPath::open(workspace, bronze));
  ASSAY_ASSIGN_OR_RETURN(const BronzeWriter::Journaled held, line->writer_->journaled());
  line->epoch_ = held.epoch + 1;
  line->reads_ = held.reads;
  line->facts_ = held.facts;
  line->watch_.catch_up(held.facts.line_clock, workspace.world().clock.monotonic());
  line->note_answer();
  return line;
}

Status KafkaLine::find_place() {
  ASSAY_RETURN_IF_ERROR(source_->discover().status());
  ASSAY_RETURN_IF_ERROR(writer_->look_for_letters_topic());
  return seek();
}

void KafkaLine::note_answer() {
  watch_.note_answer(
      workspace_.world().clock.monotonic(), source_->known_ends(), source_->positions());
}

Status KafkaLine::note_pause() {
  ASSAY_ASSIGN_OR_RETURN(const BronzeWriter::Journaled held, writer_->journaled());
  if (held.said_at.has_value()) {
    watch_.note_pause({workspace_.world().clock.now().micros - held.said_at->micros});
  }
  return {};
}

Status KafkaLine::recover(StageAccount* total) {
  ASSAY_RETURN_IF_ERROR(journal_->remove_up_to(epoch_ - 1));
  std::vector<std::vector<JournaledRead>> epochs;
  int64_t in_journals = 0;
  for (int64_t epoch = epoch_; epoch < epoch_ + kEpochsMax; ++epoch) {
    Result<std::vector<JournaledRead>> reads = journal_->read(epoch);
    if (reads.code() == Code::kCorrupt) {
      workspace_.world().log.error(
          "journal_of_reads_is_damaged",
          {{"table", "bronze." + name()}, {"why", reads.status().to_string()}});
      return give_up_epochs();
    }
    ASSAY_RETURN_IF_ERROR(reads.status());
    in_journals += static_cast<int64_t>(reads->size());
    epochs.push_back(*std::move(reads));
  }
  if (in_journals == 0) {
    return journal_->remove_up_to(epoch_ + kEpochsMax);  // perhaps the beginning of a first read
  }
  const bool is_of_this_rule = epochs.front().empty() || epochs.front().front().before.has_value();
  if (!workspace_.project().has_lake && !is_of_this_rule && !begins_anew_) {
    return {Code::kFailedPrecondition,
            "the reads in `.assay/reads` that bronze." + name() +
                " has not committed are of a version of Assay that judged late rows otherwise: "
                "start that version once more and end it with SIGTERM, which leaves none; or with "
                "--begin-anew views are made anew, and topics are read from their beginning"};
  }
  // What a view has beyond the journals cannot be made again: their end was lost.
  ASSAY_RETURN_IF_ERROR(fast_path_->place({reads_, in_journals}));
  ASSAY_RETURN_IF_ERROR(check_places());
  ASSAY_ASSIGN_OR_RETURN(const bool is_known, fast_path_->judge_behind_table());
  if (!is_known || !is_of_this_rule) {
    return give_up_epochs();  // views may have rows by other verdicts than the lake will
  }
  is_journaling_ = true;
  for (std::size_t i = 0; i < epochs.size() && !epochs[i].empty(); ++i) {
    ASSAY_ASSIGN_OR_RETURN(const bool is_same, repeat(epochs[i]));
    if (!is_same) {
      // They are not what they were: what the views have of them cannot be told any more.
      return give_up_epochs();
    }
    std::optional<silver::PartFacts> said;  // when the reads behind it were judged
    if (i + 1 < epochs.size() && !epochs[i + 1].empty()) {
      said = epochs[i + 1].front().before;
    }
    ASSAY_ASSIGN_OR_RETURN(std::optional<EpochEnd> end, end_epoch_saying(said));
    if (!end.has_value()) {
      return give_up_epochs();
    }
    ASSAY_RETURN_IF_ERROR(writer_->commit(end->pending, end->reached, total));
    ASSAY_RETURN_IF_ERROR(note_committed());
  }
  is_journaling_ = false;
  return journal_->remove_up_to(epoch_ + kEpochsMax);
}

Status KafkaLine::give_up_epochs() {
  (void)writer_->take_pending();
  writer_->forget();
  ASSAY_ASSIGN_OR_RETURN(const BronzeWriter::Journaled held, writer_->journaled());
  reads_ = held.reads;
  epoch_reads_ = 0;
  is_journaling_ = false;
  facts_ = held.facts;
  ASSAY_RETURN_IF_ERROR(fast_path_->drop_views_ahead());
  ASSAY_RETURN_IF_ERROR(journal_->remove_up_to(epoch_ + kEpochsMax));
  if (!workspace_.project().has_lake) {
    return lost_its_place(name());
  }
  const Status placed = seek();
  has_source_failed_ = !placed.ok();
  return placed;
}

/// Make an epoch's reads again, some at a time; false when their records are not what they were.
Result<bool> KafkaLine::repeat(std::span<const JournaledRead> reads) {
  while (!reads.empty()) {
    std::size_t count = 0;
    for (int64_t records = 0; count < reads.size(); ++count) {
      records += reads[count].records;
      if (count > 0 && records > kReadAgainRecords) {
        break;
      }
    }
    ASSAY_ASSIGN_OR_RETURN(const std::optional<std::vector<ingest::RecordBatch>> batches,
                           read_again(reads.first(count)));
    if (!batches.has_value()) {
      return false;
    }
    for (const ingest::RecordBatch& batch : *batches) {
      ++reads_;
      ++epoch_reads_;
      ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, take_in(batch));
      ASSAY_RETURN_IF_ERROR(fast_path_->apply(rows, reads_));
    }
    reads = reads.subspan(count);
  }
  return true;
}

namespace {

/// Numbers of the schemas that keys in wire format name, whatever their text was made into.
std::set<int32_t> schemas_of_keys(const data::Batch& meta) {
  std::set<int32_t> numbers;
  for (int64_t row = 0; row < meta.rows(); ++row) {
    const data::Column& raw = *meta.find(ingest::kRawKey);
    const data::Column& key = raw.is_valid(row) ? raw : meta.column(catalog::kKey);
    const std::optional<data::WireRecord> record =
        key.is_null(row) ? std::nullopt : data::split_wire_record(key.text(row));
    if (record) {
      numbers.insert(record->schema);
    }
  }
  return numbers;
}

}  // namespace

bool restore_schemas(const JournaledRead& read,
                     bool keys_have_schemas,
                     ingest::RecordBatch* batch) {
  const auto was_known = [&](int32_t number) {
    return std::count(read.unknown_schemas.begin(), read.unknown_schemas.end(), number) == 0;
  };
  if (keys_have_schemas) {  // their text is made already, with the schemas of today
    for (const int32_t number : schemas_of_keys(batch->meta)) {
      const auto found = batch->schemas.find(number);
      const bool is_known = found != batch->schemas.end() && found->second != nullptr;
      if (was_known(number) != is_known) {
        return false;
      }
    }
  }
  for (const int32_t number : read.unknown_schemas) {
    batch->schemas[number] = nullptr;
  }
  return std::all_of(batch->records.begin(), batch->records.end(), [&](std::string_view bytes) {
    const std::optional<data::WireRecord> record = data::split_wire_record(bytes);
    const auto found = record ? batch->schemas.find(record->schema) : batch->schemas.end();
    return found == batch->schemas.end() || found->second != nullptr || !was_known(record->schema);
  });
}

/// The records of these reads, made again; nothing when there are others than there were.
Result<std::optional<std::vector<ingest::RecordBatch>>> KafkaLine::read_again(
    std::span<const JournaledRead> reads) {
  ingest::PartPositions end;
  for (const JournaledRead& read : reads) {
    for (const auto& [ordinal, position] : read.part_end) {
      end[ordinal] = position;
    }
  }
  Result<ingest::RecordBatch> found = source_->read_until(end, kReadAgainWait);
  has_source_failed_ = !found.ok();
  ASSAY_ASSIGN_OR_RETURN(const ingest::RecordBatch all, std::move(found));
  std::map<int64_t, std::vector<int64_t>> of_part;  // records by part, by position
  for (int64_t i = 0; i < all.size(); ++i) {
    of_part[ingest::Position{all.position_of(i)}.file_ordinal()].push_back(i);
  }
  const auto& registry = workspace_.project().sources.at(writer_->definition().source).registry;
  const bool keys_have_schemas = registry.has_value() && registry->keys_have_schemas;
  std::map<int64_t, std::size_t> taken;
  std::vector<ingest::RecordBatch> batches;
  for (const JournaledRead& read : reads) {
    std::vector<int64_t> records;
    for (const auto& [ordinal, position] : read.part_end) {
      const std::vector<int64_t>& part = of_part[ordinal];
      std::size_t& next = taken[ordinal];
      while (next < part.size() && all.position_of(part[next]) < position) {
        records.push_back(part[next++]);
      }
    }
    batches.push_back(ingest::select_records(all, records));
    batches.back().received = read.received;
    batches.back().part_end = read.part_end;
    if (static_cast<int64_t>(records.size()) != read.records ||
        !restore_schemas(read, keys_have_schemas, &batches.back())) {
      workspace_.world().log.error("kafka_records_changed_since_they_were_read",
                                   {{"source", writer_->definition().source},
                                    {"read", read.records},
                                    {"found", static_cast<int64_t>(records.size())}});
      return std::optional<std::vector<ingest::RecordBatch>>();
    }
  }
  return std::optional(std::move(batches));
}

Status KafkaLine::begin_epoch() {
  ASSAY_RETURN_IF_ERROR(fast_path_->judge_behind_table().status());
  // The lake has all epochs before: what is ahead of it now is of none, and made anew at once.
  ASSAY_RETURN_IF_ERROR(fast_path_->place({reads_, 0}));
  ASSAY_RETURN_IF_ERROR(check_places());
  const std::vector<std::string> dropped = fast_path_->take_dropped();
  for (const std::string& view : dropped) {
    ASSAY_RETURN_IF_ERROR(run_online_stage(workspace_, view, {}).status());
  }
  if (!dropped.empty()) {
    ASSAY_RETURN_IF_ERROR(fast_path_->place({reads_, 0}));
  }
  is_journaling_ = fast_path_->views() > 0;
  is_fast_ = true;
  return {};
}

Status KafkaLine::check_places() const {
  return workspace_.project().has_lake || fast_path_->have_all_a_place() ? Status()
                                                                         : lost_its_place(name());
}

Status KafkaLine::follow_lake() {
  if (!is_journaling_) {
    return {};
  }
  ASSAY_RETURN_IF_ERROR(fast_path_->follow_lake());
  return check_places();
}

bool KafkaLine::must_wait_for_lake() const {
  return is_fast_ && fast_path_->has_view_to_join();
}

Status KafkaLine::seek() {
  must_seek_ = true;
  ASSAY_ASSIGN_OR_RETURN(const auto known,
                         ledger_.known(ingest::kafka_ledger_name(writer_->definition().source)));
  ingest::PartsDone done;
  ASSAY_ASSIGN_OR_RETURN(done.positions,
                         writer_->part_positions(static_cast<int64_t>(known.size())));
  ASSAY_ASSIGN_OR_RETURN(done.marks, writer_->part_marks(static_cast<int64_t>(known.size())));
  ASSAY_RETURN_IF_ERROR(source_->seek(done));
  ASSAY_ASSIGN_OR_RETURN(const auto placed,  // a topic that was made anew has one more
                         ledger_.known(ingest::kafka_ledger_name(writer_->definition().source)));
  placed_parts_ = placed.size();
  must_seek_ = false;
  return {};
}

Result<bool> KafkaLine::note_look(const Result<ingest::KafkaLook>& look, Duration asked_at) {
  if (!look.ok()) {
    watch_.note_no_answer();
    return look.status();
  }
  ASSAY_ASSIGN_OR_RETURN(const ingest::PartsSeen seen, source_->see(*look));
  if (seen.are_others) {
    return find_partitions();
  }
  watch_.note_answer(asked_at, seen.ends, source_->positions());
  // Another table of the source may have numbered some, or this one, where a later question failed.
  ASSAY_ASSIGN_OR_RETURN(const auto known,
                         ledger_.known(ingest::kafka_ledger_name(writer_->definition().source)));
  must_seek_ = must_seek_ || known.size() != placed_parts_;
  return must_seek_;
}

/// Ask the brokers for partitions that are not read yet.
Result<bool> KafkaLine::find_partitions() {
  const Result<int64_t> found = source_->discover();
  // Some may be in the ledger although a later question failed: they count, then or the next time.
  ASSAY_ASSIGN_OR_RETURN(const auto known,
                         ledger_.known(ingest::kafka_ledger_name(writer_->definition().source)));
  must_seek_ = must_seek_ || known.size() != placed_parts_;
  if (!found.ok()) {
    watch_.note_no_answer();
    return found.status();
  }
  note_answer();
  if (*found > 0) {
    workspace_.world().log.info("kafka_partitions_found",
                                {{"source", writer_->definition().source}, {"count", *found}});
  }
  return must_seek_;
}

Result<std::optional<data::Batch>> KafkaLine::take(int64_t records_max, Duration wait) {
  if (must_seek_) {
    pause_for(wait);
    return std::optional<data::Batch>();
  }
  Result<std::optional<ingest::RecordBatch>> found = source_->next(records_max, wait);
  has_source_failed_ = !found.ok();
  ASSAY_ASSIGN_OR_RETURN(const std::optional<ingest::RecordBatch> records, std::move(found));
  if (!records.has_value()) {
    return std::optional<data::Batch>();
  }
  if (is_journaling_) {
    JournaledRead read{records->received, records->size(), records->part_end, {}, {}};
    read.before = epoch_reads_ == 0 ? std::optional(facts_) : std::nullopt;
    for (const auto& [number, schema] : records->schemas) {
      if (schema == nullptr) {
        read.unknown_schemas.push_back(number);
      }
    }
    ASSAY_RETURN_IF_ERROR(journal_->add(epoch_, read));
    fail_point("flow.reads.after_journal");
    ++reads_;
    ++epoch_reads_;
  }
  ASSAY_ASSIGN_OR_RETURN(data::Batch rows, take_in(*records));
  if (is_journaling_) {
    ASSAY_RETURN_IF_ERROR(fast_path_->apply(rows, reads_));
    fail_point("flow.reads.after_apply");
  }
  return std::optional<data::Batch>(std::move(rows));
}

Result<data::Batch> KafkaLine::take_in(const ingest::RecordBatch& records) {
  oldest_received_ = oldest_received_.value_or(records.received);
  workspace_.world()
      .metrics.counter("assay_flow_records_read_total", "Records taken", {{"name", name()}})
      .add(records.size());
  const data::Account before = writer_->pending();
  ASSAY_ASSIGN_OR_RETURN(data::Batch rows, writer_->take(records));
  ASSAY_RETURN_IF_ERROR(check_rejects(before));
  return rows;
}

Status KafkaLine::check_rejects(const data::Account& before) {
  return gauge_->add(writer_->pending().in - before.in,
                     writer_->pending().quarantined - before.quarantined,
                     workspace_.world().log);
}

silver::PartFacts KafkaLine::facts() {
  std::set<int64_t> at_end;
  for (const auto& [ordinal, position] : source_->positions()) {
    if (source_->part_at_end(ordinal)) {
      at_end.insert(ordinal);
    }
  }
  return watch_.facts(workspace_.world().clock.monotonic(), source_->positions(), at_end);
}

Result<std::optional<KafkaLine::EpochEnd>> KafkaLine::end_epoch() {
  return end_epoch_saying(std::nullopt);
}

/// `said`: what its commit says of the parts; nothing for what is so now.
Result<std::optional<KafkaLine::EpochEnd>> KafkaLine::end_epoch_saying(
    const std::optional<silver::PartFacts>& said) {
  ASSAY_CHECK(!is_on_its_way_);
  if (writer_->pending().in == 0) {
    return std::optional<EpochEnd>();
  }
  EpochEnd end;
  end.reached.parts = source_->positions();
  end.reached.marks = source_->marks();
  if (writer_->pending().out > 0) {  // silver has a commit only where bronze has rows
    facts_ = merge_part_facts(facts_, said.has_value() ? *said : facts());
    end.reached.facts = facts_;
    fast_path_->judge_behind(facts_);
  }
  if (is_journaling_) {
    ASSAY_RETURN_IF_ERROR(fast_path_->end_epoch(reads_));
    end.reached.epoch = epoch_;
    end.reached.reads = reads_;
    ++epoch_;
    epoch_reads_ = 0;
  }
  if (!workspace_.project().has_lake) {
    ASSAY_ASSIGN_OR_RETURN(end.reached.times, fast_path_->part_times());
    ASSAY_RETURN_IF_ERROR(tell_times(workspace_, end.reached.times));
  }
  end.pending = writer_->take_pending();
  is_on_its_way_ = true;
  return std::optional(std::move(end));
}

Status KafkaLine::note_committed() {
  if (!is_on_its_way_) {
    return {};
  }
  is_on_its_way_ = false;
  fail_point("flow.reads.before_remove");
  return journal_->remove_up_to(epoch_ - 1);
}

Status KafkaLine::commit(StageAccount* total) {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<EpochEnd> end, end_epoch());
  if (end.has_value()) {
    ASSAY_RETURN_IF_ERROR(writer_->commit(end->pending, end->reached, total));
    ASSAY_RETURN_IF_ERROR(note_committed());
  }
  return {};
}

}  // namespace assay::flow

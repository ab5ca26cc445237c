#include "flow/kafka_line.h"

#include <algorithm>

#include "base/fail_point.h"
#include "base/pause.h"
#include "bronze/contract.h"

namespace assay::flow {
namespace {

/// How long the records of a journal may take to come again.
constexpr Duration kReadAgainWait{60 * kMicrosPerSecond};

bool keeps_meta(const catalog::BronzeDef& bronze) {
  return std::any_of(
      bronze.columns.begin(), bronze.columns.end(), [](const catalog::ColumnDef& column) {
        return std::count(
                   catalog::kKafkaColumns.begin(), catalog::kKafkaColumns.end(), column.name) != 0;
      });
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

Result<std::unique_ptr<KafkaLine>> KafkaLine::open(Workspace& workspace,
                                                   const std::string& bronze,
                                                   const RunOptions& options) {
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
                                {.keep_meta = keeps_meta(definition),
                                 .timeout = options.ask_timeout,
                                 .stop = options.stop}));
  ASSAY_RETURN_IF_ERROR(line->source_->discover().status());
  ASSAY_RETURN_IF_ERROR(line->seek());
  line->journal_ = std::make_unique<ReadJournal>(
      workspace.world(), workspace.project().folder, line->writer_->table().key());
  ASSAY_RETURN_IF_ERROR(remove_others(workspace, *line->journal_));
  ASSAY_ASSIGN_OR_RETURN(line->fast_path_, FastPath::open(workspace, bronze));
  ASSAY_ASSIGN_OR_RETURN(line->epoch_, line->writer_->epoch());
  return line;
}

Status KafkaLine::recover(StageAccount* total) {
  ASSAY_RETURN_IF_ERROR(journal_->remove_up_to(epoch_));
  const Result<std::vector<JournaledRead>> journal = journal_->read(epoch_ + 1);
  if (journal.code() == Code::kCorrupt) {
    workspace_.world().log.error(
        "journal_of_reads_is_damaged",
        {{"table", "bronze." + name()}, {"why", journal.status().to_string()}});
    return give_up_epoch();
  }
  ASSAY_RETURN_IF_ERROR(journal.status());
  const std::vector<JournaledRead>& reads = *journal;
  if (reads.empty()) {
    return journal_->remove_up_to(epoch_ + 1);  // a crash left the beginning of its first read
  }
  // What a view has beyond the journal cannot be made again: its end was lost.
  ASSAY_RETURN_IF_ERROR(fast_path_->drop_views_ahead(static_cast<int64_t>(reads.size())));
  ASSAY_RETURN_IF_ERROR(fast_path_->begin_epoch());
  ASSAY_ASSIGN_OR_RETURN(const std::optional<std::vector<ingest::RecordBatch>> batches,
                         read_again(reads));
  if (!batches.has_value()) {
    // They are not what they were: what the views have of them cannot be told any more.
    return give_up_epoch();
  }
  is_journaling_ = true;
  for (const ingest::RecordBatch& batch : *batches) {
    ++reads_;
    ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, take_in(batch));
    ASSAY_RETURN_IF_ERROR(fast_path_->apply(rows, reads_));
  }
  ASSAY_RETURN_IF_ERROR(commit(total));
  is_journaling_ = false;
  return {};
}

Status KafkaLine::give_up_epoch() {
  ASSAY_RETURN_IF_ERROR(fast_path_->drop_views_ahead(0));
  ASSAY_RETURN_IF_ERROR(journal_->remove_up_to(epoch_ + 1));
  return seek();
}

/// The records of these reads, made again; nothing when there are others than there were.
Result<std::optional<std::vector<ingest::RecordBatch>>> KafkaLine::read_again(
    const std::vector<JournaledRead>& reads) {
  ingest::PartPositions end;
  for (const JournaledRead& read : reads) {
    for (const auto& [ordinal, position] : read.part_end) {
      end[ordinal] = position;
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const ingest::RecordBatch all, source_->read_until(end, kReadAgainWait));
  std::map<int64_t, std::vector<int64_t>> of_part;  // records by part, by position
  for (int64_t i = 0; i < all.size(); ++i) {
    of_part[ingest::Position{all.position_of(i)}.file_ordinal()].push_back(i);
  }
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
    if (static_cast<int64_t>(records.size()) != read.records) {
      workspace_.world().log.error("kafka_records_changed_since_they_were_read",
                                   {{"source", writer_->definition().source},
                                    {"read", read.records},
                                    {"found", static_cast<int64_t>(records.size())}});
      return std::optional<std::vector<ingest::RecordBatch>>();
    }
    batches.push_back(ingest::select_records(all, records));
    batches.back().received = read.received;
    batches.back().part_end = read.part_end;
  }
  return std::optional(std::move(batches));
}

Status KafkaLine::begin_epoch() {
  // The lake has all epochs before: what is ahead of it now is of none.
  ASSAY_RETURN_IF_ERROR(fast_path_->drop_views_ahead(0));
  ASSAY_RETURN_IF_ERROR(fast_path_->begin_epoch());
  is_journaling_ = fast_path_->views() > 0;
  return {};
}

Status KafkaLine::seek() {
  must_seek_ = true;
  ASSAY_ASSIGN_OR_RETURN(const auto known,
                         ledger_.known(ingest::kafka_ledger_name(writer_->definition().source)));
  ASSAY_ASSIGN_OR_RETURN(const ingest::PartPositions done,
                         writer_->part_positions(static_cast<int64_t>(known.size())));
  ASSAY_RETURN_IF_ERROR(source_->seek(done));
  ASSAY_ASSIGN_OR_RETURN(const auto placed,  // a topic that was made anew has one more
                         ledger_.known(ingest::kafka_ledger_name(writer_->definition().source)));
  placed_parts_ = placed.size();
  must_seek_ = false;
  return {};
}

Result<bool> KafkaLine::has_new_partitions() {
  const Result<int64_t> found = source_->discover();
  // Some may be in the ledger although a later question failed: they count, then or the next time.
  ASSAY_ASSIGN_OR_RETURN(const auto known,
                         ledger_.known(ingest::kafka_ledger_name(writer_->definition().source)));
  must_seek_ = must_seek_ || known.size() != placed_parts_;
  ASSAY_RETURN_IF_ERROR(found.status());
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
  ASSAY_ASSIGN_OR_RETURN(const std::optional<ingest::RecordBatch> records,
                         source_->next(records_max, wait));
  if (!records.has_value()) {
    return std::optional<data::Batch>();
  }
  if (is_journaling_) {
    ASSAY_RETURN_IF_ERROR(
        journal_->add(epoch_ + 1, {records->received, records->size(), records->part_end}));
    fail_point("flow.reads.after_journal");
    ++reads_;
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
  note_times(rows);
  return rows;
}

Status KafkaLine::check_rejects(const data::Account& before) {
  return gauge_->add(writer_->pending().in - before.in,
                     writer_->pending().quarantined - before.quarantined,
                     workspace_.world().log);
}

void KafkaLine::note_times(const data::Batch& rows) {
  const auto sequences = rows.find(bronze::kSequence)->values<int64_t>();
  // Of a table of changes lateness goes by known time: an old event may be corrected any time.
  const bool of_changes = writer_->definition().of_changes;
  const auto times =
      rows.find(of_changes ? bronze::kKnownTime : bronze::kEventTime)->values<int64_t>();
  for (std::size_t row = 0; row < times.size(); ++row) {
    const auto [entry, is_new] =
        newest_.try_emplace(ingest::Position{sequences[row]}.file_ordinal(), EventTime{times[row]});
    entry->second = std::max(entry->second, EventTime{times[row]});
  }
}

/// The newest event time of the part that is furthest behind. A part that was read to its end holds
/// nothing up; one that was not and has given nothing yet holds up everything.
std::optional<EventTime> KafkaLine::low_time() const {
  std::optional<EventTime> low;
  std::optional<EventTime> newest;
  for (const auto& [ordinal, position] : source_->positions()) {
    const auto found = newest_.find(ordinal);
    const bool is_behind = !source_->part_at_end(ordinal);
    if (found == newest_.end()) {
      if (is_behind) {
        return std::nullopt;
      }
      continue;
    }
    newest = std::max(newest.value_or(EventTime::min()), found->second);
    if (is_behind) {
      low = std::min(low.value_or(EventTime::max()), found->second);
    }
  }
  return low.has_value() ? low : newest;
}

Status KafkaLine::commit(StageAccount* total) {
  if (writer_->pending().in == 0) {
    return {};
  }
  const std::optional<int64_t> epoch = is_journaling_ ? std::optional(epoch_ + 1) : std::nullopt;
  if (epoch.has_value()) {
    ASSAY_RETURN_IF_ERROR(fast_path_->end_epoch(reads_));
  }
  ASSAY_RETURN_IF_ERROR(
      writer_->commit({0, source_->positions(), low_time(), epoch, reads_}, total));
  if (epoch.has_value()) {
    epoch_ = *epoch;
    reads_ = 0;
    fail_point("flow.reads.before_remove");
    ASSAY_RETURN_IF_ERROR(journal_->remove_up_to(epoch_));
  }
  return {};
}

}  // namespace assay::flow

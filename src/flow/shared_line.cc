#include "flow/shared_line.h"

#include <algorithm>

#include "base/fail_point.h"
#include "bronze/contract.h"
#include "flow/kafka_line.h"

namespace assay::flow {

std::string why_not_shared(const catalog::Project& project, const std::string& bronze) {
  for (const catalog::CheckDef& check : project.bronze.at(bronze).checks) {
    if (check.kind == catalog::CheckKind::kUnique) {
      return "bronze." + bronze +
             " has a check `unique`, which speaks of the rows of one process; `key` finds "
             "duplicates in all of them";
    }
  }
  return "";
}

Result<std::unique_ptr<SharedLine>> SharedLine::open(Workspace& workspace,
                                                     const std::string& bronze,
                                                     const std::string& group,
                                                     const RunOptions& options) {
  const std::string why = why_not_shared(workspace.project(), bronze);
  if (!why.empty()) {
    return Status(Code::kFailedPrecondition, why);
  }
  std::unique_ptr<SharedLine> line(new SharedLine(workspace));
  ASSAY_ASSIGN_OR_RETURN(line->writer_, BronzeWriter::open(workspace, bronze, options));
  const catalog::SourceDef& source =
      workspace.project().sources.at(line->writer_->definition().source);
  line->gauge_.emplace(source.name, bronze, source.kafka->rejects_max);
  ASSAY_ASSIGN_OR_RETURN(
      line->source_,
      ingest::KafkaSource::open(workspace.world(),
                                source,
                                line->ledger_,
                                {.keep_meta = keeps_kafka_columns(line->writer_->definition()),
                                 .timeout = options.ask_timeout,
                                 .stop = options.stop,
                                 .wakeup = options.wakeup,
                                 .group = group}));
  ASSAY_RETURN_IF_ERROR(line->source_->discover().status());  // that the topics are there
  ASSAY_RETURN_IF_ERROR(line->source_->join());
  return line;
}

Result<bool> SharedLine::take(int64_t records_max, StageAccount* total) {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<ingest::RecordBatch> records,
                         source_->next(records_max, {0}));
  if (records.has_value()) {
    ASSAY_RETURN_IF_ERROR(note(*records));
  }
  const bool is_decided = source_->rebalance().has_value();
  if (is_decided) {
    ASSAY_RETURN_IF_ERROR(follow_group(total));
  }
  return records.has_value() || is_decided;
}

Status SharedLine::note(const ingest::RecordBatch& records) {
  workspace_.world()
      .metrics.counter("assay_flow_records_read_total", "Records taken", {{"name", name()}})
      .add(records.size());
  const data::Account before = writer_->pending();
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, writer_->take_unjudged(records));
  note_newest_times(writer_->definition(), rows, &newest_);
  return gauge_->add(writer_->pending().in - before.in,
                     writer_->pending().quarantined - before.quarantined,
                     workspace_.world().log);
}

Status SharedLine::follow_group(StageAccount* total) {
  const bool gives = source_->rebalance()->gives;
  ASSAY_RETURN_IF_ERROR(gives ? take_parts() : give_up_parts(total));
  workspace_.world().log.info(
      "partitions_shared_out",
      {{"table", "bronze." + name()}, {"mine", static_cast<int64_t>(source_->part_lags().size())}});
  return {};
}

/// Read on where the table stands: whoever had them has committed, or never will.
Status SharedLine::take_parts() {
  fail_point("flow.share.before_take");
  ASSAY_ASSIGN_OR_RETURN(const auto known,
                         ledger_.known(ingest::kafka_ledger_name(writer_->definition().source)));
  ASSAY_ASSIGN_OR_RETURN(const ingest::PartPositions done,
                         writer_->part_positions(static_cast<int64_t>(known.size())));
  const ingest::PartPositions before = source_->positions();
  ASSAY_RETURN_IF_ERROR(source_->take(done));
  for (const auto& [ordinal, position] : source_->positions()) {
    const auto stands = done.find(ordinal);
    if (!before.contains(ordinal) && stands != done.end()) {
      begun_[ordinal] = stands->second;
    }
  }
  return {};
}

Status SharedLine::give_up_parts(StageAccount* total) {
  const std::set<int64_t> ordinals = source_->rebalance()->ordinals;
  const bool is_lost = source_->rebalance()->is_lost;
  if (is_lost) {
    (void)writer_->take_pending();
  } else {
    ASSAY_RETURN_IF_ERROR(commit(total));
  }
  fail_point("flow.share.before_give_up");
  ASSAY_RETURN_IF_ERROR(source_->give_up());
  for (const int64_t ordinal : ordinals) {
    begun_.erase(ordinal);
    newest_.erase(ordinal);
  }
  if (is_lost && !source_->positions().empty()) {
    // Records of parts that are still here were dropped with the others.
    return {Code::kAborted, "bronze." + name() + ": the group has forgotten this process"};
  }
  return {};
}

/// Its parts that stand elsewhere than the table, and where.
std::map<int64_t, int64_t> SharedLine::moved() const {
  std::map<int64_t, int64_t> moved;
  for (const auto& [ordinal, position] : source_->positions()) {
    const auto stands = begun_.find(ordinal);
    const int64_t before =
        stands == begun_.end() ? ingest::Position::of(ordinal, 0).value : stands->second;
    if (position != before) {
      moved[ordinal] = position;
    }
  }
  return moved;
}

Status SharedLine::commit(StageAccount* total) {
  BronzeWriter::SharedReached reached;
  reached.parts = moved();
  if (reached.parts.empty()) {
    return {};
  }
  for (const auto& [ordinal, position] : source_->positions()) {
    reached.own[ordinal] = source_->part_at_end(ordinal);
  }
  reached.begun = begun_;
  reached.newest = newest_;
  const Result<ingest::PartPositions> ends = source_->ends(false);
  reached.knows_others = ends.ok();  // else times stay as they are, until brokers answer again
  reached.ends_of_others = ends.ok() ? *ends : ingest::PartPositions();
  ASSAY_RETURN_IF_ERROR(writer_->commit_shared(reached, total));
  for (const auto& [ordinal, position] : reached.parts) {
    begun_[ordinal] = position;
  }
  return {};
}

Result<bool> SharedLine::table_reaches(const ingest::PartPositions& ends) {
  ASSAY_ASSIGN_OR_RETURN(const ingest::PartPositions done,
                         writer_->part_positions(ends.empty() ? 0 : ends.rbegin()->first + 1));
  return std::all_of(ends.begin(), ends.end(), [&](const auto& end) {
    const auto stands = done.find(end.first);
    return (stands == done.end() ? ingest::Position::of(end.first, 0).value : stands->second) >=
           end.second;
  });
}

}  // namespace assay::flow

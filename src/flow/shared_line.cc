#include "flow/shared_line.h"

#include <algorithm>
#include <set>

#include "base/fail_point.h"
#include "bronze/contract.h"
#include "flow/kafka_line.h"

namespace assay::flow {
namespace {

/// A commit waits no longer than this to hear where others' partitions end.
constexpr Duration kAskTimeoutMax{2 * kMicrosPerSecond};
/// How long an answer is good; and how long no answer is.
constexpr Duration kAskEvery{1 * kMicrosPerSecond};
constexpr Duration kAskAgainAfter{5 * kMicrosPerSecond};

}  // namespace

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
  line->ask_timeout_ = {std::min(options.ask_timeout.micros, kAskTimeoutMax.micros)};
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
  ASSAY_RETURN_IF_ERROR(line->writer_->look_for_letters_topic());
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
  if (!oldest_received_.has_value()) {
    oldest_received_ = records.received;
  }
  const data::Account before = writer_->pending();
  ASSAY_RETURN_IF_ERROR(writer_->take_unjudged(records));
  return gauge_->add(writer_->pending().in - before.in,
                     writer_->pending().quarantined - before.quarantined,
                     workspace_.world().log);
}

Status SharedLine::follow_group(StageAccount* total) {
  const bool gives = source_->rebalance()->gives;
  ASSAY_RETURN_IF_ERROR(gives ? take_parts() : give_up_parts(total));
  workspace_.world().log.info("partitions_shared_out",
                              {{"table", "bronze." + name()}, {"mine", partitions()}});
  return {};
}

/// Read on where the table stands: whoever had them has committed, or never will.
Status SharedLine::take_parts() {
  fail_point("flow.share.before_take");
  ASSAY_ASSIGN_OR_RETURN(const auto known,
                         ledger_.known(ingest::kafka_ledger_name(writer_->definition().source)));
  ASSAY_ASSIGN_OR_RETURN(
      const ingest::PartPositions done,
      writer_->take_over(source_->rebalance()->ordinals, static_cast<int64_t>(known.size())));
  ASSAY_ASSIGN_OR_RETURN(const ingest::PartMarks marks,
                         writer_->part_marks(static_cast<int64_t>(known.size())));
  const ingest::PartPositions before = source_->positions();
  const std::set<int64_t> given = source_->rebalance()->ordinals;
  ASSAY_RETURN_IF_ERROR(source_->take({done, marks}));
  std::set<int64_t> anew;  // of a topic that was made anew: the table has nothing of them
  for (const auto& [ordinal, position] : source_->positions()) {
    if (!before.contains(ordinal) && !given.contains(ordinal)) {
      anew.insert(ordinal);
    }
  }
  ASSAY_RETURN_IF_ERROR(writer_->take_over(anew, 0).status());
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
  reached.marks = source_->marks();
  reached.begun = begun_;
  ASSAY_ASSIGN_OR_RETURN(reached.facts, facts());
  ASSAY_RETURN_IF_ERROR(writer_->commit_shared(reached, total));
  for (const auto& [ordinal, position] : reached.parts) {
    begun_[ordinal] = position;
  }
  return {};
}

Result<ingest::PartPositions> SharedLine::ends() {
  const Duration now = workspace_.world().clock.monotonic();
  const Duration good_for = ends_.has_value() && !ends_->ok() ? kAskAgainAfter : kAskEvery;
  if (!asked_at_.has_value() || now.micros - asked_at_->micros >= good_for.micros) {
    ends_ = source_->ends(ask_timeout_);
    asked_at_ = workspace_.world().clock.monotonic();
    if (ends_->ok()) {
      ASSAY_ASSIGN_OR_RETURN(const ingest::PartPositions positions, positions_of(**ends_));
      watch_.note_answer(*asked_at_, **ends_, positions);
    } else {
      watch_.note_no_answer();
    }
  }
  return *ends_;
}

/// How far the parts are read that have these ends: this process's as it took them, others' as the
/// table has them.
Result<ingest::PartPositions> SharedLine::positions_of(const ingest::PartPositions& ends) {
  // Of parts that ended too, as those of a topic that is no longer read: they hold nothing up.
  ASSAY_ASSIGN_OR_RETURN(const auto known,
                         ledger_.known(ingest::kafka_ledger_name(writer_->definition().source)));
  ASSAY_ASSIGN_OR_RETURN(ingest::PartPositions positions,
                         writer_->part_positions(static_cast<int64_t>(known.size())));
  for (const auto& [ordinal, end] : ends) {
    positions.try_emplace(ordinal, ingest::Position::of(ordinal, 0).value);
  }
  for (const auto& [ordinal, position] : source_->positions()) {
    positions[ordinal] = position;
  }
  return positions;
}

/// What a commit says of the parts. Where brokers do not tell how far there is to read, nothing was
/// read further than it was.
Result<silver::PartFacts> SharedLine::facts() {
  ASSAY_ASSIGN_OR_RETURN(const BronzeWriter::Journaled held, writer_->journaled());
  const Result<ingest::PartPositions> all = ends();
  const Duration now = workspace_.world().clock.monotonic();
  watch_.catch_up(held.facts.line_clock, now);
  if (!all.ok()) {
    return watch_.facts(now, source_->positions(), {});
  }
  ASSAY_ASSIGN_OR_RETURN(const ingest::PartPositions positions, positions_of(*all));
  std::set<int64_t> at_end;
  for (const auto& [ordinal, position] : positions) {
    const auto end = all->find(ordinal);  // none: another number goes on where it ended
    if (end == all->end() || position >= end->second) {
      at_end.insert(ordinal);
    }
  }
  return watch_.facts(now, positions, at_end);
}

Result<std::vector<ingest::KafkaSource::PartLag>> SharedLine::lags() {
  ASSAY_ASSIGN_OR_RETURN(const ingest::PartPositions all, ends());
  const int64_t parts = all.empty() ? 0 : all.rbegin()->first + 1;
  ASSAY_ASSIGN_OR_RETURN(const ingest::PartPositions done, writer_->part_positions(parts));
  ASSAY_ASSIGN_OR_RETURN(const auto times, writer_->part_times(parts));
  std::map<std::string, ingest::KafkaSource::PartLag> mine;
  for (ingest::KafkaSource::PartLag& lag : source_->part_lags()) {
    mine[lag.name] = std::move(lag);
  }
  const Duration now = workspace_.world().clock.monotonic();
  std::vector<ingest::KafkaSource::PartLag> lags;
  for (const auto& [ordinal, end] : all) {
    const auto read = source_->positions().find(ordinal);
    const auto stands = done.find(ordinal);
    const int64_t position = read != source_->positions().end() ? read->second
                             : stands != done.end()             ? stands->second
                                                    : ingest::Position::of(ordinal, 0).value;
    ingest::KafkaSource::PartLag lag{
        source_->part_name(ordinal), std::max<int64_t>(0, end - position), {}};
    const auto own = mine.find(lag.name);
    const auto time = times.find(ordinal);
    if (own != mine.end()) {
      lag = own->second;
    } else if (time != times.end()) {
      lag.sent = time->second;
    }
    Moved& moved = moved_.try_emplace(ordinal, Moved{lag.name, 0, position, now}).first->second;
    if (lag.records == 0 || moved.position != position) {
      moved.since = now;
    }
    moved.records = lag.records;
    moved.position = position;
    lags.push_back(std::move(lag));
  }
  return lags;
}

std::vector<std::string> SharedLine::unread(Duration for_long) const {
  const Duration now = workspace_.world().clock.monotonic();
  std::vector<std::string> names;
  for (const auto& [ordinal, moved] : moved_) {
    if (moved.records > 0 && now.micros - moved.since.micros >= for_long.micros) {
      names.push_back(moved.name);
    }
  }
  return names;
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

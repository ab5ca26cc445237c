#include "flow/shared_line.h"

#include <algorithm>
#include <set>

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
                                                     const RunOptions& options,
                                                     bool* source_failed) {
  *source_failed = false;
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
                                 .group = group,
                                 .waits_for_registry = options.waits_for_registry,
                                 .left_askers = options.left_askers}));
  const Status found = line->find_topics();
  *source_failed = !found.ok();
  ASSAY_RETURN_IF_ERROR(found);
  return line;
}

Status SharedLine::find_topics() {
  ASSAY_RETURN_IF_ERROR(source_->discover().status());
  ASSAY_RETURN_IF_ERROR(writer_->look_for_letters_topic());
  return source_->join();
}

Result<bool> SharedLine::take(int64_t records_max, StageAccount* total) {
  std::optional<ingest::RecordBatch> records;
  if (!source_->rebalance().has_value()) {
    Result<std::optional<ingest::RecordBatch>> found = source_->next(records_max, {0});
    has_source_failed_ = !found.ok();
    ASSAY_ASSIGN_OR_RETURN(records, std::move(found));
    note_rebalance();
  }
  if (records.has_value()) {
    ASSAY_RETURN_IF_ERROR(note(*records));
  }
  const bool follows = may_follow_group();
  if (follows) {
    ASSAY_RETURN_IF_ERROR(follow_group(total));
  }
  return records.has_value() || follows;
}

void SharedLine::note_rebalance() {
  if (source_->rebalance().has_value()) {
    told_at_ = workspace_.world().clock.monotonic();
    must_ask_leaders_ = source_->rebalance()->gives;
  }
}

/// Where partitions that the group gives are read on is asked of their leaders, so these must be
/// there, and have said so since: a leader that is silent would hold up other tables.
bool SharedLine::may_follow_group() const {
  return source_->rebalance().has_value() &&
         (!source_->rebalance()->gives ||
          (ends_.ok() && ends_asked_at_.micros >= told_at_->micros));
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
  const Status taken = source_->take({done, marks});
  has_source_failed_ = !taken.ok();
  ASSAY_RETURN_IF_ERROR(taken);
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

void SharedLine::note_look(const Result<ingest::KafkaLook>& look, Duration asked_at) {
  ends_ = ends_in(look);
  ends_asked_at_ = asked_at;
  Result<ingest::PartPositions> positions =
      ends_.ok() ? positions_of(*ends_) : Result<ingest::PartPositions>(ends_.status());
  if (positions.ok()) {
    watch_.note_answer(asked_at, *ends_, *positions);
  } else {
    watch_.note_no_answer();
  }
}

Result<ingest::PartPositions> SharedLine::ends_in(const Result<ingest::KafkaLook>& look) {
  ASSAY_RETURN_IF_ERROR(look.status());
  ASSAY_ASSIGN_OR_RETURN(ingest::PartsSeen seen, source_->see(*look));
  if (seen.are_others) {  // a topic that was made again is told by what is read next
    ASSAY_RETURN_IF_ERROR(source_->discover().status());
    ASSAY_ASSIGN_OR_RETURN(seen, source_->see(*look));
  }
  return std::move(seen.ends);
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
  const Result<ingest::PartPositions>& all = ends_;
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
  ASSAY_ASSIGN_OR_RETURN(const ingest::PartPositions all, ends_);
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
      lag.next.reset();  // others may have it by the next look
    }
    if (!lag.sent.has_value() && time != times.end()) {
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

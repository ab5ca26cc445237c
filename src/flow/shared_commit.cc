// The commits of a bronze table that several processes write, each with parts of its own.
//
//   rows of an epoch, checked and scrubbed
//        |          version v of the table: are my parts where I began them?
//        |          index of keys, brought up to v by the rows that others added
//        v
//   judged -> files -> commit v + 1, "read at v"  --lost to other rows--> judged again by v + n
//
// So the order of commits is the order in which records were judged, in one process or in several,
// and a duplicate is found whoever took the first one.

#include <algorithm>
#include <iterator>

#include "base/fail_point.h"
#include "base/pause.h"
#include "bronze/contract.h"
#include "flow/bronze_writer.h"
#include "flow/kafka_line.h"
#include "flow/part_facts.h"
#include "flow/part_position.h"
#include "ingest/kafka_marks.h"
#include "quality/quarantine.h"

namespace assay::flow {
namespace {

/// So often others may be quicker; of one project's processes each waits for its turn instead.
constexpr int kTriesMax = 1'000;
/// How often it is looked whether the turn has come.
constexpr Duration kTurnBlink{2'000};

bool are_same_rows(const data::Batch& a, const data::Batch& b) {
  const auto left = a.find(bronze::kSequence)->values<int64_t>();
  const auto right = b.find(bronze::kSequence)->values<int64_t>();
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

}  // namespace

Result<std::map<int64_t, int64_t>> BronzeWriter::take_over(const std::set<int64_t>& ordinals,
                                                           int64_t parts) {
  // Refused records first, as in commits. Who is between the two commits has both, when his second
  // one comes before the second taking, or else only refused records, which can be looked at.
  ASSAY_RETURN_IF_ERROR(quarantine_->take_over(ordinals));
  fail_point("flow.share.between_takings");
  ASSAY_RETURN_IF_ERROR(taken_->take(*table_, ordinals));
  return part_positions(parts);
}

Status BronzeWriter::take_unjudged(const ingest::RecordBatch& records) {
  clock_.look();
  ASSAY_ASSIGN_OR_RETURN(bronze::ReadRecords read, operation_->read(records));
  ASSAY_ASSIGN_OR_RETURN(bronze::BronzeOutput output,
                         operation_->prepare(records, std::move(read), std::move(state_)));
  state_ = std::move(output.state);
  quality::log_warnings(output.checks, "bronze." + name_, workspace_.world().log);
  pending_.bytes += output.rows.bytes() + output.quarantine.bytes();
  pending_.rows.push_back(std::move(output.rows));
  pending_.quarantine.push_back(std::move(output.quarantine));
  pending_.account += output.account;
  return {};
}

Status BronzeWriter::commit_shared(const SharedReached& reached, StageAccount* total) {
  const Pending pending = take_pending();
  if (share_ == 0) {
    ASSAY_ASSIGN_OR_RETURN(share_, workspace_.share_number());
  }
  {
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
    ASSAY_RETURN_IF_ERROR(check_still_mine(reached, *snapshot));  // else nothing is written
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rejected,
                         data::concat(quality::quarantine_schema(), pending.quarantine));
  ASSAY_RETURN_IF_ERROR(quarantine_->commit_parts(rejected, {reached.begun, reached.parts}));
  ASSAY_RETURN_IF_ERROR(send_letters(rejected));
  fail_point("flow.bronze.between_commits");
  StageAccount account;
  account.stage = "bronze";
  account.name = name_;
  ASSAY_RETURN_IF_ERROR(commit_judged(pending, reached, &account));
  fail_point("flow.bronze.after_commit");
  has_said_share_ = true;
  total->rows += account.rows;
  total->commits += 1;
  return {};
}

Status BronzeWriter::commit_judged(const Pending& pending,
                                   const SharedReached& reached,
                                   StageAccount* account) {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, data::concat(operation_->schema(), pending.rows));
  std::optional<data::Batch> written;
  std::unique_ptr<FileLock> turn;
  lake::CommitRequest request;
  request.operation = "STREAMING UPDATE";
  for (int tries = 1;; ++tries) {
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
    ASSAY_RETURN_IF_ERROR(check_still_mine(reached, *snapshot));
    ASSAY_RETURN_IF_ERROR(load_what_came(*snapshot, rows));
    const int64_t known = state_.dedup.size();
    ASSAY_ASSIGN_OR_RETURN(const data::Batch judged, operation_->judge(rows, &state_.dedup));
    if (!written || !are_same_rows(*written, judged)) {
      account->rows = pending.account;
      ASSAY_RETURN_IF_ERROR(write_judged(rows, judged, account, &request));
      written = judged;
    }
    ASSAY_ASSIGN_OR_RETURN(request.txns, shared_positions(reached, *snapshot, judged));
    if (!definition().key.empty()) {
      request.read_version = snapshot->version;
      turn = turn == nullptr ? wait_for_turn() : std::move(turn);
    }
    const Result<lake::Version> version = table_->commit(request);
    if (version.ok()) {
      known_version_ = *version;  // between them no rows came
      return {};
    }
    state_.dedup.forget_newest(known);
    if (version.code() != Code::kAborted || tries == kTriesMax) {
      return version.status();
    }
    count_lost_race();
  }
}

/// Files of the rows, and what the commit says of them.
Status BronzeWriter::write_judged(const data::Batch& rows,
                                  const data::Batch& judged,
                                  StageAccount* account,
                                  lake::CommitRequest* request) {
  account->rows.duplicates = rows.rows() - judged.rows();
  account->rows.out = judged.rows();
  ASSAY_RETURN_IF_ERROR(check_account(*account));
  request->parameters = account_parameters(account->rows);
  request->parameters["stage"] = "bronze";
  ASSAY_ASSIGN_OR_RETURN(request->adds, table_->write_files(judged));
  return {};
}

void BronzeWriter::count_lost_race() {
  workspace_.world()
      .metrics
      .counter("assay_flow_commits_judged_again_total",
               "Commits of a shared table before which another process's rows came",
               {{"name", name_}})
      .add();
}

/// The lock of commits to this table by processes of this project. Who has lost a race judges again
/// while he holds it, so that nobody is always the slower one. It does not keep the table right,
/// commits do: where its holder does not go on it is done without.
std::unique_ptr<FileLock> BronzeWriter::wait_for_turn() {
  for (Duration waited;; waited.micros += kTurnBlink.micros) {
    Result<std::unique_ptr<FileLock>> turn = workspace_.lock_for_commits(name_);
    if (turn.ok()) {
      turn_wait_ = turn_wait_max_;
      return *std::move(turn);
    }
    if (turn.code() != Code::kFailedPrecondition || waited.micros >= turn_wait_.micros) {
      turn_wait_ = {};  // until it was seen free
      return nullptr;
    }
    pause_for(kTurnBlink);
  }
}

/// Bring the index of keys up to a version: by rows that others added since the last one, and by
/// all of the times that `rows` ask for.
Status BronzeWriter::load_what_came(const lake::Snapshot& snapshot, const data::Batch& rows) {
  if (definition().key.empty()) {
    return {};
  }
  if (known_version_ && *known_version_ < snapshot.version && !load_added(snapshot).ok()) {
    forget();  // the log is cleaned up so far, or its files are: all is loaded anew
  }
  known_version_ = snapshot.version;
  return load_accepted(operation_->needed_ranges(rows));
}

Status BronzeWriter::load_added(const lake::Snapshot& snapshot) {
  const std::span<const bronze::TimeRange> held = state_.dedup.loaded();
  const std::vector<bronze::TimeRange> ranges(held.begin(), held.end());
  if (ranges.empty()) {
    return {};
  }
  ASSAY_ASSIGN_OR_RETURN(std::vector<lake::DeltaTable::AddedFile> added,
                         table_->added_between(*known_version_, snapshot.version));
  std::vector<lake::DataFile> files;
  for (lake::DeltaTable::AddedFile& each : added) {
    files.push_back(std::move(each.file));
  }
  if (files.empty()) {
    return {};
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, table_->relation_of(snapshot, files));
  for (const bronze::TimeRange& range : ranges) {
    ASSAY_RETURN_IF_ERROR(load_accepted_of(relation, range));
  }
  return {};
}

/// That the parts stand where they were begun, and that one project's processes alone move them.
Status BronzeWriter::check_still_mine(const SharedReached& reached,
                                      const lake::Snapshot& snapshot) const {
  if (has_said_share_ && snapshot.txn(share_app_id(app_id_)) != share_) {
    return {Code::kFailedPrecondition,
            "bronze." + name_ +
                ": `assay up --share` of another project folder writes this table too. Processes "
                "share topics in one folder on one machine; stop those of the other one"};
  }
  for (const auto& [ordinal, position] : reached.parts) {
    const auto begun = reached.begun.find(ordinal);
    const std::optional<int64_t> expected =
        begun == reached.begun.end() ? std::nullopt : std::optional(begun->second);
    if (snapshot.txn(part_app_id(app_id_, ordinal)) != expected) {
      return {Code::kAborted,
              "bronze." + name_ + ": another process has read on a partition that this one had"};
    }
  }
  return taken_->still_taken(snapshot, reached.parts).status().with_context("bronze." + name_);
}

/// The positions that a commit moves, and the times that it knows.
Result<std::vector<lake::TxnUpdate>> BronzeWriter::shared_positions(const SharedReached& reached,
                                                                    const lake::Snapshot& snapshot,
                                                                    const data::Batch& judged) {
  ASSAY_ASSIGN_OR_RETURN(std::vector<lake::TxnUpdate> updates,
                         taken_->still_taken(snapshot, reached.parts));
  const auto add = [&](const std::string& id, int64_t value) {
    updates.push_back({id, value, snapshot.txn(id)});
  };
  const auto raise = [&](const std::string& id, EventTime time) {
    if (snapshot.txn(id).value_or(INT64_MIN) < time.micros) {
      add(id, time.micros);
    }
  };
  for (const auto& [ordinal, position] : reached.parts) {
    add(part_app_id(app_id_, ordinal), position);
    const auto mark = reached.marks.find(ordinal);
    const std::string last = part_last_app_id(app_id_, ordinal);
    if (mark != reached.marks.end() &&
        snapshot.txn(last).value_or(ingest::KafkaMark::kNone) != mark->second) {
      add(last, mark->second);
    }
  }
  std::map<int64_t, EventTime> newest;
  note_newest_times(definition(), judged, &newest);
  for (const auto& [ordinal, time] : newest) {
    raise(part_time_app_id(app_id_, ordinal), time);
  }
  if (judged.rows() > 0) {  // silver has a commit only then
    std::ranges::move(say_part_facts(reached.facts, snapshot, app_id_),
                      std::back_inserter(updates));
  }
  if (snapshot.txn(share_app_id(app_id_)) != share_) {
    add(share_app_id(app_id_), share_);
  }
  ASSAY_ASSIGN_OR_RETURN(updates.emplace_back(), workspace_.fingerprint_update(*table_));
  return updates;
}

}  // namespace assay::flow

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

#include "base/fail_point.h"
#include "bronze/contract.h"
#include "flow/bronze_writer.h"
#include "flow/part_position.h"
#include "quality/quarantine.h"

namespace assay::flow {
namespace {

/// So often others may be quicker.
constexpr int kTriesMax = 1'000;

bool are_same_rows(const data::Batch& a, const data::Batch& b) {
  const auto left = a.find(bronze::kSequence)->values<int64_t>();
  const auto right = b.find(bronze::kSequence)->values<int64_t>();
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

}  // namespace

Result<data::Batch> BronzeWriter::take_unjudged(const ingest::RecordBatch& records) {
  ASSAY_ASSIGN_OR_RETURN(bronze::ReadRecords read, operation_->read(records));
  ASSAY_ASSIGN_OR_RETURN(bronze::BronzeOutput output,
                         operation_->prepare(records, std::move(read), std::move(state_)));
  state_ = std::move(output.state);
  quality::log_warnings(output.checks, "bronze." + name_, workspace_.world().log);
  pending_.bytes += output.rows.bytes() + output.quarantine.bytes();
  pending_.rows.push_back(output.rows);
  pending_.quarantine.push_back(std::move(output.quarantine));
  pending_.account += output.account;
  return std::move(output.rows);
}

Status BronzeWriter::commit_shared(const SharedReached& reached, StageAccount* total) {
  const Pending pending = take_pending();
  ASSAY_RETURN_IF_ERROR(commit_shared_quarantine(pending, reached));
  fail_point("flow.bronze.between_commits");
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, data::concat(operation_->schema(), pending.rows));
  StageAccount account;
  account.stage = "bronze";
  account.name = name_;
  std::optional<data::Batch> written;
  lake::CommitRequest request;
  request.operation = "STREAMING UPDATE";
  for (int tries = 1;; ++tries) {
    ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
    ASSAY_RETURN_IF_ERROR(add_shared_positions(reached, *snapshot, &request));
    ASSAY_RETURN_IF_ERROR(load_what_came(*snapshot, rows));
    const int64_t known = state_.dedup.size();
    const data::Batch judged = operation_->judge(rows, &state_.dedup);
    if (!written || !are_same_rows(*written, judged)) {
      account.rows = pending.account;
      account.rows.duplicates = rows.rows() - judged.rows();
      account.rows.out = judged.rows();
      ASSAY_RETURN_IF_ERROR(check_account(account));
      request.parameters = account_parameters(account.rows);
      request.parameters["stage"] = "bronze";
      ASSAY_ASSIGN_OR_RETURN(request.adds, table_->write_files(judged));
      written = judged;
    }
    if (!definition().key.empty()) {
      request.read_version = snapshot->version;
    }
    const Result<lake::Version> version = table_->commit(request);
    if (version.ok()) {
      known_version_ = *version;  // between them no rows came
      break;
    }
    state_.dedup.forget_newest(known);
    if (version.code() != Code::kAborted || tries == kTriesMax) {
      return version.status();
    }
  }
  fail_point("flow.bronze.after_commit");
  total->rows += account.rows;
  total->commits += 1;
  return {};
}

/// Of other parts others may commit meanwhile, which is no matter: each part has its position.
Status BronzeWriter::commit_shared_quarantine(const Pending& pending,
                                              const SharedReached& reached) {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rejected,
                         data::concat(quality::quarantine_schema(), pending.quarantine));
  if (dead_letters_ != nullptr) {
    ASSAY_RETURN_IF_ERROR(dead_letters_->send(rejected));
  }
  for (int tries = 1;; ++tries) {
    const Status committed = quarantine_->commit_parts(rejected, reached.parts);
    if (committed.code() != Code::kAborted || tries == kTriesMax) {
      return committed;
    }
  }
}

/// Bring the index of keys up to a version: by rows that others added since the last one, and by
/// all of the times that `rows` ask for.
Status BronzeWriter::load_what_came(const lake::Snapshot& snapshot, const data::Batch& rows) {
  if (definition().key.empty()) {
    return {};
  }
  if (must_forget()) {
    forget();
  }
  const std::span<const bronze::TimeRange> held = state_.dedup.loaded();
  const std::vector<bronze::TimeRange> ranges(held.begin(), held.end());
  if (!ranges.empty() && known_version_ && *known_version_ < snapshot.version) {
    Result<std::vector<lake::DeltaTable::AddedFile>> added =
        table_->added_between(*known_version_, snapshot.version);
    if (added.code() == Code::kOutOfRange || added.code() == Code::kNotFound) {
      forget();  // the log is cleaned up so far
    } else {
      ASSAY_RETURN_IF_ERROR(added.status());
      std::vector<lake::DataFile> files;
      for (lake::DeltaTable::AddedFile& each : *added) {
        files.push_back(std::move(each.file));
      }
      ASSAY_ASSIGN_OR_RETURN(const std::string relation, table_->relation_of(snapshot, files));
      for (const bronze::TimeRange& range : ranges) {
        ASSAY_RETURN_IF_ERROR(files.empty() ? Status() : load_accepted_of(relation, range));
      }
    }
  }
  known_version_ = snapshot.version;
  return load_accepted(operation_->needed_ranges(rows));
}

/// The positions that a commit moves, from where its parts were begun.
Status BronzeWriter::add_shared_positions(const SharedReached& reached,
                                          const lake::Snapshot& snapshot,
                                          lake::CommitRequest* request) {
  request->txns.clear();
  const auto add = [&](const std::string& id, int64_t value) {
    request->txns.push_back({id, value, snapshot.txn(id)});
  };
  for (const auto& [ordinal, position] : reached.parts) {
    const std::string id = part_app_id(app_id_, ordinal);
    const auto begun = reached.begun.find(ordinal);
    const std::optional<int64_t> expected =
        begun == reached.begun.end() ? std::nullopt : std::optional(begun->second);
    if (snapshot.txn(id) != expected) {
      return {Code::kAborted,
              "bronze." + name_ + ": another process has read on a partition that this one had"};
    }
    add(id, position);
  }
  for (const auto& [ordinal, time] : reached.newest) {
    const std::string id = part_time_app_id(app_id_, ordinal);
    const int64_t held = snapshot.txn(id).value_or(INT64_MIN);
    if (held < time.micros) {
      add(id, time.micros);
    }
  }
  const std::optional<EventTime> low = shared_low_time(reached, snapshot);
  const std::optional<int64_t> held = snapshot.txn(low_time_app_id(app_id_));
  if (low.has_value() && (!held.has_value() || *held < low->micros)) {
    add(low_time_app_id(app_id_), low->micros);
  }
  ASSAY_ASSIGN_OR_RETURN(const lake::TxnUpdate fingerprint, workspace_.fingerprint_update(*table_));
  request->txns.push_back(fingerprint);
  return {};
}

/// As KafkaLine has it, over the parts of all processes: of others' parts the table says how far
/// they are, and the brokers whether there is more.
std::optional<EventTime> BronzeWriter::shared_low_time(const SharedReached& reached,
                                                       const lake::Snapshot& snapshot) const {
  if (!reached.knows_others) {
    return std::nullopt;
  }
  std::map<int64_t, bool> is_behind;
  for (const auto& [ordinal, end] : reached.ends_of_others) {
    const int64_t first = ingest::Position::of(ordinal, 0).value;
    is_behind[ordinal] = snapshot.txn(part_app_id(app_id_, ordinal)).value_or(first) < end;
  }
  for (const auto& [ordinal, at_end] : reached.own) {
    is_behind[ordinal] = !at_end;
  }
  std::optional<EventTime> low;
  std::optional<EventTime> newest;
  for (const auto& [ordinal, behind] : is_behind) {
    const std::optional<int64_t> held = snapshot.txn(part_time_app_id(app_id_, ordinal));
    const auto own = reached.newest.find(ordinal);
    std::optional<EventTime> time = held ? std::optional(EventTime{*held}) : std::nullopt;
    if (own != reached.newest.end()) {
      time = std::max(time.value_or(EventTime::min()), own->second);
    }
    if (!time.has_value()) {
      if (behind) {
        return std::nullopt;
      }
      continue;
    }
    newest = std::max(newest.value_or(EventTime::min()), *time);
    if (behind) {
      low = std::min(low.value_or(EventTime::max()), *time);
    }
  }
  return low.has_value() ? low : newest;
}

}  // namespace assay::flow

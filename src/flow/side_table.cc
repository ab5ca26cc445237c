#include "flow/side_table.h"

#include <algorithm>
#include <optional>

#include "flow/part_position.h"
#include "ingest/record.h"
#include "lake/rewrite.h"

namespace assay::flow {
namespace {

/// So often others may be quicker.
constexpr int kTriesMax = 1'000;

/// The position from which a part was read.
int64_t begin_of(const SideTable::Parts& parts, int64_t ordinal) {
  const auto stands = parts.begun.find(ordinal);
  return stands != parts.begun.end() ? stands->second : ingest::Position::of(ordinal, 0).value;
}

}  // namespace

Status remove_rows_at(Workspace& workspace,
                      lake::DeltaTable& table,
                      const std::string& column,
                      const std::set<int64_t>& positions,
                      const std::vector<lake::TxnUpdate>& txns) {
  std::string list;
  for (const int64_t position : positions) {
    list += (list.empty() ? "" : ",") + std::to_string(position);
  }
  return lake::delete_where({workspace.world(), workspace.store(), workspace.sql()},
                            table,
                            column + " IN (" + list + ")",
                            txns)
      .status();
}

Result<std::unique_ptr<SideTable>> SideTable::open(Workspace& workspace,
                                                   const lake::TableSpec& spec,
                                                   const std::string& position_column) {
  Result<lake::DeltaTable*> table = workspace.table(spec.name);
  if (!table.ok() && table.code() != Code::kNotFound) {
    return table.status();
  }
  return std::unique_ptr<SideTable>(
      new SideTable(workspace, spec, position_column, table.ok() ? *table : nullptr));
}

Status SideTable::ensure_table() {
  if (table_ == nullptr) {
    ASSAY_ASSIGN_OR_RETURN(table_, workspace_.open_or_create_table(spec_.name, spec_));
  }
  return {};
}

Status SideTable::commit_rows(const data::Batch& rows,
                              std::vector<lake::TxnUpdate> positions,
                              std::vector<std::string> removes) {
  lake::CommitRequest request;
  request.removes = std::move(removes);
  request.operation = "STREAMING UPDATE";
  // A table that was made before a column was added has no place for it.
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
  ASSAY_ASSIGN_OR_RETURN(const data::Batch fitting, rows.select(snapshot->schema->names()));
  ASSAY_ASSIGN_OR_RETURN(request.adds, table_->write_files(fitting));
  request.txns = std::move(positions);
  return table_->commit(request).status();
}

Status SideTable::commit(const data::Batch& rows, int64_t end) {
  if (rows.rows() == 0) {
    return {};
  }
  ASSAY_RETURN_IF_ERROR(ensure_table());
  const std::string app_id = workspace_.app_id(spec_.name);
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
  const int64_t done = snapshot->txn(app_id).value_or(INT64_MIN);
  const std::span<const int64_t> positions = rows.find(position_column_)->values<int64_t>();
  std::vector<int64_t> fresh;
  for (std::size_t row = 0; row < positions.size(); ++row) {
    if (positions[row] >= done) {
      fresh.push_back(static_cast<int64_t>(row));
    }
  }
  if (fresh.empty()) {
    return {};
  }
  return commit_rows(rows.take(fresh), {{app_id, end, snapshot->txn(app_id)}});
}

Status SideTable::take_over(const std::set<int64_t>& ordinals) {
  if (ordinals.empty()) {
    return {};
  }
  ASSAY_RETURN_IF_ERROR(ensure_table());
  ASSAY_RETURN_IF_ERROR(taken_.take(*table_, ordinals));
  for (const int64_t ordinal : ordinals) {
    looked_.erase(ordinal);
    left_.erase(left_.lower_bound(ingest::Position::of(ordinal, 0).value),
                left_.lower_bound(ingest::Position::of(ordinal + 1, 0).value));
  }
  return {};
}

/// Look, once for each part, what a crash left there. Nobody else adds any from then on.
Status SideTable::find_left(const lake::Snapshot& snapshot, const Parts& parts) {
  for (const auto& [ordinal, end] : parts.ends) {
    if (looked_.contains(ordinal)) {
      continue;
    }
    const int64_t begun = begin_of(parts, ordinal);
    const std::string id = part_app_id(workspace_.app_id(spec_.name), ordinal);
    if (snapshot.txn(id).value_or(INT64_MIN) <= begun) {
      looked_.insert(ordinal);
      continue;
    }
    const std::string where = position_column_ + " >= " + std::to_string(begun) + " AND " +
                              position_column_ + " < " +
                              std::to_string(ingest::Position::of(ordinal + 1, 0).value);
    ASSAY_ASSIGN_OR_RETURN(const std::string relation, table_->relation(snapshot, where));
    ASSAY_ASSIGN_OR_RETURN(const data::Batch rows,
                           workspace_.sql().query("SELECT " + position_column_ + " FROM " +
                                                  relation + " WHERE " + where));
    const auto positions = rows.column(0).values<int64_t>();
    left_.insert(positions.begin(), positions.end());
    looked_.insert(ordinal);
  }
  return {};
}

/// Those of them that this reading of the parts covers.
std::set<int64_t> SideTable::left_of(const Parts& parts) const {
  std::set<int64_t> left;
  for (const auto& [ordinal, end] : parts.ends) {
    left.insert(left_.lower_bound(begin_of(parts, ordinal)), left_.lower_bound(end));
  }
  return left;
}

Status SideTable::commit_parts(const data::Batch& rows, const Parts& parts) {
  const bool has_looked = std::all_of(parts.ends.begin(), parts.ends.end(), [&](const auto& end) {
    return looked_.contains(end.first);
  });
  if (rows.rows() == 0 && (table_ == nullptr || (has_looked && left_of(parts).empty()))) {
    return {};
  }
  ASSAY_RETURN_IF_ERROR(ensure_table());
  for (int tries = 1;; ++tries) {
    ASSAY_ASSIGN_OR_RETURN(const bool is_done, try_commit_parts(rows, parts));
    if (is_done) {
      return {};
    }
    if (tries == kTriesMax) {
      return {Code::kAborted, "table " + spec_.name + ": others were always quicker"};
    }
  }
}

/// False: what is to be committed must be looked at anew.
Result<bool> SideTable::try_commit_parts(const data::Batch& rows, const Parts& parts) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
  Result<std::vector<lake::TxnUpdate>> taken = taken_.still_taken(*snapshot, parts.ends);
  ASSAY_RETURN_IF_ERROR(taken.status().with_context("table " + spec_.name));
  std::vector<lake::TxnUpdate> updates = *std::move(taken);
  ASSAY_RETURN_IF_ERROR(find_left(*snapshot, parts));
  std::set<int64_t> left = left_of(parts);
  const std::span<const int64_t> positions = rows.find(position_column_)->values<int64_t>();
  std::vector<int64_t> fresh;
  for (std::size_t row = 0; row < positions.size(); ++row) {
    if (left.erase(positions[row]) == 0) {
      fresh.push_back(static_cast<int64_t>(row));
    }
  }
  Status committed;
  if (!left.empty()) {  // their records are none of these rows by now
    committed = remove_rows_at(workspace_, *table_, position_column_, left, updates);
    if (committed.ok()) {
      std::erase_if(left_, [&](int64_t position) { return left.contains(position); });
      return false;
    }
  } else if (!fresh.empty()) {
    for (const auto& [ordinal, end] : parts.ends) {
      const std::string id = part_app_id(workspace_.app_id(spec_.name), ordinal);
      const std::optional<int64_t> held = snapshot->txn(id);
      if (held.value_or(INT64_MIN) < end) {
        updates.push_back({id, end, held});
      }
    }
    committed = commit_rows(rows.take(fresh), std::move(updates));
  }
  if (committed.code() == Code::kAborted) {
    return false;
  }
  ASSAY_RETURN_IF_ERROR(committed);
  return true;
}

Status SideTable::commit_version(const data::Batch& rows,
                                 lake::Version version,
                                 bool reads_parts,
                                 bool is_all) {
  if (rows.rows() == 0 && (!is_all || table_ == nullptr)) {
    return {};
  }
  ASSAY_RETURN_IF_ERROR(ensure_table());
  // Not the id of commit(), which counts something else.
  const std::string app_id = workspace_.app_id(spec_.name) + "/source_version";
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
  const std::optional<int64_t> done = snapshot->txn(app_id);
  // Of topics versions stood under that id once.
  const std::optional<int64_t> before =
      reads_parts ? snapshot->txn(workspace_.app_id(spec_.name)) : std::nullopt;
  if (std::max(done, before) >= std::optional(version)) {
    return {};
  }
  std::vector<std::string> removes;
  for (auto file = snapshot->files.begin(); is_all && file != snapshot->files.end(); ++file) {
    removes.push_back(file->first);
  }
  return commit_rows(rows, {{app_id, version, done}}, std::move(removes));
}

}  // namespace assay::flow

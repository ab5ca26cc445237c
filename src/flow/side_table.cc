#include "flow/side_table.h"

#include <algorithm>
#include <optional>

#include "flow/part_position.h"
#include "ingest/record.h"

namespace assay::flow {

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

Status SideTable::commit_rows(const data::Batch& rows, std::vector<lake::TxnUpdate> positions) {
  lake::CommitRequest request;
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

Status SideTable::commit_parts(const data::Batch& rows, const std::map<int64_t, int64_t>& ends) {
  if (rows.rows() == 0) {
    return {};
  }
  ASSAY_RETURN_IF_ERROR(ensure_table());
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table_->snapshot());
  std::map<int64_t, int64_t> done;
  std::vector<lake::TxnUpdate> updates;
  for (const auto& [ordinal, end] : ends) {
    const std::string id = part_app_id(workspace_.app_id(spec_.name), ordinal);
    const std::optional<int64_t> held = snapshot->txn(id);
    done[ordinal] = held.value_or(INT64_MIN);
    if (done[ordinal] < end) {
      updates.push_back({id, end, held});
    }
  }
  const std::span<const int64_t> positions = rows.find(position_column_)->values<int64_t>();
  std::vector<int64_t> fresh;
  for (std::size_t row = 0; row < positions.size(); ++row) {
    if (positions[row] >= done.at(ingest::Position{positions[row]}.file_ordinal())) {
      fresh.push_back(static_cast<int64_t>(row));
    }
  }
  return fresh.empty() ? Status() : commit_rows(rows.take(fresh), std::move(updates));
}

Status SideTable::commit_version(const data::Batch& rows, lake::Version version, bool reads_parts) {
  if (rows.rows() == 0) {
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
  return commit_rows(rows, {{app_id, version, done}});
}

}  // namespace assay::flow

#include "flow/side_table.h"

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

Status SideTable::commit(const data::Batch& rows, int64_t end) {
  if (rows.rows() == 0) {
    return {};
  }
  if (table_ == nullptr) {
    ASSAY_ASSIGN_OR_RETURN(table_, workspace_.open_or_create_table(spec_.name, spec_));
  }
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
  lake::CommitRequest request;
  request.operation = "STREAMING UPDATE";
  ASSAY_ASSIGN_OR_RETURN(request.adds, table_->write_files(rows.take(fresh)));
  request.txns.push_back({app_id, end, snapshot->txn(app_id)});
  return table_->commit(request).status();
}

}  // namespace assay::flow

#include "bronze/row_versions.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "data/entity_key.h"
#include "quality/quarantine.h"

namespace assay::bronze {

Result<RowVersions> RowVersions::compile(const catalog::BronzeDef& bronze,
                                         const data::Schema& declared) {
  RowVersions versions;
  versions.key_ = bronze.key;
  for (const catalog::ColumnDef& column : bronze.columns) {
    const bool in_key = std::count(bronze.key.begin(), bronze.key.end(), column.name) != 0;
    if (column.required && !in_key) {
      versions.required_.push_back(column.name);
    }
  }
  if (bronze.delete_when.empty()) {
    return versions;
  }
  Result<data::Expression> compiled = data::Expression::compile(bronze.delete_when, declared);
  if (!compiled.ok()) {
    return compiled.status().with_context("delete_when");
  }
  if (compiled->type() != data::Type::kBool) {
    return Status(Code::kInvalidArgument, "delete_when is no condition: " + bronze.delete_when);
  }
  versions.delete_when_ = std::move(compiled).value();
  return versions;
}

Result<std::vector<uint8_t>> RowVersions::tombstones(const data::Batch& rows) const {
  std::vector<uint8_t> is_tombstone(static_cast<std::size_t>(rows.rows()), 0);
  if (!delete_when_) {
    return is_tombstone;
  }
  ASSAY_ASSIGN_OR_RETURN(const data::ColumnPtr said, delete_when_->evaluate(rows));
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    is_tombstone[at] = said->is_valid(row) && said->values<uint8_t>()[at] != 0 ? 1 : 0;
  }
  return is_tombstone;
}

data::Rejects RowVersions::missing(const data::Batch& rows,
                                   const std::vector<uint8_t>& tombstones) const {
  data::Rejects rejects;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const auto lacks = [&](const std::string& name) { return rows.find(name)->is_null(row); };
    auto column = std::find_if(key_.begin(), key_.end(), lacks);
    bool found = column != key_.end();
    if (!found && tombstones[static_cast<std::size_t>(row)] == 0) {
      column = std::find_if(required_.begin(), required_.end(), lacks);
      found = column != required_.end();
    }
    if (found) {
      rejects.push_back({row, data::RejectReason::kMissingRequired, *column});
    }
  }
  return rejects;
}

data::ColumnPtr row_keys(const data::Batch& rows, const std::vector<std::string>& key) {
  std::vector<const data::Column*> columns;
  for (const std::string& name : key) {
    columns.push_back(rows.find(name));
  }
  data::ColumnBuilder builder(data::Type::kBytes);
  builder.reserve(rows.rows());
  for (int64_t row = 0; row < rows.rows(); ++row) {
    builder.append_text(data::encode_key(columns, row).value_or(data::EntityKey()).bytes());
  }
  return builder.finish();
}

std::vector<uint64_t> row_contents(const data::Batch& rows,
                                   const std::vector<std::string>& columns) {
  const Result<data::Batch> said = rows.select(columns);
  std::vector<uint64_t> contents;
  for (int64_t row = 0; said.ok() && row < rows.rows(); ++row) {
    contents.push_back(hash_bytes(quality::row_json(*said, row)));
  }
  return contents;
}

}  // namespace assay::bronze

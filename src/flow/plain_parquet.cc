#include "flow/plain_parquet.h"

#include "lake/manifest.h"
#include "lake/vacuum.h"

namespace assay::flow {
namespace {

Status publish(Workspace& workspace, const std::string& key) {
  Result<lake::DeltaTable*> table = workspace.table(key);
  if (table.code() == Code::kNotFound) {
    return {};
  }
  ASSAY_RETURN_IF_ERROR(table.status());
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, (*table)->snapshot());
  // A commit that ended before its manifest leaves the one before it.
  if (lake::manifest_version(workspace.store(), key) != snapshot->version) {
    ASSAY_RETURN_IF_ERROR(lake::write_manifest(workspace.store(), key, *snapshot));
  }
  const lake::LakeAccess access{workspace.world(), workspace.store(), workspace.sql()};
  return lake::vacuum(access, **table, {.keep = Duration{0}}).status();
}

}  // namespace

Status publish_plain_parquet(Workspace& workspace) {
  for (const std::string& key : workspace.plain_parquet_tables()) {
    ASSAY_RETURN_IF_ERROR(publish(workspace, key).with_context("publish table " + key));
  }
  return {};
}

}  // namespace assay::flow

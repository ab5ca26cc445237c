#pragma once

#include "catalog/catalog_store.h"
#include "flow/workspace.h"
#include "ingest/file_ledger.h"

namespace assay::flow {

/// The list of a source's files, kept in the catalog.
class SourceLedger : public ingest::FileLedger {
 public:
  explicit SourceLedger(catalog::CatalogStore& catalog) : catalog_(catalog) {}
  Result<std::vector<ingest::SourceFile>> known(const std::string& source) override;
  Status add(const std::string& source, const std::vector<ingest::SourceFile>& files) override;

 private:
  catalog::CatalogStore& catalog_;
};

/// Whether there are topics, and the partitions of all of them were found once: their brokers are
/// no misspelt ones, and may be waited for where they are away.
Result<bool> has_found_topics(Workspace& workspace);

}  // namespace assay::flow

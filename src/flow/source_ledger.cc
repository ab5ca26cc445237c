#include "flow/source_ledger.h"

#include "ingest/kafka_source.h"

namespace assay::flow {

Result<std::vector<ingest::SourceFile>> SourceLedger::known(const std::string& source) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<catalog::SourceFileRow> rows,
                         catalog_.source_files(source));
  std::vector<ingest::SourceFile> files;
  for (const catalog::SourceFileRow& row : rows) {
    files.push_back(
        {row.ordinal, row.path, row.begin_bytes, row.end_bytes, row.fingerprint, row.modified});
  }
  return files;
}

Status SourceLedger::add(const std::string& source, const std::vector<ingest::SourceFile>& files) {
  std::vector<catalog::SourceFileRow> rows;
  for (const ingest::SourceFile& file : files) {
    rows.push_back({file.ordinal,
                    file.path,
                    file.begin_bytes,
                    file.end_bytes,
                    file.fingerprint,
                    file.modified});
  }
  return catalog_.add_source_files(source, rows);
}

Result<bool> has_found_topics(Workspace& workspace) {
  SourceLedger ledger(workspace.catalog());
  bool has_topics = false;
  for (const auto& [name, bronze] : workspace.project().bronze) {
    if (!workspace.reads_parts(name)) {
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(const std::vector<ingest::SourceFile> parts,
                           ledger.known(ingest::kafka_ledger_name(bronze.source)));
    if (parts.empty()) {
      return false;
    }
    has_topics = true;
  }
  return has_topics;
}

}  // namespace assay::flow

#include "lake/table_hash.h"

namespace assay::lake {
namespace {
constexpr int64_t kRowsPerBatch = 65'536;
}  // namespace

Result<uint64_t> table_content_hash(DeltaTable& table, data::SqlEngine& sql) {
  ASSAY_ASSIGN_OR_RETURN(const std::shared_ptr<const Snapshot> snapshot, table.snapshot());
  ASSAY_ASSIGN_OR_RETURN(const std::string relation, table.relation(*snapshot));
  ASSAY_ASSIGN_OR_RETURN(const std::unique_ptr<data::BatchReader> reader,
                         sql.stream("SELECT * FROM " + relation, kRowsPerBatch));
  uint64_t total = 0;  // content_hash adds up its rows' hashes, so batches add up too
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<data::Batch> batch, reader->next());
    if (!batch) {
      return total;
    }
    total += data::content_hash(*batch);
  }
}

}  // namespace assay::lake

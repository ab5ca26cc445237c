#include <algorithm>
#include <utility>

#include "data/parquet.h"
#include "ingest/record_reader.h"

namespace assay::ingest {
namespace {

constexpr int64_t kStreamRows = 8192;

class ParquetRecords : public RecordReader {
 public:
  explicit ParquetRecords(std::unique_ptr<data::BatchReader> rows) : rows_(std::move(rows)) {}

  Result<bool> read(int64_t records_max, std::size_t bytes_max, RecordBatch* batch) override {
    if (!load()) {
      return failure_.ok() ? Result<bool>(false) : Result<bool>(failure_);
    }
    const int64_t left = loaded_.rows() - next_;
    const auto bytes_a_row =
        std::max<std::size_t>(1, loaded_.bytes() / static_cast<std::size_t>(loaded_.rows()));
    const auto rows_in_bytes = std::max<int64_t>(1, static_cast<int64_t>(bytes_max / bytes_a_row));
    const int64_t size = std::min({left, std::max<int64_t>(1, records_max), rows_in_bytes});
    batch->rows = size == loaded_.rows() ? loaded_ : loaded_.slice(next_, next_ + size);
    next_ += size;
    load();  // so that at_end() knows
    return true;
  }

  [[nodiscard]] bool at_end() const override { return ended_ && next_ == loaded_.rows(); }

 private:
  /// Have at least one row ready; false at the end and behind damage.
  bool load() {
    if (next_ == loaded_.rows() && !ended_ && failure_.ok()) {
      Result<std::optional<data::Batch>> more = rows_->next();
      if (!more.ok()) {
        failure_ = more.status();
      } else if (!more->has_value()) {
        ended_ = true;
      } else {
        loaded_ = **more;
        next_ = 0;
      }
    }
    return next_ < loaded_.rows();
  }

  std::unique_ptr<data::BatchReader> rows_;
  data::Batch loaded_;
  int64_t next_ = 0;
  bool ended_ = false;
  Status failure_;
};

}  // namespace

Result<std::unique_ptr<RecordReader>> open_parquet_records(data::SqlEngine& engine,
                                                           const std::string& path,
                                                           int64_t first_record) {
  // One row before the first tells a file that ends right there from one that has lost rows.
  const bool resumes = first_record > 0;
  ASSAY_ASSIGN_OR_RETURN(
      std::unique_ptr<data::BatchReader> rows,
      data::stream_parquet(engine, path, resumes ? first_record - 1 : 0, kStreamRows));
  auto records = std::make_unique<ParquetRecords>(std::move(rows));
  if (resumes) {
    RecordBatch before;
    ASSAY_ASSIGN_OR_RETURN(const bool found, records->read(1, 1, &before));
    if (!found) {
      return Status(Code::kFailedPrecondition,
                    "a file holds fewer records than were read from it before; bring back what it"
                    " held: " +
                        path);
    }
  }
  return std::unique_ptr<RecordReader>(std::move(records));
}

}  // namespace assay::ingest

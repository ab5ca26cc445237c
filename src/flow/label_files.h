#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/world.h"
#include "data/sql_engine.h"
#include "gold/service.h"
#include "gold/training_set.h"

namespace assay::flow {

struct LabelFilesOptions {
  std::vector<std::string> paths;  // read one after the other; all have the same columns
  std::string time_unit;           // of a time column of whole numbers: "s", "ms" or "us"; else ""
  int64_t rows_max = 1'000'000'000;
};

/// Label rows in files, in their order, with the columns that a service needs made the types that
/// it needs: text and whole doubles become whole numbers, text and dates become times (UTC where
/// they name no zone), whole numbers become times by their unit.
///
/// Threads one thread at a time.
class LabelFiles {
 public:
  /// Look at the files' columns and sizes.
  ///
  /// Errors  kNotFound, kCorrupt: a file. kInvalidArgument: no file, a file with other columns than
  ///         the first, a key, request or time column that is missing or cannot become what it must
  ///         be, whole numbers as time without a unit. kResourceExhausted: a Parquet file that says
  ///         it holds more than rows_max rows.
  static Result<LabelFiles> open(World& world,
                                 data::SqlEngine& sql,
                                 const gold::Service& service,
                                 const gold::TrainingSetOptions& set,
                                 const LabelFilesOptions& options);

  /// All columns, in the files' order.
  [[nodiscard]] const data::SchemaPtr& schema() const { return schema_; }
  /// Rows [begin, end) of some columns (all when `columns` is empty), in batches of about
  /// `rows_max`; end < 0: to the last.
  ///
  /// Errors  kInvalidArgument also from the reader, for a value that cannot become what it must be.
  [[nodiscard]] Result<std::unique_ptr<data::BatchReader>> stream(
      data::SqlEngine& sql,
      const std::vector<std::string>& columns,
      int64_t begin,
      int64_t end,
      int64_t rows_max) const;

 private:
  LabelFiles() = default;
  data::SchemaPtr schema_;
  std::vector<std::string> relations_;  // one per file, to stand after FROM
  std::vector<std::string> columns_;    // SQL of each column of the schema
  std::string service_;
  std::string files_;  // for messages
};

/// What the engine says of a label file: where it is, without the query around it and its advice.
Status of_label_file(const Status& status);

/// Batches of exactly `rows` rows, save the last, of what another reader gives.
std::unique_ptr<data::BatchReader> in_equal_batches(std::unique_ptr<data::BatchReader> reader,
                                                    int64_t rows);

}  // namespace assay::flow

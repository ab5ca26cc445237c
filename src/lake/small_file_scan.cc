#include "lake/small_file_scan.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <optional>
#include <utility>

#include "data/sql_row_source.h"
#include "lake/query_files.h"
#include "lake/relation.h"
#include "lake/small_files.h"
#include "lake/sql_access.h"

// The SQL engine takes 0.3 ms to open a file, whatever is in it; our own reader a tenth of that.
// Threads take runs of files one after the other.

namespace assay::lake {
namespace {

using data::SqlEngine;

/// Below this the engine's own reader is as quick, and skips row groups.
constexpr int64_t kSmallBytes = int64_t{256} << 10;
constexpr std::size_t kRunFiles = 16;
constexpr std::size_t kEngineBytesMin = std::size_t{32} << 20;

/// What all scans of some files share.
struct SmallFileTable {
  LakeAccess lake;
  std::string key;
  std::shared_ptr<const Snapshot> snapshot;
  std::vector<DataFile> files;
  std::size_t thread_bytes_max;
  Counter& by_ourselves;
  Counter& by_engine;
};

/// One scan, by several readers.
struct SmallFileScan {
  std::shared_ptr<const SmallFileTable> table;
  data::SchemaPtr columns;
  std::atomic<std::size_t> next = 0;  // of the files that no reader has taken
};

/// What one thread reads.
class ScanReader : public data::BatchReader {
 public:
  explicit ScanReader(std::shared_ptr<SmallFileScan> scan) : scan_(std::move(scan)) {}

  [[nodiscard]] const data::SchemaPtr& schema() const override { return scan_->columns; }

  Result<std::optional<data::Batch>> next() override {
    while (run_ != nullptr || start_run()) {
      ASSAY_ASSIGN_OR_RETURN(std::optional<data::Batch> rows, run_->next());
      if (rows) {
        return rows;
      }
      run_.reset();
    }
    return std::optional<data::Batch>();
  }

 private:
  bool start_run() {
    const SmallFileTable& table = *scan_->table;
    const std::size_t begin = scan_->next.fetch_add(kRunFiles);
    if (begin >= table.files.size()) {
      return false;
    }
    const auto at = [&](std::size_t file) {
      return table.files.begin() + static_cast<std::ptrdiff_t>(std::min(file, table.files.size()));
    };
    run_ = read_small_files(
        {.store = table.lake.store,
         .key = table.key,
         .snapshot = *table.snapshot,
         .columns = scan_->columns,
         .memory_bytes_max = table.thread_bytes_max,
         .heeds_row_counts = false,
         .by_ourselves = table.by_ourselves,
         .by_engine = table.by_engine,
         .by_sql = [this](const std::vector<DataFile>& files) { return read_by_sql(files); }},
        std::vector<DataFile>(at(begin), at(begin + kRunFiles)));
    return true;
  }

  /// The engine that runs the statement is busy.
  Status open_engine() {
    const data::SqlOptions& theirs = scan_->table->lake.sql.options();
    ASSAY_ASSIGN_OR_RETURN(
        engine_,
        SqlEngine::open(
            {.threads = 1,
             .memory_bytes_max = std::max(scan_->table->thread_bytes_max / 8, kEngineBytesMin),
             .temp_directory = "",
             .keep_timestamp_ntz = theirs.keep_timestamp_ntz}));
    reading_.emplace(scan_->table->lake.store, *engine_);
    return {};
  }

  Result<std::unique_ptr<data::BatchReader>> read_by_sql(const std::vector<DataFile>& files) {
    if (engine_ == nullptr) {
      ASSAY_RETURN_IF_ERROR(open_engine());
    }
    ASSAY_RETURN_IF_ERROR(reading_->allow());
    std::vector<const DataFile*> pointers;
    for (const DataFile& file : files) {
      pointers.push_back(&file);
    }
    const SmallFileTable& table = *scan_->table;
    ASSAY_ASSIGN_OR_RETURN(
        const std::string relation,
        files_relation(table.lake.store, *engine_, table.key, *table.snapshot, pointers));
    return stream_rows(*engine_, scan_->columns, "SELECT * FROM " + relation);
  }

  const std::shared_ptr<SmallFileScan> scan_;
  std::unique_ptr<SqlEngine> engine_;
  std::optional<SqlReading> reading_;
  std::unique_ptr<data::BatchReader> run_;
};

class SmallFileSource : public data::SqlRowSource {
 public:
  explicit SmallFileSource(SmallFileTable table)
      : table_(std::make_shared<const SmallFileTable>(std::move(table))) {}

  [[nodiscard]] const data::SchemaPtr& schema() const override { return table_->snapshot->schema; }

  [[nodiscard]] int64_t rows() const override {
    int64_t rows = 0;
    for (const DataFile& file : table_->files) {
      rows += std::max<int64_t>(file.rows, 0);
    }
    return rows;
  }

  [[nodiscard]] int64_t readers_max() const override {
    return static_cast<int64_t>((table_->files.size() + kRunFiles - 1) / kRunFiles);
  }

  Scan scan(const std::vector<int>& columns) override {
    const auto scan = std::make_shared<SmallFileScan>();
    scan->table = table_;
    scan->columns = schema_of(columns);
    return [scan] { return std::make_unique<ScanReader>(scan); };
  }

 private:
  /// SQL cannot select no column: then there is one that nobody looks at.
  [[nodiscard]] data::SchemaPtr schema_of(const std::vector<int>& columns) const {
    std::vector<data::Field> fields;
    for (const int column : columns) {
      fields.push_back(schema()->field(column));
    }
    if (fields.empty()) {
      fields.push_back(schema()->field(0));
    }
    return data::make_schema(std::move(fields));
  }

  std::shared_ptr<const SmallFileTable> table_;
};

Counter& counter_of(const LakeAccess& lake, const char* by) {
  return lake.world.metrics.counter(
      "assay_lake_scanned_files_total", "Small files that SQL statements looked at", {{"by", by}});
}

/// Do types of batches stand for those that SQL over the files has?
bool has_types_of_sql(const Snapshot& snapshot) {
  return std::all_of(
      snapshot.columns->begin(), snapshot.columns->end(), [&](const TableColumn& column) {
        const std::optional<int> index = snapshot.schema->find(column.name);
        return index && SqlEngine::sql_type(snapshot.schema->field(*index).type) ==
                            sql_type_of(column.type, NameKind::kLogical);
      });
}

bool is_small(const DataFile& file) {
  return file.size_bytes < kSmallBytes && !file.deletion_vector;
}

/// Is the first, the middle or the last of these files one that we wrote?
bool are_some_ours(const LakeAccess& lake,
                   const std::string& key,
                   const Snapshot& snapshot,
                   const std::vector<DataFile>& files) {
  for (const std::size_t i : {std::size_t{0}, files.size() / 2, files.size() - 1}) {
    const Result<std::string> bytes =
        lake.store.get_range(key + '/' + files[i].path, 0, files[i].size_bytes);
    if (bytes.ok() && is_our_file(snapshot, *bytes)) {
      return true;
    }
  }
  return false;
}

/// An equal part of the engine's memory for each of its threads.
Result<std::size_t> thread_bytes_max(SqlEngine& sql) {
  // As it prints sizes, so it reads them.
  ASSAY_ASSIGN_OR_RETURN(
      const data::Batch limits,
      sql.query("SELECT parse_formatted_bytes(replace(current_setting('memory_limit'), ' ', ''))"
                "::BIGINT, current_setting('threads')::BIGINT"));
  const int64_t threads = std::max<int64_t>(limits.column(1).integer(0), 1);
  return static_cast<std::size_t>(limits.column(0).integer(0) / threads);
}

}  // namespace

Result<std::string> scan_relation(const LakeAccess& lake,
                                  DeltaTable& table,
                                  std::shared_ptr<const Snapshot> snapshot,
                                  const std::vector<DataFile>& files,
                                  std::size_t many) {
  std::vector<DataFile> small;
  const bool may_scan = may_read_small_files(*snapshot) && has_types_of_sql(*snapshot) &&
                        std::count_if(files.begin(), files.end(), is_small) >=
                            static_cast<std::ptrdiff_t>(std::max<std::size_t>(many, 1));
  if (may_scan) {
    std::copy_if(files.begin(), files.end(), std::back_inserter(small), is_small);
  }
  if (!may_scan || !are_some_ours(lake, table.key(), *snapshot, small)) {
    return table.relation_of(*snapshot, files);
  }
  std::vector<DataFile> others;
  std::remove_copy_if(files.begin(), files.end(), std::back_inserter(others), is_small);
  for (DataFile& file : small) {
    file.stats_json.clear();  // files are copied, run by run
  }
  ASSAY_ASSIGN_OR_RETURN(const std::size_t bytes_max, thread_bytes_max(lake.sql));
  std::string relation;
  if (!others.empty()) {
    ASSAY_ASSIGN_OR_RETURN(relation, table.relation_of(*snapshot, others));
    relation = " UNION ALL SELECT * FROM " + relation;
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string source,
                         data::add_row_source(lake.sql,
                                              std::make_shared<SmallFileSource>(
                                                  SmallFileTable{lake,
                                                                 table.key(),
                                                                 std::move(snapshot),
                                                                 std::move(small),
                                                                 bytes_max,
                                                                 counter_of(lake, "ours"),
                                                                 counter_of(lake, "sql")})));
  return "(SELECT * FROM " + source + relation + ")";
}

}  // namespace assay::lake

#include "flow/step_rows.h"

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "data/parquet_file.h"
#include "data/partition.h"

namespace assay::flow {
namespace {

/// Row groups in order, some of them side by side.
class GroupsInOrder : public data::BatchReader {
 public:
  GroupsInOrder(const StepRows& rows,
                data::SchemaPtr schema,
                std::vector<StepColumn> columns,
                int64_t rows_max)
      : rows_(rows), schema_(std::move(schema)), columns_(std::move(columns)), rows_max_(rows_max) {
    for (int thread = rows_.reading_threads(columns_); thread > 0; --thread) {
      readers_.push_back(rows_.make_reader());
    }
  }

  [[nodiscard]] const data::SchemaPtr& schema() const override { return schema_; }

  Result<std::optional<data::Batch>> next() override {
    std::vector<data::Batch> read;
    int64_t rows = 0;
    std::size_t bytes = 0;
    // Half of the memory, since the piece is made beside what it is made of.
    while (next_ < rows_.row_groups().size() && rows < rows_max_ &&
           (rows == 0 || bytes < rows_.memory_bytes_max() / 2)) {
      std::vector<Result<data::Batch>> some = read_side_by_side();
      for (Result<data::Batch>& one : some) {
        ASSAY_RETURN_IF_ERROR(one.status());
        rows += one->rows();
        bytes += one->bytes();
        read.push_back(*std::move(one));
      }
    }
    if (rows == 0) {
      return std::optional<data::Batch>();
    }
    if (read.size() == 1) {
      return std::optional(std::move(read.front()));
    }
    ASSAY_ASSIGN_OR_RETURN(data::Batch piece, data::concat(schema_, read));
    return std::optional(std::move(piece));
  }

 private:
  std::vector<Result<data::Batch>> read_side_by_side() {
    const std::size_t begin = next_;
    next_ = std::min(begin + readers_.size(), rows_.row_groups().size());
    std::vector<Result<data::Batch>> read(next_ - begin, data::Batch());
    data::on_threads(static_cast<int>(read.size()), [&](int thread) {
      const auto at = static_cast<std::size_t>(thread);
      read[at] = rows_.read(rows_.row_groups()[begin + at], columns_, readers_[at]);
    });
    return read;
  }

  const StepRows& rows_;
  data::SchemaPtr schema_;
  std::vector<StepColumn> columns_;
  int64_t rows_max_;
  std::vector<data::ParquetGroupReader> readers_;
  std::size_t next_ = 0;
};

Result<int> place_of(const data::Schema& schema, const std::string& name) {
  const std::optional<int> place = schema.find(name);
  if (!place) {
    return Status(Code::kInvalidArgument, "a steps table lacks column `" + name + "`");
  }
  return *place;
}

}  // namespace

Result<StepRows> StepRows::open(Workspace& workspace,
                                StepsRelation steps,
                                int threads,
                                std::size_t memory_bytes_max) {
  StepRows rows(workspace, std::move(steps), threads, memory_bytes_max);
  if (!rows.steps_.files || !data::is_flat(*rows.steps_.stored_schema)) {
    return rows;
  }
  int64_t first_row = 0;
  for (const lake::DeltaTable::LocalFile& file : *rows.steps_.files) {
    ASSAY_ASSIGN_OR_RETURN(
        std::optional<data::ParquetGroups> groups,
        data::ParquetGroups::open(
            workspace.world().files, file.path, file.size_bytes, rows.steps_.stored_schema));
    if (!groups) {
      rows.leave_to_sql_engine();
      return rows;
    }
    for (std::size_t number = 0; number < groups->size(); ++number) {
      const int64_t count = groups->rows(number);
      rows.groups_.push_back({rows.files_.size(), number, first_row, count});
      first_row += count;
    }
    rows.files_.push_back(*std::move(groups));
  }
  return rows;
}

Result<std::unique_ptr<data::BatchReader>> StepRows::stream(const std::vector<StepColumn>& columns,
                                                            int64_t rows_max) const& {
  if (!groups_.empty()) {
    std::vector<data::Field> fields;
    for (const StepColumn& column : columns) {
      ASSAY_ASSIGN_OR_RETURN(const int place, place_of(*steps_.stored_schema, column.name));
      fields.push_back({column.as, steps_.stored_schema->field(place).type, true});
    }
    return std::unique_ptr<data::BatchReader>(std::make_unique<GroupsInOrder>(
        *this, data::make_schema(std::move(fields)), columns, rows_max));
  }
  std::string list;
  for (const StepColumn& column : columns) {
    list += (list.empty() ? "" : ", ") + data::SqlEngine::identifier(column.name) + " AS " +
            data::SqlEngine::identifier(column.as);
  }
  return workspace_->sql().stream("SELECT " + list + " FROM " + steps_.ordered_sql, rows_max);
}

void StepRows::leave_to_sql_engine() {
  files_.clear();
  groups_.clear();
}

data::ParquetGroupReader StepRows::make_reader() const {
  return data::ParquetGroupReader(workspace_->world().files);
}

int StepRows::reading_threads(const std::vector<StepColumn>& columns) const {
  std::size_t most = 1;
  for (const data::ParquetGroups& file : files_) {
    for (std::size_t group = 0; group < file.size(); ++group) {
      std::size_t read = 0;
      std::size_t working = 0;
      for (const StepColumn& column : columns) {
        const std::optional<int> place = file.schema()->find(column.name);
        read += place ? file.column_bytes(group, *place) : 0;
        working = std::max(working, place ? file.working_bytes(group, *place) : 0);
      }
      most = std::max(most, 2 * read + working);  // what is read, and what is taken of it
    }
  }
  const std::size_t at_once = memory_bytes_max_ / most;
  return std::clamp(static_cast<int>(std::min<std::size_t>(at_once, 64)), 1, threads_);
}

Result<data::Batch> StepRows::read(const RowGroup& group,
                                   const std::vector<StepColumn>& columns,
                                   data::ParquetGroupReader& reader) const {
  try {
    return read_columns(group, columns, reader);
  } catch (const std::bad_alloc&) {
    return Status(Code::kResourceExhausted, "no memory to read steps");
  }
}

Result<data::Batch> StepRows::read_columns(const RowGroup& group,
                                           const std::vector<StepColumn>& columns,
                                           data::ParquetGroupReader& reader) const {
  const data::ParquetGroups& file = files_[group.file];
  std::vector<int> places;  // each column is read once
  std::vector<std::size_t> read_at;
  for (const StepColumn& column : columns) {
    ASSAY_ASSIGN_OR_RETURN(const int place, place_of(*file.schema(), column.name));
    read_at.push_back(
        static_cast<std::size_t>(std::find(places.begin(), places.end(), place) - places.begin()));
    if (read_at.back() == places.size()) {
      places.push_back(place);
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Batch read, reader.read(file, group.number, places));
  std::vector<data::Field> fields;
  std::vector<data::ColumnPtr> taken;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto at = static_cast<int>(read_at[i]);
    fields.push_back({columns[i].as, read.schema().field(at).type, true});
    taken.push_back(read.column_ptr(at));
  }
  return data::Batch(data::make_schema(std::move(fields)), std::move(taken), read.rows());
}

}  // namespace assay::flow

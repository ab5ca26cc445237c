#include "lake/row_writer.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/append_file.h"
#include "base/fail_point.h"
#include "lake/file_statistics.h"

// Rows wait in memory by partition until they are enough for a row group, which other threads
// encode; this one writes them, in the order in which they were handed over. So the bytes of the
// files do not depend on threads. No file is open between two of its row groups: there may be any
// number of partitions.

namespace assay::lake {
namespace {

using data::Batch;

/// So few rows of a batch are copied one by one: a batch of their own would be mostly overhead.
constexpr std::size_t kFewRows = 64;
constexpr char kCreatedBy[] = "assay version " ASSAY_VERSION;

/// Of some rows alone: a few may be most of a batch.
std::size_t bytes_of(const Batch& rows, std::span<const int64_t> which) {
  std::size_t bytes = 0;
  for (int column = 0; column < rows.column_count(); ++column) {
    const data::Column& from = rows.column(column);
    bytes += which.size() * static_cast<std::size_t>(data::value_width(from.type()));
    if (data::is_text(from.type())) {
      for (const int64_t row : which) {
        bytes += sizeof(int32_t) + from.text(row).size();
      }
    }
  }
  return bytes;
}

}  // namespace

bool row_writer_takes(const data::Schema& schema, const std::vector<std::string>& partitions) {
  const auto takes = [&](const data::Field& field) {
    const bool splits =
        std::find(partitions.begin(), partitions.end(), field.name) != partitions.end();
    return !data::is_nested(field.type) && (!splits || PartitionSplit::takes(field.type));
  };
  return std::all_of(schema.fields().begin(), schema.fields().end(), takes);
}

RowGroupLimits RowGroupLimits::within(std::size_t memory_bytes) {
  constexpr std::size_t kLeast = std::size_t{16} << 20;
  RowGroupLimits limits;
  limits.waiting_bytes = std::clamp(memory_bytes / 8, kLeast, limits.waiting_bytes);
  limits.encoding_bytes = std::clamp(memory_bytes / 16, kLeast, limits.encoding_bytes);
  limits.bytes = std::min(limits.bytes, limits.waiting_bytes / 2);
  return limits;
}

struct RowWriter::Partition {
  Partition(PartitionValues values_of, std::string path_of, const data::SchemaPtr& schema)
      : values(std::move(values_of)),
        path(std::move(path_of)),
        few(schema),
        file(schema, kCreatedBy) {}

  PartitionValues values;
  std::string path;         // below the table's root
  std::vector<Batch> rows;  // that wait, and behind them
  data::BatchBuilder few;   // those that came in small pieces
  int64_t row_count = 0;
  std::size_t bytes = 0;
  data::ParquetFile file;
  bool exists = false;   // on the disk, at least in part
  bool adopted = false;  // the store has it, or may have it
};

RowWriter::RowWriter(const ParquetTarget& target,
                     std::map<std::string, std::string> tags,
                     std::optional<PartitionValues> partition,
                     int threads,
                     RowGroupLimits limits)
    : target_(target),
      limits_(limits),
      tags_(std::move(tags)),
      partition_(std::move(partition)),
      root_(target.store.write_path(target.key)),
      split_(partition_ ? std::vector<std::string>() : target.partition_columns),
      encoders_(threads, limits.encoding_bytes) {}

RowWriter::RowWriter(const ParquetTarget& target,
                     std::map<std::string, std::string> tags,
                     std::optional<PartitionValues> partition)
    : RowWriter(target,
                std::move(tags),
                std::move(partition),
                target.sql.options().threads,
                RowGroupLimits::within(target.sql.options().memory_bytes_max)) {}

RowWriter::~RowWriter() {
  if (!finished_) {
    remove_files();
  }
}

Status RowWriter::add(const Batch& rows) {
  if (schema_ == nullptr) {
    find_columns(rows.schema());
  }
  if (columns_.empty()) {
    return {Code::kInvalidArgument, "rows with nothing but partition columns"};
  }
  ASSAY_ASSIGN_OR_RETURN(const std::span<const uint32_t> numbers, split_.number(rows));
  ASSAY_RETURN_IF_ERROR(add_partitions());
  if (numbers.empty()) {
    return {};
  }
  const bool is_one = std::all_of(
      numbers.begin(), numbers.end(), [&](uint32_t number) { return number == numbers[0]; });
  return is_one ? add_whole(numbers[0], file_rows(rows)) : add_split(file_rows(rows), numbers);
}

/// What files have: all but the partition columns.
void RowWriter::find_columns(const data::Schema& schema) {
  const std::vector<std::string>& partitions = target_.partition_columns;
  std::vector<data::Field> fields;
  for (int column = 0; column < schema.size(); ++column) {
    const data::Field& field = schema.field(column);
    if (std::find(partitions.begin(), partitions.end(), field.name) == partitions.end()) {
      columns_.push_back(column);
      fields.push_back(field);
    }
  }
  schema_ = data::make_schema(std::move(fields));
}

Batch RowWriter::file_rows(const Batch& rows) const {
  std::vector<data::ColumnPtr> columns;
  for (const int column : columns_) {
    columns.push_back(rows.column_ptr(column));
  }
  return {schema_, std::move(columns), rows.rows()};
}

/// Those that rows of the last batch were the first of.
Status RowWriter::add_partitions() {
  while (partitions_.size() < split_.size()) {
    PartitionValues values =
        partition_.value_or(split_.values(static_cast<uint32_t>(partitions_.size())));
    ASSAY_ASSIGN_OR_RETURN(const std::string folder,
                           partition_folder(target_.partition_columns, values));
    ASSAY_RETURN_IF_ERROR(target_.world.files.make_directories(join_path(root_, folder)));
    partitions_.push_back(std::make_unique<Partition>(
        std::move(values), folder + "part-" + target_.world.random.uuid() + ".parquet", schema_));
  }
  return {};
}

Status RowWriter::add_whole(uint32_t partition, Batch rows) {
  Partition& to = *partitions_[partition];
  if (static_cast<std::size_t>(rows.rows()) > kFewRows) {
    put(to, std::move(rows));
    return flush_full(partition);
  }
  for (int column = 0; column < rows.column_count(); ++column) {
    to.few.column(column).append_column(rows.column(column));
  }
  count(to, rows.rows(), rows.bytes());
  return flush_full(partition);
}

Status RowWriter::add_split(const Batch& rows, std::span<const uint32_t> numbers) {
  std::vector<uint32_t> present;
  rows_of_.resize(partitions_.size());
  for (std::size_t row = 0; row < numbers.size(); ++row) {
    std::vector<int64_t>& of_partition = rows_of_[numbers[row]];
    if (of_partition.empty()) {
      present.push_back(numbers[row]);
    }
    of_partition.push_back(static_cast<int64_t>(row));
  }
  for (const uint32_t number : present) {
    std::vector<int64_t>& which = rows_of_[number];
    if (which.size() <= kFewRows) {
      put_few(*partitions_[number], rows, which);
    } else {
      put(*partitions_[number], rows.take(which));
    }
    which.clear();
    ASSAY_RETURN_IF_ERROR(flush_full(number));
  }
  return {};
}

void RowWriter::put(Partition& partition, Batch rows) {
  if (partition.few.rows() > 0) {
    partition.rows.push_back(partition.few.finish());
  }
  count(partition, rows.rows(), rows.bytes());
  partition.rows.push_back(std::move(rows));
}

void RowWriter::put_few(Partition& partition, const Batch& rows, std::span<const int64_t> which) {
  for (int column = 0; column < rows.column_count(); ++column) {
    data::ColumnBuilder& to = partition.few.column(column);
    for (const int64_t row : which) {
      to.append_from(rows.column(column), row);
    }
  }
  count(partition, std::ssize(which), bytes_of(rows, which));
}

void RowWriter::count(Partition& partition, int64_t rows, std::size_t bytes) {
  partition.row_count += rows;
  partition.bytes += bytes;
  waiting_bytes_ += bytes;
}

/// Encode what has become enough of a partition, or too much of all.
Status RowWriter::flush_full(uint32_t partition) {
  const Partition& grown = *partitions_[partition];
  if (grown.row_count >= limits_.rows || grown.bytes >= limits_.bytes) {
    ASSAY_RETURN_IF_ERROR(flush(partition));
  }
  return waiting_bytes_ > limits_.waiting_bytes ? flush_largest() : Status();
}

/// Until half of what may wait is free: with many partitions a look at all of them pays for many
/// row groups.
Status RowWriter::flush_largest() {
  std::vector<uint32_t> numbers(partitions_.size());
  std::iota(numbers.begin(), numbers.end(), 0U);
  std::stable_sort(numbers.begin(), numbers.end(), [&](uint32_t a, uint32_t b) {
    return partitions_[a]->bytes > partitions_[b]->bytes;
  });
  for (const uint32_t number : numbers) {
    if (waiting_bytes_ <= limits_.waiting_bytes / 2) {
      break;
    }
    ASSAY_RETURN_IF_ERROR(flush(number));
  }
  return {};
}

/// Hand over the rows of a partition, of which there are some.
Status RowWriter::flush(uint32_t number) {
  Partition& partition = *partitions_[number];
  if (partition.few.rows() > 0) {
    partition.rows.push_back(partition.few.finish());
  }
  waiting_bytes_ -= std::exchange(partition.bytes, 0);
  partition.row_count = 0;
  encoders_.put(std::exchange(partition.rows, {}));
  encoded_.push_back(number);
  while (encoders_.full()) {
    ASSAY_RETURN_IF_ERROR(write_oldest());
  }
  return {};
}

Status RowWriter::write_oldest() {
  Partition& partition = *partitions_[encoded_.front()];
  encoded_.pop_front();
  ASSAY_ASSIGN_OR_RETURN(const data::ParquetRowGroup group, encoders_.take());
  const std::string path = join_path(root_, partition.path);
  if (!std::exchange(partition.exists, true)) {
    ASSAY_RETURN_IF_ERROR(append_bytes(path, data::ParquetFile::kBegin));
  }
  partition.file.add(group);
  return append_bytes(path, group.bytes);
}

Result<std::vector<DataFile>> RowWriter::finish() {
  for (uint32_t number = 0; number < partitions_.size(); ++number) {
    if (partitions_[number]->row_count > 0) {
      ASSAY_RETURN_IF_ERROR(flush(number));
    }
  }
  while (!encoders_.empty()) {
    ASSAY_RETURN_IF_ERROR(write_oldest());
  }
  std::vector<DataFile> files;
  for (const std::unique_ptr<Partition>& partition : partitions_) {
    ASSAY_ASSIGN_OR_RETURN(DataFile file, log_entry(*partition));
    files.push_back(std::move(file));
  }
  // Values that no table may hold are known by now: nothing was uploaded for them.
  for (std::size_t i = 0; i < files.size(); ++i) {
    ASSAY_RETURN_IF_ERROR(finish_file(*partitions_[i], files[i]));
  }
  finished_ = true;
  return files;
}

Result<DataFile> RowWriter::log_entry(const Partition& partition) const {
  DataFile file;
  file.path = partition.path;
  file.partition_values = partition.values;
  file.rows = partition.file.rows();
  file.tags = tags_;
  ASSAY_ASSIGN_OR_RETURN(file.stats_json, file_statistics_json(*schema_, partition.file));
  return file;
}

Status RowWriter::finish_file(Partition& partition, DataFile& file) {
  const std::string path = join_path(root_, partition.path);
  const std::string end = partition.file.end();
  ASSAY_RETURN_IF_ERROR(append_bytes(path, end));
  ASSAY_ASSIGN_OR_RETURN(const FileInfo info, target_.world.files.stat(path));
  if (info.size_bytes != partition.file.bytes() + std::ssize(end)) {
    // It was opened by name for each row group.
    return {Code::kAborted, "somebody else changed a file that was being written: " + path};
  }
  file.size_bytes = info.size_bytes;
  file.modification_ms = info.modified.micros / 1'000;
  fail_point("lake.write.before_sync");
  partition.adopted = true;
  return target_.store.adopt(target_.key + '/' + file.path);
}

/// Here, and from the store what it may have got; a store that does not answer is asked once.
void RowWriter::remove_files() {
  bool answers = true;
  for (const std::unique_ptr<Partition>& partition : partitions_) {
    if (partition->exists) {
      static_cast<void>(target_.world.files.remove(join_path(root_, partition->path)));
    }
    if (partition->adopted && answers) {
      answers = target_.store.remove(target_.key + '/' + partition->path).ok();
    }
  }
}

}  // namespace assay::lake

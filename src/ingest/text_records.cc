#include <algorithm>
#include <utility>

#include "data/csv.h"
#include "data/record_splitter.h"
#include "data/utf8.h"
#include "ingest/decompress.h"
#include "ingest/file_discovery.h"
#include "ingest/record_reader.h"

namespace assay::ingest {
namespace {

constexpr std::size_t kBlockBytes = 256 << 10;

/// Bytes [begin, end) of a file that may be growing meanwhile.
class PartReader : public FileReader {
 public:
  PartReader(FileSystem& files, std::string path, int64_t begin, int64_t end)
      : files_(files), path_(std::move(path)), at_(begin), end_(end) {}

  Result<std::string> read(std::size_t bytes_max) override {
    const int64_t size = std::min(end_ - at_, static_cast<int64_t>(bytes_max));
    if (size == 0) {
      return std::string();
    }
    ASSAY_ASSIGN_OR_RETURN(std::string block, files_.read_range(path_, at_, size));
    if (block.empty()) {
      return Status(Code::kFailedPrecondition,
                    "a file became shorter while it was read; bring back what it held: " + path_);
    }
    at_ += static_cast<int64_t>(block.size());
    return block;
  }

 private:
  FileSystem& files_;
  std::string path_;
  int64_t at_;
  int64_t end_;
};

/// Refuse what is surely not text, with a hint, before it becomes a million malformed records.
Status check_is_text(std::string_view beginning, const std::string& path) {
  const bool gzip = beginning.starts_with("\x1f\x8b");
  const bool zstd = beginning.starts_with("\x28\xb5\x2f\xfd");
  if (gzip || zstd) {
    return {Code::kCorrupt,
            std::string("a file is compressed and its name does not say so; end it with ") +
                (gzip ? ".gz: " : ".zst: ") + path};
  }
  if (beginning.starts_with("PAR1")) {
    return {Code::kCorrupt, "a file is Parquet; set `format: parquet` of the source: " + path};
  }
  return {};
}

class TextRecords : public RecordReader {
 public:
  TextRecords(std::unique_ptr<FileReader> text,
              const catalog::SourceDef& definition,
              std::string path,
              int64_t first_line)
      : text_(std::move(text)),
        path_(std::move(path)),
        delimiter_(definition.delimiter),
        check_beginning_(first_line == 1),
        splitter_({.quotes = definition.format == catalog::Format::kCsv,
                   .delimiter = definition.delimiter,
                   .record_bytes_max = static_cast<std::size_t>(definition.record_bytes_max),
                   .first_line = first_line}) {}

  Result<bool> read(int64_t records_max, std::size_t bytes_max, RecordBatch* batch) override {
    const auto count_max = static_cast<std::size_t>(records_max);
    auto memory = std::make_shared<std::vector<std::shared_ptr<const std::string>>>();
    std::size_t bytes = 0;
    std::size_t held = 0;  // blocks may hold more than their records: blank lines, rests of long ones
    std::vector<std::size_t> oversized;
    batch->records.reserve(std::min(count_max, last_count_));
    batch->lines.reserve(std::min(count_max, last_count_));
    for (bool is_full = false; !is_full && load() && batch->records.size() < count_max;) {
      memory->push_back(splitter_.memory());
      held += memory->back()->size();
      for (; next_ < loaded_->size() && batch->records.size() < count_max; ++next_) {
        const data::SplitRecord& record = (*loaded_)[next_];
        bytes += record.text.size();
        is_full = !batch->records.empty() && bytes > bytes_max;
        if (is_full) {
          break;
        }
        if (record.oversized) {
          oversized.push_back(batch->records.size());
        }
        batch->records.push_back(record.text);
        batch->lines.push_back(record.line);
      }
      is_full = is_full || held > 2 * bytes_max + kBlockBytes;
    }
    if (batch->records.empty()) {
      return failure_.ok() ? Result<bool>(false) : Result<bool>(failure_);
    }
    last_count_ = batch->records.size();
    if (!oversized.empty()) {
      batch->oversized.resize(batch->records.size());
      for (const std::size_t record : oversized) {
        batch->oversized[record] = true;
      }
    }
    batch->memory = std::move(memory);
    batch->header = header_;
    return true;
  }

  [[nodiscard]] bool at_end() const override { return ended_ && next_ == loaded_count(); }

  /// Take the first record as the header of CSV; a file without any record has none.
  Status read_header() {
    if (!load()) {
      return failure_;
    }
    const data::SplitRecord& record = (*loaded_)[next_];
    if (record.oversized || !data::is_utf8(record.text) ||
        !data::split_csv_record(record.text, delimiter_, &header_)) {
      return {
          Code::kCorrupt,
          "the first line is no CSV header (too long, not UTF-8, or unbalanced quotes): " + path_};
    }
    ++next_;
    return {};
  }
  void set_header(std::vector<std::string> header) { header_ = std::move(header); }
  [[nodiscard]] const std::vector<std::string>& header() const { return header_; }

  Status skip(int64_t count) {
    for (int64_t done = 0; done < count;) {
      if (!load()) {
        return failure_.ok()
                   ? Status(Code::kFailedPrecondition,
                            "a file holds fewer records than were read from it before; bring"
                            " back what it held: " +
                                path_)
                   : failure_;
      }
      const auto step = std::min(loaded_count() - next_, static_cast<std::size_t>(count - done));
      next_ += step;
      done += static_cast<int64_t>(step);
    }
    return {};
  }

 private:
  [[nodiscard]] std::size_t loaded_count() const {
    return loaded_ == nullptr ? 0 : loaded_->size();
  }

  /// Have at least one record ready; false at the end and behind damage.
  bool load() {
    while (next_ == loaded_count() && !ended_ && failure_.ok()) {
      Result<std::string> block = text_->read(kBlockBytes);
      failure_ = block.ok() ? Status() : block.status();
      if (failure_.ok() && check_beginning_) {
        check_beginning_ = false;
        failure_ = check_is_text(*block, path_);
      }
      if (!failure_.ok()) {
        break;  // what has been fed of the last record is not known to be whole
      }
      ended_ = block->empty();
      loaded_ = &splitter_.feed(*block, ended_);
      next_ = 0;
    }
    return next_ < loaded_count();
  }

  std::unique_ptr<FileReader> text_;
  std::string path_;
  char delimiter_;
  bool check_beginning_;
  data::RecordSplitter splitter_;
  std::vector<std::string> header_;
  const std::vector<data::SplitRecord>* loaded_ = nullptr;
  std::size_t next_ = 0;
  std::size_t last_count_ = 0;  // of the batch before
  bool ended_ = false;
  Status failure_;
};

/// 1 and the number of line ends before `end`.
Result<int64_t> line_at(FileSystem& files, const std::string& path, int64_t end) {
  PartReader before(files, path, 0, end);
  int64_t line = 1;
  for (;;) {
    ASSAY_ASSIGN_OR_RETURN(const std::string block, before.read(kBlockBytes));
    if (block.empty()) {
      return line;
    }
    line += std::count(block.begin(), block.end(), '\n');
  }
}

Result<std::unique_ptr<FileReader>> open_text(FileSystem& files,
                                              const std::string& path,
                                              const SourceFile& file) {
  const Compression compression = compression_of(path);
  if (compression == Compression::kNone) {
    return std::unique_ptr<FileReader>(
        std::make_unique<PartReader>(files, path, file.begin_bytes, file.end_bytes));
  }
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<FileReader> compressed, files.open(path));
  return compression == Compression::kGzip ? gunzip(std::move(compressed), path)
                                           : unzstd(std::move(compressed), path);
}

}  // namespace

Result<std::unique_ptr<RecordReader>> open_text_records(FileSystem& files,
                                                        const catalog::SourceDef& definition,
                                                        const std::string& project_folder,
                                                        const SourceFile& file,
                                                        int64_t first_record) {
  const std::string path = join_path(project_folder, file.path);
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<FileReader> text, open_text(files, path, file));
  ASSAY_ASSIGN_OR_RETURN(const int64_t first_line, line_at(files, path, file.begin_bytes));
  auto records = std::make_unique<TextRecords>(std::move(text), definition, path, first_line);
  if (definition.format == catalog::Format::kCsv) {
    if (file.begin_bytes == 0) {
      ASSAY_RETURN_IF_ERROR(records->read_header());
    } else {
      TextRecords whole(
          std::make_unique<PartReader>(files, path, 0, file.end_bytes), definition, path, 1);
      ASSAY_RETURN_IF_ERROR(whole.read_header());
      records->set_header(whole.header());
    }
  }
  ASSAY_RETURN_IF_ERROR(records->skip(first_record));
  return std::unique_ptr<RecordReader>(std::move(records));
}

}  // namespace assay::ingest

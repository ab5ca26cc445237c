#include "ingest/file_source.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "ingest/file_discovery.h"
#include "ingest/record_reader.h"

namespace assay::ingest {
namespace {

constexpr int64_t kRecordEnd = int64_t{1} << 32;  // records of one file that a position can count
constexpr std::size_t kParquetMemoryBytes = std::size_t{1} << 30;

class FileSourceReader : public FileSource {
 public:
  FileSourceReader(World& world,
                   catalog::SourceDef definition,
                   std::string project_folder,
                   FileLedger& ledger,
                   std::vector<SourceFile> known)
      : world_(world),
        definition_(std::move(definition)),
        project_folder_(std::move(project_folder)),
        ledger_(ledger),
        files_(std::move(known)),
        discovery_(world.files, definition_, project_folder_) {}

  Result<int64_t> discover() override {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<SourceFile> found, discovery_.find_new(files_));
    if (!found.empty()) {
      ASSAY_RETURN_IF_ERROR(ledger_.add(definition_.name, found));
      files_.insert(files_.end(), found.begin(), found.end());
    }
    if (files_.empty() && !std::exchange(warned_, true)) {
      world_.log.warn("source_has_no_files",
                      {{"source", definition_.name}, {"path", definition_.path}});
    }
    return static_cast<int64_t>(found.size());
  }

  Status seek(Position position) override {
    const auto count = static_cast<int64_t>(files_.size());
    const bool behind_all = position.file_ordinal() == count && position.record() == 0;
    if (position.value < 0 || (position.file_ordinal() >= count && !behind_all)) {
      return {Code::kFailedPrecondition,
              "source `" + definition_.name + "` was read up to file number " +
                  std::to_string(position.file_ordinal()) +
                  ", which the catalog does not know; bring back the catalog that belongs to these "
                  "tables"};
    }
    if (position != position_) {
      reader_.reset();
      position_ = position;
    }
    return {};
  }

  [[nodiscard]] Position position() const override { return position_; }

  Result<std::optional<RecordBatch>> next(int64_t records_max, std::size_t bytes_max) override {
    ASSAY_RETURN_IF_ERROR(check_finished());
    while (position_.file_ordinal() < static_cast<int64_t>(files_.size())) {
      // A copy: settle() may add to files_.
      const SourceFile file = files_[static_cast<std::size_t>(position_.file_ordinal())];
      RecordBatch batch = begin_batch(file);
      Result<bool> got = read_from(file, records_max, bytes_max, &batch);
      if (!got.ok()) {
        reader_.reset();
        return got.status().with_context("source `" + definition_.name + "`, file " + file.path +
                                         ", record " + std::to_string(position_.record()));
      }
      if (*got) {
        position_ = batch.end;
        return std::optional(std::move(batch));
      }
      reader_.reset();
      position_ = Position::of(file.ordinal + 1, 0);
    }
    return std::optional<RecordBatch>();
  }

 private:
  RecordBatch begin_batch(const SourceFile& file) {
    RecordBatch batch;
    batch.source = definition_.name;
    batch.file = file.path;
    batch.format = definition_.format;
    batch.first = position_;
    batch.received = world_.clock.now();
    return batch;
  }

  /// False when the file has no more records.
  Result<bool> read_from(const SourceFile& file,
                         int64_t records_max,
                         std::size_t bytes_max,
                         RecordBatch* batch) {
    if (file.begin_bytes > 0 && !may_grow(definition_, file.path)) {
      return false;  // it only says how an earlier file is now
    }
    if (reader_ == nullptr) {
      ASSAY_RETURN_IF_ERROR(open_reader(file));
    }
    ASSAY_ASSIGN_OR_RETURN(const bool got,
                           reader_->read(std::max<int64_t>(1, records_max), bytes_max, batch));
    if (!got) {
      return false;
    }
    const int64_t record = position_.record() + batch->size();
    if (record >= kRecordEnd) {
      return Status(Code::kOutOfRange, "more than 4294967295 records in one file; split it");
    }
    const bool at_end = reader_->at_end();
    batch->end = at_end ? Position::of(file.ordinal + 1, 0) : Position::of(file.ordinal, record);
    if (at_end) {
      reader_.reset();
    }
    return true;
  }

  /// Fails when a file that has been read to its end is not what it was.
  Status check_finished() {
    for (const std::string& path : discovery_.unsettled()) {
      for (const SourceFile& file : files_) {
        if (file.path == path && file.begin_bytes == 0 && file.ordinal < position_.file_ordinal()) {
          return discovery_.changed(path).with_context("source `" + definition_.name + "`");
        }
      }
    }
    return {};
  }

  /// Take in that a file was completed, or replaced before any of it was read; else it must be as
  /// found.
  Status settle(const SourceFile& file) {
    // Parts that were appended later may already be known: the newest entry says how the file was.
    while (newest_indexed_ < files_.size()) {
      newest_[files_[newest_indexed_].path] = newest_indexed_;
      ++newest_indexed_;
    }
    const SourceFile& newest = files_[newest_[file.path]];
    const Result<FileChange> change = discovery_.compare(newest);
    if (!change.ok()) {
      return change.status();
    }
    if (*change == FileChange::kNone || *change == FileChange::kAppended) {
      return {};
    }
    if (*change == FileChange::kReplaced && position_.record() > 0) {
      return discovery_.changed(file.path);
    }
    Result<SourceFile> entry = discovery_.restate(newest, static_cast<int64_t>(files_.size()));
    if (!entry.ok()) {
      return entry.status();
    }
    if (entry->end_bytes == 0) {
      return {};  // emptied: reading says so
    }
    ASSAY_RETURN_IF_ERROR(ledger_.add(definition_.name, {*entry}));
    files_.push_back(std::move(entry).value());
    return {};
  }

  Status open_reader(const SourceFile& file) {
    ASSAY_RETURN_IF_ERROR(settle(file));
    Result<std::unique_ptr<RecordReader>> opened = open_records(file);
    if (!opened.ok()) {
      return opened.status();
    }
    reader_ = std::move(opened).value();
    return {};
  }

  Result<std::unique_ptr<RecordReader>> open_records(const SourceFile& file) {
    if (definition_.format == catalog::Format::kAvro) {
      const std::string path = join_path(project_folder_, file.path);
      ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<FileReader> bytes, world_.files.open(path));
      return open_avro_records(std::move(bytes), path, position_.record());
    }
    if (definition_.format != catalog::Format::kParquet) {
      return open_text_records(
          world_.files, definition_, project_folder_, file, position_.record());
    }
    if (engine_ == nullptr) {
      ASSAY_ASSIGN_OR_RETURN(
          engine_,
          data::SqlEngine::open(
              {.threads = 1, .memory_bytes_max = kParquetMemoryBytes, .temp_directory = ""}));
    }
    return open_parquet_records(
        *engine_, join_path(project_folder_, file.path), position_.record());
  }

  World& world_;
  const catalog::SourceDef definition_;
  const std::string project_folder_;
  FileLedger& ledger_;
  std::vector<SourceFile> files_;              // by ordinal
  std::map<std::string, std::size_t> newest_;  // by path, of the first newest_indexed_ files
  std::size_t newest_indexed_ = 0;
  FileDiscovery discovery_;
  std::unique_ptr<data::SqlEngine> engine_;  // opened for the first Parquet file
  std::unique_ptr<RecordReader> reader_;     // of the file at position_
  Position position_;
  bool warned_ = false;  // that there are no files, once
};

}  // namespace

Result<std::unique_ptr<FileSource>> FileSource::open(World& world,
                                                     const catalog::SourceDef& definition,
                                                     const std::string& project_folder,
                                                     FileLedger& ledger) {
  ASSAY_ASSIGN_OR_RETURN(std::vector<SourceFile> known, ledger.known(definition.name));
  return std::unique_ptr<FileSource>(std::make_unique<FileSourceReader>(
      world, definition, project_folder, ledger, std::move(known)));
}

}  // namespace assay::ingest

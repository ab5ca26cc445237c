// An Avro container file:
//
//   4f 62 6a 01 | map of names to bytes: avro.schema, avro.codec | 16 bytes of sync mark
//   then blocks: long count | long size in bytes | the records, compressed | the sync mark
//
// Source  https://avro.apache.org/docs/1.11.1/specification/#object-container-files

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "data/avro.h"
#include "ingest/decompress.h"
#include "ingest/record_reader.h"

namespace assay::ingest {
namespace {

constexpr std::size_t kReadBytes = 256 << 10;
constexpr std::size_t kSyncBytes = 16;
constexpr int64_t kBlockBytesMax = 256 << 20;  // as stored, and as unpacked
/// Of records that take no bytes, a block has no more than these.
constexpr int64_t kEmptyRecordsMax = 100'000;
constexpr std::size_t kLongBytesMax = 10;
constexpr std::size_t kHeaderBytesMax = 16 << 20;

/// Bytes of a file, as many at a time as are asked for.
class Bytes {
 public:
  Bytes(std::unique_ptr<FileReader> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}

  /// Have `size` bytes ready, or all that are left.
  Status fill(std::size_t size) {
    if (buffer_.size() - begin_ >= size || ended_) {
      return {};
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    while (buffer_.size() < size && !ended_) {
      ASSAY_ASSIGN_OR_RETURN(const std::string more, file_->read(kReadBytes));
      ended_ = more.empty();
      buffer_ += more;
    }
    return {};
  }
  [[nodiscard]] std::string_view ready() const { return std::string_view(buffer_).substr(begin_); }
  void drop(std::size_t size) {
    begin_ += size;
    offset_ += static_cast<int64_t>(size);
  }

  Result<std::string> take(std::size_t size) {
    ASSAY_RETURN_IF_ERROR(fill(size));
    if (ready().size() < size) {
      return damage("it ends too early");
    }
    std::string bytes(ready().substr(0, size));
    drop(size);
    return bytes;
  }

  Result<int64_t> take_long() {
    ASSAY_RETURN_IF_ERROR(fill(kLongBytesMax));
    std::string_view bytes = ready();
    int64_t value = 0;
    if (!data::take_avro_long(&bytes, &value)) {
      return damage("a number is cut short");
    }
    drop(ready().size() - bytes.size());
    return value;
  }

  /// A length, then as many bytes.
  Result<std::string> take_bytes() {
    ASSAY_ASSIGN_OR_RETURN(const int64_t size, take_long());
    if (size < 0 || size > static_cast<int64_t>(kHeaderBytesMax)) {
      return damage("a length that cannot be");
    }
    return take(static_cast<std::size_t>(size));
  }

  [[nodiscard]] Status damage(const std::string& what) const {
    return {
        Code::kCorrupt,
        "damaged Avro file, at its byte " + std::to_string(offset_) + ": " + what + ": " + path_};
  }

 private:
  std::unique_ptr<FileReader> file_;
  std::string path_;
  std::string buffer_;
  std::size_t begin_ = 0;
  int64_t offset_ = 0;
  bool ended_ = false;
};

class AvroRecords : public RecordReader {
 public:
  AvroRecords(std::unique_ptr<FileReader> file, const std::string& path)
      : file_(std::move(file), path) {}

  Status read_header() {
    ASSAY_ASSIGN_OR_RETURN(const std::string magic, file_.take(4));
    if (magic != std::string("Obj\x01", 4)) {
      return file_.damage("it is no Avro container file");
    }
    std::map<std::string, std::string> meta;
    for (;;) {
      ASSAY_ASSIGN_OR_RETURN(int64_t count, file_.take_long());
      if (count < 0) {
        ASSAY_RETURN_IF_ERROR(file_.take_long().status());  // the block's size
        count = count == INT64_MIN ? 0 : -count;
      }
      if (count == 0) {
        break;
      }
      for (int64_t i = 0; i < count; ++i) {
        ASSAY_ASSIGN_OR_RETURN(const std::string name, file_.take_bytes());
        ASSAY_ASSIGN_OR_RETURN(meta[name], file_.take_bytes());
      }
    }
    codec_ = meta.count("avro.codec") > 0 ? meta["avro.codec"] : "null";
    if (codec_ != "null" && codec_ != "deflate" && codec_ != "zstandard") {
      return {Code::kUnimplemented,
              "an Avro file is compressed by `" + codec_ +
                  "`; Assay reads null, deflate and zstandard"};
    }
    ASSAY_ASSIGN_OR_RETURN(schema_, data::parse_avro_sequence(meta["avro.schema"]));
    ASSAY_ASSIGN_OR_RETURN(sync_, file_.take(kSyncBytes));
    return {};
  }

  Result<bool> read(int64_t records_max, std::size_t bytes_max, RecordBatch* batch) override {
    auto text = std::make_shared<std::string>();
    std::vector<std::size_t> ends;
    while (static_cast<int64_t>(ends.size()) < std::max<int64_t>(1, records_max) &&
           (ends.empty() || text->size() < bytes_max)) {
      const Result<bool> got = next(text.get());
      if (!got.ok() && ends.empty()) {
        return got;
      }
      if (!got.ok() || !*got) {
        break;
      }
      ends.push_back(text->size());
    }
    if (ends.empty()) {
      return false;
    }
    batch->format = catalog::Format::kJsonLines;
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
      batch->records.push_back(std::string_view(*text).substr(begin, end - begin));
      batch->lines.push_back(++number_);
      begin = end;
    }
    batch->memory = std::move(text);
    return true;
  }

  [[nodiscard]] bool at_end() const override { return ended_; }

  Status skip(int64_t count) {
    std::string text;
    for (int64_t i = 0; i < count; ++i) {
      text.clear();
      ASSAY_ASSIGN_OR_RETURN(const bool found, next(&text));
      if (!found) {
        return {
            Code::kFailedPrecondition,
            "a file holds fewer records than were read from it before; bring back what it held"};
      }
    }
    number_ = count;
    return {};
  }

 private:
  /// Append the next record; false at the end.
  Result<bool> next(std::string* text) {
    if (!failure_.ok()) {
      return failure_;
    }
    const Result<bool> got = next_of_block(text);
    failure_ = got.status();
    return got;
  }

  Result<bool> next_of_block(std::string* text) {
    while (left_ == 0) {
      ASSAY_ASSIGN_OR_RETURN(const bool more, load_block());
      if (!more) {
        return false;
      }
    }
    const std::size_t before = text->size();
    if (!schema_->take(&rest_, text)) {
      text->resize(before);
      return file_.damage("a record before here is not of the file's schema");
    }
    --left_;
    if (left_ == 0 && !rest_.empty()) {
      return file_.damage("a block before here holds more than its records");
    }
    return true;
  }

  Result<bool> load_block() {
    ASSAY_RETURN_IF_ERROR(file_.fill(1));
    ended_ = file_.ready().empty();
    if (ended_) {
      return false;
    }
    ASSAY_ASSIGN_OR_RETURN(left_, file_.take_long());
    ASSAY_ASSIGN_OR_RETURN(const int64_t size, file_.take_long());
    if (left_ < 0 || size < 0 || size > kBlockBytesMax) {
      return file_.damage("a block of a size that cannot be");
    }
    ASSAY_ASSIGN_OR_RETURN(std::string packed, file_.take(static_cast<std::size_t>(size)));
    ASSAY_ASSIGN_OR_RETURN(const std::string sync, file_.take(kSyncBytes));
    if (sync != sync_) {
      return file_.damage("a block does not end where it says");
    }
    ASSAY_ASSIGN_OR_RETURN(block_, unpack(std::move(packed)));
    rest_ = block_;
    // Records without fields take no bytes.
    if (left_ > static_cast<int64_t>(block_.size()) + kEmptyRecordsMax) {
      return file_.damage("a block with more records than it can hold");
    }
    return true;
  }

  Result<std::string> unpack(std::string packed) const {
    if (codec_ == "null") {
      return packed;
    }
    const std::optional<std::string> plain = codec_ == "deflate"
                                                 ? inflate_block(packed, kBlockBytesMax)
                                                 : unzstd_block(packed, kBlockBytesMax);
    return plain ? Result<std::string>(*plain)
                 : Result<std::string>(file_.damage("a block before here cannot be unpacked"));
  }

  Bytes file_;
  std::string codec_;
  std::string sync_;
  std::unique_ptr<data::AvroSequence> schema_;
  std::string block_;
  std::string_view rest_;  // of block_
  int64_t left_ = 0;       // records of the block
  int64_t number_ = 0;     // records given
  bool ended_ = false;
  Status failure_;
};

}  // namespace

Result<std::unique_ptr<RecordReader>> open_avro_records(std::unique_ptr<FileReader> file,
                                                        const std::string& path,
                                                        int64_t first_record) {
  auto records = std::make_unique<AvroRecords>(std::move(file), path);
  ASSAY_RETURN_IF_ERROR(records->read_header());
  ASSAY_RETURN_IF_ERROR(records->skip(first_record));
  return std::unique_ptr<RecordReader>(std::move(records));
}

}  // namespace assay::ingest

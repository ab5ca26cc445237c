#include <algorithm>
#include <cstring>
#include <utility>

#include <zlib.h>

#include "base/check.h"
#include "ingest/decompress.h"

namespace assay::ingest {
namespace {

constexpr std::size_t kInputBytes = 128 << 10;
constexpr int kGzipOnly = 16;  // added to the window size: expect a gzip header and trailer

class GzipReader : public FileReader {
 public:
  GzipReader(std::unique_ptr<FileReader> compressed, std::string path)
      : compressed_(std::move(compressed)), path_(std::move(path)) {
    ASSAY_CHECK(inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK);
  }
  ~GzipReader() override { inflateEnd(&stream_); }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  Result<std::string> read(std::size_t bytes_max) override {
    std::string text(bytes_max, '\0');
    std::size_t size = 0;
    while (size < bytes_max && failure_.ok() && !at_end_) {
      failure_ = inflate_some(&text, &size);
    }
    if (size == 0 && !failure_.ok()) {
      return failure_;
    }
    text.resize(size);
    return text;
  }

 private:
  Status inflate_some(std::string* text, std::size_t* size) {
    // After a full output buffer the stream may hold more text without any input.
    if (stream_.avail_in == 0 && !has_more_) {
      ASSAY_ASSIGN_OR_RETURN(input_, compressed_->read(kInputBytes));
      if (input_.empty()) {
        at_end_ = between_members_;
        return at_end_ ? Status() : damage("it ends too early");
      }
      stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
      stream_.avail_in = static_cast<uInt>(input_.size());
      input_end_ += static_cast<int64_t>(input_.size());
    }
    between_members_ = false;
    stream_.next_out = reinterpret_cast<Bytef*>(text->data() + *size);
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(text->size() - *size, 1U << 30));
    const uInt room = stream_.avail_out;
    const int outcome = inflate(&stream_, Z_NO_FLUSH);
    *size += room - stream_.avail_out;
    has_more_ = stream_.avail_out == 0 && outcome == Z_OK;
    if (outcome == Z_STREAM_END) {
      between_members_ = true;
      ASSAY_CHECK(inflateReset(&stream_) == Z_OK);
      return {};
    }
    if (outcome == Z_OK || outcome == Z_BUF_ERROR) {
      return {};
    }
    if (outcome == Z_MEM_ERROR) {
      return {Code::kResourceExhausted, "no memory to decompress " + path_};
    }
    return damage(stream_.msg == nullptr ? "it is not gzip" : stream_.msg);
  }

  [[nodiscard]] Status damage(const char* what) const {
    return {Code::kCorrupt,
            "damaged gzip file, at its byte " + std::to_string(input_end_ - stream_.avail_in) +
                ": " + what + ": " + path_};
  }

  std::unique_ptr<FileReader> compressed_;
  std::string path_;
  z_stream stream_{};
  std::string input_;
  int64_t input_end_ = 0;
  bool has_more_ = false;
  bool between_members_ = false;
  bool at_end_ = false;
  Status failure_;
};

}  // namespace

std::optional<std::string> inflate_block(std::string_view packed, int64_t bytes_max) {
  constexpr std::size_t kStepBytes = 64 << 10;
  z_stream stream{};
  ASSAY_CHECK(inflateInit2(&stream, -MAX_WBITS) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string text;
  int outcome = Z_OK;
  while (outcome == Z_OK && static_cast<int64_t>(text.size()) <= bytes_max) {
    const std::size_t before = text.size();
    text.resize(before + kStepBytes);
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + before);
    stream.avail_out = static_cast<uInt>(kStepBytes);
    outcome = inflate(&stream, Z_NO_FLUSH);
    text.resize(text.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  const bool is_whole = outcome == Z_STREAM_END && static_cast<int64_t>(text.size()) <= bytes_max;
  return is_whole ? std::optional(std::move(text)) : std::nullopt;
}

std::unique_ptr<FileReader> gunzip(std::unique_ptr<FileReader> compressed, std::string path) {
  return std::make_unique<GzipReader>(std::move(compressed), std::move(path));
}

}  // namespace assay::ingest

#include <optional>
#include <utility>

#include <zstd.h>

#include "base/check.h"
#include "ingest/decompress.h"

namespace assay::ingest {
namespace {

constexpr std::size_t kInputBytes = 128 << 10;

class ZstdReader : public FileReader {
 public:
  ZstdReader(std::unique_ptr<FileReader> compressed, std::string path)
      : compressed_(std::move(compressed)), path_(std::move(path)), stream_(ZSTD_createDStream()) {
    ASSAY_CHECK(stream_ != nullptr);
  }
  ~ZstdReader() override { ZSTD_freeDStream(stream_); }
  ZstdReader(const ZstdReader&) = delete;
  ZstdReader& operator=(const ZstdReader&) = delete;

  Result<std::string> read(std::size_t bytes_max) override {
    std::string text(bytes_max, '\0');
    ZSTD_outBuffer output{text.data(), text.size(), 0};
    while (output.pos < output.size && failure_.ok() && !at_end_) {
      failure_ = decompress_some(&output);
    }
    if (output.pos == 0 && !failure_.ok()) {
      return failure_;
    }
    text.resize(output.pos);
    return text;
  }

 private:
  Status decompress_some(ZSTD_outBuffer* output) {
    // After a full output buffer the stream may hold more text without any input.
    if (view_.pos == view_.size && !has_more_) {
      ASSAY_ASSIGN_OR_RETURN(input_, compressed_->read(kInputBytes));
      if (input_.empty()) {
        at_end_ = between_frames_;
        return at_end_ ? Status() : damage("it ends too early");
      }
      view_ = {input_.data(), input_.size(), 0};
      input_end_ += static_cast<int64_t>(input_.size());
    }
    const std::size_t outcome = ZSTD_decompressStream(stream_, output, &view_);
    if (ZSTD_isError(outcome) != 0) {
      return damage(ZSTD_getErrorName(outcome));
    }
    between_frames_ = outcome == 0;
    has_more_ = !between_frames_ && output->pos == output->size;
    return {};
  }

  [[nodiscard]] Status damage(const char* what) const {
    return {Code::kCorrupt,
            "damaged zstd file, near its byte " +
                std::to_string(input_end_ - static_cast<int64_t>(view_.size - view_.pos)) + ": " +
                what + ": " + path_};
  }

  std::unique_ptr<FileReader> compressed_;
  std::string path_;
  ZSTD_DStream* stream_;
  std::string input_;
  ZSTD_inBuffer view_{nullptr, 0, 0};
  int64_t input_end_ = 0;
  bool has_more_ = false;
  bool between_frames_ = false;
  bool at_end_ = false;
  Status failure_;
};

}  // namespace

std::optional<std::string> unzstd_block(std::string_view packed, int64_t bytes_max) {
  constexpr std::size_t kStepBytes = 64 << 10;
  ZSTD_DStream* stream = ZSTD_createDStream();
  ASSAY_CHECK(stream != nullptr);
  ZSTD_inBuffer input{packed.data(), packed.size(), 0};
  std::string text;
  std::size_t outcome = 1;
  bool is_stuck = false;
  while (outcome != 0 && ZSTD_isError(outcome) == 0 && !is_stuck &&
         static_cast<int64_t>(text.size()) <= bytes_max) {
    const std::size_t before = text.size();
    const std::size_t input_before = input.pos;
    text.resize(before + kStepBytes);
    ZSTD_outBuffer output{text.data() + before, kStepBytes, 0};
    outcome = ZSTD_decompressStream(stream, &output, &input);
    text.resize(before + output.pos);
    is_stuck = output.pos == 0 && input.pos == input_before;
  }
  ZSTD_freeDStream(stream);
  const bool is_whole = outcome == 0 && static_cast<int64_t>(text.size()) <= bytes_max;
  return is_whole ? std::optional(std::move(text)) : std::nullopt;
}

std::unique_ptr<FileReader> unzstd(std::unique_ptr<FileReader> compressed, std::string path) {
  return std::make_unique<ZstdReader>(std::move(compressed), std::move(path));
}

}  // namespace assay::ingest

#include "data/zstd_frames.h"

#include <zstd.h>

#include "base/check.h"

// Whole frames in memory; ingest/zstd.cc reads streams.

namespace assay::data {
void ZstdCompressor::Free::operator()(ZSTD_CCtx_s* context) const {
  ZSTD_freeCCtx(context);
}

ZstdCompressor::ZstdCompressor() : context_(ZSTD_createCCtx()) {
  if (context_ != nullptr) {                                         // else append() says so
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);  // every reader checks it
  }
}

Status ZstdCompressor::append(std::string_view bytes, std::string& out, ZstdEffort effort) {
  if (context_ == nullptr) {
    return {Code::kResourceExhausted, "zstd: no memory to work in"};
  }
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, static_cast<int>(effort));
  const std::size_t bound = ZSTD_compressBound(bytes.size());
  if (frame_.size() < bound) {
    frame_.resize(bound);
  }
  const std::size_t size =
      ZSTD_compress2(context_.get(), frame_.data(), frame_.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(size) != 0) {  // there is room enough
    return {Code::kResourceExhausted, std::string("zstd: ") + ZSTD_getErrorName(size)};
  }
  out.append(frame_.data(), size);
  return {};
}

void ZstdDecompressor::Free::operator()(ZSTD_DCtx_s* context) const {
  ZSTD_freeDCtx(context);
}

ZstdDecompressor::ZstdDecompressor() : context_(ZSTD_createDCtx()) {
  ASSAY_CHECK(context_ != nullptr);
}

bool ZstdDecompressor::read(std::string_view frame, std::size_t size, std::string& bytes) {
  bytes.resize(size);
  return ZSTD_decompressDCtx(
             context_.get(), bytes.data(), bytes.size(), frame.data(), frame.size()) == size;
}

}  // namespace assay::data

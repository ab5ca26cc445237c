#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/file_system.h"

namespace assay::ingest {

/// The text inside gzip data (RFC 1952, also several members one after the other).
///
/// Errors  kCorrupt: damaged, truncated or not gzip; it comes after all bytes before the damage
/// were
///         given, names `path` and the byte, and comes again when read again. Those of
///         `compressed`.
/// Threads one thread at a time.
std::unique_ptr<FileReader> gunzip(std::unique_ptr<FileReader> compressed, std::string path);

/// The text inside zstd data (RFC 8878, also several frames), windows up to 128 MiB; else as
/// gunzip().
std::unique_ptr<FileReader> unzstd(std::unique_ptr<FileReader> compressed, std::string path);

/// One block of raw deflate (RFC 1951), or one zstd frame. Nothing when it is damaged or holds more
/// than `bytes_max`.
std::optional<std::string> inflate_block(std::string_view packed, int64_t bytes_max);
std::optional<std::string> unzstd_block(std::string_view packed, int64_t bytes_max);

}  // namespace assay::ingest

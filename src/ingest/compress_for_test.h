#pragma once

#include <string>
#include <string_view>

namespace assay::ingest {

/// The text as one gzip member.
std::string gzip(std::string_view text);
/// The text as one zstd frame.
std::string zstd(std::string_view text);

}  // namespace assay::ingest

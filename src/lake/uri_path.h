#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace assay::lake {

/// `text` as part of a folder's name: every byte but A-Z a-z 0-9 - . _ ~ becomes %XX.
std::string encode_path_part(std::string_view text);
/// A path on disk as the log writes it: encoded once more, '/' and '=' kept.
std::string encode_log_path(std::string_view path);
/// The path on disk of a path in the log.
///
/// Errors  kCorrupt: a '%' without two hex digits.
Result<std::string> decode_log_path(std::string_view path);

}  // namespace assay::lake

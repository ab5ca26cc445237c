#include "data/duckdb_errors.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace assay::data {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool contains_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(
      parts.begin(), parts.end(), [&](std::string_view part) { return contains(text, part); });
}

/// What DuckDB says of a file that is not what its name says.
bool tells_of_bad_file(std::string_view message) {
  return contains_any(message,
                      {"No magic bytes found",
                       "too small to be a Parquet file",
                       "TProtocolException",
                       "decompression fail",
                       "Decompression fail",
                       "Malformed JSON",
                       "CSV Error on Line",
                       "Invalid Parquet",
                       "not a Parquet",
                       "Parquet file is corrupt",
                       "Corrupt ",
                       "footer length",
                       "Footer length",
                       "Error when sniffing file",
                       "file is corrupted",
                       "Out of buffer",
                       "is not a valid parquet",
                       "don't know what type",
                       "It is not possible to automatically detect the CSV"});
}

Code code_of(std::string_view message) {
  if (contains_any(message,
                   {"No space left on device", "Disk quota exceeded", "max_temp_directory_size"})) {
    return Code::kResourceExhausted;
  }
  static constexpr std::pair<std::string_view, Code> kByPrefix[] = {
      {"INTERRUPT", Code::kCancelled},
      {"Out of Memory", Code::kResourceExhausted},
      {"Permission", Code::kPermissionDenied},
      {"TransactionContext", Code::kAborted},
      {"FATAL", Code::kInternal},
      {"INTERNAL", Code::kInternal},
      {"Serialization", Code::kCorrupt},
  };
  for (const auto& [prefix, code] : kByPrefix) {
    if (message.substr(0, prefix.size()) == prefix) {
      return code;
    }
  }
  if (tells_of_bad_file(message)) {
    return Code::kCorrupt;
  }
  if (message.substr(0, 10) == "HTTP Error") {
    return contains(message, "HTTP 404")                                 ? Code::kNotFound
           : contains_any(message, {"HTTP 403", "HTTP 401", "HTTP 400"}) ? Code::kPermissionDenied
                                                                         : Code::kUnavailable;
  }
  if (message.substr(0, 8) == "IO Error") {
    if (contains_any(message, {"No files found", "No such file", "does not exist"})) {
      return Code::kNotFound;
    }
    return contains(message, "Permission denied") ? Code::kPermissionDenied : Code::kUnavailable;
  }
  return Code::kInvalidArgument;
}

}  // namespace

Status duckdb_failure(const char* message) {
  const std::string_view text = message == nullptr ? "no message" : message;
  return {code_of(text), std::string(text)};
}

}  // namespace assay::data

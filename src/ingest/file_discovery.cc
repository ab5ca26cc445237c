#include "ingest/file_discovery.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "ingest/file_listing.h"

namespace assay::ingest {
namespace {

constexpr int64_t kFingerprintBytes = 64 << 10;

std::string where(const catalog::SourceDef& definition) {
  std::string text = "source `" + definition.name + "`";
  if (!definition.span.file.empty()) {
    text += " (" + definition.span.file + ":" + std::to_string(definition.span.line) + ")";
  }
  return text;
}

}  // namespace

Compression compression_of(std::string_view path) {
  if (path.ends_with(".gz")) {
    return Compression::kGzip;
  }
  return path.ends_with(".zst") ? Compression::kZstd : Compression::kNone;
}

bool may_grow(const catalog::SourceDef& definition, std::string_view path) {
  return definition.format != catalog::Format::kParquet &&
         definition.format != catalog::Format::kAvro && compression_of(path) == Compression::kNone;
}

Result<uint64_t> fingerprint_of(FileSystem& files, const std::string& path, int64_t size_bytes) {
  ASSAY_ASSIGN_OR_RETURN(const std::string beginning,
                         files.read_range(path, 0, std::min(size_bytes, kFingerprintBytes)));
  return hash_bytes(beginning);
}

Result<std::vector<SourceFile>> FileDiscovery::find_new(const std::vector<SourceFile>& known) {
  Result<std::vector<FileInfo>> listed =
      list_source_files(files_, project_folder_, definition_.path);
  if (!listed.ok()) {
    const char* hint = listed.code() == Code::kNotFound
                           ? "; create it, or correct `path` of the source"
                           : "; let this user read it, or correct `path` of the source";
    return Status(listed.code(), where(definition_) + ": " + listed.status().message() + hint);
  }
  std::map<std::string_view, const SourceFile*> newest;
  for (const SourceFile& file : known) {
    newest[file.path] = &file;
  }
  unsettled_.clear();
  std::vector<SourceFile> found;
  for (const FileInfo& info : *listed) {
    SourceFile file{.ordinal = static_cast<int64_t>(known.size() + found.size()),
                    .path = info.path,
                    .end_bytes = info.size_bytes,
                    .modified = info.modified};
    const auto before = newest.find(info.path);
    if (before != newest.end()) {
      const Result<FileChange> change = compare(*before->second, info);
      if (!change.ok()) {
        return change.status().with_context(where(definition_));
      }
      if (*change == FileChange::kCompleted || *change == FileChange::kReplaced) {
        unsettled_.push_back(info.path);
      }
      if (*change != FileChange::kAppended) {
        continue;
      }
      file.begin_bytes = before->second->end_bytes;
    }
    Result<uint64_t> fingerprint =
        fingerprint_of(files_, join_path(project_folder_, info.path), info.size_bytes);
    if (!fingerprint.ok()) {
      return fingerprint.status().with_context(where(definition_));
    }
    file.fingerprint = *fingerprint;
    found.push_back(std::move(file));
  }
  return found;
}

Result<FileChange> FileDiscovery::compare(const SourceFile& known) {
  const Result<FileInfo> info = files_.stat(join_path(project_folder_, known.path));
  if (info.code() == Code::kNotFound) {
    return Status(Code::kNotFound,
                  "a file vanished before all of it was read; put it back: " + known.path);
  }
  if (!info.ok()) {
    return info.status();
  }
  return compare(known, *info);
}

Result<FileChange> FileDiscovery::compare(const SourceFile& known, const FileInfo& now) {
  if (now.size_bytes == known.end_bytes) {
    const auto seen = unchanged_at_.find(known.path);
    if (now.modified == known.modified ||
        (seen != unchanged_at_.end() && seen->second == now.modified)) {
      return FileChange::kNone;
    }
  }
  const bool is_text = may_grow(definition_, known.path);
  if (now.size_bytes < known.end_bytes) {
    return is_text ? Result<FileChange>(changed(known.path)) : FileChange::kReplaced;
  }
  const Result<uint64_t> fingerprint =
      fingerprint_of(files_, join_path(project_folder_, known.path), known.end_bytes);
  if (!fingerprint.ok()) {
    return fingerprint.status();
  }
  if (*fingerprint != known.fingerprint) {
    return is_text ? Result<FileChange>(changed(known.path)) : FileChange::kReplaced;
  }
  if (now.size_bytes == known.end_bytes) {
    unchanged_at_[known.path] = now.modified;
    return FileChange::kNone;
  }
  if (!is_text) {
    return FileChange::kCompleted;
  }
  ASSAY_RETURN_IF_ERROR(check_append(known, now));
  return FileChange::kAppended;
}

Result<SourceFile> FileDiscovery::restate(const SourceFile& known, int64_t ordinal) {
  const std::string path = join_path(project_folder_, known.path);
  const Result<FileInfo> info = files_.stat(path);
  if (!info.ok()) {
    return info.status();
  }
  const Result<uint64_t> fingerprint = fingerprint_of(files_, path, info->size_bytes);
  if (!fingerprint.ok()) {
    return fingerprint.status();
  }
  std::erase(unsettled_, known.path);
  return SourceFile{.ordinal = ordinal,
                    .path = known.path,
                    .begin_bytes = info->size_bytes,
                    .end_bytes = info->size_bytes,
                    .fingerprint = *fingerprint,
                    .modified = info->modified};
}

Status FileDiscovery::changed(const std::string& path) const {
  return {
      Code::kFailedPrecondition,
      "a file changed after it was found; bring back what it held, and give new data a new name: " +
          path};
}

/// Fails when the last line was completed only after it had been found, and may have been read as
/// it was.
Status FileDiscovery::check_append(const SourceFile& known, const FileInfo& now) {
  if (known.end_bytes == 0) {
    return {};
  }
  Result<std::string> bytes =
      files_.read_range(join_path(project_folder_, known.path),
                        known.end_bytes - 1,
                        std::min<int64_t>(3, now.size_bytes - known.end_bytes + 1));
  if (!bytes.ok()) {
    return bytes.status();
  }
  const std::string_view seam = *bytes;  // the last byte that was there and two behind it
  if (seam.starts_with('\n') || seam.substr(1).starts_with('\n') || seam.substr(1) == "\r\n") {
    return {};
  }
  return {
      Code::kFailedPrecondition,
      "text was appended in the middle of a line; append whole lines, or write to a name that ends"
      " with .part and rename. To go on, cut the file back to " +
          std::to_string(known.end_bytes) +
          " bytes and put what came after into a new file: " + known.path};
}

}  // namespace assay::ingest

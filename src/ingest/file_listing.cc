#include "ingest/file_listing.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fnmatch.h>

namespace assay::ingest {
namespace {

constexpr int kDepthMax = 8;

bool is_left_out(std::string_view name) {
  return name.starts_with('.') || name.starts_with('_') || name.ends_with(".tmp") ||
         name.ends_with(".part");
}

bool is_pattern(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

/// Shorter and equal path: no "./", "a/../" or last slash.
std::string normal_path(const std::string& path) {
  std::string normal = std::filesystem::path(path).lexically_normal().string();
  if (normal.size() > 1 && normal.back() == '/') {
    normal.pop_back();
  }
  return normal;
}

/// Lists under the project folder, in paths relative to it.
class Lister {
 public:
  Lister(FileSystem& files, const std::string& project_folder)
      : files_(files), project_folder_(project_folder) {}

  [[nodiscard]] std::string absolute(const std::string& path) const {
    return join_path(project_folder_, path);
  }

  Result<std::vector<FileInfo>> entries(const std::string& folder) {
    ASSAY_ASSIGN_OR_RETURN(std::vector<FileInfo> found, files_.list(absolute(folder)));
    for (FileInfo& info : found) {
      const std::string name = file_name(info.path);
      info.path = folder == "." ? name : join_path(folder, name);
    }
    return found;
  }

  Status add_folder(const std::string& folder, int depth) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<FileInfo> found, entries(folder));
    for (const FileInfo& info : found) {
      if (is_left_out(file_name(info.path))) {
        continue;
      }
      if (!info.is_directory) {
        result_.push_back(info);
      } else if (depth < kDepthMax) {
        ASSAY_RETURN_IF_ERROR(add_folder(info.path, depth + 1));
      }
    }
    return {};
  }

  /// Files under `folder` that match the rest of a glob.
  Status add_matches(const std::string& folder, std::string_view pattern) {
    const std::size_t slash = std::min(pattern.find('/'), pattern.size());
    const bool is_last = slash == pattern.size();
    const std::string part(pattern.substr(0, slash));
    ASSAY_ASSIGN_OR_RETURN(const std::vector<FileInfo> found, entries(folder));
    for (const FileInfo& info : found) {
      const std::string name = file_name(info.path);
      if (is_left_out(name) || info.is_directory == is_last ||
          ::fnmatch(part.c_str(), name.c_str(), 0) != 0) {
        continue;
      }
      if (is_last) {
        result_.push_back(info);
      } else {
        ASSAY_RETURN_IF_ERROR(add_matches(info.path, pattern.substr(slash + 1)));
      }
    }
    return {};
  }

  std::vector<FileInfo> take() {
    std::sort(result_.begin(), result_.end(), [](const FileInfo& a, const FileInfo& b) {
      return a.path < b.path;
    });
    return std::move(result_);
  }

 private:
  FileSystem& files_;
  const std::string& project_folder_;
  std::vector<FileInfo> result_;
};

}  // namespace

Result<std::vector<FileInfo>> list_source_files(FileSystem& files,
                                                const std::string& project_folder,
                                                const std::string& path) {
  const std::string normal = normal_path(path);
  Lister lister(files, project_folder);
  Result<FileInfo> info = files.stat(lister.absolute(normal));
  if (info.ok() && !info->is_directory) {
    info->path = normal;
    return std::vector<FileInfo>{*info};
  }
  if (info.ok()) {
    ASSAY_RETURN_IF_ERROR(lister.add_folder(normal, 1));
    return lister.take();
  }
  const std::size_t glob = normal.find_first_of("*?[");
  if (info.code() != Code::kNotFound || !is_pattern(normal)) {
    return std::move(info).status();
  }
  const std::size_t slash = normal.rfind('/', glob);
  const bool in_root = slash == 0;
  const std::string folder =
      slash == std::string::npos ? "." : normal.substr(0, in_root ? 1 : slash);
  const std::string_view pattern = slash == std::string::npos
                                       ? std::string_view(normal)
                                       : std::string_view(normal).substr(slash + 1);
  ASSAY_RETURN_IF_ERROR(lister.add_matches(folder, pattern));
  return lister.take();
}

}  // namespace assay::ingest

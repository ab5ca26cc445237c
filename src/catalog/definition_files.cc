#include "catalog/definition_files.h"

namespace assay::catalog {
namespace {

Status read_only(const std::string& path) {
  return {Code::kUnimplemented, "definitions are only read: " + path};
}

Status not_found(const std::string& path) {
  return {Code::kNotFound, "not among the recorded definitions: " + path};
}

/// `path` as it is called below `folder`; the path itself when it lies elsewhere.
std::string below(const std::string& folder, const std::string& path) {
  const std::string start = folder + "/";
  return path.starts_with(start) ? path.substr(start.size()) : path;
}

}  // namespace

Result<std::string> DefinitionFiles::read_range(const std::string& path, int64_t, int64_t) {
  return read_only(path);
}
Result<std::unique_ptr<FileReader>> DefinitionFiles::open(const std::string& path) {
  return read_only(path);
}
Status DefinitionFiles::write(const std::string& path, std::string_view) {
  return read_only(path);
}
Status DefinitionFiles::put_if_absent(const std::string& path, std::string_view) {
  return read_only(path);
}
Status DefinitionFiles::make_directories(const std::string& path) {
  return read_only(path);
}
Status DefinitionFiles::remove(const std::string& path) {
  return read_only(path);
}
Status DefinitionFiles::sync(const std::string& path) {
  return read_only(path);
}
Result<std::unique_ptr<FileLock>> DefinitionFiles::lock(const std::string& path) {
  return read_only(path);
}

Result<std::string> RecordedDefinitions::read(const std::string& path) {
  Result<std::string> text = below_.read(path);
  if (text.ok()) {
    texts_[below(folder_, path)] = *text;
  }
  return text;
}

Result<std::vector<FileInfo>> RecordedDefinitions::list(const std::string& directory) {
  return below_.list(directory);
}

Result<FileInfo> RecordedDefinitions::stat(const std::string& path) {
  return below_.stat(path);
}

Result<std::string> ReplayedDefinitions::read(const std::string& path) {
  const auto found = texts_.find(below(folder_, path));
  return found == texts_.end() ? Result<std::string>(not_found(path)) : found->second;
}

Result<std::vector<FileInfo>> ReplayedDefinitions::list(const std::string& directory) {
  const std::string prefix = directory == folder_ ? "" : below(folder_, directory) + "/";
  std::map<std::string, FileInfo> entries;
  for (const auto& [name, text] : texts_) {
    if (!name.starts_with(prefix)) {
      continue;
    }
    const std::size_t slash = name.find('/', prefix.size());
    const std::string path =
        join_path(directory, name.substr(prefix.size(), slash - prefix.size()));
    if (slash == std::string::npos) {
      entries[path] = {path, static_cast<int64_t>(text.size()), {}, false};
    } else {
      entries.try_emplace(path, FileInfo{path, 0, {}, true});
    }
  }
  if (entries.empty()) {
    return not_found(directory);
  }
  std::vector<FileInfo> list;
  for (auto& [path, info] : entries) {
    list.push_back(std::move(info));
  }
  return list;
}

Result<FileInfo> ReplayedDefinitions::stat(const std::string& path) {
  const std::string name = below(folder_, path);
  const auto found = texts_.find(name);
  if (found != texts_.end()) {
    return FileInfo{path, static_cast<int64_t>(found->second.size()), {}, false};
  }
  const auto inside = texts_.lower_bound(name + "/");
  if (path == folder_ || (inside != texts_.end() && inside->first.starts_with(name + "/"))) {
    return FileInfo{path, 0, {}, true};
  }
  return not_found(path);
}

}  // namespace assay::catalog

#include "cli/feast_place.h"

#include "base/ascii.h"
#include "catalog/yaml_document.h"

namespace assay::cli {
namespace {

constexpr char kStoreFile[] = "feature_store.yaml";
constexpr char kFileKind[] = "file";

bool is_file(FileSystem& files, const std::string& path) {
  const Result<FileInfo> info = files.stat(path);
  return info.ok() && !info->is_directory;
}

/// The text of a key; "" when it has none.
std::string text_of(const catalog::YamlNode& map, std::string_view key) {
  const catalog::YamlNode* const value = map.find(key);
  return value == nullptr ? "" : value->text;
}

/// The next step where the registry is in a place that only Feast reads.
Status not_read(const std::string& store_file, const std::string& kind) {
  const std::string folder = parent_path(store_file);
  return Status(
      Code::kInvalidArgument,
      "the registry that " + store_file + " names is of the kind `" + kind +
          "`, which is not read, only a local file is; let Feast write one, with its Python: "
          "`python -c \"from feast import FeatureStore; open('" +
          join_path(folder, "registry.db") + "', 'wb').write(FeatureStore(repo_path='" + folder +
          "').registry.proto().SerializeToString())\"`, then `assay import feast " +
          join_path(folder, "registry.db") + " FOLDER`");
}

/// The registry's file, as feature_store.yaml has it.
Result<std::string> registry_path(const std::string& store_file, const catalog::YamlNode& root) {
  const catalog::YamlNode* const registry = root.find("registry");
  if (registry == nullptr) {
    return std::string("data/registry.db");
  }
  const bool is_map = registry->kind == catalog::YamlNode::Kind::kMap;
  const std::string kind = is_map ? lower_ascii(text_of(*registry, "registry_type")) : "";
  if (!kind.empty() && kind != kFileKind) {
    return not_read(store_file, kind);
  }
  std::string path = is_map ? text_of(*registry, "path") : registry->text;
  if (const std::size_t scheme = path.find("://"); scheme != std::string::npos) {
    if (path.substr(0, scheme) != kFileKind) {
      return not_read(store_file, path.substr(0, scheme));
    }
    path.erase(0, scheme + 3);
  }
  if (path.empty()) {
    return Status(Code::kInvalidArgument,
                  store_file + ": `registry` names no file; call the registry's file instead");
  }
  if (path.find('$') != std::string::npos) {
    return Status(Code::kInvalidArgument,
                  store_file + ": `registry` has a variable of the environment, " + path +
                      "; call the registry's file instead of its folder");
  }
  return path;
}

Result<FeastPlace> place_of(FileSystem& files, const std::string& store_file) {
  ASSAY_ASSIGN_OR_RETURN(const std::string text, files.read(store_file));
  const catalog::YamlDocument document = catalog::parse_yaml(text, store_file);
  if (document.diagnostics.errors() > 0 || document.root.kind != catalog::YamlNode::Kind::kMap) {
    return Status(
        Code::kInvalidArgument,
        store_file + " is not read: " +
            (document.diagnostics.items.empty() ? "it is no map of keys"
                                                : document.diagnostics.items.front().message) +
            "; call the registry's file instead of its folder");
  }
  ASSAY_ASSIGN_OR_RETURN(const std::string path, registry_path(store_file, document.root));
  FeastPlace place;
  place.folder = parent_path(store_file);
  place.registry_file = join_path(place.folder, path);
  if (!is_file(files, place.registry_file)) {
    return Status(Code::kNotFound,
                  "no registry at " + place.registry_file + ", where " + store_file +
                      " says it is; run `feast apply` in " + place.folder);
  }
  if (const catalog::YamlNode* const auth = document.root.find("auth")) {
    if (const std::string type = text_of(*auth, "type"); !type.empty() && type != "no_auth") {
      place.notes.push_back("auth: " + type + " of " + kStoreFile +
                            " is left out: everybody may ask the project's server, until `assay "
                            "serve --access FILE` says who may");
    }
  }
  return place;
}

}  // namespace

Result<FeastPlace> find_feast_place(FileSystem& files, const std::string& repository) {
  ASSAY_ASSIGN_OR_RETURN(const FileInfo info, files.stat(repository));
  if (!info.is_directory) {
    if (file_name(repository) == kStoreFile) {
      return place_of(files, repository);
    }
    // Feast's own place for it is a folder below the repository's.
    const std::string folder = parent_path(repository);
    const std::string above = parent_path(folder);
    const bool is_below = !is_file(files, join_path(folder, kStoreFile)) &&
                          is_file(files, join_path(above, kStoreFile));
    return FeastPlace{is_below ? above : folder, repository, {}};
  }
  for (const char* const below : {"", "feature_repo"}) {
    const std::string folder = *below == 0 ? repository : join_path(repository, below);
    if (const std::string store = join_path(folder, kStoreFile); is_file(files, store)) {
      return place_of(files, store);
    }
    for (const char* const name : {"data/registry.db", "registry.db"}) {
      if (const std::string path = join_path(folder, name); is_file(files, path)) {
        return FeastPlace{folder, path, {}};
      }
    }
  }
  return Status(Code::kNotFound,
                "no " + std::string(kStoreFile) + " and no registry in " + repository +
                    "; call the repository's folder, or its registry's file");
}

}  // namespace assay::cli

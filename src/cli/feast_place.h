#pragma once

#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"

namespace assay::cli {

/// A Feast repository on this machine.
struct FeastPlace {
  std::string folder;  // relative paths of its sources are below it
  std::string registry_file;
  std::vector<std::string> notes;  // of what its feature_store.yaml says beside
};

/// Find the registry of what a user calls a repository: its folder, its feature_store.yaml, the
/// folder in which `feast init` made it, or the registry's file.
///
/// A folder's registry is where its feature_store.yaml says, `data/registry.db` unless it does.
/// Errors  kNotFound: there is none there. kInvalidArgument: feature_store.yaml is no YAML, or
///         names a registry that is no file of this machine.
Result<FeastPlace> find_feast_place(FileSystem& files, const std::string& repository);

}  // namespace assay::cli

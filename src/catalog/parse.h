#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/world.h"
#include "catalog/definitions.h"
#include "catalog/diagnostics.h"
#include "catalog/places.h"

namespace assay::catalog {

/// The value of an environment variable, or nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

struct ParseOptions {
  std::string profile;      // of `profiles:` in assay.yaml; "" for none
  Environment environment;  // for ${VAR}; without it no variable is set
};

/// How to reach a lake whose place is s3://bucket/prefix: of the machine, so no definition and
/// never applied. "" is what the environment or the service's own rules say.
struct LakeS3Settings {
  std::string endpoint;
  std::string region;
  std::optional<bool> path_style;
  std::string ca_file;  // absolute
  std::string profile;
};

/// What the files of a project say, and everything that is wrong with them.
struct ParsedProject {
  Project project;  // what could be read; use it only when diagnostics has no error
  LakeS3Settings s3;
  Diagnostics diagnostics;
  Places places;
  std::set<std::string> broken;       // "bronze/clicks": definitions that had errors of their own
  std::vector<std::string> profiles;  // names under `profiles:`
};

constexpr int kProjectFilesMax = 1000;

/// Read assay.yaml and every other *.yaml and *.yml below the project's folder.
///
/// Not looked into: hidden folders, data/, sql/, the lake's and the online store's, and folders
/// with an assay.yaml of their own. `${VAR}` in a value is replaced by the environment's,
/// `${VAR:-text}` has a default, `$${` is a plain `${`. `sql_file` and `sql: x.sql` are read too.
/// Paths of the project are joined to `folder`, which should be absolute.
/// Errors  kNotFound: no folder, or no assay.yaml in it. As FileSystem's: a file or folder could not
///         be read, for a reason that may pass. Everything else is a diagnostic.
/// Threads one thread at a time.
Result<ParsedProject> parse_project(World& world,
                                    const std::string& folder,
                                    const ParseOptions& options = {});

}  // namespace assay::catalog

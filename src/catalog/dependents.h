#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "catalog/definitions.h"

namespace assay::catalog {

/// Who is made from whom in a project, by names.
class Dependents {
 public:
  explicit Dependents(const Project& project);
  /// What depends on a definition, directly or through others: "feature view `v`", "model `m`",
  /// sorted along the line and then by name.
  [[nodiscard]] std::vector<std::string> of(const std::string& kind, const std::string& name) const;

 private:
  using Id = std::pair<int, std::string>;  // rank of the kind on the line, name
  void add(const std::string& from_kind,
           const std::string& from,
           const std::string& to_kind,
           const std::string& to);

  std::map<Id, std::set<Id>> edges_;
};

}  // namespace assay::catalog

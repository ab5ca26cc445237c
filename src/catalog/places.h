#pragma once

#include <map>
#include <string>

#include "catalog/definitions.h"
#include "catalog/yaml_document.h"

namespace assay::catalog {

/// Where a key or value was written, and how long it is.
struct Place {
  Span span;
  int length = 1;
  int text_column = 0;     // see YamlNode
  bool is_single = false;  // a scalar: what stands for its parts too when they are written short
};

/// The places of everything in a project's files, by path: "bronze/clicks/checks/0/range".
class Places {
 public:
  /// Remember all of a file's nodes. A path that is already known keeps its first place.
  void add(const YamlNode& root, const std::string& file);
  /// Place of the value at a path, or of the nearest thing around it that is known.
  [[nodiscard]] Place value(std::string path) const;
  /// Place of the key at a path; for list items the item; else as value().
  [[nodiscard]] Place key(const std::string& path) const;

 private:
  void add_value(const YamlNode& node, const std::string& path, const std::string& file);

  std::map<std::string, Place> values_;
  std::map<std::string, Place> keys_;
};

}  // namespace assay::catalog

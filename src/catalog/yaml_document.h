#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "catalog/diagnostics.h"

namespace assay::catalog {

struct YamlEntry;

/// Where a node begins: line and column (in bytes) from 1.
struct YamlMark {
  int line = 0;
  int column = 0;
};

/// A value of a YAML file with the place where it was written.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string text;     // kScalar
  bool quoted = false;  // kScalar: written in quotes, or as a block
  YamlMark mark;
  int length = 1;       // bytes to underline
  int text_column = 0;  // where `text` begins on the mark's line; 0 when it is not there as it is
  std::vector<YamlNode> items;     // kList
  std::vector<YamlEntry> entries;  // kMap, in the order written

  /// The value of a key, or nullptr.
  [[nodiscard]] const YamlNode* find(std::string_view key) const;
};

/// One `key: value` of a map.
struct YamlEntry {
  std::string key;
  YamlMark key_mark;
  YamlNode value;
};

struct YamlDocument {
  YamlNode root;  // kNull for an empty file
  Diagnostics diagnostics;
};

constexpr std::size_t kYamlBytesMax = 1 << 20;
constexpr int kYamlDepthMax = 64;
constexpr int kYamlNodesMax = 100'000;

/// Read one YAML document, with anchors, aliases and merge keys resolved.
///
/// Duplicate keys, keys that are not text, a second document, invalid UTF-8, and files beyond
/// kYamlBytesMax, kYamlDepthMax or kYamlNodesMax (aliases counted as copies) are diagnosed, with
/// the rest of the file still read where that is possible. Never throws.
YamlDocument parse_yaml(std::string_view text, const std::string& file);

}  // namespace assay::catalog

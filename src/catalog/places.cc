#include "catalog/places.h"

namespace assay::catalog {

void Places::add(const YamlNode& root, const std::string& file) {
  values_.emplace("", Place{{file, 0, 0}, 1, 0, false});
  for (const YamlEntry& entry : root.entries) {
    keys_.emplace(entry.key,
                  Place{{file, entry.key_mark.line, entry.key_mark.column},
                        static_cast<int>(entry.key.size()),
                        0,
                        false});
    add_value(entry.value, entry.key, file);
  }
}

void Places::add_value(const YamlNode& node, const std::string& path, const std::string& file) {
  values_.emplace(path,
                  Place{{file, node.mark.line, node.mark.column},
                        node.length,
                        node.text_column,
                        node.kind == YamlNode::Kind::kScalar});
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    add_value(node.items[i], path + "/" + std::to_string(i), file);
  }
  for (const YamlEntry& entry : node.entries) {
    const std::string below = path + "/" + entry.key;
    keys_.emplace(below,
                  Place{{file, entry.key_mark.line, entry.key_mark.column},
                        static_cast<int>(entry.key.size()),
                        entry.key_mark.column,
                        false});
    add_value(entry.value, below, file);
  }
}

Place Places::value(std::string path) const {
  while (true) {
    const auto found = values_.find(path);
    if (found != values_.end()) {
      return found->second;
    }
    if (path.empty()) {
      return {};
    }
    const std::size_t slash = path.rfind('/');
    path.resize(slash == std::string::npos ? 0 : slash);
    const auto around = values_.find(path);
    const auto key = keys_.find(path);
    if (key != keys_.end() && (around == values_.end() || !around->second.is_single)) {
      return key->second;
    }
  }
}

Place Places::key(const std::string& path) const {
  const auto found = keys_.find(path);
  return found != keys_.end() ? found->second : value(path);
}

}  // namespace assay::catalog

// Looking things up in the table of keys.

#include <algorithm>

#include "base/check.h"
#include "catalog/definition_table.h"

namespace assay::catalog {

const SectionDef& section_def(std::string_view name) {
  const auto found = std::find_if(all_sections().begin(),
                                  all_sections().end(),
                                  [&](const SectionDef& section) { return section.name == name; });
  ASSAY_CHECK(found != all_sections().end());
  return *found;
}

std::vector<const KeyDef*> keys_of(std::string_view section) {
  std::vector<const KeyDef*> keys;
  for (const KeyDef& key : all_keys()) {
    if (key.section == section) {
      keys.push_back(&key);
    }
  }
  return keys;
}

const KeyDef* find_key(std::string_view section, std::string_view key) {
  for (const KeyDef& row : all_keys()) {
    if (row.section == section && row.key == key) {
      return &row;
    }
  }
  return nullptr;
}

std::vector<std::string> choices_of(std::string_view detail) {
  std::vector<std::string> choices;
  std::size_t begin = 0;
  while (begin < detail.size()) {
    const std::size_t end = std::min(detail.find('|', begin), detail.size());
    choices.emplace_back(detail.substr(begin, end - begin));
    begin = end + 1;
  }
  return choices;
}

}  // namespace assay::catalog

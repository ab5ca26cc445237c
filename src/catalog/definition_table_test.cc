#include "catalog/definition_table.h"

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "catalog/diagnostics.h"
#include "catalog/json_leaves.h"
#include "catalog/json_schema.h"

namespace assay::catalog {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(std::string(ASSAY_SOURCE_DIR) + "/" + path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(DefinitionTable, KeysAndSectionsAreNamedOnceAndResolve) {
  std::set<std::string> sections;
  for (const SectionDef& section : all_sections()) {
    EXPECT_TRUE(sections.insert(std::string(section.name)).second) << section.name;
    EXPECT_FALSE(keys_of(section.name).empty()) << section.name;
    if (!section.shorthand_key.empty()) {
      EXPECT_NE(find_key(section.name, section.shorthand_key), nullptr) << section.name;
    }
  }
  std::set<std::string> keys;
  for (const KeyDef& key : all_keys()) {
    EXPECT_TRUE(sections.count(std::string(key.section)) == 1) << key.key;
    EXPECT_TRUE(keys.insert(std::string(key.section) + "." + std::string(key.key)).second)
        << key.key;
    EXPECT_FALSE(key.help.empty()) << key.key;
    const bool refers = key.kind == ValueKind::kSection || key.kind == ValueKind::kSectionMap ||
                        key.kind == ValueKind::kSectionList;
    EXPECT_TRUE(!refers || sections.count(std::string(key.detail)) == 1) << key.key;
  }
}

TEST(DefinitionTable, TheProjectHasFewerThanFortySettings) {
  EXPECT_LT(keys_of("project").size() + keys_of("serving").size(), 40U);
}

TEST(DefinitionTable, TheReferencePageIsTheTable) {
  EXPECT_EQ(read_file("docs/reference/yaml.md"), yaml_reference());
}

TEST(DefinitionTable, TheDiagnosticsPageIsTheTable) {
  EXPECT_EQ(read_file("docs/reference/diagnostics.md"), diagnostics_reference());
}

TEST(DefinitionTable, TheJsonSchemaFileIsTheTable) {
  EXPECT_EQ(read_file("docs/reference/project.schema.json"), json_schema() + "\n");
}

TEST(DefinitionTable, TheJsonSchemaHoldsEveryKeyAndItsReferencesResolve) {
  const auto leaves = json_leaves(json_schema());
  ASSERT_TRUE(leaves.ok()) << leaves.status().to_string();
  std::map<std::string, std::string> values(leaves->begin(), leaves->end());
  EXPECT_EQ(values["$schema"], "\"https://json-schema.org/draft/2020-12/schema\"");
  for (const KeyDef& key : all_keys()) {
    const bool at_root = key.section == "project" || key.section == "definitions";
    const std::string tail = "properties." + std::string(key.key) + ".description";
    const std::string section(key.section);
    EXPECT_TRUE(at_root ? values.count(tail) == 1
                        : values.count("$defs." + section + "." + tail) +
                                  values.count("$defs." + section + ".anyOf[1]." + tail) ==
                              1)
        << section << "." << key.key;
  }
  for (const auto& [path, value] : values) {
    const std::size_t ref = path.rfind(".$ref");
    if (ref == std::string::npos || ref + 5 != path.size()) {
      continue;
    }
    const std::string target = "$defs." + value.substr(9, value.size() - 10);
    const auto found = values.lower_bound(target);
    EXPECT_TRUE(found != values.end() && found->first.compare(0, target.size(), target) == 0)
        << path;
  }
}

}  // namespace
}  // namespace assay::catalog

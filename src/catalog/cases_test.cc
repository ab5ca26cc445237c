#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "catalog/testing.h"
#include "catalog/validate.h"

// Projects under tests/cases/catalog, each with the text that `assay validate` prints for it.

namespace assay::catalog {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Cases, EveryProjectGivesItsExpectedDiagnostics) {
  SystemWorld system;
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(ASSAY_SOURCE_DIR) +
                                                               "/tests/cases/catalog")) {
    const Result<ParsedProject> parsed = load_project(system.world(), entry.path().string());
    ASSERT_TRUE(parsed.ok()) << parsed.status().to_string();
    const std::string found = format_diagnostics(parsed->diagnostics);
    EXPECT_EQ(found, read_file(entry.path() / "expected.txt")) << entry.path();
    if (std::getenv("ASSAY_UPDATE_CASES") != nullptr) {
      std::ofstream(entry.path() / "expected.txt") << found;
    }
    ++cases;
  }
  EXPECT_GE(cases, 3);
}

/// One change of a word that a tired hand makes: a letter left out, doubled, replaced or two
/// swapped.
std::string misspell(const std::string& word, std::mt19937_64* random) {
  std::string wrong = word;
  const std::size_t at = (*random)() % (word.size() - 1);
  switch ((*random)() % 4) {
    case 0:
      wrong.erase(at, 1);
      break;
    case 1:
      wrong.insert(at, 1, word[at]);
      break;
    case 2:
      wrong[at] = wrong[at] == 'x' ? 'y' : 'x';
      break;
    default:
      std::swap(wrong[at], wrong[at + 1]);
  }
  return wrong;
}

TEST(Cases, AMisspeltKeyGetsTheRightSuggestion) {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  const std::vector<std::string> keys = {"source",
                                         "dedup_for",
                                         "event_time",
                                         "known_time",
                                         "future_max",
                                         "columns",
                                         "checks",
                                         "partition_by"};
  for (int round = 0; round < 500; ++round) {
    const std::string& key = keys[random() % keys.size()];
    const std::string wrong = misspell(key, &random);
    if (std::find(keys.begin(), keys.end(), wrong) != keys.end()) {
      continue;
    }
    MemoryWorld world(
        std::map<std::string, std::string>{{"/p/assay.yaml",
                                            "project: p\nsources: {a: {files: a.csv}}\nbronze: {b: "
                                            "{source: a, columns: {c: string}, " +
                                                wrong + ": x}}\n"}});
    const Result<ParsedProject> parsed = parse_project(world.world(), "/p");
    ASSERT_TRUE(parsed.ok());
    ASSERT_EQ(parsed->diagnostics.items.size(), 1U) << wrong;
    EXPECT_EQ(parsed->diagnostics.items[0].help, "did you mean `" + key + "`?") << wrong;
  }
}

TEST(Cases, AMisspeltReferenceGetsTheRightSuggestion) {
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  const std::vector<std::string> tables = {"purchases", "customers", "warehouse", "shipments"};
  for (int round = 0; round < 300; ++round) {
    const std::string& table = tables[random() % tables.size()];
    const std::string wrong = misspell(table, &random);
    if (wrong == table) {
      continue;
    }
    std::string text = "project: p\nsources: {a: {files: a.csv}}\nbronze:\n";
    for (const std::string& name : tables) {
      text += "  " + name + ": {source: a, columns: {c: string}}\n";
    }
    text += "silver: {s: {from: " + wrong + "}}\n";
    MemoryWorld world(std::map<std::string, std::string>{{"/p/assay.yaml", text}});
    const Result<ParsedProject> parsed = load_project(world.world(), "/p");
    ASSERT_TRUE(parsed.ok());
    ASSERT_EQ(parsed->diagnostics.items.size(), 1U) << wrong;
    EXPECT_EQ(parsed->diagnostics.items[0].help, "did you mean `" + table + "`?") << wrong;
  }
}

}  // namespace
}  // namespace assay::catalog

#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/file_system.h"
#include "catalog/aggregates.h"
#include "catalog/definition_table.h"
#include "gold/case_runner.h"

namespace assay::gold {
namespace {

constexpr uint64_t kRuns = 20;

void expect_case(const std::string& name, const std::string& text) {
  for (uint64_t seed = 1; seed <= kRuns; ++seed) {
    const Result<std::vector<std::string>> differences = run_case(text, seed);
    ASSERT_TRUE(differences.ok()) << name << ": " << differences.status().to_string();
    for (const std::string& difference : *differences) {
      ADD_FAILURE() << name << ", seed " << seed << ": " << difference;
    }
  }
}

TEST(Case, EveryRuleHoldsStraightInPiecesAndRestored) {
  const std::unique_ptr<FileSystem> files = system_files();
  const std::string folder = ASSAY_SOURCE_DIR "/tests/cases/gold";
  int cases = 0;
  const std::vector<FileInfo> found = files->list(folder).value();
  for (const FileInfo& file : found) {
    const std::string path = join_path(folder, file_name(file.path));
    expect_case(file_name(path), files->read(path).value());
    ++cases;
  }
  EXPECT_GE(cases, 15);
}

TEST(Case, EveryExampleOfTheSemanticsPageIsTrue) {
  const std::string page = system_files()->read(ASSAY_SOURCE_DIR "/docs/semantics.md").value();
  const std::vector<std::string> blocks = case_blocks(page);
  EXPECT_GE(blocks.size(), 8U);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    expect_case("docs/semantics.md, example " + std::to_string(i + 1), blocks[i]);
  }
}

TEST(Case, EveryExampleOfFeaturesInTimeIsTrue) {
  const std::string page =
      system_files()->read(ASSAY_SOURCE_DIR "/docs/features_in_time.md").value();
  const std::vector<std::string> blocks = case_blocks(page);
  EXPECT_GE(blocks.size(), 5U);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    expect_case("docs/features_in_time.md, example " + std::to_string(i + 1), blocks[i]);
  }
}

TEST(Case, EveryExampleOfThePopulationIsTrue) {
  const std::string page = system_files()->read(ASSAY_SOURCE_DIR "/docs/composition.md").value();
  const std::vector<std::string> blocks = case_blocks(page);
  ASSERT_GE(blocks.size(), 1U);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    expect_case("docs/composition.md, example " + std::to_string(i + 1), blocks[i]);
  }
}

TEST(Case, EveryAggregateHasItsSectionWithAnExampleThatIsTrue) {
  const std::string page = system_files()->read(ASSAY_SOURCE_DIR "/docs/features.md").value();
  for (const catalog::AggregateInfo& info : catalog::aggregates()) {
    const std::string name(info.name);
    const std::size_t begin = page.find("\n### `" + name + "`");
    ASSERT_NE(begin, std::string::npos) << "docs/features.md has no section of " << name;
    const std::string section = page.substr(begin, page.find("\n##", begin + 1) - begin);
    bool shown = false;
    for (const std::string& block : case_blocks(section)) {
      shown = shown || block.find(" " + name + " ") != std::string::npos ||
              block.find(" " + name + "(") != std::string::npos;
    }
    EXPECT_TRUE(shown) << "the section of " << name << " has no example of it";
  }
  const std::vector<std::string> blocks = case_blocks(page);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    expect_case("docs/features.md, example " + std::to_string(i + 1), blocks[i]);
  }
}

/// What stands behind the name in the lines `feature NAME KIND ...` of cases: "lag 2 price over
/// 6h".
std::string features_of(const std::string& examples) {
  std::string found;
  std::istringstream lines(examples);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    std::string name;
    if (words >> word >> name && word == "feature") {
      std::getline(words, word, '#');
      found += "\n" + word.substr(word.find_first_not_of(' ')) + " ";
    }
  }
  return found;
}

TEST(Case, EveryKindOfFeatureHasAnExampleThatIsTrue) {
  // The pages whose examples are run above.
  std::string pages;
  for (const char* name : {"features", "features_in_time", "semantics"}) {
    pages += system_files()->read(ASSAY_SOURCE_DIR "/docs/" + std::string(name) + ".md").value();
  }
  std::string examples;
  for (const std::string& block : case_blocks(pages)) {
    examples += block;
  }
  const std::string features = features_of(examples);
  const std::set<std::string_view> parameters{
      "of", "where", "over", "k", "q", "description", "unit"};
  // Short for an `expr`, which is what a case has of them; tests/line/kinds_test.py runs them.
  const std::set<std::string_view> short_forms{"clock", "rate", "trend"};
  std::vector<std::string> kinds{"since last_event", "since first_event", "since session_start"};
  for (const catalog::KeyDef* key : catalog::keys_of("feature")) {
    const std::string name(key->key);
    if (short_forms.count(name) > 0) {
      EXPECT_TRUE(pages.find("`" + name + ": ") != std::string::npos ||
                  pages.find("{" + name + ": ") != std::string::npos)
          << "no page says how to write `" << name << "`";
    } else if (name == "session") {
      for (const std::string& word : catalog::choices_of(key->detail)) {
        kinds.push_back("session " + word);
      }
    } else if (name != "agg" && parameters.count(name) == 0) {
      kinds.push_back(name);
    }
  }
  for (const std::string& kind : kinds) {
    EXPECT_NE(features.find("\n" + kind + " "), std::string::npos) << "no example of " << kind;
  }
}

TEST(Case, AWrongExpectationIsFound) {
  const std::string text =
      "key user\nfeature n count over 1h\ntable user:string event_time\n  u1 10:00\n"
      "expect user at n_1h\n  u1 10:10 2\n";
  EXPECT_EQ(run_case(text, 1)->size(), 3U);
}

TEST(Case, TextThatIsNoCaseIsRefusedWithItsLine) {
  EXPECT_EQ(run_case("key user\nfeatures n count\n", 1).code(), Code::kInvalidArgument);
  EXPECT_EQ(run_case("  u1 10:00\n", 1).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::gold

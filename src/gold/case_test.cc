#include <memory>
#include <set>
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

TEST(Case, EveryKindOfFeatureHasAnExampleThatIsTrue) {
  // The pages whose examples are run above.
  std::string examples;
  std::string pages;
  for (const char* name : {"features", "features_in_time", "semantics"}) {
    pages += system_files()->read(ASSAY_SOURCE_DIR "/docs/" + std::string(name) + ".md").value();
  }
  for (const std::string& block : case_blocks(pages)) {
    examples += block;
  }
  const std::set<std::string_view> parameters{
      "of", "where", "over", "k", "q", "description", "unit"};
  // Short for an `expr`, which a case has to write; tests/line/kinds_test.py runs them as they are.
  const std::set<std::string_view> short_forms{"clock", "rate", "trend"};
  const auto expect_shown = [&](const std::string& words) {
    EXPECT_NE(examples.find(" " + words), std::string::npos) << "no example has `" << words << "`";
  };
  for (const catalog::KeyDef* key : catalog::keys_of("feature")) {
    const std::string name(key->key);
    if (short_forms.count(name) > 0) {
      EXPECT_NE(pages.find(name + ": "), std::string::npos) << "no page has `" << name << "`";
      expect_shown("expr ");
    } else if (name == "session") {
      for (const std::string& word : catalog::choices_of(key->detail)) {
        expect_shown("session " + word);
      }
    } else if (name != "agg" && parameters.count(name) == 0) {
      expect_shown(name + " ");
    }
  }
  for (const char* since : {"last_event", "first_event", "session_start"}) {
    expect_shown("since " + std::string(since));
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

// Online rows of windows whose trees have pages: against the naive twin, whatever the pieces, their
// order and the length of a page.

#include "gold/tile_tree.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gold/contract.h"
#include "gold/test_pages.h"
#include "gold/view_fixture.h"

namespace assay::gold {
namespace {

const TestKey kKey{"u", 1};

std::vector<TestRow> rows_of_one(Random& random, int64_t count) {
  std::vector<TestRow> rows = random_rows(random, count);
  for (TestRow& row : rows) {
    row.user = kKey.user;
    row.item = kKey.item;
  }
  return rows;
}

class TileTree : public testing::TestWithParam<TestView> {
 protected:
  TileTree() : view(compile_or_die(definition_of(GetParam()))) {}

  void apply(const std::vector<TestRow>& rows,
             EventTime until,
             TestPages& pages,
             std::string* row) {
    std::vector<int64_t> selected;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      selected.push_back(static_cast<int64_t>(i));
    }
    const Status done = view->update_paged_row(batch_of(rows), selected, until, pages, row);
    ASSERT_TRUE(done.ok()) << done.to_string();
  }

  FeatureViewPtr view;
};

TEST_P(TileTree, AnswersAsOneRowWithoutPages) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const auto random = seeded_random(seed);
    const std::vector<TestRow> rows =
        rows_of_one(*random, 1 + static_cast<int64_t>(random->below(150)));
    const std::vector<TestRow> mixed = random->below(2) == 0 ? rows : shuffled(*random, rows);
    const std::vector<int64_t> instants = instants_of(*random, rows);
    TestPages pages(60 + random->below(1500));
    std::string paged;
    std::string whole;
    int64_t now = kTestStart - 60 * kMinute;
    for (std::size_t begin = 0; begin < mixed.size();) {
      const std::size_t count = std::min(1 + random->below(40), mixed.size() - begin);
      const std::vector<TestRow> piece(mixed.begin() + static_cast<std::ptrdiff_t>(begin),
                                       mixed.begin() + static_cast<std::ptrdiff_t>(begin + count));
      begin += count;
      now += static_cast<int64_t>(random->below(60 * kMinute));
      apply(piece, EventTime{now}, pages, &paged);
      std::vector<int64_t> selected(piece.size());
      for (std::size_t i = 0; i < piece.size(); ++i) {
        selected[i] = static_cast<int64_t>(i);
      }
      ASSERT_TRUE(view->update_online_row(batch_of(piece), selected, EventTime{now}, &whole).ok());
      for (int i = 0; i < 12; ++i) {
        const EventTime at{std::max(now, instants[random->below(instants.size())])};
        ASSERT_EQ(text_of(view->read_paged_row(paged, at, pages).value()),
                  text_of(view->read_online_row(whole, at).value()))
            << "seed " << seed << " at " << at.micros;
      }
    }
    // Once nothing can be asked for any more, no page is left behind.
    apply({}, EventTime{now + 10'000 * kMinute}, pages, &paged);
    EXPECT_TRUE(pages.pages.empty()) << "seed " << seed << ": " << pages.pages.size();
    EXPECT_LT(paged.size(), 128U);
  }
}

TEST_P(TileTree, DamagedPagesAreCorruptAndNeverCrash) {
  const auto random = seeded_random(3);
  TestPages pages(100);
  std::string row;
  apply(rows_of_one(*random, 150), EventTime{kTestStart + 200 * kMinute}, pages, &row);
  ASSERT_GT(pages.pages.size(), 1U);
  const EventTime now{kTestStart + 210 * kMinute};
  for (int i = 0; i < 1000; ++i) {
    TestPages damaged = pages;
    auto place = damaged.pages.begin();
    std::advance(place, static_cast<std::ptrdiff_t>(random->below(damaged.pages.size())));
    if (random->below(8) == 0) {
      damaged.pages.erase(place);
    } else {
      std::string& bytes = place->second;
      bytes[random->below(bytes.size())] = static_cast<char>(random->next());
      bytes.resize(random->below(4) == 0 ? random->below(bytes.size()) : bytes.size());
    }
    const Result<FeatureValues> read = view->read_paged_row(row, now, damaged);
    EXPECT_TRUE(read.ok() || read.code() == Code::kCorrupt);
  }
}

INSTANTIATE_TEST_SUITE_P(Views,
                         TileTree,
                         testing::Values(TestView::kWindow,
                                         TestView::kContinuous,
                                         TestView::kComposed),
                         [](const auto& kind) { return name_of(kind.param); });

TEST(TileTreeOfMany, ReadsAndWritesAFewPagesWhateverTheNumberOfEvents) {
  catalog::FeatureViewDef definition = continuous_definition();
  definition.features.resize(1);  // counts over 10m, 1h, 3h
  const FeatureViewPtr view = compile_or_die(definition);
  TestPages pages(500);
  std::string row;
  constexpr int64_t kEvents = 20'000;
  constexpr int64_t kApart = kMinute / 100;
  std::vector<TestRow> rows;
  for (int64_t i = 0; i < kEvents; ++i) {
    rows.push_back({kKey.user, kKey.item, kTestStart + i * kApart, kTestStart + i * kApart, i});
  }
  std::vector<int64_t> selected(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    selected[i] = static_cast<int64_t>(i);
  }
  const EventTime now{rows.back().event_time + 1};
  ASSERT_TRUE(view->update_paged_row(batch_of(rows), selected, now, pages, &row).ok());
  EXPECT_LT(row.size(), 600U);
  EXPECT_GT(pages.pages.size(), 100U);
  pages.reads = 0;
  const FeatureValues read = view->read_paged_row(row, now, pages).value();
  EXPECT_LT(pages.reads, 24);
  EXPECT_EQ(exact_text(read.values[0]), exact_text(data::Scalar::int64(1000)));
  EXPECT_EQ(exact_text(read.values[1]), exact_text(data::Scalar::int64(6000)));
  EXPECT_EQ(exact_text(read.values[2]), exact_text(data::Scalar::int64(18'000)));
  // A late row in the middle takes the path to its page.
  pages.reads = 0;
  const std::vector<TestRow> late = {
      {kKey.user, kKey.item, now.micros - 100 * kMinute, now.micros, kEvents}};
  const int64_t first[] = {0};
  ASSERT_TRUE(view->update_paged_row(batch_of(late), first, now, pages, &row).ok());
  EXPECT_LT(pages.reads, 24);
  EXPECT_EQ(exact_text(view->read_paged_row(row, now, pages)->values[2]),
            exact_text(data::Scalar::int64(18'001)));
  // A row with pages is nothing without them.
  EXPECT_EQ(view->read_online_row(row, now).code(), Code::kCorrupt);
}

}  // namespace
}  // namespace assay::gold

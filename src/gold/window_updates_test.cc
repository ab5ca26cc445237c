// Both ways through an update of a window's online row give rows that read alike: at the borders
// where one of them is left, and whatever the rows.

#include "gold/window_updates.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gold/row_bytes.h"
#include "gold/test_pages.h"
#include "gold/tile_tree.h"
#include "gold/view_fixture.h"
#include "gold/window_row.h"
#include "gold/window_view.h"

namespace assay::gold {
namespace {

using Ways = WindowUpdates::Ways;

constexpr int64_t kNewest = 24;  // tile of the newest row of the rows that are begun with
constexpr int64_t kNow = kTestStart + kNewest * kTestSlide + 9 * kMinute;

class WindowUpdatesTest : public testing::TestWithParam<TestView> {
 protected:
  WindowUpdatesTest()
      : view_(compile_or_die(definition_of(GetParam()))),
        window_(dynamic_cast<const WindowView&>(*view_)),
        values_(random_rows(*seeded_random(3), 500)) {}

  /// A row in a tile of the hopping view; rows of one tile are at one instant.
  TestRow row_in(int64_t tile) {
    TestRow row = values_[next_ % values_.size()];
    row.user = "u";
    row.item = 1;
    row.event_time = kTestStart + tile * kTestSlide + (tile % 7 + 7) % 7 * kMinute;
    row.known_time = std::min(row.event_time, kNow);
    row.sequence = static_cast<int64_t>(next_++);
    return row;
  }

  struct Updated {
    Status status;
    std::string row;
    bool is_patched = false;
    bool has_waited = false;
  };
  [[nodiscard]] Updated update(const std::vector<TestRow>& rows,
                               std::string_view row,
                               Ways ways,
                               int64_t until = kNow,
                               RowPageWriter* pages = nullptr) const {
    const data::Batch batch = batch_of(rows);
    std::vector<int64_t> order(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      order[i] = static_cast<int64_t>(i);
    }
    const auto updates =
        WindowUpdates::begin(window_.layout(), window_.plan(), batch, order, {until}, ways).value();
    Updated updated;
    updated.status = updates->update(0, rows.size(), row, pages, &updated.row);
    updated.is_patched = updates->patched() > 0;
    updated.has_waited = updates->waited() > 0;
    return updated;
  }

  [[nodiscard]] std::string answers(std::string_view row, int64_t now = kNow) const {
    std::string text;
    for (const int64_t later :
         {int64_t{0}, int64_t{1}, kTestSlide, 47 * kMinute, 180 * kMinute, 250 * kMinute}) {
      text += text_of(view_->read_online_row(row, EventTime{now + later}).value()) + "\n";
    }
    return text;
  }

  /// Row of an entity with one row in each of so many tiles, of which kNewest is the last.
  std::string begun(int64_t tiles, Ways ways) {
    next_ = 0;
    std::string row;
    for (int64_t tile = kNewest - tiles + 1; tile <= kNewest; ++tile) {
      row = update({row_in(tile)}, row, ways).row;
    }
    return row;
  }

  FeatureViewPtr view_;
  const WindowView& window_;
  std::vector<TestRow> values_;
  std::size_t next_ = 0;
};

TEST_P(WindowUpdatesTest, AGroupIsPatchedUntilItIsFullAndThenTheNextOne) {
  std::string row;
  std::string folded;
  for (int64_t tiles = 1; tiles <= 18; ++tiles) {
    const std::vector<TestRow> rows{row_in(kNewest - 18 + tiles)};
    const Updated updated = update(rows, row, Ways::kBoth);
    ASSERT_TRUE(updated.status.ok());
    EXPECT_TRUE(updated.is_patched) << tiles;
    row = updated.row;
    folded = update(rows, folded, Ways::kOnlyFold).row;
    EXPECT_EQ(row, folded) << tiles;  // cut at the same places
    EXPECT_EQ(answers(row), answers(folded)) << tiles;
  }
}

TEST_P(WindowUpdatesTest, RowsOfManyTilesAtOnceAreCutIntoGroups) {
  for (const int64_t before : {0, 1, 15, 16, 17}) {
    for (const int64_t tiles : {1, 2, 15, 16, 17, 31, 32, 33, 50}) {
      const std::string begun_with = begun(before, Ways::kOnlyFold);
      const int64_t first = kNewest - (before == 15 || before == 16 ? 3 : 0);
      std::vector<TestRow> rows;
      for (int64_t tile = first + tiles - 1; tile >= first; --tile) {
        rows.push_back(row_in(tile));
        rows.push_back(row_in(tile));
      }
      const Updated updated = update(rows, begun_with, Ways::kBoth);
      const Updated folded = update(rows, begun_with, Ways::kOnlyFold);
      ASSERT_TRUE(updated.status.ok() && folded.status.ok());
      EXPECT_TRUE(updated.is_patched) << before << " " << tiles;
      EXPECT_EQ(updated.row, folded.row) << before << " " << tiles;
      for (int64_t now = kNow; now < kNow + tiles * kTestSlide; now += 4 * kTestSlide) {
        EXPECT_EQ(answers(updated.row, now), answers(folded.row, now)) << before << " " << tiles;
      }
      const std::vector<TestRow> more{row_in(first + tiles), row_in(first)};  // into what was made
      EXPECT_EQ(answers(update(more, updated.row, Ways::kBoth).row),
                answers(update(more, folded.row, Ways::kOnlyFold).row));
    }
  }
}

TEST_P(WindowUpdatesTest, RowsOfAnyTwoTilesAtTheBordersOfAGroup) {
  for (const int64_t tiles : {1, 16, 17, 19}) {
    const std::string both = begun(tiles, Ways::kBoth);
    const std::string folded = begun(tiles, Ways::kOnlyFold);
    int patched = 0;
    int others = 0;
    for (int64_t first = kNewest - tiles - 1; first <= kNewest + 2; ++first) {
      for (int64_t second = first; second <= kNewest + 2; ++second) {
        const std::vector<TestRow> rows{row_in(second), row_in(first)};
        const Updated updated = update(rows, both, Ways::kBoth);
        ASSERT_TRUE(updated.status.ok());
        (updated.is_patched ? patched : others) += 1;
        ASSERT_EQ(answers(updated.row), answers(update(rows, folded, Ways::kOnlyFold).row))
            << tiles << " tiles, rows in " << first << " and " << second;
      }
    }
    EXPECT_GT(patched, 0) << tiles;
    EXPECT_TRUE(others > 0 || tiles < 17) << tiles;
  }
}

TEST_P(WindowUpdatesTest, ARowIsPatchedUpToTheBytesThatItShouldStayWithin) {
  for (const int64_t tiles : {10, 16}) {  // patched, and cut
    const std::string before = begun(tiles, Ways::kBoth);
    const std::vector<TestRow> rows{row_in(kNewest + 1)};
    const std::string whole = update(rows, before, Ways::kBoth).row;
    for (const std::size_t less : {0U, 1U}) {
      TestPages pages(whole.size() - less);
      const Updated updated = update(rows, before, Ways::kBoth, kNow, &pages);
      ASSERT_TRUE(updated.status.ok());
      EXPECT_EQ(updated.is_patched, less == 0);
      EXPECT_EQ(text_of(view_->read_paged_row(updated.row, EventTime{kNow}, pages).value()),
                text_of(view_->read_online_row(whole, EventTime{kNow}).value()));
    }
  }
}

TEST_P(WindowUpdatesTest, TilesThatNoWindowReachesGoWhenOthersCome) {
  constexpr int64_t kLater = 400;  // tiles
  for (const int64_t tiles : {1, 16, 18}) {
    const std::string before = begun(tiles, Ways::kBoth);
    const std::vector<TestRow> rows{row_in(kNewest + kLater), row_in(kNewest + kLater + 20)};
    const int64_t until = kNow + (kLater + 1) * kTestSlide;
    const Updated updated = update(rows, before, Ways::kBoth, until);
    EXPECT_FALSE(updated.is_patched) << tiles;
    EXPECT_EQ(updated.row, update(rows, before, Ways::kOnlyFold, until).row) << tiles;
  }
}

TEST_P(WindowUpdatesTest, RandomRowsInAnyOrder) {
  int patched = 0;
  int others = 0;
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    const auto random = seeded_random(seed);
    std::string both;
    std::string folded;
    int64_t newest = 0;
    for (int update_of = 0; update_of < 60; ++update_of) {
      newest += random->below(3) == 0 ? static_cast<int64_t>(random->below(4)) : 0;
      std::vector<TestRow> rows;
      for (uint64_t count = 1 + random->below(4); rows.size() < count;) {
        const uint64_t back = random->below(3) == 0 ? random->below(21) : random->below(3);
        rows.push_back(row_in(newest - static_cast<int64_t>(back)));
        rows.back().known_time = rows.back().event_time;
      }
      const int64_t until = kTestStart + (newest + 1) * kTestSlide;
      const Updated updated = update(rows, both, Ways::kBoth, until);
      ASSERT_TRUE(updated.status.ok());
      (updated.is_patched ? patched : others) += 1;
      both = updated.row;
      folded = update(rows, folded, Ways::kOnlyFold, until).row;
      ASSERT_EQ(answers(both, until), answers(folded, until))
          << "seed " << seed << " update " << update_of;
    }
  }
  EXPECT_GT(patched, 100);
  EXPECT_GT(others, 100);
}

/// Behind a stream rows come before they are settled: they wait behind others, are folded in once
/// `until` has passed them, and come too late for their place now and then.
TEST_P(WindowUpdatesTest, RowsThatAreNewerThanWhatIsSettledWaitAsIfTheyWereFolded) {
  int waited = 0;
  int others = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const auto random = seeded_random(seed);
    std::string row;
    int64_t newest = 0;
    int64_t settled = -3;  // tile
    for (int update_of = 0; update_of < 60; ++update_of) {
      newest += static_cast<int64_t>(random->below(3));
      if (random->below(6) == 0) {
        settled = newest - static_cast<int64_t>(random->below(4));
      }
      if (random->below(50) == 0) {
        newest += 300;  // no window reaches what was before
      }
      std::vector<TestRow> rows;
      for (uint64_t count = 1 + random->below(4); rows.size() < count;) {
        rows.push_back(row_in(newest - static_cast<int64_t>(random->below(6) == 0 ? 2 : 0)));
        rows.back().known_time =
            rows.back().event_time + static_cast<int64_t>(random->below(3)) * kMinute;
        rows.back().sequence += random->below(9) == 0 ? -1 : 0;  // two alike
      }
      const int64_t until = kTestStart + (settled + 1) * kTestSlide;
      const Updated updated = update(rows, row, Ways::kBoth, until);
      const Updated folded = update(rows, row, Ways::kOnlyFold, until);
      ASSERT_TRUE(updated.status.ok() && folded.status.ok());
      if (updated.has_waited) {
        ++waited;
        ASSERT_EQ(updated.row, folded.row) << "seed " << seed << " update " << update_of;
      } else {
        ++others;
      }
      const int64_t now = kTestStart + (newest + 1) * kTestSlide;
      ASSERT_EQ(answers(updated.row, now), answers(folded.row, now))
          << "seed " << seed << " update " << update_of;
      row = updated.row;
    }
  }
  EXPECT_GT(waited, 200);
  EXPECT_GT(others, 200);
}

TEST_P(WindowUpdatesTest, NoRowWaitsBehindDamagedBytes) {
  const int64_t until = kNow - 20 * kTestSlide;
  std::string row = begun(6, Ways::kBoth);
  for (int64_t tile = kNewest + 1; tile < kNewest + 5; ++tile) {
    row = update({row_in(tile)}, row, Ways::kBoth, until).row;
  }
  const std::vector<TestRow> more{row_in(kNewest + 6)};
  EXPECT_TRUE(update(more, row, Ways::kBoth, until).has_waited);
  for (std::size_t size = 1; size < row.size(); ++size) {
    const std::string_view cut = std::string_view(row).substr(0, size);
    const Updated updated = update(more, cut, Ways::kBoth, until);
    const Updated folded = update(more, cut, Ways::kOnlyFold, until);
    EXPECT_EQ(updated.status.code(), folded.status.code()) << size;
  }
}

/// Rows of several entities are anywhere in a batch, are all of it or few of it; some of them are
/// not known yet.
TEST_P(WindowUpdatesTest, RowsOfManyEntitiesAreReadWhereTheyLie) {
  constexpr std::size_t kEntities = 7;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    const auto random = seeded_random(seed);
    std::vector<std::string> both(kEntities);
    std::vector<std::string> alone(kEntities);
    for (int64_t newest = 0; newest < 12; newest += 3) {
      const bool some_wait = random->below(2) == 0;
      const int64_t until = kTestStart + (newest + 1) * kTestSlide;
      std::vector<TestRow> rows;
      std::vector<std::vector<int64_t>> of_entity(kEntities);
      for (int64_t row = 0; row < 200; ++row) {
        rows.push_back(row_in(newest - static_cast<int64_t>(random->below(3))));
        rows.back().known_time =
            some_wait && random->below(9) == 0 ? until + 1 : rows.back().event_time;
        const uint64_t whose = random->below(kEntities + seed % 3 * 10);  // of nobody, some of them
        if (whose < kEntities) {
          of_entity[whose].push_back(row);
        }
      }
      std::vector<int64_t> order;
      for (const std::vector<int64_t>& mine : of_entity) {
        order.insert(order.end(), mine.begin(), mine.end());
      }
      const data::Batch batch = batch_of(rows);
      const auto updates =
          WindowUpdates::begin(window_.layout(), window_.plan(), batch, order, {until}).value();
      std::size_t begin = 0;
      for (std::size_t entity = 0; entity < kEntities; ++entity) {
        const std::size_t end = begin + of_entity[entity].size();
        std::string updated;
        ASSERT_TRUE(updates->update(begin, end, both[entity], nullptr, &updated).ok());
        both[entity] = updated;
        begin = end;
        std::vector<TestRow> mine;
        for (const int64_t row : of_entity[entity]) {
          mine.push_back(rows[static_cast<std::size_t>(row)]);
        }
        alone[entity] = update(mine, alone[entity], Ways::kOnlyFold, until).row;
        ASSERT_EQ(answers(both[entity], until), answers(alone[entity], until))
            << "seed " << seed << " entity " << entity;
      }
    }
  }
}

/// Where the body of a row's newest group begins.
std::size_t body_of(const std::string& row, int64_t slide) {
  const SettledRow settled = open_settled_row(row).value();
  TileNode node = open_tile_node(settled.tiles, slide).value();
  return static_cast<std::size_t>(node.groups.next()->body.data() - row.data());
}

TEST_P(WindowUpdatesTest, DamageThatAPatchWouldWriteOnIsLeftToTheFold) {
  const std::string row = begun(5, Ways::kBoth);
  const std::size_t body = body_of(row, window_.layout().slide.micros);
  struct Damage {
    std::size_t at;
    std::string bytes;
    int64_t tile;  // of the row that comes
  };
  const std::vector<Damage> damages = {
      {0, "\x01", kNewest + 1},  // the newest tile is not where its group says
      {0, "\x01", kNewest - 1},
      {0, "\x7f", kNewest - 1},                   // nor in the group at all
      {2, "\xff\xff\xff\xff\x7f", kNewest - 1}};  // its event is not in it
  for (const Damage& damage : damages) {
    std::string damaged = row;
    damaged.replace(body + damage.at, damage.bytes.size(), damage.bytes);
    const std::vector<TestRow> rows{row_in(damage.tile)};
    const Updated updated = update(rows, damaged, Ways::kBoth);
    const Updated folded = update(rows, damaged, Ways::kOnlyFold);
    EXPECT_FALSE(updated.is_patched) << damage.at;
    EXPECT_EQ(updated.status.code(), folded.status.code());
    EXPECT_TRUE(updated.status.ok() ? updated.row == folded.row
                                    : updated.status.code() == Code::kCorrupt);
  }
}

TEST_P(WindowUpdatesTest, AnyByteMayBeDamaged) {
  const std::string rows_of[] = {begun(17, Ways::kBoth), begun(16, Ways::kBoth)};
  const auto random = seeded_random(9);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = rows_of[i % 2];
    damaged[random->below(damaged.size())] = static_cast<char>(random->next());
    const int64_t tile = kNewest + 1 - static_cast<int64_t>(random->below(19));
    std::vector<TestRow> rows{row_in(tile)};
    for (int64_t more = i % 3 == 0 ? 20 : 0; more > 0; --more) {  // cut into groups
      rows.push_back(row_in(kNewest + more));
    }
    const Updated updated = update(rows, damaged, Ways::kBoth);
    EXPECT_TRUE(updated.status.ok() || updated.status.code() == Code::kCorrupt);
    if (updated.status.ok()) {
      const Result<FeatureValues> read = view_->read_online_row(updated.row, EventTime{kNow});
      EXPECT_TRUE(read.ok() || read.code() == Code::kCorrupt);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Views,
                         WindowUpdatesTest,
                         testing::Values(TestView::kWindow, TestView::kContinuous),
                         [](const auto& kind) { return name_of(kind.param); });

}  // namespace
}  // namespace assay::gold

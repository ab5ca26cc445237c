#include "online/row_table.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "online/fake_view.h"

namespace assay::online {
namespace {

RowTable::Entry& entry_of(RowTable& table, const std::string& name) {
  const data::EntityKey key = fake_key(name);
  return table.entry_of(RowTable::hash_of(key), key);
}

void hold(RowTable& table, const std::string& name, const std::string& row) {
  table.set(&entry_of(table, name), row);
}

TEST(RowTable, EntitiesThatAreLetGoGiveTheirMemoryBack) {
  RowTable table;
  hold(table, "stays", "its row");
  for (int i = 0; i < 10'000; ++i) {  // others each time
    const std::string name = "u" + std::to_string(i);
    hold(table, name, std::string(1'000, 'x'));
    table.let_go(&entry_of(table, name));
    EXPECT_EQ(entry_of(table, name).piece.room, 0U);
    table.shrink();
    ASSERT_LE(table.size(), 64U);
  }
  EXPECT_EQ(table.find(fake_key("stays"))->row(), "its row");
  EXPECT_EQ(table.find(fake_key("u1")), nullptr);
}

TEST(RowTable, HoldsWhatAMapHolds) {
  const auto random = seeded_random(4);
  RowTable table;
  std::map<std::string, std::string> twin;
  for (int i = 0; i < 20'000; ++i) {
    // Many at first, few at last.
    const std::string name = "u" + std::to_string(random->below(i < 10'000 ? 2'000 : 4'000));
    if (random->below(10) < (i < 10'000 ? 8U : 2U)) {
      twin[name] = std::to_string(i);
      hold(table, name, twin[name]);
    } else {
      twin.erase(name);
      table.let_go(&entry_of(table, name));
    }
    table.shrink();
  }
  std::size_t held = 0;
  for (std::size_t place = 0; place < table.size(); ++place) {
    held += table.at(place).is_held ? 1 : 0;
  }
  EXPECT_EQ(held, twin.size());
  EXPECT_LE(table.size(), 2 * twin.size() + 64);
  for (const auto& [name, row] : twin) {
    ASSERT_NE(table.find(fake_key(name)), nullptr);
    EXPECT_EQ(table.find(fake_key(name))->row(), row);
  }
}

TEST(RowTable, RowsOfAnyLengthGrowAndShrinkInPlace) {
  const auto random = seeded_random(5);
  RowTable table;
  std::map<std::string, std::string> twin;
  for (int i = 0; i < 30'000; ++i) {
    const std::string name = "u" + std::to_string(random->below(300));
    const std::size_t size = random->below(std::size_t{2} << random->below(15));
    twin[name] = std::string(size, static_cast<char>(random->next()));
    hold(table, name, twin[name]);
    const RowTable::Entry& entry = *table.find(fake_key(name));
    EXPECT_GE(entry.piece.room, size);
  }
  for (const auto& [name, row] : twin) {
    EXPECT_EQ(table.find(fake_key(name))->row(), row);
  }
}

TEST(RowArena, PiecesAreHardlyLongerThanAskedForDoNotOverlapAndAreUsedAgain) {
  RowArena arena;
  std::map<const char*, const char*> pieces;  // begin and end
  std::vector<RowArena::Piece> taken;
  const auto random = seeded_random(6);
  for (int i = 0; i < 20'000; ++i) {
    if (!taken.empty() && random->below(2) == 0) {
      std::swap(taken[random->below(taken.size())], taken.back());
      pieces.erase(taken.back().bytes);
      arena.give(taken.back());
      taken.pop_back();
      continue;
    }
    const std::size_t size = random->below(std::size_t{2} << random->below(14));
    const RowArena::Piece piece = arena.take(size);
    EXPECT_GE(piece.room, size);
    EXPECT_LE(piece.room, size + std::max<std::size_t>(16, size / 4 + 1));
    const auto next = pieces.lower_bound(piece.bytes);
    ASSERT_TRUE(next == pieces.end() || piece.bytes + piece.room <= next->first);
    ASSERT_TRUE(next == pieces.begin() || std::prev(next)->second <= piece.bytes);
    std::memset(piece.bytes, 1, piece.room);
    pieces[piece.bytes] = piece.bytes + piece.room;
    taken.push_back(piece);
  }
  const RowArena::Piece piece = arena.take(100);
  arena.give(piece);
  EXPECT_EQ(arena.take(100).bytes, piece.bytes);
}

}  // namespace
}  // namespace assay::online

#include "online/row_table.h"

#include <map>
#include <string>

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
  RowTable::Entry& entry = entry_of(table, name);
  entry.row = row;
  table.hold(&entry);
}

TEST(RowTable, EntitiesThatAreLetGoGiveTheirMemoryBack) {
  RowTable table;
  hold(table, "stays", "its row");
  for (int i = 0; i < 10'000; ++i) {  // others each time
    const std::string name = "u" + std::to_string(i);
    hold(table, name, std::string(1'000, 'x'));
    table.let_go(&entry_of(table, name));
    EXPECT_LT(entry_of(table, name).row.capacity(), 100U);
    table.shrink();
    ASSERT_LE(table.entries().size(), 64U);
  }
  EXPECT_EQ(table.find(fake_key("stays"))->row, "its row");
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
  for (const RowTable::Entry& entry : table.entries()) {
    held += entry.is_held ? 1 : 0;
  }
  EXPECT_EQ(held, twin.size());
  EXPECT_LE(table.entries().size(), 2 * twin.size() + 64);
  for (const auto& [name, row] : twin) {
    ASSERT_NE(table.find(fake_key(name)), nullptr);
    EXPECT_EQ(table.find(fake_key(name))->row, row);
  }
}

}  // namespace
}  // namespace assay::online

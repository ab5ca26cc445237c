#include "lake/path_map.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace assay::lake {
namespace {

struct Item {
  std::string path;
  int value = 0;
};

std::string text_of(const PathMap<Item>& map) {
  std::string out;
  for (const auto& [path, item] : map) {
    out += path + "=" + std::to_string(item.value) + " ";
  }
  return out;
}

TEST(PathMap, BehavesAsAMapAndCopiesKeepWhatTheyHad) {
  const auto random = seeded_random(7);
  std::map<std::string, int> naive;
  PathMap<Item> map;
  PathMap<Item> copy;
  std::string copied;
  const auto text_of_naive = [&] {
    std::string out;
    for (const auto& [path, value] : naive) {
      out += path + "=" + std::to_string(value) + " ";
    }
    return out;
  };
  for (int step = 0; step < 3'000; ++step) {
    const std::string path = "part-" + std::to_string(random->next() % 300);
    const int value = static_cast<int>(random->next() % 100);
    switch (random->next() % 3) {
      case 0:
        map.erase(path);
        naive.erase(path);
        break;
      default:
        map.put({path, value});
        naive[path] = value;
    }
    ASSERT_EQ(map.size(), naive.size());
    ASSERT_EQ(map.contains(path), naive.contains(path));
    ASSERT_EQ(map.find(path) == map.end(), !naive.contains(path));
    if (step % 100 == 0) {
      ASSERT_EQ(text_of(map), text_of_naive()) << step;
      ASSERT_EQ(text_of(copy), copied) << step;
      copy = map;
      copied = text_of(copy);
    }
  }
}

TEST(PathMap, AssignSortsAndKeepsTheLaterOfTwo) {
  const auto random = seeded_random(8);
  std::map<std::string, int> naive;
  std::vector<std::shared_ptr<const Item>> items;
  for (int i = 0; i < 2'000; ++i) {
    std::string path = "dt=2026/part-";
    for (uint64_t n = random->next() % 24; n > 0; --n) {
      path += static_cast<char>("\0ab\xff"[random->next() % 4]);
    }
    items.push_back(std::make_shared<const Item>(Item{path, i}));
    naive[path] = i;
  }
  PathMap<Item> map;
  map.assign(items);
  ASSERT_EQ(map.size(), naive.size());
  auto expected = naive.begin();
  for (const auto& [path, item] : map) {
    ASSERT_EQ(path, expected->first);
    ASSERT_EQ(item.value, expected->second);
    ++expected;
  }
  map.assign({});
  EXPECT_TRUE(map.empty());
  EXPECT_TRUE(map.begin() == map.end());
}

}  // namespace
}  // namespace assay::lake

#include "gold/staircase.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/world.h"

namespace assay::gold {
namespace {

using Value = std::pair<int64_t, int64_t>;  // tile and value

// Values come in any order and go again; the largest from any tile on is that of those left.
TEST(Staircase, ValuesComeAndGoAndTheLargestIsThatOfThoseLeft) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const auto random = seeded_random(seed);
    Staircase stairs;
    std::multiset<Value> held;
    int64_t from = 0;
    for (int step = 0; step < 120; ++step) {
      const uint64_t what = random->below(10);
      if (what < 6 || held.empty()) {
        const Value value{from + static_cast<int64_t>(random->below(20)),
                          static_cast<int64_t>(random->below(12))};
        held.insert(value);
        stairs.insert(value.first, value.second);
      } else if (what < 9) {
        const auto gone =
            std::next(held.begin(), static_cast<std::ptrdiff_t>(random->below(held.size())));
        const Value value = *gone;
        held.erase(gone);
        if (stairs.erase(value.first, value.second)) {
          const int64_t before =
              stairs.tile_before(value.first).value_or(std::numeric_limits<int64_t>::min());
          for (const auto& [tile, other] : held) {
            if (tile > before && tile <= value.first) {
              stairs.insert(tile, other);
            }
          }
        }
      } else {
        from += static_cast<int64_t>(random->below(3));
        stairs.drop_before(from);
        held.erase(held.begin(), held.lower_bound({from, std::numeric_limits<int64_t>::min()}));
      }
      for (int64_t tile = from; tile < from + 24; ++tile) {
        std::optional<int64_t> largest;
        for (const auto& [other, value] : held) {
          largest = other >= tile ? std::max(largest, std::optional(value)) : largest;
        }
        ASSERT_EQ(stairs.largest_from(tile), largest) << "seed " << seed << " step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace assay::gold

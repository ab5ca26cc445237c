#include "serve/connection_times.h"

#include <map>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace assay::serve {
namespace {

struct Connection {
  int id = 0;
  ConnectionTimes<Connection>::Place place;
};

using Times = ConnectionTimes<Connection>;

const TimeLimits kLimits{Duration{8 * 8000}, Duration{8 * 1000}, Duration{8 * 2000}};

/// Ids of those that a tick closes.
std::multiset<int> tick(Times* times) {
  std::multiset<int> closed;
  times->pass_tick(
      [](const Connection& one) -> const auto& { return one.place; },
      [&](Connection& one) {
        times->begin(kNoTime, &one.place);
        closed.insert(one.id);
      });
  return closed;
}

TEST(ConnectionTimes, ATickIsAnEighthOfTheShortestTimeWithinBounds) {
  EXPECT_EQ(Times(kLimits).tick_length().micros, 1000);
  EXPECT_EQ(Times({Duration{1}, Duration{2}, Duration{3}}).tick_length().micros, 1000);
  const Duration day{24LL * 3600 * kMicrosPerSecond};
  EXPECT_EQ(Times({day, day, day}).tick_length().micros, 250'000);
}

TEST(ConnectionTimes, WhoseTimeIsOverIsClosedAndNobodyElse) {
  Times times(kLimits);
  std::vector<Connection> connections(40);
  std::map<int, int64_t> deadlines;  // the twin: in ticks
  std::mt19937 random(7);
  for (std::size_t i = 0; i < connections.size(); ++i) {
    connections[i].id = static_cast<int>(i);
    connections[i].place = times.add(&connections[i]);
  }
  for (int64_t now = 0; now < 500; ++now) {
    for (int change = 0; change < 3; ++change) {
      Connection& one = connections[random() % connections.size()];
      const auto kind = static_cast<TimeKind>(random() % kTimeKinds);
      times.begin(kind, &one.place);
      deadlines.erase(one.id);
      const std::array<int64_t, 3> ticks = {64, 8, 16};
      if (kind != kNoTime) {
        deadlines[one.id] = now + 2 + ticks[kind];
      }
    }
    std::multiset<int> over;
    for (auto at = deadlines.begin(); at != deadlines.end();) {
      const bool is_over = at->second <= now + 1;
      is_over ? void(over.insert(at->first)) : void();
      at = is_over ? deadlines.erase(at) : std::next(at);
    }
    ASSERT_EQ(tick(&times), over) << "tick " << now;
  }
  for (const Connection& one : connections) {
    times.remove(one.place);
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(tick(&times).empty());
  }
}

TEST(ConnectionTimesOf, AnswersOfAnySizeAreTakenInABoundedNumberOfTimes) {
  EXPECT_EQ(progress_bytes(0), 65536U);
  EXPECT_EQ(progress_bytes(1 << 20), 65536U);
  for (const std::size_t bytes : {std::size_t{45'000'000}, std::size_t{256} << 20}) {
    EXPECT_LE(bytes / progress_bytes(bytes), 30U);
    EXPECT_GT(progress_bytes(bytes), bytes / 31);
  }
}

}  // namespace
}  // namespace assay::serve

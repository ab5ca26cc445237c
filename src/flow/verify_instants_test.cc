#include "flow/verify_instants.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "flow/test_project.h"
#include "silver/contract.h"

namespace assay::flow {
namespace {

TEST(VerifyInstants, AreAtTheEdgesOfContinuousWindows) {
  TestProject project;
  project.change("slide: 10m", "slide: continuous");
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const History history = *read_history(*workspace, *workspace->view("spend"));
  const std::set<int64_t> lengths(history.windows.begin(), history.windows.end());
  EXPECT_EQ(lengths, (std::set<int64_t>{3600 * kMicrosPerSecond, 24 * 3600 * kMicrosPerSecond}));
  std::set<int64_t> last_inside;  // where some row is in a window for the last time
  for (const int64_t time : history.rows.find(silver::kEventTime)->values<int64_t>()) {
    for (const int64_t length : lengths) {
      last_inside.insert(time + length);
    }
  }
  const auto random = seeded_random(1);
  const std::vector<EventTime> instants = sample_instants({history}, 300, *random);
  ASSERT_EQ(instants.size(), 300U);
  EXPECT_TRUE(std::is_sorted(instants.begin(), instants.end()));
  int64_t at_edge[3] = {0, 0, 0};
  for (const EventTime instant : instants) {
    for (int64_t beside = 0; beside < 3; ++beside) {
      at_edge[beside] += static_cast<int64_t>(last_inside.count(instant.micros - beside));
    }
  }
  for (const int64_t count : at_edge) {
    EXPECT_GT(count, 10);
  }
  expect_verified(project);
}

/// What serving answers when no more rows come is compared too: a value there that is wrong is
/// found.
TEST(VerifyInstants, AreThereUntilTheLastRowIsForgotten) {
  TestProject project;
  ASSERT_TRUE(project.run().ok());
  const auto workspace = project.open();
  const History history = *read_history(*workspace, *workspace->view("spend"));
  const int64_t last = *std::max_element(history.visible.begin(), history.visible.end());
  const int64_t ttl = 48 * 3600 * kMicrosPerSecond;
  const auto random = seeded_random(2);
  const std::vector<EventTime> instants = sample_instants({history}, 300, *random);
  const auto behind = std::count_if(
      instants.begin(), instants.end(), [&](EventTime instant) { return instant.micros > last; });
  EXPECT_GT(behind, 30);
  EXPECT_GT(instants.back().micros, last + ttl / 2);
  EXPECT_LE(instants.back().micros, last + ttl + 20 * 60 * kMicrosPerSecond);
}

TEST(VerifyInstants, OfNoRowsThereAreNone) {
  const auto random = seeded_random(1);
  EXPECT_TRUE(sample_instants({}, 10, *random).empty());
}

}  // namespace
}  // namespace assay::flow

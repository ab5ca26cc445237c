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

TEST(VerifyInstants, OfNoRowsThereAreNone) {
  const auto random = seeded_random(1);
  EXPECT_TRUE(sample_instants({}, 10, *random).empty());
}

}  // namespace
}  // namespace assay::flow

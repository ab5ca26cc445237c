#include "data/time_zone.h"

#include <gtest/gtest.h>

#include "base/time.h"

namespace assay::data {
namespace {

int64_t hours_ahead(const std::string& zone, const std::string& instant) {
  const int64_t micros = parse_time(instant).value().micros;
  return TimeZone::find(zone).value()->offset_micros(micros) / (3600 * kMicrosPerSecond);
}

TEST(TimeZone, FollowsTheRulesOfSummerTime) {
  EXPECT_EQ(hours_ahead("Europe/Berlin", "2026-03-29T00:59:59Z"), 1);
  EXPECT_EQ(hours_ahead("Europe/Berlin", "2026-03-29T01:00:00Z"), 2);
  EXPECT_EQ(hours_ahead("America/New_York", "2026-01-15T00:00:00Z"), -5);
  EXPECT_EQ(hours_ahead("UTC", "2026-01-15T00:00:00Z"), 0);
}

TEST(TimeZone, KnowsInstantsBeyondItsTable) {
  EXPECT_EQ(hours_ahead("Europe/Berlin", "2999-07-01T00:00:00Z"), 2);
  EXPECT_EQ(hours_ahead("Asia/Tokyo", "9998-07-01T00:00:00Z"), 9);
  EXPECT_EQ(hours_ahead("Asia/Tokyo", "1960-07-01T00:00:00Z"), 9);
}

TEST(TimeZone, RefusesWhatIsNoZoneOfTheDatabase) {
  for (const char* name : {"", "Europe/Berlyn", "localtime", "/etc/localtime", "../UTC", "a b"}) {
    EXPECT_EQ(TimeZone::find(name).code(), Code::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace assay::data

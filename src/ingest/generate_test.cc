#include "ingest/generate.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "base/hash.h"

namespace assay::ingest {
namespace {

std::vector<std::string> lines_of(const EventsOptions& options) {
  std::vector<std::string> lines;
  EXPECT_TRUE(generate_events(options, [&](const GeneratedEvent& event) {
                lines.emplace_back(event.line);
                return Status();
              }).ok());
  return lines;
}

int64_t number_after(const std::string& line, const std::string& key) {
  const std::size_t at = line.find("\"" + key + "\":");
  return at == std::string::npos ? -1 : std::stoll(line.substr(at + key.size() + 3));
}

TEST(Generate, OneSeedGivesTheSameBytesAndAnotherOthers) {
  EventsOptions options;
  options.count = 5'000;
  EXPECT_EQ(lines_of(options), lines_of(options));
  const std::vector<std::string> first = lines_of(options);
  options.seed = 2;
  EXPECT_NE(first, lines_of(options));
}

TEST(Generate, SharesOfDuplicatesLateAndMalformedAreAboutWhatWasAskedFor) {
  EventsOptions options;
  options.count = 50'000;
  options.duplicate_share = 0.05;
  options.late_share = 0.1;
  options.malformed_share = 0.01;
  std::map<std::string, int> ids;
  int64_t malformed = 0;
  int64_t late = 0;
  for (const std::string& line : lines_of(options)) {
    if (line.find("received_ms") == std::string::npos) {  // the malformed ones were never received
      ++malformed;
      continue;
    }
    const int64_t ts = number_after(line, "ts");
    const int64_t received = number_after(line, "received_ms");
    EXPECT_LE(ts, received);
    late += received - ts > 60'000 ? 1 : 0;
    ids[line.substr(0, line.find(','))] += 1;
  }
  int64_t twice = 0;
  for (const auto& [id, times] : ids) {
    twice += times > 1 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(twice), 2'500, 250);
  EXPECT_NEAR(static_cast<double>(malformed), 500, 100);
  EXPECT_NEAR(static_cast<double>(late), 5'000, 600);
}

TEST(Generate, LinesComeInTheOrderOfDelivery) {
  EventsOptions options;
  options.count = 10'000;
  options.malformed_share = 0;
  int64_t before = 0;
  for (const std::string& line : lines_of(options)) {
    const int64_t received = number_after(line, "received_ms");
    EXPECT_LE(before, received);
    before = received;
  }
}

TEST(Generate, UsersAreDistinctAndASinkThatFailsEndsIt) {
  std::set<std::string> users;
  UsersOptions options;
  options.count = 300;
  ASSERT_TRUE(generate_users(options, [&](const std::string& line) {
                users.insert(line.substr(0, line.find(',')));
                return Status();
              }).ok());
  EXPECT_EQ(users.size(), 300U);
  EXPECT_EQ(
      generate_users(options,
                     [](const std::string&) { return Status(Code::kResourceExhausted, "full"); })
          .code(),
      Code::kResourceExhausted);
}

TEST(Generate, SharesOutsideZeroToOneAreRefused) {
  EventsOptions options;
  options.late_share = 1.5;
  EXPECT_EQ(generate_events(options, [](const GeneratedEvent&) { return Status(); }).code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::ingest

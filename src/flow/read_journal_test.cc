#include "flow/read_journal.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flow/test_project.h"

namespace assay::flow {
namespace {

std::vector<JournaledRead> some_reads() {
  return {{{1'000}, 3, {{0, 7}, {2, (int64_t{2} << 32) + 9}}},
          {{2'000}, 1, {{0, 8}}},
          {{3'000}, 0, {}},
          {{4'000}, 2, {{1, 5}}, silver::PartFacts{{30}, {{0, {30}}, {2, {0}}}}, {9, -1}}};
}

TEST(ReadJournal, GivesBackWhatWasAdded) {
  SystemWorld system;
  const TestProject project;
  const std::vector<JournaledRead> reads = some_reads();
  {
    ReadJournal journal(system.world(), project.folder(), "bronze/events");
    for (const JournaledRead& read : reads) {
      ASSERT_TRUE(journal.add(4, read).ok());
    }
    ASSERT_TRUE(journal.add(5, reads[0]).ok());
  }
  ReadJournal journal(system.world(), project.folder(), "bronze/events");
  ReadJournal other(system.world(), project.folder(), "bronze/events_v2");
  EXPECT_EQ(*journal.read(4), reads);
  EXPECT_EQ(*journal.read(5), std::vector<JournaledRead>{reads[0]});
  EXPECT_TRUE(other.read(4)->empty());
  EXPECT_TRUE(other.remove_up_to(9).ok());
  EXPECT_TRUE(journal.remove_up_to(4).ok());
  EXPECT_TRUE(journal.read(4)->empty());
  EXPECT_EQ(journal.read(5)->size(), 1);
}

TEST(ReadJournal, AnEndThatWasCutOffIsLeftOut) {
  const std::vector<JournaledRead> reads = some_reads();
  std::string bytes;
  std::vector<std::size_t> ends = {0};
  for (std::size_t i = 0; i < reads.size(); ++i) {
    append_read(&bytes, static_cast<int64_t>(i), reads[i]);
    ends.push_back(bytes.size());
  }
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const auto whole = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), size) -
                                                ends.begin() - 1);
    EXPECT_EQ(
        *parse_reads(std::string_view(bytes).substr(0, size)),
        std::vector<JournaledRead>(reads.begin(), reads.begin() + static_cast<int64_t>(whole)));
  }
}

TEST(ReadJournal, AChangedByteAtTheEndEndsItAndBeforeItIsDamage) {
  const std::vector<JournaledRead> reads = some_reads();
  std::string bytes;
  append_read(&bytes, 0, reads[0]);
  const std::size_t first = bytes.size();
  append_read(&bytes, 1, reads[1]);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x40);
    const auto read = parse_reads(changed);
    EXPECT_EQ(read.code(), i < first ? Code::kCorrupt : Code::kOk) << i;
    EXPECT_TRUE(!read.ok() || *read == std::vector<JournaledRead>{reads[0]}) << i;
  }
}

TEST(ReadJournal, JournalsOfTablesThatAreGoneAreRemoved) {
  SystemWorld system;
  const TestProject project;
  for (const char* key : {"bronze/events", "bronze/events_v2", "bronze/gone"}) {
    ReadJournal journal(system.world(), project.folder(), key);
    ASSERT_TRUE(journal.add(1, some_reads()[0]).ok());
  }
  ReadJournal journal(system.world(), project.folder(), "bronze/events_v2");
  ReadJournal before(system.world(), project.folder(), "bronze/events");
  ReadJournal gone(system.world(), project.folder(), "bronze/gone");
  EXPECT_TRUE(journal.remove_others({"bronze/events_v2", "bronze/others"}).ok());
  EXPECT_EQ(journal.read(1)->size(), 1);
  EXPECT_TRUE(before.read(1)->empty());
  EXPECT_TRUE(gone.read(1)->empty());
}

}  // namespace
}  // namespace assay::flow

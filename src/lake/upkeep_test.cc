// Compaction, vacuum, log clean-up and the doctor.

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/compaction.h"
#include "lake/doctor.h"
#include "lake/lake_under_test.h"
#include "lake/log_entry.h"
#include "lake/rewrite.h"
#include "lake/table_hash.h"
#include "lake/vacuum.h"

namespace assay::lake {
namespace {

using data::Type;

const std::vector<data::Field> kFields = {
    {"id", Type::kInt64, false}, {"name", Type::kString, true}, {"dt", Type::kDate, true}};

std::string values(int id) {
  return "VALUES (" + std::to_string(id) + ", 'n" + std::to_string(id) + "', DATE '2026-01-0" +
         std::to_string(1 + id % 2) + "')";
}

class Upkeep : public testing::Test {
 protected:
  Upkeep() {
    for (int id = 0; id < 12; ++id) {
      lake_.append(*table_, values(id));
    }
    // Files carry the machine's time, the clock stands: let it stand where they are hours old.
    const EventTime written = lake_.world().files.stat(lake_.folder()).value().modified;
    lake_.clock().advance({written.micros + 3'600 * kMicrosPerSecond - lake_.clock().now().micros});
  }
  void wait(int64_t days) { lake_.clock().advance({days * kMicrosPerDay}); }
  uint64_t hash() { return table_content_hash(*table_, lake_.sql()).value(); }
  std::vector<std::string> kinds(const DoctorOptions& options = {}) {
    std::vector<std::string> result;
    const std::vector<Finding> findings = examine_table(access_, "t", options).value();
    for (const Finding& finding : findings) {
      result.push_back(finding.kind + (finding.mended ? " mended" : ""));
    }
    return result;
  }
  bool there(const std::string& key) { return lake_.store().get(key).ok(); }

  LakeUnderTest lake_;
  LakeAccess access_{lake_.world(), lake_.store(), lake_.sql()};
  std::unique_ptr<DeltaTable> table_ = lake_.create("t", kFields, {"dt"});
};

TEST_F(Upkeep, CompactionKeepsEveryRowAndIsNoNewsToAStream) {
  const uint64_t before = hash();
  const Version version = table_->snapshot().value()->version;
  const auto planned = compact(access_, *table_, {.dry_run = true}).value();
  EXPECT_EQ(table_->snapshot().value()->version, version);
  const auto report = compact(access_, *table_).value();
  EXPECT_EQ(report.files_removed, 12);
  EXPECT_EQ(report.files_added, 2);
  EXPECT_EQ(planned.files_removed, report.files_removed);
  EXPECT_EQ(planned.files_added, report.files_added);
  EXPECT_EQ(report.commits, 1);
  EXPECT_EQ(hash(), before);
  const auto after = table_->snapshot().value();
  EXPECT_EQ(after->files.size(), 2U);
  EXPECT_EQ(after->rows(), 12);
  EXPECT_TRUE(table_->added_between(version, after->version).value().empty());
  EXPECT_EQ(compact(access_, *table_).value().files_removed, 0);
  EXPECT_TRUE(kinds({.mend = false, .statistics = true}) ==
              std::vector<std::string>{"removed_files"});
}

TEST_F(Upkeep, CompactionKeepsTagsApartAndSortsAsTheTableSays) {
  CommitRequest request;
  request.properties = {{"assay.sortedBy", "id"}};
  ASSERT_TRUE(table_->commit(request).ok());
  for (int id = 30; id > 20; --id) {
    CommitRequest tail;
    tail.adds =
        table_->write_files(lake_.rows_for(*table_, values(id)), {{"assay.tail", "true"}}).value();
    ASSERT_TRUE(table_->commit(tail).ok());
  }
  ASSERT_TRUE(compact(access_, *table_).ok());
  int64_t tails = 0;
  for (const auto& [path, file] : table_->snapshot().value()->files) {
    tails += file.tags.count("assay.tail") != 0 ? file.rows : 0;
    EXPECT_EQ(lake_.number("SELECT count(*) FROM (SELECT id, lag(id) OVER (ORDER BY "
                           "file_row_number) AS before FROM read_parquet('" +
                           lake_.store().read_path("t/" + path) +
                           "', file_row_number=true)) WHERE before > id"),
              0);
  }
  EXPECT_EQ(tails, 10);
  EXPECT_EQ(table_->snapshot().value()->files.size(), 4U);
}

TEST_F(Upkeep, CompactionPacksUpToTheTarget) {
  const int64_t size = table_->snapshot().value()->files.begin()->second.size_bytes;
  const auto report =
      compact(access_, *table_, {.target_bytes = 3 * size + 20, .small_bytes = 2 * size}).value();
  EXPECT_EQ(report.files_removed, 12);
  EXPECT_EQ(report.files_added, 4);
}

TEST_F(Upkeep, CompactionReadsTheNewestVersion) {
  const auto theirs = lake_.open("t").value();
  ASSERT_TRUE(delete_where(access_, *theirs, "id < 6").ok());
  const auto report = compact(access_, *table_).value();
  EXPECT_EQ(report.conflicts, 0);
  EXPECT_EQ(report.files_added, 2);
  EXPECT_EQ(lake_.count(*table_), 6);
}

TEST_F(Upkeep, VacuumRemovesWhatNoRetainedVersionNeeds) {
  ASSERT_TRUE(compact(access_, *table_).ok());
  ASSERT_TRUE(lake_.store().put("t/dt=2026-01-01/part-lost.parquet", "x").ok());
  ASSERT_TRUE(lake_.store().put("t/_other/file", "x").ok());
  EXPECT_TRUE(vacuum(access_, *table_).value().files.empty());
  wait(6);
  EXPECT_TRUE(
      vacuum(access_, *table_, {.keep = Duration{7 * kMicrosPerDay}}).value().files.empty());
  // Removed files go as soon as they need not stay; a file that nobody knows is given a day.
  EXPECT_EQ(vacuum(access_, *table_, {.keep = Duration{0}, .dry_run = true}).value().files.size(),
            13U);
  EXPECT_EQ(table_->relation(*table_->snapshot(3).value()).ok(), true);
  wait(2);
  const auto planned = vacuum(access_, *table_, {.dry_run = true}).value();
  EXPECT_EQ(planned.files.size(), 13U);
  EXPECT_TRUE(there("t/dt=2026-01-01/part-lost.parquet"));
  const auto done = vacuum(access_, *table_).value();
  EXPECT_EQ(done.files, planned.files);
  EXPECT_FALSE(there("t/dt=2026-01-01/part-lost.parquet"));
  EXPECT_TRUE(there("t/_other/file"));
  EXPECT_EQ(lake_.count(*table_), 12);
  EXPECT_TRUE(kinds().empty());
  EXPECT_EQ(vacuum(access_, *table_, {.keep = Duration{8 * kMicrosPerDay}}).code(),
            Code::kInvalidArgument);
}

TEST_F(Upkeep, AWriterThatHasNotCommittedYetKeepsItsFiles) {
  CommitRequest request;
  request.adds = table_->write_files(lake_.rows_for(*table_, values(50))).value();
  EXPECT_TRUE(vacuum(access_, *table_, {.keep = Duration{0}}).value().files.empty());
  ASSERT_TRUE(table_->commit(request).ok());
  wait(30);
  EXPECT_TRUE(vacuum(access_, *table_).value().files.empty());
  EXPECT_EQ(lake_.count(*table_), 13);
}

TEST_F(Upkeep, OldLogFilesGoBehindACheckpointAndItsOwnStays) {
  EXPECT_TRUE(clean_log(access_, *table_).value().files.empty());
  wait(31);
  const auto planned =
      clean_log(access_, *table_, {.keep = {}, .needed = {}, .dry_run = true}).value();
  const auto done = clean_log(access_, *table_).value();
  EXPECT_EQ(done.files, planned.files);
  EXPECT_EQ(done.files.size(), 10U);
  EXPECT_EQ(done.oldest, 10);
  EXPECT_TRUE(there("t/_delta_log/00000000000000000010.json"));
  const auto again = lake_.open("t").value();
  EXPECT_EQ(lake_.count(*again), 12);
  EXPECT_EQ(again->snapshot(10).value()->rows(), 10);
  EXPECT_EQ(again->snapshot(11).value()->rows(), 11);
  EXPECT_EQ(again->snapshot(9).code(), Code::kNotFound);
  EXPECT_EQ(again->history().value().front().version, 10);
  EXPECT_TRUE(kinds().empty());
}

TEST_F(Upkeep, LogFilesThatAStageStillNeedsStay) {
  for (int id = 12; id < 20; ++id) {
    lake_.append(*table_, values(id));
  }
  wait(31);
  EXPECT_EQ(clean_log(access_, *table_, {.keep = {}, .needed = 15}).value().oldest, 10);
  EXPECT_EQ(clean_log(access_, *table_, {.keep = {}, .needed = 9}).value().oldest, 10);
  EXPECT_EQ(clean_log(access_, *table_).value().oldest, 20);
}

TEST_F(Upkeep, ACheckpointThatCannotBeReadKeepsTheLog) {
  ASSERT_TRUE(
      lake_.store().put("t/_delta_log/00000000000000000010.checkpoint.parquet", "rubbish").ok());
  wait(31);
  EXPECT_EQ(clean_log(access_, *table_).code(), Code::kCorrupt);
  EXPECT_TRUE(there("t/_delta_log/00000000000000000000.json"));
}

TEST_F(Upkeep, TheDoctorNamesMissingFilesOrphansAndWrongSizes) {
  const auto snapshot = table_->snapshot().value();
  const std::string first = "t/" + snapshot->files.begin()->first;
  std::string last;
  for (const auto& [path, file] : snapshot->files) {
    last = "t/" + path;
  }
  ASSERT_TRUE(lake_.store().remove(first).ok());
  ASSERT_TRUE(lake_.store().put(last, "short").ok());
  ASSERT_TRUE(lake_.store().put("t/part-orphan.parquet", "x").ok());
  EXPECT_EQ(kinds({.mend = true, .statistics = false}),
            (std::vector<std::string>{"missing_file", "wrong_size", "orphan"}));
}

TEST_F(Upkeep, AFailureOverALostFileSaysWhoFindsIt) {
  const std::string path = table_->snapshot().value()->files.begin()->second.path;
  ASSERT_TRUE(lake_.store().remove("t/" + path).ok());
  const std::string relation = table_->relation(*table_->snapshot().value()).value();
  const Status read = lake_.sql().query("SELECT sum(id) FROM " + relation).status();
  EXPECT_EQ(read.code(), Code::kNotFound);
  const Status sent = send_to_doctor(read, lake_.store().read_path(""));
  EXPECT_EQ(sent.code(), Code::kCorrupt);
  EXPECT_THAT(sent.message(), testing::HasSubstr("assay lake doctor"));
  EXPECT_EQ(send_to_doctor(sent, lake_.store().read_path("")).message(), sent.message());
  EXPECT_EQ(send_to_doctor({Code::kNotFound, "no table x.parquet"}, lake_.store().read_path(""))
                .message(),
            "no table x.parquet");
  EXPECT_TRUE(send_to_doctor({}, lake_.store().read_path("")).ok());
}

TEST_F(Upkeep, TheDoctorMendsStatisticsThatLie) {
  const auto snapshot = table_->snapshot().value();
  CommitRequest request;
  DataFile file = snapshot->files.begin()->second;
  file.stats_json =
      R"({"numRecords":1,"minValues":{"id":900},"maxValues":{"id":901},"nullCount":{"id":0}})";
  const std::string copy = file.path + ".copy.parquet";
  ASSERT_TRUE(lake_.store().put("t/" + copy, lake_.store().get("t/" + file.path).value()).ok());
  request.removes = {file.path};
  file.path = copy;
  request.adds = {file};
  ASSERT_TRUE(table_->commit(request).ok());
  const uint64_t before = hash();
  EXPECT_EQ(kinds(), (std::vector<std::string>{"removed_files", "wrong_statistics"}));
  EXPECT_EQ(kinds({.mend = true}),
            (std::vector<std::string>{"removed_files", "wrong_statistics mended"}));
  EXPECT_EQ(kinds(), (std::vector<std::string>{"removed_files"}));
  EXPECT_EQ(hash(), before);
  EXPECT_EQ(lake_.count(*table_, "id < 900"), 12);
}

TEST_F(Upkeep, TheDoctorReadsBoundsToTheLastBit) {
  const auto table = lake_.create("doubles", {{"x", data::Type::kFloat64}});
  CommitRequest request;
  request.adds = table->write_files(lake_.rows("SELECT 10 / 187.0::DOUBLE AS x")).value();
  ASSERT_TRUE(table->commit(request).ok());
  EXPECT_TRUE(examine_table(access_, "doubles", {}).value().empty());
}

TEST_F(Upkeep, TheDoctorNamesADamagedLog) {
  ASSERT_TRUE(lake_.store().put("t/_delta_log/00000000000000000003.json", "{\"add\":").ok());
  ASSERT_TRUE(lake_.store().remove("t/_delta_log/00000000000000000005.json").ok());
  EXPECT_EQ(kinds({.mend = false, .statistics = false}),
            (std::vector<std::string>{"corrupt_log", "missing_version"}));
  ASSERT_TRUE(lake_.store().put("t/_delta_log/00000000000000000012.json", "").ok());
  EXPECT_EQ(
      kinds({.mend = false, .statistics = false}),
      (std::vector<std::string>{"corrupt_log", "missing_version", "corrupt_log", "unreadable"}));
}

TEST_F(Upkeep, AManifestListsTheFilesOfEachVersionForReadersWithoutDelta) {
  EXPECT_FALSE(there("t/_manifest/latest.json"));
  CommitRequest request;
  request.properties = {{"assay.manifest", "true"}};
  ASSERT_TRUE(table_->commit(request).ok());
  ASSERT_TRUE(compact(access_, *table_).ok());
  // DuckDB reads the list as any program would, and the files as plain Parquet in Hive folders.
  const data::Batch paths =
      lake_.rows("SELECT f.path FROM (SELECT unnest(files) AS f FROM read_json('" +
                 lake_.store().read_path("t/_manifest/latest.json") + "'))");
  std::string list;
  for (int64_t row = 0; row < paths.rows(); ++row) {
    list += (list.empty() ? "'" : ", '") +
            lake_.store().read_path("t/" + std::string(paths.column(0).text(row))) + "'";
  }
  EXPECT_EQ(paths.rows(), 2);
  EXPECT_EQ(lake_.number("SELECT count(DISTINCT (id, dt)) FROM read_parquet([" + list +
                         "], hive_partitioning=true)"),
            12);
  for (int id = 12; id < 24; ++id) {
    lake_.append(*table_, values(id));
  }
  EXPECT_EQ(lake_.store().list("t/_manifest/").value().size(), 11U);
  wait(10);
  ASSERT_TRUE(vacuum(access_, *table_).ok());
  EXPECT_TRUE(there("t/_manifest/latest.json"));
}

TEST_F(Upkeep, TheDoctorMendsTheHintOfTheLastCheckpoint) {
  ASSERT_TRUE(lake_.store().put("t/_delta_log/_last_checkpoint", R"({"version":11})").ok());
  EXPECT_EQ(kinds(), (std::vector<std::string>{"last_checkpoint"}));
  EXPECT_EQ(kinds({.mend = true}), (std::vector<std::string>{"last_checkpoint mended"}));
  EXPECT_TRUE(kinds().empty());
}

TEST_F(Upkeep, TheDoctorFindsACheckpointThatContradictsTheLog) {
  ASSERT_TRUE(table_->checkpoint().ok());
  const Version version = table_->snapshot().value()->version;
  const uint64_t before = hash();
  // A checkpoint of another table stands in its place.
  const auto other = lake_.create("other", {{"id", data::Type::kInt64}});
  while (other->snapshot().value()->version < version) {
    ASSERT_TRUE(other->commit({}).ok());
  }
  ASSERT_TRUE(other->checkpoint().ok());
  std::string name = "/_delta_log/" + log_file_name(version);
  name.replace(name.size() - 5, 5, ".checkpoint.parquet");
  ASSERT_TRUE(lake_.store().put("t" + name, lake_.store().get("other" + name).value()).ok());
  ASSERT_TRUE(lake_.store().remove("t/_delta_log/_last_checkpoint").ok());
  EXPECT_THAT(kinds({.mend = false, .statistics = false}),
              testing::Contains("contradicting_checkpoint"));
  EXPECT_THAT(kinds({.mend = true, .statistics = false}),
              testing::Contains("contradicting_checkpoint mended"));
  EXPECT_EQ(kinds({.mend = false, .statistics = false}), (std::vector<std::string>{}));
  table_ = lake_.open("t").value();
  EXPECT_EQ(hash(), before);
}

TEST_F(Upkeep, LeftoversOfPowerCutsAreToldAndGoWhenTheyAreOld) {
  const std::string folder = lake_.store().read_path("t/_delta_log");
  ASSERT_TRUE(lake_.world().files.write(folder + "/.tmp.17.00000000000000000099.json", "{").ok());
  EXPECT_EQ(kinds({.mend = false, .statistics = false}), (std::vector<std::string>{"leftover"}));
  ASSERT_TRUE(vacuum(access_, *table_).ok());
  EXPECT_EQ(kinds({.mend = false, .statistics = false}), (std::vector<std::string>{"leftover"}));
  lake_.clock().advance({1'000 * kMicrosPerDay});
  ASSERT_EQ(vacuum(access_, *table_, {.keep = {}, .dry_run = true})->files.size(), 1U);
  ASSERT_TRUE(vacuum(access_, *table_).ok());
  EXPECT_EQ(kinds({.mend = false, .statistics = false}), (std::vector<std::string>{}));
}

}  // namespace
}  // namespace assay::lake

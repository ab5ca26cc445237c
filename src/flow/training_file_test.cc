// Training sets from files: compared with gold's in memory, in rounds and pieces, and with labels
// as users bring them.

#include "flow/training_file.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "base/random.h"
#include "data/parquet.h"
#include "flow/run.h"
#include "flow/training.h"

namespace assay::flow {
namespace {

constexpr char kAssay[] =
    "project: test\nlake: ./lake\ncatalog: ./catalog.db\nonline: embedded:./online\nserving: "
    "{clock: data}\n";
constexpr char kProject[] = R"(
sources:
  events: {files: {path: data, format: csv}}
bronze:
  events:
    source: events
    event_time: {column: ts}
    known_time: {delay: 20m}
    columns: {user_id: string!, item_id: int64!, amount: float64, kind: string, ts: timestamp!}
entities:
  user: {key: user_id, type: string}
  item: {key: item_id, type: int64}
  kind: {key: kind}
feature_views:
  kinds:
    entity: kind
    from: events
    slide: 10m
    features: {kind_n: {agg: count, over: [24h]}, best: {latest: item_id}}
  everyone:
    entity: none
    from: events
    slide: 10m
    features: {all: {agg: sum, of: amount, over: [24h]}}
  spend:
    entity: user
    from: events
    slide: 10m
    ttl: 12h
    features:
      n: {agg: count, over: [1h, 24h]}
      total: {agg: sum, of: amount, over: [1h, 24h]}
  profile:
    entity: user
    from: events
    features: {kind: latest}
  items:
    entity: item
    from: events
    ttl: 1d
    features: {amount: latest}
on_demand:
  basket:
    request: {offer: float64}
    features: {over: {expr: offer - amount}}
derived:
  compared:
    inputs:
      - spend
      - everyone
      - profile
      - {view: kinds, by: {kind: kind}}
      - {view: items, by: {item_id: 'coalesce(best, 0)'}, prefix: best_}
    features: {part: 'share(total_24h, all_24h)', more: n_24h + kind_n_24h, hour: hour(now()), paid: best_amount}
services:
  v1: [spend, profile, items, basket]
  v2: [compared, profile, {view: kinds, by: {kind: kind}}, items, basket]
)";

class TrainingFile : public testing::Test {
 protected:
  TrainingFile() : world_(LogLevel::kError) {
    std::string pattern = testing::TempDir() + "/assay_training_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    write("assay.yaml", kAssay);
    write("project.yaml", kProject);
    const auto random = seeded_random(1);
    std::string text = "user_id,item_id,amount,kind,ts\n";
    for (int i = 0; i < 800; ++i) {
      text += "u" + std::to_string(random->below(7)) + "," + std::to_string(random->below(5)) +
              "," + std::to_string(random->below(100)) + ".5,kind " +
              std::to_string(random->below(3)) + "," +
              format_time({start() + i * 300 * kMicrosPerSecond}) + "\n";
    }
    write("data/day.csv", text);
    workspace_ = *Workspace::open(world_.world(), folder_, {});
    EXPECT_TRUE(workspace_->apply().ok());
    const auto ran = run_all(*workspace_, {});
    EXPECT_TRUE(ran.ok()) << ran.status().to_string();
    service_ = *workspace_->service("v1");
  }

  static int64_t start() { return parse_time("2026-01-01")->micros; }
  [[nodiscard]] std::string path(const std::string& name) const { return join_path(folder_, name); }
  void write(const std::string& name, const std::string& text) {
    FileSystem& files = world_.world().files;
    ASSERT_TRUE(files.make_directories(parent_path(path(name))).ok());
    ASSERT_TRUE(files.write(path(name), text).ok());
  }
  std::string read(const std::string& name) { return *world_.world().files.read(path(name)); }

  data::Batch random_labels(int64_t count) {
    const auto random = seeded_random(2);
    data::BatchBuilder labels(data::make_schema({{"label", data::Type::kInt64, true},
                                                 {"user_id", data::Type::kString, true},
                                                 {"item_id", data::Type::kInt64, true},
                                                 {"offer", data::Type::kFloat64, true},
                                                 {"event_time", data::Type::kTimestamp, true}}));
    for (int64_t i = 0; i < count; ++i) {
      labels.column(0).append(i);
      if (random->below(30) == 0) {
        labels.column(1).append_null();
      } else {
        labels.column(1).append_text("u" + std::to_string(random->below(9)));
      }
      labels.column(2).append(static_cast<int64_t>(random->below(6)));
      labels.column(3).append(static_cast<double>(i));
      if (random->below(30) == 0) {
        labels.column(4).append_null();
      } else {
        labels.column(4).append(start() +
                                static_cast<int64_t>(random->below(300'000)) * kMicrosPerSecond);
      }
    }
    return labels.finish();
  }

  Result<TrainingFileReport> make(const std::vector<std::string>& labels,
                                  const std::string& to,
                                  TrainingFileOptions options = {}) {
    options.labels.paths.clear();
    for (const std::string& name : labels) {
      options.labels.paths.push_back(path(name));
    }
    options.to = path(to);
    return write_training_file(*workspace_, *service_, options);
  }
  Code code_of(const std::string& labels, const TrainingFileOptions& options = {}) {
    return make({labels}, "set.parquet", options).code();
  }

  data::Batch rows_of(const std::string& file) {
    return *data::read_file(workspace_->sql(), path(file));
  }

  SystemWorld world_;
  std::string folder_;
  std::unique_ptr<Workspace> workspace_;
  std::shared_ptr<const gold::Service> service_;
};

void expect_equal(const data::Batch& found, const data::Batch& expected) {
  ASSERT_EQ(found.schema().names(), expected.schema().names());
  ASSERT_EQ(found.rows(), expected.rows());
  for (int i = 0; i < found.column_count(); ++i) {
    for (int64_t row = 0; row < found.rows(); ++row) {
      ASSERT_EQ(found.column(i).scalar(row), expected.column(i).scalar(row))
          << expected.schema().field(i).name << " of row " << row;
    }
  }
}

TEST_F(TrainingFile, GivesWhatGoldGivesInMemoryInLabelOrder) {
  const data::Batch labels = random_labels(5'000);
  ASSERT_TRUE(data::write_parquet(workspace_->sql(), labels, path("labels.parquet")).ok());
  TrainingFileOptions options;
  options.set.with_statuses = true;
  const auto report = make({"labels.parquet"}, "set.parquet", options);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  const auto expected = build_training_set(*workspace_, *service_, labels, options.set);
  ASSERT_TRUE(expected.ok()) << expected.status().to_string();
  expect_equal(rows_of("set.parquet"), *expected);

  EXPECT_EQ(report->rows, 5'000);
  EXPECT_EQ(report->rounds, 1);
  EXPECT_GT(report->rows_with_null_key_or_time, 100);
  EXPECT_GT(report->peak_memory_bytes, 0);
  ASSERT_EQ(report->views.size(), 3U);
  const std::vector<std::string> tables = {"gold/spend", "gold/profile", "gold/items"};
  for (std::size_t i = 0; i < 3; ++i) {
    const TrainingViewReport& view = report->views[i];
    EXPECT_EQ(view.table, tables[i]);
    EXPECT_GT(view.steps, 0);
    EXPECT_GT(view.present, 0);
    EXPECT_GT(view.not_found, 0);
    EXPECT_EQ(view.present + view.not_found + view.expired, 5'000);
    EXPECT_EQ(report->fingerprints.at(view.view), view.fingerprint);
  }
  EXPECT_GT(report->views[0].expired, 0);
  EXPECT_EQ(report->fingerprints.count("on_demand/basket"), 1U);
}

/// The user's kind, the kind's features, the item that the kind bought last, and everyone together.
TEST_F(TrainingFile, LooksUpOtherEntitiesInRoundsAsInMemory) {
  service_ = *workspace_->service("v2");
  const data::Batch labels = random_labels(data::kRowGroupRows + 1'000);
  ASSERT_TRUE(data::write_parquet(workspace_->sql(), labels, path("labels.parquet")).ok());
  TrainingFileOptions options;
  options.set.with_statuses = true;
  const auto whole = make({"labels.parquet"}, "whole.parquet", options);
  ASSERT_TRUE(whole.ok()) << whole.status().to_string();
  const auto expected = build_training_set(*workspace_, *service_, labels, options.set);
  ASSERT_TRUE(expected.ok()) << expected.status().to_string();
  const int64_t from = data::kRowGroupRows - 1'000;  // the end of one block, and the next
  expect_equal(rows_of("whole.parquet").slice(from, labels.rows()),
               expected->slice(from, labels.rows()));
  options.round_labels_max = data::kRowGroupRows;
  const auto rounds = make({"labels.parquet"}, "rounds.parquet", options);
  ASSERT_TRUE(rounds.ok()) << rounds.status().to_string();
  EXPECT_EQ(rounds->rounds, 2);
  EXPECT_TRUE(read("rounds.parquet") == read("whole.parquet"));
  std::vector<std::string> views;
  for (const TrainingViewReport& view : whole->views) {
    views.push_back(view.view);
    EXPECT_GT(view.present, 0) << view.view;
  }
  EXPECT_EQ(views,
            (std::vector<std::string>{"spend", "everyone", "profile", "kinds", "items", "items"}));
  EXPECT_EQ(whole->fingerprints.count("derived/compared"), 1U);
  EXPECT_EQ(whole->fingerprints.count("service/v2"), 1U);
}

TEST_F(TrainingFile, RoundsThreadsAndRepeatsGiveTheSameBytes) {
  const data::Batch labels = random_labels(2 * data::kRowGroupRows + 1'000);
  ASSERT_TRUE(data::write_parquet(workspace_->sql(), labels, path("labels.parquet")).ok());
  ASSERT_TRUE(make({"labels.parquet"}, "one.parquet").ok());
  ASSERT_TRUE(make({"labels.parquet"}, "again.parquet").ok());
  const std::string bytes = read("one.parquet");
  EXPECT_TRUE(read("again.parquet") == bytes);
  TrainingFileOptions options;
  options.round_labels_max = data::kRowGroupRows;
  options.set.threads = 1;
  const auto report = make({"labels.parquet"}, "rounds.parquet", options);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->rounds, 3);
  EXPECT_EQ(report->rows, labels.rows());
  EXPECT_TRUE(read("rounds.parquet") == bytes);
}

TEST_F(TrainingFile, TakesTimesInAllTheirForms) {
  const std::string head = "user_id,item_id,offer,event_time\n";
  write("utc.csv", head + "u1,1,2.5,2026-01-02 10:00:00\nu2,2,2.5,2026-01-02 11:30:00\n");
  write("zone.csv",
        head + "u1,1,2.5,2026-01-02T12:00:00+02:00\nu2,2,2.5,2026-01-02T06:30:00-05:00\n");
  write("s.csv", head + "u1,1,2.5,1767348000\nu2,2,2.5,1767353400\n");
  write("ms.csv", head + "u1,1,2.5,1767348000000\nu2,2,2.5,1767353400000\n");
  write("us.csv", head + "u1,1,2.5,1767348000000000\nu2,2,2.5,1767353400000000\n");
  ASSERT_TRUE(make({"utc.csv"}, "utc.out.csv").ok());
  const std::string expected = read("utc.out.csv");
  EXPECT_NE(expected.find("2026-01-02T10:00:00.000000Z"), std::string::npos) << expected;
  for (const std::string unit : {"zone", "s", "ms", "us"}) {
    TrainingFileOptions options;
    options.labels.time_unit = unit == "zone" ? "" : unit;
    const auto made = make({unit + ".csv"}, unit + ".out.csv", options);
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    EXPECT_EQ(read(unit + ".out.csv"), expected);
  }
  EXPECT_EQ(code_of("ms.csv"), Code::kInvalidArgument);  // which unit?
  TrainingFileOptions options;
  options.labels.time_unit = "ms";
  EXPECT_EQ(code_of("utc.csv", options), Code::kInvalidArgument);  // it has one
  options.labels.time_unit = "minutes";
  EXPECT_EQ(code_of("ms.csv", options), Code::kInvalidArgument);
}

TEST_F(TrainingFile, BadLabelsAreErrorsThatSayWhatIsWrong) {
  const std::string row = "u1,1,2.5,2026-01-02 10:00:00\n";
  const std::string head = "user_id,item_id,offer,event_time\n";
  write("good.csv", head + row);
  write("empty.csv", "");
  write("no_key.csv", "item_id,offer,event_time\n1,2.5,2026-01-02 10:00:00\n");
  write("no_time.csv", "user_id,item_id,offer\nu1,1,2.5\n");
  write("no_request.csv", "user_id,item_id,event_time\nu1,1,2026-01-02 10:00:00\n");
  write("clash.csv", "user_id,item_id,offer,event_time,kind\nu1,1,2.5,2026-01-02 10:00:00,x\n");
  write("half_key.csv", head + "u1,1.5,2.5,2026-01-02 10:00:00\n");
  write("text_key.csv", head + "u1,one,2.5,2026-01-02 10:00:00\n");
  write("bad_time.csv", head + "u1,1,2.5,yesterday\n");
  write("float_time.csv", head + "u1,1,2.5,1767348000.5\n");
  write("more.csv", "user_id,item_id,offer,event_time,more\nu1,1,2.5,2026-01-02 10:00:00,1\n");
  write("labels.txt", "x");
  write("broken.parquet", "PAR1 is not enough");
  for (const char* name : {"no_key.csv",
                           "no_time.csv",
                           "no_request.csv",
                           "clash.csv",
                           "half_key.csv",
                           "text_key.csv",
                           "bad_time.csv",
                           "float_time.csv",
                           "labels.txt"}) {
    EXPECT_EQ(code_of(name), Code::kInvalidArgument) << name;
  }
  EXPECT_EQ(code_of("none.csv"), Code::kNotFound);
  EXPECT_EQ(code_of("broken.parquet"), Code::kCorrupt);
  EXPECT_FALSE(make({"empty.csv"}, "set.parquet").ok());
  EXPECT_EQ(make({"good.csv", "more.csv"}, "set.parquet").code(), Code::kInvalidArgument);
  EXPECT_EQ(make({"good.csv", "half_key.csv"}, "set.parquet").code(), Code::kInvalidArgument);
  EXPECT_EQ(make({}, "set.parquet").code(), Code::kInvalidArgument);
  EXPECT_EQ(make({"good.csv"}, "set.txt").code(), Code::kInvalidArgument);
  EXPECT_EQ(make({"good.csv"}, "no/such/folder/set.parquet").ok(), false);
  TrainingFileOptions options;
  options.memory_bytes_max = 1'000;
  EXPECT_EQ(code_of("good.csv", options), Code::kInvalidArgument);
}

TEST_F(TrainingFile, OddLabelsGetAStatedStatus) {
  const std::string head = "user_id,item_id,offer,event_time\n";
  write("odd.csv",
        head +
            "u1,1,1,2026-01-02 10:00:00\n"
            "u1,1,1,2026-01-02 10:00:00\n"  // the same again
            ",1,1,2026-01-02 10:00:00\n"    // no user
            "u1,1,1,\n"                     // no time
            "nobody,77,1,2026-01-02 10:00:00\n"
            "u1,1,1,2999-01-01 00:00:00\n"    // to come
            "u1,1,1,2025-01-01 00:00:00\n");  // before all events, and out of order
  TrainingFileOptions options;
  options.set.with_statuses = true;
  const auto report = make({"odd.csv"}, "odd.out.csv", options);
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->rows, 7);
  EXPECT_EQ(report->rows_with_null_key_or_time, 2);
  EXPECT_EQ(report->rows_with_key_and_time_of_another, 2);  // items: rows 1, 2 and 3 ask alike
  EXPECT_EQ(report->rows_in_the_future, 1);
  EXPECT_EQ(report->rows_without_match, 3);
  const data::Batch set = rows_of("odd.out.csv");
  const std::vector<std::string> expected = {
      "PRESENT", "PRESENT", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "PRESENT", "NOT_FOUND"};
  for (int64_t row = 0; row < set.rows(); ++row) {
    EXPECT_EQ(set.find("kind__status")->text(row), expected[static_cast<std::size_t>(row)]) << row;
  }
}

TEST_F(TrainingFile, NoRowsGiveAnEmptySetWithAllColumns) {
  const data::Batch none = random_labels(0);
  ASSERT_TRUE(data::write_parquet(workspace_->sql(), none, path("none.parquet")).ok());
  const auto report = make({"none.parquet"}, "set.parquet");
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  EXPECT_EQ(report->rows, 0);
  const data::Batch set = rows_of("set.parquet");
  EXPECT_EQ(set.rows(), 0);
  EXPECT_NE(set.find("over"), nullptr);
}

TEST_F(TrainingFile, FewBytesThatSayTheyAreManyRowsAreRefused) {
  ASSERT_TRUE(workspace_->sql()
                  .execute("COPY (SELECT 'u1' AS user_id, 1 AS item_id, 1.0::DOUBLE AS offer, "
                           "TIMESTAMP '2026-01-02' AS event_time FROM range(3000000)) TO " +
                           data::SqlEngine::literal(path("bomb.parquet")) + " (FORMAT parquet)")
                  .ok());
  TrainingFileOptions options;
  options.labels.rows_max = 2'999'999;
  EXPECT_EQ(code_of("bomb.parquet", options), Code::kResourceExhausted);
}

TEST_F(TrainingFile, SeveralFilesAreOneListOfLabels) {
  const std::string head = "user_id,item_id,offer,event_time\n";
  const std::string first = "u1,1,1.5,2026-01-02 10:00:00\n";
  const std::string second = "u2,2,2.5,2026-01-02 09:00:00\n";
  write("first.csv", head + first);
  write("second.csv", head + second);
  write("both.csv", head + first + second);
  ASSERT_TRUE(make({"first.csv", "second.csv"}, "two.csv").ok());
  ASSERT_TRUE(make({"both.csv"}, "one.csv").ok());
  EXPECT_EQ(read("two.csv"), read("one.csv"));
}

}  // namespace
}  // namespace assay::flow

#include "silver/silver_operator.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "quality/quarantine.h"
#include "silver/test_tables.h"

namespace assay::silver {
namespace {

using catalog::CheckDef;
using catalog::CheckKind;
using catalog::SilverDef;
using data::Scalar;
using data::Type;

data::SchemaPtr items_schema() {
  return data::make_schema({{"id", Type::kInt64, true},
                            {"brand", Type::kString, true},
                            {"event_time", Type::kTimestamp, false},
                            {"known_time", Type::kTimestamp, false},
                            {"sequence", Type::kInt64, false}});
}

/// Items 0 to 3, known since the epoch.
data::Batch items() {
  data::BatchBuilder builder(items_schema());
  for (int64_t id = 0; id < 4; ++id) {
    builder.column(0).append(id);
    builder.column(1).append_text("brand" + std::to_string(id));
    builder.column(2).append(int64_t{0});
    builder.column(3).append(int64_t{0});
    builder.column(4).append(id);
  }
  return builder.finish();
}

SilverDef events() {
  SilverDef silver;
  silver.name = "events";
  silver.from = "clicks";
  silver.sql = "SELECT id, CAST(text AS BIGINT) AS number FROM clicks WHERE id <> 9";
  silver.allowed_lateness = {10};
  catalog::EnrichDef enrich;
  enrich.lookup = "items";
  enrich.on = {"id"};
  enrich.columns = {"brand"};
  enrich.required = true;
  silver.enrich = {enrich};
  CheckDef check;
  check.kind = CheckKind::kRange;
  check.column = "number";
  check.max = Scalar::int64(50);
  CheckDef drop = check;
  drop.max = Scalar::int64(40);
  drop.on_fail = catalog::OnFail::kDrop;
  silver.checks = {check, drop};
  return silver;
}

class Silver : public ::testing::Test {
 protected:
  std::unique_ptr<SilverOperator> make(const SilverDef& def) {
    auto made =
        SilverOperator::create(def, *clicks_schema(), {{"items", items_schema()}}, *engine_);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return std::move(made).value();
  }
  Code code_of(const SilverDef& def) {
    return SilverOperator::create(def, *clicks_schema(), {{"items", items_schema()}}, *engine_)
        .code();
  }
  SilverOutput run(const SilverDef& def, const data::Batch& bronze) {
    auto output = make(def)->process(bronze, {{"items", items()}}, {});
    EXPECT_TRUE(output.ok()) << output.status().to_string();
    EXPECT_TRUE(output->account.balances());
    return std::move(output).value();
  }

  std::unique_ptr<data::SqlEngine> engine_ = open_engine();
};

TEST_F(Silver, EveryRowIsAccountedForWithItsReason) {
  const auto output = run(events(),
                          clicks({{1, "5", 100},   // out
                                  {9, "5", 100},   // filtered by WHERE
                                  {1, "x", 100},   // cast fails
                                  {7, "5", 100},   // no such item
                                  {2, "60", 100},  // check fails
                                  {2, "45", 100},  // dropped by a check
                                  {3, {}, 90},     // in time
                                  {3, "1", 89},    // late
                                  {0, "7", 200}}));
  EXPECT_EQ(output.account, (data::Account{9, 3, 2, 0, 1, 3}));
  EXPECT_EQ(output.rows.schema().names(),
            (std::vector<std::string>{
                "id", "number", "brand", "event_time", "known_time", "sequence", "event_date"}));
  EXPECT_EQ(
      quality::row_json(output.rows, 0),
      R"({"id":1,"number":5,"brand":"brand1","event_time":"1970-01-01T00:00:00.000100Z",)"
      R"("known_time":"1970-01-01T00:00:00.000107Z","sequence":0,"event_date":"1970-01-01"})");
  EXPECT_EQ(output.late.find("sequence")->scalar(0), Scalar::int64(7));
  const data::Batch& refused = output.quarantine;
  ASSERT_EQ(refused.rows(), 3);
  EXPECT_EQ(refused.find("reason")->text(0), "wrong_type");
  EXPECT_EQ(refused.find("column")->text(0), "number");
  EXPECT_EQ(refused.find("reason")->text(1), "enrichment_failed");
  EXPECT_EQ(refused.find("reason")->text(2), "check_failed");
  EXPECT_EQ(refused.find("position")->values<int64_t>()[2], 4);
  EXPECT_EQ(refused.find("stage")->text(2), "silver");
  EXPECT_EQ(refused.find("source")->text(2), "clicks");
  EXPECT_NE(refused.find("payload")->text(0).find(R"("text":"x")"), std::string_view::npos);
  EXPECT_EQ(output.state.newest, EventTime{200});
}

TEST_F(Silver, TheSqlMayDecideTheEventTime) {
  SilverDef silver = events();
  silver.enrich.clear();
  silver.checks.clear();
  silver.sql = "SELECT id, event_time + INTERVAL 1 DAY AS event_time FROM clicks";
  const auto output = run(silver, clicks({{1, "a", 100}}));
  EXPECT_EQ(output.rows.find("event_time")->scalar(0), Scalar::timestamp(kMicrosPerDay + 100));
  EXPECT_EQ(output.rows.find("known_time")->scalar(0), Scalar::timestamp(107));
  EXPECT_EQ(output.rows.find("event_date")->values<int32_t>()[0], 1);

  silver.sql = "SELECT id, CASE WHEN id > 1 THEN DATE '2001-01-31' END AS event_time FROM clicks";
  const auto dates = run(silver, clicks({{1, "a", 100}, {2, "b", 100}}));
  EXPECT_EQ(dates.account, (data::Account{2, 1, 0, 0, 0, 1}));
  EXPECT_EQ(dates.quarantine.find("reason")->text(0), "bad_event_time");
  EXPECT_EQ(dates.rows.find("event_time")->scalar(0), Scalar::timestamp(980'899'200'000'000));
}

TEST_F(Silver, AStarTakesEveryColumnOnce) {
  SilverDef silver = events();
  silver.enrich.clear();
  silver.checks.clear();
  silver.sql = "SELECT * FROM clicks";
  const auto output = run(silver, clicks({{1, "a", 100}}, 42));
  EXPECT_EQ(output.rows.schema().names(),
            (std::vector<std::string>{"id",
                                      "text",
                                      "price",
                                      "dt",
                                      "hr",
                                      "event_time",
                                      "known_time",
                                      "sequence",
                                      "event_date"}));
  EXPECT_EQ(output.rows.find("sequence")->scalar(0), Scalar::int64(42));
}

TEST_F(Silver, RowsOutOfOrderAreTakenInSequence) {
  SilverDef silver = events();
  const data::Batch rows = clicks({{1, "1", 100}, {1, "2", 50}, {1, "3", 95}});
  const std::vector<int64_t> shuffled = {2, 0, 1};
  const auto output = run(silver, rows.take(shuffled));
  EXPECT_EQ(output.account.late, 1);
  EXPECT_EQ(output.rows.find("sequence")->values<int64_t>()[0], 0);
  EXPECT_EQ(output.rows.find("sequence")->values<int64_t>()[1], 2);
}

TEST_F(Silver, DefinitionsThatDoNotFitAreRefused) {
  SilverDef silver = events();
  silver.sql = "SELECT sum(id) AS s FROM clicks";
  EXPECT_EQ(code_of(silver), Code::kInvalidArgument);
  silver.sql = "SELECT id, CAST(text AS BIGINT) AS number, event_time AS known_time FROM clicks";
  EXPECT_EQ(code_of(silver), Code::kInvalidArgument);
  silver.sql = "SELECT * REPLACE (id + 1 AS sequence), 1 AS number FROM clicks";
  EXPECT_EQ(code_of(silver), Code::kInvalidArgument);
  silver.sql = "SELECT * RENAME (event_time AS sequence, sequence AS s), 1 AS number FROM clicks";
  EXPECT_EQ(code_of(silver), Code::kInvalidArgument);
  silver.sql = "SELECT id, 1::BIGINT AS number, event_time AS EVENT_TIME FROM clicks";
  EXPECT_EQ(code_of(silver), Code::kInvalidArgument);
  silver.sql = "SELECT id, 1::BIGINT AS number, dt AS event_date FROM clicks";
  EXPECT_EQ(code_of(silver), Code::kInvalidArgument);
  silver.sql = "SELECT id, 1::BIGINT AS number, text AS event_time FROM clicks";
  EXPECT_EQ(code_of(silver), Code::kInvalidArgument);
  silver = events();
  silver.partition_by = {"evnt_date"};
  EXPECT_EQ(code_of(silver), Code::kInvalidArgument);
  silver = events();
  silver.enrich[0].lookup = "nowhere";
  EXPECT_EQ(code_of(silver), Code::kInvalidArgument);
  silver = events();
  silver.checks[0].column = "nowhere";
  EXPECT_EQ(code_of(silver), Code::kInvalidArgument);
}

TEST_F(Silver, LookupColumnsAreThoseThatAreRead) {
  EXPECT_EQ(make(events())->lookup_columns().at("items"),
            (std::vector<std::string>{"id", "brand", "event_time", "known_time", "sequence"}));
}

TEST_F(Silver, CutsChangeNothing) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 2; ++round) {
    std::vector<Click> rows(120);
    for (Click& row : rows) {
      row.id = static_cast<int64_t>(random() % 10);
      row.text = random() % 25 == 0 ? "?" : std::to_string(random() % 60);
      row.event_time = 100 + static_cast<int64_t>(random() % 60);
    }
    const data::Batch bronze = clicks(rows);
    const auto silver = make(events());
    const SilverOutput whole = run(events(), bronze);
    std::vector<data::Batch> good;
    std::vector<data::Batch> late;
    std::vector<data::Batch> refused;
    data::Account account;
    SilverState state;
    for (int64_t begin = 0; begin < bronze.rows();) {
      const int64_t end = std::min(bronze.rows(), begin + 1 + static_cast<int64_t>(random() % 50));
      if (random() % 3 == 0) {  // a restart: only the newest event time is kept
        state = SilverState{state.newest, {}};
      }
      auto output =
          silver->process(bronze.slice(begin, end), {{"items", items()}}, std::move(state));
      ASSERT_TRUE(output.ok()) << output.status().to_string();
      good.push_back(output->rows);
      late.push_back(output->late);
      refused.push_back(output->quarantine);
      account += output->account;
      state = std::move(output->state);
      begin = end;
    }
    EXPECT_EQ(account, whole.account);
    const auto hash = [](const data::Batch& like, const std::vector<data::Batch>& parts) {
      return data::content_hash(data::concat(like.schema_ptr(), parts).value());
    };
    EXPECT_EQ(hash(whole.rows, good), data::content_hash(whole.rows));
    EXPECT_EQ(hash(whole.late, late), data::content_hash(whole.late));
    EXPECT_EQ(hash(whole.quarantine, refused), data::content_hash(whole.quarantine));
    EXPECT_EQ(state.newest, whole.state.newest);
  }
}

}  // namespace
}  // namespace assay::silver

#include "bronze/bronze_operator.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "bronze/contract.h"
#include "bronze/test_records.h"
#include "quality/quarantine.h"

namespace assay::bronze {
namespace {

using catalog::BronzeDef;
using catalog::CheckDef;
using catalog::CheckKind;
using catalog::ColumnDef;
using catalog::Format;
using catalog::KnownTimeDef;
using catalog::OnFail;
using data::Scalar;
using data::Type;

constexpr TimeRange kAllTime{EventTime::min(), EventTime::max()};

ColumnDef column(const std::string& name,
                 Type type,
                 bool required = false,
                 data::TimeUnit unit = data::TimeUnit::kText) {
  ColumnDef def;
  def.name = name;
  def.type = type;
  def.required = required;
  def.unit = unit;
  return def;
}

/// id and ts are required; v must not be negative (quarantine) and not be above 100 (drop).
BronzeDef clicks() {
  BronzeDef bronze;
  bronze.name = "clicks";
  bronze.source = "source";
  bronze.key = {"id"};
  bronze.dedup_for = {10};
  bronze.event_time = "ts";
  bronze.columns = {column("id", Type::kString, true),
                    column("v", Type::kInt64),
                    column("ts", Type::kTimestamp, true, data::TimeUnit::kMicros)};
  CheckDef positive;
  positive.kind = CheckKind::kRange;
  positive.column = "v";
  positive.min = Scalar::int64(0);
  CheckDef small = positive;
  small.min.reset();
  small.max = Scalar::int64(100);
  small.on_fail = OnFail::kDrop;
  bronze.checks = {positive, small};
  return bronze;
}

std::unique_ptr<BronzeOperator> make(const BronzeDef& bronze, int threads = 1) {
  BronzeOptions options;
  options.threads = threads;
  options.key = privacy::PrivacyKey::from_bytes(std::string(32, 'k')).value();
  auto made = BronzeOperator::create(bronze, options);
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return std::move(made).value();
}

BronzeState loaded_state(const BronzeOperator& bronze) {
  BronzeState state = bronze.initial_state();
  const data::Batch none = data::Batch::empty(bronze.schema());
  EXPECT_TRUE(state.dedup.load(none, bronze.definition().key, kAllTime).ok());
  return state;
}

BronzeOutput run(const BronzeDef& definition, const ingest::RecordBatch& records) {
  const auto bronze = make(definition);
  auto output = bronze->process(records, loaded_state(*bronze));
  EXPECT_TRUE(output.ok()) << output.status().to_string();
  EXPECT_TRUE(output->account.balances());
  return std::move(output).value();
}

ingest::RecordBatch csv(const std::vector<std::string>& lines, int64_t first = 0) {
  return text_records(Format::kCsv, lines, {"id", "v", "ts"}, first);
}

TEST(BronzeOperator, RowsCarryTimesSequenceAndPartitions) {
  const auto output = run(clicks(), csv({"a,1,3600000001", "b,,-1"}, 5));
  EXPECT_EQ(output.rows.schema().names(),
            (std::vector<std::string>{
                "id", "v", "ts", "event_time", "known_time", "sequence", "dt", "hr"}));
  EXPECT_EQ(output.rows.find("event_time")->scalar(0), Scalar::timestamp(3'600'000'001));
  EXPECT_EQ(output.rows.find("known_time")->scalar(1), Scalar::timestamp(-1));
  EXPECT_EQ(output.rows.find("sequence")->scalar(1), Scalar::int64((int64_t{3} << 32) + 6));
  EXPECT_EQ(output.rows.find("dt")->values<int32_t>()[0], 0);
  EXPECT_EQ(output.rows.find("hr")->values<int32_t>()[0], 1);
  EXPECT_EQ(output.rows.find("dt")->values<int32_t>()[1], -1);
  EXPECT_EQ(output.rows.find("hr")->values<int32_t>()[1], 23);
  EXPECT_TRUE(output.rows.find("v")->is_null(1));
}

TEST(BronzeOperator, EveryRecordIsAccountedForWithItsReason) {
  const auto output = run(clicks(),
                          csv({"a,1,100",
                               "b,x,100",
                               "c,1",
                               ",1,100",
                               "d,-1,100",
                               "e,101,100",
                               "a,2,105",
                               "f,1,",
                               "g,1,9000000000000000",
                               "h,1,100",
                               "a,3,111"}));
  EXPECT_EQ(output.account, (data::Account{11, 3, 1, 1, 0, 6}));
  const data::Batch& refused = output.quarantine;
  ASSERT_EQ(refused.rows(), 6);
  const std::vector<std::vector<std::string>> expected = {
      {"b,x,100", "wrong_type", "v"},
      {"c,1", "malformed", ""},
      {",1,100", "missing_required", "id"},
      {"d,-1,100", "check_failed", "v"},
      {"f,1,", "missing_required", "ts"},
      {"g,1,9000000000000000", "future_event_time", "event_time"},
  };
  for (std::size_t row = 0; row < expected.size(); ++row) {
    const auto at = static_cast<int64_t>(row);
    EXPECT_EQ(refused.find("payload")->text(at), expected[row][0]);
    EXPECT_EQ(refused.find("reason")->text(at), expected[row][1]) << expected[row][0];
    if (row != 1) {
      EXPECT_EQ(refused.find("column")->text(at), expected[row][2]) << expected[row][0];
    }
    EXPECT_EQ(refused.find("stage")->text(at), "bronze");
  }
  EXPECT_EQ(refused.find("position")->values<int64_t>()[0], (int64_t{3} << 32) + 1);
  EXPECT_EQ(refused.find("line")->values<int64_t>()[0], 3);
  EXPECT_EQ(refused.find("event_time")->scalar(3), Scalar::timestamp(100));
  EXPECT_TRUE(refused.find("event_time")->is_null(0));
}

TEST(BronzeOperator, JsonLinesGiveTheSameRows) {
  const auto output = run(clicks(),
                          text_records(Format::kJsonLines,
                                       {R"({"id":"a","v":1,"ts":100,"more":[1]})",
                                        R"({"id":"b","v":"x","ts":100})",
                                        "{",
                                        "",
                                        "{\"id\":\"\xff\",\"v\":1,\"ts\":1}"},
                                       {}));
  EXPECT_EQ(output.account, (data::Account{5, 1, 0, 0, 0, 4}));
  EXPECT_EQ(output.quarantine.find("reason")->text(0), "wrong_type");
  EXPECT_EQ(output.quarantine.find("reason")->text(1), "malformed");
  EXPECT_EQ(output.quarantine.find("reason")->text(2), "malformed");
  EXPECT_EQ(output.quarantine.find("reason")->text(3), "invalid_utf8");
  EXPECT_EQ(output.quarantine.find("payload")->text(3), "{\"id\":\"\xff\",\"v\":1,\"ts\":1}");
}

TEST(BronzeOperator, ParquetRowsAreQuarantinedAsJson) {
  data::BatchBuilder builder(data::make_schema(
      {{"id", Type::kString, true}, {"v", Type::kFloat64, true}, {"ts", Type::kTimestamp, true}}));
  const auto add = [&](const char* id, double v) {
    builder.column(0).append_text(id);
    builder.column(1).append(v);
    builder.column(2).append(int64_t{100});
  };
  add("a", 2.0);
  add("b", 2.5);
  ingest::RecordBatch records = text_records(Format::kParquet, {}, {});
  records.rows = builder.finish();
  const auto output = run(clicks(), records);
  EXPECT_EQ(output.account, (data::Account{2, 1, 0, 0, 0, 1}));
  EXPECT_EQ(output.rows.find("v")->scalar(0), Scalar::int64(2));
  EXPECT_EQ(output.quarantine.find("payload")->text(0),
            R"({"id":"b","v":2.5,"ts":"1970-01-01T00:00:00.000100Z"})");
  EXPECT_TRUE(output.quarantine.find("line")->is_null(0));
}

TEST(BronzeOperator, RecordsBeyondTheLimitAreTooLarge) {
  ingest::RecordBatch records = csv({"a,1,100", "b,1,100"});
  records.oversized = {false, true};
  const auto output = run(clicks(), records);
  EXPECT_EQ(output.account, (data::Account{2, 1, 0, 0, 0, 1}));
  EXPECT_EQ(output.quarantine.find("reason")->text(0), "too_large");
}

TEST(BronzeOperator, KnownTimeIsHadFourWays) {
  BronzeDef bronze = clicks();
  bronze.known_time.delay = {7};
  const auto records = csv({"a,5,100"});
  EXPECT_EQ(run(bronze, records).rows.find("known_time")->scalar(0), Scalar::timestamp(107));
  bronze.known_time.kind = KnownTimeDef::Kind::kReceived;
  EXPECT_EQ(run(bronze, records).rows.find("known_time")->scalar(0),
            Scalar::timestamp(records.received.micros));
  bronze.known_time.kind = KnownTimeDef::Kind::kColumn;
  bronze.known_time.text = "ts";
  EXPECT_EQ(run(bronze, records).rows.find("known_time")->scalar(0), Scalar::timestamp(100));
  bronze.known_time.kind = KnownTimeDef::Kind::kExpr;
  bronze.known_time.text = "CASE WHEN v > 0 THEN event_time ELSE NULL END";
  EXPECT_EQ(run(bronze, records).rows.find("known_time")->scalar(0), Scalar::timestamp(100));
  const auto refused = run(bronze, csv({"a,0,100"}));
  EXPECT_EQ(refused.quarantine.find("reason")->text(0), "bad_event_time");
  EXPECT_EQ(refused.quarantine.find("column")->text(0), "known_time");
}

TEST(BronzeOperator, AKnownTimeThatIsAheadOfTheTimeOfReadingIsRefused) {
  BronzeDef bronze = clicks();
  bronze.columns.push_back(column("seen", Type::kTimestamp, false, data::TimeUnit::kMicros));
  bronze.known_time.kind = KnownTimeDef::Kind::kColumn;
  bronze.known_time.text = "seen";
  const int64_t latest =
      csv({}).received.micros + bronze.future_max.micros;  // of what may be known
  const auto records = text_records(
      Format::kCsv,
      {"a,1,100," + std::to_string(latest), "b,1,100," + std::to_string(latest + 1), "c,1,100,"},
      {"id", "v", "ts", "seen"});
  for (const KnownTimeDef::Kind kind : {KnownTimeDef::Kind::kColumn, KnownTimeDef::Kind::kExpr}) {
    bronze.known_time.kind = kind;  // an expression that is a column's name is that column
    const auto output = run(bronze, records);
    ASSERT_EQ(output.account, (data::Account{3, 1, 0, 0, 0, 2}));
    EXPECT_EQ(output.rows.find("known_time")->scalar(0), Scalar::timestamp(latest));
    EXPECT_EQ(output.quarantine.find("reason")->text(0), "future_known_time");
    EXPECT_EQ(output.quarantine.find("column")->text(0), "known_time");
    EXPECT_EQ(output.quarantine.find("event_time")->scalar(0), Scalar::timestamp(100));
    EXPECT_EQ(output.quarantine.find("reason")->text(1), "bad_event_time");
  }
}

TEST(BronzeOperator, AKnownTimeMayBeAheadAsItsDefinitionSays) {
  constexpr int64_t kDay = 24LL * 3600 * kMicrosPerSecond;
  BronzeDef bronze = clicks();
  const auto records = csv({"a,1,999999999999999"});
  bronze.known_time.delay = {kDay};
  EXPECT_EQ(run(bronze, records).rows.find("known_time")->scalar(0),
            Scalar::timestamp(999'999'999'999'999 + kDay));
  bronze.known_time.kind = KnownTimeDef::Kind::kExpr;
  for (const char* text : {"event_time + to_hours(24)", "ts + to_hours(24)"}) {
    bronze.known_time.text = text;
    EXPECT_EQ(run(bronze, records).rows.find("known_time")->scalar(0),
              Scalar::timestamp(999'999'999'999'999 + kDay));
  }
}

TEST(BronzeOperator, ATableWithoutTimeStandsAtTheEpoch) {
  BronzeDef bronze = clicks();
  bronze.event_time = "";
  bronze.key.clear();
  const auto output = run(bronze, csv({"a,1,100"}));
  EXPECT_EQ(output.rows.find("event_time")->scalar(0), Scalar::timestamp(0));
  EXPECT_EQ(output.rows.find("known_time")->scalar(0), Scalar::timestamp(0));
}

TEST(BronzeOperator, AColumnCalledEventTimeIsTheEventTime) {
  BronzeDef bronze = clicks();
  bronze.columns[2].name = "event_time";
  bronze.event_time = "event_time";
  const auto records = text_records(Format::kCsv, {"a,1,100"}, {"id", "v", "event_time"});
  const auto output = run(bronze, records);
  EXPECT_EQ(
      output.rows.schema().names(),
      (std::vector<std::string>{"id", "v", "event_time", "known_time", "sequence", "dt", "hr"}));
  EXPECT_EQ(output.rows.find("event_time")->scalar(0), Scalar::timestamp(100));
}

TEST(BronzeOperator, DefinitionsThatDoNotFitAreRefused) {
  BronzeOptions options;
  const auto code_of = [&](const BronzeDef& bronze) {
    return BronzeOperator::create(bronze, options).code();
  };
  BronzeDef bronze = clicks();
  bronze.key = {"idd"};
  EXPECT_EQ(code_of(bronze), Code::kInvalidArgument);
  bronze = clicks();
  bronze.event_time = "id";
  EXPECT_EQ(code_of(bronze), Code::kInvalidArgument);
  bronze = clicks();
  bronze.columns.push_back(column("sequence", Type::kInt64));
  EXPECT_EQ(code_of(bronze), Code::kInvalidArgument);
  bronze = clicks();
  bronze.checks[0].column = "w";
  EXPECT_EQ(code_of(bronze), Code::kInvalidArgument);
  bronze = clicks();
  bronze.known_time.kind = KnownTimeDef::Kind::kColumn;
  bronze.known_time.text = "known";
  EXPECT_EQ(code_of(bronze), Code::kInvalidArgument);
  bronze = clicks();
  bronze.columns[0].scrub = catalog::Scrub::kHmac;
  EXPECT_EQ(code_of(bronze), Code::kFailedPrecondition);  // no key
}

TEST(BronzeOperator, ACheckThatFailsStopsTheBatch) {
  BronzeDef bronze = clicks();
  bronze.checks[0].on_fail = OnFail::kFail;
  const auto made = make(bronze);
  const auto output = made->process(csv({"a,1,1", "b,-1,1"}), loaded_state(*made));
  EXPECT_EQ(output.code(), Code::kFailedPrecondition);
}

std::vector<std::string> random_lines(std::mt19937& random, std::size_t count) {
  std::vector<std::string> lines;
  for (std::size_t index = 0; index < count; ++index) {
    const int64_t time = static_cast<int64_t>(random() % 300) - 100;
    std::string line = "k" + std::to_string(random() % 20) + "," +
                       std::to_string(static_cast<int64_t>(random() % 130) - 10) + "," +
                       std::to_string(time);
    if (random() % 12 == 0) {
      line.resize(random() % line.size());
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

struct Collected {
  std::vector<data::Batch> rows;
  std::vector<data::Batch> quarantine;
  data::Account account;
  quality::CheckResults checks;
};

/// Run the lines cut at random, sometimes forgetting all state and loading it from what came out.
Collected run_cut(const BronzeDef& definition,
                  const std::vector<std::string>& lines,
                  int threads,
                  std::mt19937& random,
                  std::size_t cut_max) {
  const auto bronze = make(definition, threads);
  Collected collected;
  BronzeState state = bronze->initial_state();
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = std::min(lines.size(), begin + 1 + random() % cut_max);
    const auto records = csv({lines.begin() + static_cast<std::ptrdiff_t>(begin),
                              lines.begin() + static_cast<std::ptrdiff_t>(end)},
                             static_cast<int64_t>(begin));
    if (random() % 5 == 0) {
      state = bronze->initial_state();
    }
    auto read = bronze->read(records);
    EXPECT_TRUE(read.ok());
    const data::Batch table = data::concat(bronze->schema(), collected.rows).value();
    for (const TimeRange& range : state.dedup.missing(bronze->needed_ranges(*read))) {
      std::vector<int64_t> inside;
      for (int64_t row = 0; row < table.rows(); ++row) {
        const EventTime time{
            table.find(kEventTime)->values<int64_t>()[static_cast<std::size_t>(row)]};
        if (range.first <= time && time <= range.last) {
          inside.push_back(row);
        }
      }
      EXPECT_TRUE(state.dedup.load(table.take(inside), definition.key, range).ok());
    }
    auto output = bronze->process(records, std::move(read).value(), std::move(state));
    EXPECT_TRUE(output.ok()) << output.status().to_string();
    EXPECT_TRUE(output->account.balances());
    collected.rows.push_back(output->rows);
    collected.quarantine.push_back(output->quarantine);
    collected.account += output->account;
    collected.checks += output->checks;
    state = std::move(output->state);
    begin = end;
  }
  return collected;
}

TEST(BronzeOperator, CutsThreadsAndRestartsChangeNothing) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20; ++round) {
    const std::vector<std::string> lines = random_lines(random, round == 0 ? 4'000 : 400);
    BronzeDef definition = clicks();
    definition.dedup_for = {static_cast<int64_t>(random() % 40)};
    const auto whole = make(definition)->process(csv(lines), loaded_state(*make(definition)));
    ASSERT_TRUE(whole.ok());
    const Collected cut = run_cut(
        definition, lines, 1 + static_cast<int>(random() % 4), random, round == 0 ? 3'000 : 60);
    EXPECT_EQ(cut.account, whole->account);
    EXPECT_EQ(cut.checks, whole->checks);
    const auto rows = data::concat(whole->rows.schema_ptr(), cut.rows);
    ASSERT_EQ(rows->rows(), whole->rows.rows());
    for (int64_t row = 0; row < rows->rows(); ++row) {
      ASSERT_EQ(quality::row_json(*rows, row), quality::row_json(whole->rows, row));
    }
    const auto quarantine = data::concat(quality::quarantine_schema(), cut.quarantine);
    EXPECT_EQ(data::content_hash(*quarantine), data::content_hash(whole->quarantine));
  }
}

}  // namespace
}  // namespace assay::bronze

#include "bronze/row_versions.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bronze/bronze_operator.h"
#include "bronze/test_records.h"

namespace assay::bronze {
namespace {

using catalog::BronzeDef;
using catalog::ColumnDef;
using data::Type;

constexpr TimeRange kAllTime{EventTime::min(), EventTime::max()};

ColumnDef column(const std::string& name, Type type, bool required = false) {
  ColumnDef def;
  def.name = name;
  def.type = type;
  def.required = required;
  def.unit = type == Type::kTimestamp ? data::TimeUnit::kMicros : data::TimeUnit::kText;
  return def;
}

/// Orders that are corrected and cancelled; v must not be negative.
BronzeDef orders() {
  BronzeDef bronze;
  bronze.name = "orders";
  bronze.source = "source";
  bronze.key = {"id"};
  bronze.of_changes = true;
  bronze.delete_when = "op = 'd'";
  bronze.event_time = "ts";
  bronze.known_time.kind = catalog::KnownTimeDef::Kind::kColumn;
  bronze.known_time.text = "seen";
  bronze.columns = {column("id", Type::kString, true),
                    column("op", Type::kString),
                    column("v", Type::kInt64, true),
                    column("ts", Type::kTimestamp),
                    column("seen", Type::kTimestamp, true)};
  catalog::CheckDef positive;
  positive.kind = catalog::CheckKind::kRange;
  positive.column = "v";
  positive.min = data::Scalar::int64(0);
  bronze.checks = {positive};
  return bronze;
}

std::unique_ptr<BronzeOperator> make(const BronzeDef& definition) {
  auto made = BronzeOperator::create(definition, {});
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return std::move(made).value();
}

ingest::RecordBatch csv(const std::vector<std::string>& lines, int64_t first = 0) {
  return text_records(catalog::Format::kCsv, lines, {"id", "op", "v", "ts", "seen"}, first);
}

/// Process lines against what the table holds already.
BronzeOutput run(const BronzeOperator& bronze,
                 const data::Batch& table,
                 const std::vector<std::string>& lines,
                 int64_t first) {
  BronzeState state = bronze.initial_state();
  EXPECT_TRUE(bronze.load_accepted(table, kAllTime, &state).ok());
  auto output = bronze.process(csv(lines, first), std::move(state));
  EXPECT_TRUE(output.ok()) << output.status().to_string();
  EXPECT_TRUE(output->account.balances());
  return std::move(output).value();
}

const std::vector<std::string> kLines = {
    "a,c,1,100,100",   // the first version
    "a,u,2,100,105",   // corrected
    "a,u,2,100,105",   // told twice
    "a,c,1,100,100",   // the first once more
    "a,d,,,110",       // cancelled: the key and a known time are enough
    "a,d,,,110",       // told twice
    "b,c,,100,100",    // lacks v
    ",d,,,120",        // lacks the key
    "c,d,,,",          // lacks a known time
    "a,c,1,100,120",   // it comes back
    "d,u,-1,100,100",  // fails the check
    "e,c,1,100,100",   // three versions of one instant: the last is not the first told twice
    "e,u,2,100,100",
    "e,c,1,100,100",
};

TEST(RowVersions, VersionsAndTombstonesStayAndWhatIsToldTwiceGoes) {
  const auto bronze = make(orders());
  const BronzeOutput output = run(*bronze, data::Batch::empty(bronze->schema()), kLines, 0);
  EXPECT_EQ(output.account, (data::Account{14, 7, 0, 3, 0, 4}));
  ASSERT_EQ(output.rows.rows(), 7);
  const data::Column& deleted = *output.rows.find("is_deleted");
  const data::Column& key = *output.rows.find("row_key");
  for (int64_t row = 0; row < 7; ++row) {
    EXPECT_EQ(deleted.values<uint8_t>()[static_cast<std::size_t>(row)], row == 2 ? 1 : 0);
    EXPECT_EQ(key.text(row) == key.text(0), row < 4);
  }
  EXPECT_TRUE(output.rows.find("v")->is_null(2));
  EXPECT_EQ(output.rows.find("event_time")->scalar(2), data::Scalar::timestamp(110));
  const std::vector<std::string> reasons = {
      "missing_required", "missing_required", "bad_event_time", "check_failed"};
  for (std::size_t row = 0; row < reasons.size(); ++row) {
    EXPECT_EQ(output.quarantine.find("reason")->text(static_cast<int64_t>(row)), reasons[row]);
  }
}

TEST(RowVersions, CutsAndRestartsChangeNoVerdict) {
  const auto bronze = make(orders());
  const data::Batch none = data::Batch::empty(bronze->schema());
  const BronzeOutput whole = run(*bronze, none, kLines, 0);
  for (std::size_t cut = 1; cut < kLines.size(); ++cut) {
    const auto middle = kLines.begin() + static_cast<std::ptrdiff_t>(cut);
    const BronzeOutput first = run(*bronze, none, {kLines.begin(), middle}, 0);
    const BronzeOutput second =
        run(*bronze, first.rows, {middle, kLines.end()}, static_cast<int64_t>(cut));
    const data::Batch parts[] = {first.rows, second.rows};
    EXPECT_EQ(data::content_hash(data::concat(bronze->schema(), parts).value()),
              data::content_hash(whole.rows))
        << "cut " << cut;
  }
}

TEST(RowVersions, WithoutTombstonesRequiredColumnsAreRequiredAtOnce) {
  BronzeDef definition = orders();
  definition.delete_when = "";
  const auto bronze = make(definition);
  const BronzeOutput output =
      run(*bronze, data::Batch::empty(bronze->schema()), {"a,d,,,110", "a,c,1,100,100"}, 0);
  EXPECT_EQ(output.account, (data::Account{2, 1, 0, 0, 0, 1}));
}

TEST(RowVersions, AConditionThatIsNoneIsRefused) {
  BronzeDef definition = orders();
  definition.delete_when = "v + 1";
  EXPECT_EQ(BronzeOperator::create(definition, {}).code(), Code::kInvalidArgument);
  definition.delete_when = "nothing = 1";
  EXPECT_EQ(BronzeOperator::create(definition, {}).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace assay::bronze

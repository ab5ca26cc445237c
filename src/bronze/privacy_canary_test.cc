#include <random>

#include <gtest/gtest.h>

#include "bronze/bronze_operator.h"
#include "bronze/test_records.h"
#include "quality/quarantine.h"

// Personal data is planted in every place a record has, in every way a record can be refused. No
// byte of it may be in what bronze hands out, save in columns declared to be stored as they come.

namespace assay::bronze {
namespace {

using catalog::BronzeDef;
using catalog::ColumnDef;
using catalog::Format;
using catalog::Scrub;
using data::Type;

constexpr char kCanary[] = "canary.person@example.com";

ColumnDef column(const std::string& name, Type type, Scrub scrub, const std::string& pii) {
  ColumnDef def;
  def.name = name;
  def.type = type;
  def.scrub = scrub;
  def.pii = pii;
  return def;
}

BronzeDef people() {
  BronzeDef bronze;
  bronze.name = "people";
  bronze.columns = {column("id", Type::kInt64, Scrub::kNone, ""),
                    column("email", Type::kString, Scrub::kHmac, "email"),
                    column("backup", Type::kString, Scrub::kMask, "name"),
                    column("ip", Type::kString, Scrub::kTruncate, "ip"),
                    column("note", Type::kString, Scrub::kDrop, "email"),
                    column("ts", Type::kTimestamp, Scrub::kNone, ""),
                    column("age", Type::kInt32, Scrub::kNone, "")};
  bronze.columns[0].required = true;
  bronze.event_time = "ts";
  bronze.key = {"email"};
  catalog::CheckDef check;
  check.kind = catalog::CheckKind::kRange;
  check.column = "age";
  check.max = data::Scalar::int64(120);
  bronze.checks = {check};
  return bronze;
}

std::string all_bytes(const data::Batch& batch) {
  std::string bytes;
  for (int index = 0; index < batch.column_count(); ++index) {
    const data::Buffer& values = batch.column(index).value_buffer();
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size());
    bytes += '\n';
  }
  return bytes;
}

void expect_no_canary(const data::Batch& batch) {
  const std::string bytes = all_bytes(batch);
  EXPECT_EQ(bytes.find("canary"), std::string::npos) << bytes;
  EXPECT_EQ(bytes.find("person@"), std::string::npos) << bytes;
}

BronzeOutput run(const ingest::RecordBatch& records) {
  BronzeOptions options;
  options.key = privacy::PrivacyKey::from_bytes(std::string(32, 'k')).value();
  const auto bronze = BronzeOperator::create(people(), options);
  EXPECT_TRUE(bronze.ok()) << bronze.status().to_string();
  BronzeState state = (*bronze)->initial_state();
  EXPECT_TRUE(state.dedup
                  .load(data::Batch::empty((*bronze)->schema()),
                        {"email"},
                        {EventTime::min(), EventTime::max()})
                  .ok());
  auto output = (*bronze)->process(records, std::move(state));
  EXPECT_TRUE(output.ok()) << output.status().to_string();
  EXPECT_TRUE(output->account.balances());
  return std::move(output).value();
}

const std::vector<std::string>& header() {
  static const std::vector<std::string> names = {
      "id", "email", "backup", "ip", "note", "ts", "age", "extra"};
  return names;
}

TEST(PrivacyCanary, AcceptedRowsHoldOnlyPseudonyms) {
  const std::string c = kCanary;
  const auto output =
      run(text_records(Format::kCsv,
                       {"1," + c + "," + c + "," + c + "," + c + ",2001-01-01,30," + c,
                        "2, Canary.Person@Example.com ,x,1.2.3.4,y,2001-01-01,30,z"},
                       header()));
  EXPECT_EQ(output.account, (data::Account{2, 1, 0, 1, 0, 0}));  // the same person: a duplicate
  EXPECT_EQ(output.unreadable_values, 1);
  expect_no_canary(output.rows);
  EXPECT_EQ(output.rows.find("note"), nullptr);
  EXPECT_EQ(output.rows.find("email")->text(0).size(), 64U);
}

TEST(PrivacyCanary, QuarantineShowsNoMoreThanBronzeWould) {
  const std::string c = kCanary;
  const std::string rest = "," + c + "," + c + "," + c + "," + c + ",2001-01-01,30," + c;
  ingest::RecordBatch records =
      text_records(Format::kCsv,
                   {"x" + rest,            // wrong type
                    c + rest,              // in a column that is not text
                    rest,                  // required value missing
                    "1" + rest + "," + c,  // one cell too many
                    "1," + c + "," + c + "," + c + "," + c + ",,30,",  // no event time
                    "1," + c + ",,,," + c + "," + c + ",",  // in two columns of other types
                    "1," + c + "," + c + "," + c + "," + c + ",2001-01-01,130," + c,  // check fails
                    "1," + c + "\xff,,,,2001-01-01,30,",  // invalid UTF-8
                    "1,\"" + c + ",,,,2001-01-01,30,",    // quotes do not balance
                    "1" + rest},                          // beyond the limit
                   header());
  records.oversized.assign(10, false);
  records.oversized[9] = true;
  const auto output = run(records);
  EXPECT_EQ(output.account.quarantined, 10);
  expect_no_canary(output.rows);
  expect_no_canary(output.quarantine);
  const data::Column& payload = *output.quarantine.find("payload");
  EXPECT_EQ(
      payload.text(6),
      R"({"id":1,"email":"[redacted]","backup":"[redacted]","ip":"[redacted]","note":"[redacted]",)"
      R"("ts":"2001-01-01T00:00:00Z","age":130})");
  EXPECT_NE(payload.text(0).find(R"("id":"[redacted]")"), std::string_view::npos)
      << payload.text(0);
  EXPECT_NE(payload.text(3).find(R"({"redacted":{"bytes":)"), std::string_view::npos)
      << payload.text(3);
}

TEST(PrivacyCanary, JsonRecordsHideUndeclaredMembersToo) {
  const std::string c = kCanary;
  const auto output = run(text_records(
      Format::kJsonLines,
      {R"({"id":"a","email":")" + c + R"(","other":")" + c + R"(","ts":"2001-01-01","age":1})",
       R"({"id":1,"email":[")" + c + R"("],"ts":")" + c + R"("})",
       R"({"id":1,"email":")" + c + R"(")",
       R"({"id":1,"age":")" + c + R"(","ts":"2001-01-01"})",
       "{\"id\":1,\"email\":\"" + c + "\xff\",\"ts\":\"2001-01-01\"}",
       c},
      {}));
  EXPECT_EQ(output.account.quarantined, 6);
  expect_no_canary(output.quarantine);
  EXPECT_EQ(output.quarantine.find("payload")->text(0),
            R"({"id":"[redacted]","email":"[redacted]","backup":"[redacted]","ip":"[redacted]",)"
            R"("note":"[redacted]","ts":"2001-01-01T00:00:00Z","age":1})");
}

TEST(PrivacyCanary, ParquetRowsHideUndeclaredColumnsToo) {
  data::BatchBuilder builder(data::make_schema({{"id", Type::kInt64, true},
                                                {"email", Type::kString, true},
                                                {"ts", Type::kTimestamp, true},
                                                {"age", Type::kString, true},
                                                {"other", Type::kString, true}}));
  builder.column(0).append(int64_t{1});
  builder.column(1).append_text(kCanary);
  builder.column(2).append(int64_t{0});
  builder.column(3).append_text(kCanary);
  builder.column(4).append_text(kCanary);
  ingest::RecordBatch records = text_records(Format::kParquet, {}, {});
  records.rows = builder.finish();
  const auto output = run(records);
  EXPECT_EQ(output.account.quarantined, 1);
  expect_no_canary(output.quarantine);
}

TEST(PrivacyCanary, NoMutationOfARecordLetsItThrough) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr std::string_view kBytes = ",\"\n\r{}[]:\\\xff 0a";
  const std::string c = kCanary;
  std::vector<std::string> lines;
  for (int index = 0; index < 3'000; ++index) {
    std::string line =
        index % 2 == 0 ? "1," + c + "," + c + "," + c + "," + c + ",2001-01-01,30," + c
                       : R"({"id":1,"email":")" + c + R"(","note":")" + c + R"(","age":)" + c + "}";
    for (auto count = random() % 4; count > 0; --count) {
      const std::size_t at = random() % line.size();
      if (line.substr(at > 30 ? at - 30 : 0, 60).find("canary") == std::string::npos ||
          random() % 4 == 0) {
        line.insert(at, 1, kBytes[random() % kBytes.size()]);
      }
    }
    lines.push_back(std::move(line));
  }
  expect_no_canary(run(text_records(Format::kCsv, lines, header())).quarantine);
  expect_no_canary(run(text_records(Format::kJsonLines, lines, {})).quarantine);
}

}  // namespace
}  // namespace assay::bronze

// Silver over a table of changes: every version goes on, as a row or as a tombstone; lookups see
// the version that stood when the row happened.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "silver/newest_spans.h"
#include "silver/silver_operator.h"
#include "silver/test_tables.h"

namespace assay::silver {
namespace {

using data::Type;

struct Version {
  int64_t id = 0;
  std::optional<std::string> text;
  int64_t event_time = 0;
  int64_t known_time = 0;
  bool is_deleted = false;
};

data::SchemaPtr versions_schema() {
  return data::make_schema({{"id", Type::kInt64, true},
                            {"text", Type::kString, true},
                            {"event_time", Type::kTimestamp, false},
                            {"known_time", Type::kTimestamp, false},
                            {"sequence", Type::kInt64, false},
                            {"row_key", Type::kBytes, false},
                            {"is_deleted", Type::kBool, false},
                            {"dt", Type::kDate, false},
                            {"hr", Type::kInt32, false}});
}

data::Batch versions(const std::vector<Version>& rows) {
  data::BatchBuilder builder(versions_schema());
  for (const Version& row : rows) {
    builder.column(0).append(row.id);
    row.text ? builder.column(1).append_text(*row.text) : builder.column(1).append_null();
    builder.column(2).append(row.event_time);
    builder.column(3).append(row.known_time);
    builder.column(4).append(builder.column(4).size());
    builder.column(5).append_text("k" + std::to_string(row.id));
    builder.column(6).append(static_cast<uint8_t>(row.is_deleted ? 1 : 0));
    builder.column(7).append(int32_t{0});
    builder.column(8).append(int32_t{0});
  }
  return builder.finish();
}

TEST(SilverChanges, TombstonesAndWhatTheSqlLeavesOutGoOnAsTombstones) {
  const auto engine = open_engine();
  catalog::SilverDef silver;
  silver.name = "orders";
  silver.from = "changes";
  silver.sql = "SELECT CAST(text AS BIGINT) AS number FROM changes WHERE text <> 'no'";
  silver.allowed_lateness = {10};
  const auto made = SilverOperator::create(silver, *versions_schema(), {}, *engine).value();
  EXPECT_EQ(made->output_schema()->names(),
            (std::vector<std::string>{"number",
                                      "event_time",
                                      "known_time",
                                      "sequence",
                                      "row_key",
                                      "is_deleted",
                                      "event_date"}));
  const SilverOutput output = made->process(versions({{1, "5", 0, 100, false},
                                                      {2, "7", 500, 101, false},
                                                      {1, "no", 0, 102, false},
                                                      {2, "x", 500, 103, false},
                                                      {2, std::nullopt, 103, 110, true},
                                                      {3, "9", 700, 99, false}}),
                                            {},
                                            {})
                                  .value();
  // Late is what was known too late: the last row, though it happened last.
  EXPECT_EQ(output.account, (data::Account{6, 4, 0, 0, 1, 1}));
  ASSERT_EQ(output.rows.rows(), 4);
  const std::vector<bool> deleted = {false, false, true, true};
  for (std::size_t row = 0; row < deleted.size(); ++row) {
    const auto at = static_cast<int64_t>(row);
    EXPECT_EQ(output.rows.find("is_deleted")->values<uint8_t>()[row] != 0, deleted[row]);
    EXPECT_EQ(output.rows.find("number")->is_null(at), deleted[row]);
    EXPECT_EQ(output.rows.find("sequence")->scalar(at), data::Scalar::int64(at < 3 ? at : 4));
  }
  EXPECT_EQ(output.rows.find("row_key")->text(2), "k1");
  EXPECT_EQ(output.late.rows(), 1);
  EXPECT_EQ(output.quarantine.find("reason")->text(0), "wrong_type");  // its version before stands
  EXPECT_EQ(output.state.newest, EventTime{110});
}

/// The rule word by word: the newest of the rows that stand at t.
int64_t naive_newest(const data::Batch& rows, int64_t key, int64_t t) {
  const auto micros = [&](const char* name, int64_t row) {
    return rows.find(name)->values<int64_t>()[static_cast<std::size_t>(row)];
  };
  int64_t newest = -1;
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const bool stands =
        micros("key", row) == key && micros("event_time", row) <= t &&
        micros("known_time", row) <= t &&
        (rows.find("replaced_time")->is_null(row) || t < micros("replaced_time", row));
    const auto order = [&](int64_t one) {
      return std::vector<int64_t>{
          micros("event_time", one), micros("known_time", one), micros("sequence", one)};
    };
    if (stands && (newest < 0 || order(row) > order(newest))) {
      newest = row;
    }
  }
  return newest;
}

TEST(NewestSpans, SayAtEveryInstantWhatTheRuleSays) {
  const data::SchemaPtr schema = data::make_schema({{"key", Type::kInt64, true},
                                                    {"event_time", Type::kTimestamp, true},
                                                    {"known_time", Type::kTimestamp, true},
                                                    {"sequence", Type::kInt64, false},
                                                    {"replaced_time", Type::kTimestamp, true}});
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const auto random = seeded_random(seed);
    data::BatchBuilder builder(schema);
    for (int64_t i = 0; i < 30; ++i) {
      const auto known = static_cast<int64_t>(random->below(40));
      builder.column(0).append(static_cast<int64_t>(random->below(3)));
      builder.column(1).append(static_cast<int64_t>(random->below(40)));
      builder.column(2).append(known);
      builder.column(3).append(i);
      random->below(2) == 0
          ? builder.column(4).append_null()
          : builder.column(4).append(known + static_cast<int64_t>(random->below(20)));
    }
    const data::Batch rows = builder.finish();
    const NewestSpans spans = newest_spans({{rows.find("key")},
                                            rows.find("event_time"),
                                            rows.find("known_time"),
                                            rows.find("sequence")},
                                           *rows.find("replaced_time"));
    for (int64_t key = 0; key < 3; ++key) {
      for (int64_t t = 0; t < 70; ++t) {
        int64_t found = -1;
        int64_t begin = -1;
        for (std::size_t i = 0; i < spans.begin.size(); ++i) {
          const auto of =
              rows.find("key")->values<int64_t>()[static_cast<std::size_t>(spans.key_row[i])];
          if (of == key && spans.begin[i] <= t && spans.begin[i] > begin) {
            begin = spans.begin[i];
            found = spans.row[i];
          }
        }
        ASSERT_EQ(found, naive_newest(rows, key, t)) << "seed " << seed << " t " << t;
      }
    }
  }
}

TEST(SilverChanges, ALookupGivesTheVersionThatStoodWhenTheRowHappened) {
  const auto engine = open_engine();
  catalog::SilverDef silver;
  silver.name = "events";
  silver.from = "clicks";
  silver.sql = "SELECT id FROM clicks";
  catalog::EnrichDef enrich;
  enrich.lookup = "items";
  enrich.on = {"id"};
  enrich.columns = {"brand"};
  silver.enrich = {enrich};
  const data::SchemaPtr items = data::make_schema({{"id", Type::kInt64, true},
                                                   {"brand", Type::kString, true},
                                                   {"event_time", Type::kTimestamp, false},
                                                   {"known_time", Type::kTimestamp, false},
                                                   {"sequence", Type::kInt64, false},
                                                   {"replaced_time", Type::kTimestamp, true}});
  data::BatchBuilder builder(items);
  // Known as "wrong" in [10, 20), as "right" in [20, 30); then its key is gone.
  for (int64_t i = 0; i < 2; ++i) {
    builder.column(0).append(int64_t{1});
    builder.column(1).append_text(i == 0 ? "wrong" : "right");
    builder.column(2).append(int64_t{0});
    builder.column(3).append(10 * (i + 1));
    builder.column(4).append(i);
    builder.column(5).append(10 * (i + 2));
  }
  const auto made =
      SilverOperator::create(silver, *clicks_schema(), {{"items", items}}, *engine).value();
  const SilverOutput output =
      made->process(clicks({{1, {}, 9}, {1, {}, 10}, {1, {}, 19}, {1, {}, 20}, {1, {}, 30}}),
                    {{"items", builder.finish()}},
                    {})
          .value();
  const std::vector<std::optional<std::string>> expected = {
      std::nullopt, "wrong", "wrong", "right", std::nullopt};
  ASSERT_EQ(output.rows.rows(), 5);
  for (std::size_t row = 0; row < expected.size(); ++row) {
    const data::Column& brand = *output.rows.find("brand");
    EXPECT_EQ(brand.is_null(static_cast<int64_t>(row)), !expected[row].has_value()) << row;
    if (expected[row]) {
      EXPECT_EQ(brand.text(static_cast<int64_t>(row)), *expected[row]);
    }
  }
}

}  // namespace
}  // namespace assay::silver

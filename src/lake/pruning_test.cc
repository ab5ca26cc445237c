#include "lake/pruning.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "lake/lake_under_test.h"

namespace assay::lake {
namespace {

using data::Type;

/// A snapshot of files that have statistics only.
class Files {
 public:
  Files(std::vector<data::Field> fields, std::vector<std::string> partition_columns = {}) {
    snapshot_.schema = data::make_schema(std::move(fields));
    snapshot_.partition_columns = std::move(partition_columns);
  }
  Files& add(const std::string& path,
             const std::string& stats,
             std::map<std::string, std::optional<std::string>> partition_values = {}) {
    DataFile file;
    file.path = path;
    file.stats_json = stats;
    file.partition_values = std::move(partition_values);
    snapshot_.files.put(std::move(file));
    return *this;
  }
  [[nodiscard]] std::string kept(std::string_view where) const {
    std::string out;
    for (const DataFile* file : prune_files(snapshot_, where)) {
      out += file->path;
    }
    return out;
  }

 private:
  Snapshot snapshot_;
};

std::string stats(const std::string& min, const std::string& max, int nulls = 0, int rows = 10) {
  return "{\"numRecords\":" + std::to_string(rows) + ",\"minValues\":{\"c\":" + min +
         "},\"maxValues\":{\"c\":" + max + "},\"nullCount\":{\"c\":" + std::to_string(nulls) + "}}";
}

Files integers() {
  Files files({{"c", Type::kInt64}, {"other", Type::kInt64}, {"flag", Type::kBool}});
  files.add("a", stats("0", "9")).add("b", stats("10", "19")).add("c", stats("20", "29"));
  return files;
}

TEST(Pruning, ComparisonsSkipFilesByMinAndMax) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "abc"},
      {"c = 15", "b"},
      {"c == 9", "a"},
      {"c < 10", "a"},
      {"c <= 10", "ab"},
      {"c > 19", "c"},
      {"c >= 19", "bc"},
      {"15 = c", "b"},
      {"10 > c", "a"},
      {"c > -1", "abc"},
      {"c < -1", ""},
      {"\"C\" = 5", "a"},
      {"c BETWEEN 5 AND 12", "ab"},
      {"c IN (5, 25)", "ac"},
      {"c = 5 AND c = 15", ""},
      {"(c > 5) AND (c < 12)", "ab"},
      {"((c > 5 AND c < 12))", "ab"},
      {"c IS NULL", ""},
      {"c IS NOT NULL", "abc"},
  };
  for (const auto& [where, kept] : cases) {
    EXPECT_EQ(integers().kept(where), kept) << where;
  }
}

TEST(Pruning, WhatIsNotUnderstoodPrunesNothingButItsNeighboursDo) {
  EXPECT_EQ(integers().kept("c + 1 = 5 AND c < 10"), "a");
  EXPECT_EQ(integers().kept("other = 1 AND (c = 5 OR c = 15) AND c < 10"), "a");
  EXPECT_EQ(integers().kept("flag AND NOT flag AND c < 10"), "a");
  EXPECT_EQ(integers().kept("f(c, 'AND') AND c < 10"), "a");
  EXPECT_EQ(integers().kept("c % 2 = 0"), "abc");
}

TEST(Pruning, TextThatSqlMightReadOtherwisePrunesNothing) {
  for (const char* where : {"c = 5 OR c = 15",
                            "c = 5 AND other = 1 OR c = 15",
                            "NOT c = 5",
                            "NOT (c = 5 AND c = 6)",
                            "(c = 5) = false",
                            "(c = 5 AND c = 6) IS FALSE",
                            "c <> 5",
                            "c != 5",
                            "c NOT IN (5)",
                            "c BETWEEN 5 AND other = 3",
                            "other BETWEEN 1 AND c AND c = 5 OR true",
                            "CASE WHEN c = 5 THEN c = 5 ELSE c = 15 END",
                            "c = 5 -- x",
                            "c = 5 /* x */",
                            "c = 5or c = 15",
                            "c = 1_5",
                            "c = 5.5.5",
                            "c = 5\xC2\xA0OR c = 15 AND c = 5",
                            "other = E'\\' AND c = 5 --'",
                            "other = $$ AND c = 5 AND $$",
                            "c = '5'",
                            "c = 5::INTEGER",
                            "c = 5.0",
                            "c = 99999999999999999999",
                            "x.c = 5",
                            "c.x = 5",
                            "c IS DISTINCT FROM 5",
                            "c = 5 = true",
                            "c = 5 + 10",
                            "c = (5)",
                            "c = 5; SELECT 1",
                            "c = 5)",
                            "(c = 5",
                            "c = 5 AND",
                            "c IN (SELECT 5)",
                            "c IN ()",
                            "'",
                            "\"",
                            "c = 'x",
                            "list_filter(l, lambda x: x) AND c ->> 5"}) {
    EXPECT_EQ(integers().kept(where), "abc") << where;
  }
}

TEST(Pruning, NullsAreCounted) {
  Files files({{"c", Type::kInt64}});
  files.add("a", stats("0", "9", 0)).add("b", stats("0", "9", 3));
  files.add("n", R"({"numRecords":4,"minValues":{},"maxValues":{},"nullCount":{"c":4}})");
  files.add("u", "").add("x", "{}").add("y", "no json");
  EXPECT_EQ(files.kept("c IS NULL"), "bnuxy");
  EXPECT_EQ(files.kept("c IS NOT NULL"), "abuxy");
  EXPECT_EQ(files.kept("c < 5"), "abuxy");
  EXPECT_EQ(files.kept("c > 50"), "uxy");
}

TEST(Pruning, CutTextsAreComparedAsPrefixes) {
  Files files({{"c", Type::kString}});
  files.add("a", stats("\"apple\"", "\"banan\""));  // somebody cut banana without rounding up
  EXPECT_EQ(files.kept("c = 'banana'"), "a");
  EXPECT_EQ(files.kept("c > 'banana'"), "a");
  EXPECT_EQ(files.kept("c = 'banb'"), "");
  EXPECT_EQ(files.kept("c >= 'c'"), "");
  EXPECT_EQ(files.kept("c < 'apple'"), "");
  EXPECT_EQ(files.kept("c <= 'apple'"), "a");
  EXPECT_EQ(files.kept("c = 'it''s'"), "");
}

TEST(Pruning, TimesCutDownByOthersAreStillFound) {
  Files files({{"c", Type::kTimestamp}});
  files.add("a", stats("\"2026-01-01T00:00:00.000Z\"", "\"2026-01-01T00:59:59.123Z\""));
  EXPECT_EQ(files.kept("c >= TIMESTAMPTZ '2026-01-01 00:59:59.123999'"), "a");
  EXPECT_EQ(files.kept("c >= '2026-01-01 00:59:59.124'"), "");
  EXPECT_EQ(files.kept("c < TIMESTAMP '2026-01-01'"), "");
  EXPECT_EQ(files.kept("c >= DATE '2026-01-02'"), "");
  EXPECT_EQ(files.kept("c >= '2026-01-02'::timestamp with time zone"), "");
  EXPECT_EQ(files.kept("c >= make_timestamptz(1767315600000000)"), "");
  EXPECT_EQ(files.kept("c >= make_timestamptz(1767225600000000)"), "a");
  EXPECT_EQ(files.kept("c >= '2026-01-02 00:00:00+05'"), "a");  // offsets are left to SQL
}

TEST(Pruning, FloatsAreTreatedWithCare) {
  Files files({{"c", Type::kFloat64}});
  files.add("a", stats("-0.0", "0.0")).add("b", stats("1.5", "\"NaN\""));
  files.add("c", stats("\"-Infinity\"", "\"Infinity\"")).add("d", stats("2", "3"));
  EXPECT_EQ(files.kept("c = 0.0"), "ac");
  EXPECT_EQ(files.kept("c = 2.5"), "bcd");
  EXPECT_EQ(files.kept("c > 100"), "abcd");  // a maximum may leave NaN out, and NaN > 100
  EXPECT_EQ(files.kept("c < 1"), "ac");
  EXPECT_EQ(files.kept("c = 1.5e0"), "bc");
  Files singles({{"c", Type::kFloat32}});
  singles.add("a", stats("1.0", "2.0"));
  EXPECT_EQ(singles.kept("c = 5"), "a");
}

TEST(Pruning, PartitionValuesAreExact) {
  Files files({{"p", Type::kString}, {"dt", Type::kDate}, {"b", Type::kBool}, {"v", Type::kInt64}},
              {"p", "dt", "b"});
  files.add("a", "", {{"p", "x"}, {"dt", "2026-01-01"}, {"b", "true"}});
  files.add("b", "", {{"p", "xy"}, {"dt", "2026-01-02"}, {"b", "false"}});
  files.add("n", "", {{"p", std::nullopt}, {"dt", std::nullopt}, {"b", std::nullopt}});
  EXPECT_EQ(files.kept("p = 'x'"), "a");
  EXPECT_EQ(files.kept("p > 'x'"), "b");
  EXPECT_EQ(files.kept("p IS NULL"), "n");
  EXPECT_EQ(files.kept("p IS NOT NULL"), "ab");
  EXPECT_EQ(files.kept("dt >= DATE '2026-01-02' AND v = 3"), "b");
  EXPECT_EQ(files.kept("dt = '2026-01-01'"), "a");
  EXPECT_EQ(files.kept("b"), "a");
  EXPECT_EQ(files.kept("b = false"), "b");
}

/// A random condition over the columns of the table below, understood by pruning or not.
std::string random_condition(Random& random, int depth) {
  const auto pick = [&](std::initializer_list<const char*> items) {
    return std::string(items.begin()[random.below(items.size())]);
  };
  const std::string op = " " + pick({"=", "<", "<=", ">", ">=", "<>"}) + " ";
  const std::string number = std::to_string(static_cast<int>(random.below(120)) - 10);
  switch (random.below(depth > 0 ? 11 : 9)) {
    case 0:
      return "l" + op + number;
    case 1:
      return number + op + "l";
    case 2:
      return "d" + op + number + pick({"", ".5", "e0"});
    case 3:
      return "s" + op + "'" +
             std::string(1 + random.below(40), static_cast<char>('a' + random.below(5))) + "'";
    case 4:
      return "ts" + op + pick({"'2026-01-01 00:0", "TIMESTAMPTZ '2026-01-01 00:0"}) +
             std::to_string(random.below(3)) + ":0" + std::to_string(random.below(10)) +
             pick({"", ".5", ".123"}) + "'";
    case 5:
      return "dt" + op + "DATE '2026-01-0" + std::to_string(1 + random.below(5)) + "'";
    case 6:
      return pick({"l", "d", "s", "ts", "dt", "b", "p"}) + pick({" IS NULL", " IS NOT NULL"});
    case 7:
      return "l BETWEEN " + number + " AND " + std::to_string(random.below(100));
    case 8:
      return pick({"b",
                   "NOT b",
                   "b = true",
                   "p = 'p1'",
                   "p IN ('p0', 'p3')",
                   "l IN (1, 50, 99)",
                   "l % 2 = 0",
                   "f > 0.1"});
    case 9:
      return "(" + random_condition(random, depth - 1) + pick({" OR ", " AND "}) +
             random_condition(random, depth - 1) + ")";
    default:
      return "NOT (" + random_condition(random, depth - 1) + ")";
  }
}

TEST(Pruning, NeverLosesARowOnRandomConditions) {
  LakeUnderTest lake;
  const auto table = lake.create("t",
                                 {{"l", Type::kInt64},
                                  {"d", Type::kFloat64},
                                  {"s", Type::kString},
                                  {"ts", Type::kTimestamp},
                                  {"b", Type::kBool},
                                  {"f", Type::kFloat32},
                                  {"dt", Type::kDate},
                                  {"p", Type::kString}},
                                 {"dt", "p"});
  for (int part = 0; part < 6; ++part) {
    const std::string base = std::to_string(part * 16);
    lake.append(*table,
                "SELECT CASE WHEN i % 7 = 0 THEN NULL ELSE i + " + base +
                    " END, "
                    "CASE i % 9 WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN 'inf'::DOUBLE WHEN 2 THEN "
                    "-0.0::DOUBLE ELSE (i + " +
                    base +
                    ") / 2 END, "
                    "CASE WHEN i % 5 = 0 THEN NULL ELSE repeat(chr(97 + (i % 5)::INT), 1 + (i * "
                    "3)::INT) END, "
                    "TIMESTAMPTZ '2026-01-01 00:00:00.123456' + to_microseconds((i + " +
                    base +
                    ") * 1300500), i % 2 = 0, i * 0.1, "
                    "DATE '2026-01-01' + (" +
                    std::to_string(part % 4) +
                    " + i % 2)::INT, CASE i % 3 WHEN 0 THEN NULL ELSE 'p' || (i % 3) END "
                    "FROM range(16) r(i)");
  }
  const auto snapshot = table->snapshot().value();
  ASSERT_TRUE(lake.sql()
                  .execute("CREATE TEMP TABLE everything AS SELECT * FROM " +
                           table->relation(*snapshot).value())
                  .ok());
  const uint64_t seed = 20260101;
  SCOPED_TRACE(seed);
  const auto random = seeded_random(seed);
  std::size_t pruned = 0;
  for (int round = 0; round < 250; ++round) {
    std::string where = random_condition(*random, 2);
    for (uint64_t more = random->below(3); more > 0; --more) {
      where += (random->below(8) == 0 ? " OR " : " AND ") + random_condition(*random, 1);
    }
    pruned += snapshot->files.size() - prune_files(*snapshot, where).size();
    EXPECT_EQ(lake.count(*table, where),
              lake.number("SELECT count(*) FROM everything WHERE " + where))
        << where;
  }
  EXPECT_GT(pruned, 250U);
}

}  // namespace
}  // namespace assay::lake

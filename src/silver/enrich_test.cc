#include "silver/enrich.h"

#include <random>

#include <gtest/gtest.h>

namespace assay::silver {
namespace {

using data::Scalar;
using data::Type;

data::SchemaPtr rows_schema() {
  return data::make_schema({{"item", Type::kInt64, true}, {"event_time", Type::kTimestamp, false}});
}

data::SchemaPtr lookup_schema() {
  return data::make_schema({{"item_id", Type::kInt64, true},
                            {"brand", Type::kString, true},
                            {"event_time", Type::kTimestamp, false},
                            {"known_time", Type::kTimestamp, false},
                            {"sequence", Type::kInt64, false}});
}

struct Version {
  int64_t item = 0;
  std::string brand;
  int64_t event_time = 0;
  int64_t known_time = 0;
};

data::Batch lookup_of(const std::vector<Version>& versions) {
  data::BatchBuilder builder(lookup_schema());
  int64_t sequence = 0;
  for (const Version& version : versions) {
    builder.column(0).append(version.item);
    builder.column(1).append_text(version.brand);
    builder.column(2).append(version.event_time);
    builder.column(3).append(version.known_time);
    builder.column(4).append(sequence++);
  }
  return builder.finish();
}

data::Batch rows_of(const std::vector<std::pair<std::optional<int64_t>, int64_t>>& rows) {
  data::BatchBuilder builder(rows_schema());
  for (const auto& [item, time] : rows) {
    item ? builder.column(0).append(*item) : builder.column(0).append_null();
    builder.column(1).append(time);
  }
  return builder.finish();
}

catalog::EnrichDef definition() {
  catalog::EnrichDef def;
  def.lookup = "items";
  def.on = {"item"};
  def.lookup_on = {"item_id"};
  def.columns = {"brand"};
  def.prefix = "item_";
  return def;
}

TEST(Enrich, SeesOnlyWhatWasKnownWhenTheRowHappened) {
  const auto enrichment = Enrichment::compile(definition(), *rows_schema(), *lookup_schema());
  ASSERT_TRUE(enrichment.ok()) << enrichment.status().to_string();
  const data::Batch lookup = lookup_of({{1, "old", 0, 0},
                                        {1, "new", 100, 100},
                                        {1, "announced late", 150, 500},
                                        {2, "b", 300, 300}});
  const auto enriched = enrichment->apply(
      rows_of({{1, 99}, {1, 100}, {1, 499}, {1, 500}, {2, 299}, {3, 900}, {{}, 900}}), lookup);
  ASSERT_TRUE(enriched.ok()) << enriched.status().to_string();
  const data::Column& brand = *enriched->rows.find("item_brand");
  EXPECT_EQ(brand.text(0), "old");
  EXPECT_EQ(brand.text(1), "new");
  EXPECT_EQ(brand.text(2), "new");
  EXPECT_EQ(brand.text(3), "announced late");
  EXPECT_EQ(enriched->unmatched, (std::vector<int64_t>{4, 5, 6}));
  EXPECT_TRUE(brand.is_null(4));
}

TEST(Enrich, TablesWithoutTimeStandAtTheEpoch) {
  const auto enrichment = Enrichment::compile(definition(), *rows_schema(), *lookup_schema());
  const auto enriched = enrichment->apply(rows_of({{1, 0}, {1, -1}}), lookup_of({{1, "x", 0, 0}}));
  EXPECT_EQ(enriched->unmatched, (std::vector<int64_t>{1}));
}

TEST(Enrich, DefinitionsThatDoNotFitAreRefused) {
  const auto code_of = [](const catalog::EnrichDef& def) {
    return Enrichment::compile(def, *rows_schema(), *lookup_schema()).code();
  };
  catalog::EnrichDef def = definition();
  def.on = {"itm"};
  EXPECT_EQ(code_of(def), Code::kInvalidArgument);
  def = definition();
  def.columns = {"brnd"};
  EXPECT_EQ(code_of(def), Code::kInvalidArgument);
  def = definition();
  def.lookup_on = {"brand"};  // a string against an integer
  EXPECT_EQ(code_of(def), Code::kInvalidArgument);
  def = definition();
  def.columns = {"event_time"};
  def.prefix = "";
  EXPECT_EQ(code_of(def), Code::kInvalidArgument);
  def = definition();
  def.on.clear();
  def.lookup_on.clear();
  EXPECT_EQ(code_of(def), Code::kInvalidArgument);
}

TEST(Enrich, AgreesWithTheNaiveTwin) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto small = [&](unsigned end) { return static_cast<int64_t>(random() % end); };
  const auto enrichment = Enrichment::compile(definition(), *rows_schema(), *lookup_schema());
  for (int round = 0; round < 100; ++round) {
    std::vector<Version> versions;
    for (int64_t count = small(30); count > 0; --count) {
      versions.push_back({small(4), "v" + std::to_string(versions.size()), small(50), small(60)});
    }
    std::vector<std::pair<std::optional<int64_t>, int64_t>> rows;
    for (int64_t count = small(30); count > 0; --count) {
      rows.emplace_back(small(5), small(60));
    }
    const auto enriched = enrichment->apply(rows_of(rows), lookup_of(versions));
    ASSERT_TRUE(enriched.ok());
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const Version* best = nullptr;
      for (const Version& version : versions) {  // ties: the later one, since sequence grows
        const int64_t t = rows[row].second;
        const bool visible = version.event_time <= t && version.known_time <= t;
        if (version.item == *rows[row].first && visible &&
            (best == nullptr || std::pair(version.event_time, version.known_time) >=
                                    std::pair(best->event_time, best->known_time))) {
          best = &version;
        }
      }
      const data::Column& brand = *enriched->rows.find("item_brand");
      ASSERT_EQ(std::string(brand.text(static_cast<int64_t>(row))),
                best == nullptr ? "" : best->brand);
    }
  }
}

}  // namespace
}  // namespace assay::silver

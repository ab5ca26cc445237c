#include "flow/unseen_columns.h"

#include <gtest/gtest.h>

namespace assay::flow {
namespace {

using Unseen = UnseenColumns::Unseen;

catalog::BronzeDef clicks() {
  catalog::BronzeDef bronze;
  bronze.name = "clicks";
  for (const char* const name : {"user", "conv_rate", "note"}) {
    bronze.columns.emplace_back().name = name;
  }
  bronze.columns[0].required = true;
  return bronze;
}

ingest::RecordBatch csv(std::vector<std::string> header) {
  ingest::RecordBatch records;
  records.format = catalog::Format::kCsv;
  records.header = std::move(header);
  records.records = {"a,1"};
  return records;
}

ingest::RecordBatch json(std::vector<std::string_view> lines) {
  ingest::RecordBatch records;
  records.format = catalog::Format::kJsonLines;
  records.records = std::move(lines);
  return records;
}

data::Batch rows_of(const std::vector<std::optional<std::string>>& notes) {
  data::BatchBuilder rows(data::make_schema({{"user", data::Type::kString, true},
                                             {"conv_rate", data::Type::kString, true},
                                             {"note", data::Type::kString, true}}));
  for (const auto& note : notes) {
    rows.column(0).append_text("u");
    rows.column(1).append_null();
    note.has_value() ? rows.column(2).append_text(*note) : rows.column(2).append_null();
  }
  return rows.finish();
}

TEST(UnseenColumns, AColumnWithADefaultIsNotNull) {
  catalog::BronzeDef bronze = clicks();
  bronze.columns[1].default_value = data::Scalar::string("0");
  UnseenColumns unseen(bronze);
  unseen.note(csv({"user"}), rows_of({}));
  EXPECT_EQ(unseen.found(), (std::vector<Unseen>{{"note", ""}}));
}

TEST(UnseenColumns, HeadersAndSchemasSayWhatIsThere) {
  const catalog::BronzeDef bronze = clicks();
  UnseenColumns unseen(bronze);
  EXPECT_TRUE(unseen.found().empty()) << "nothing was read";
  unseen.note(csv({"user", "conv_rat", "other"}), rows_of({}));
  EXPECT_EQ(unseen.found(), (std::vector<Unseen>{{"conv_rate", "conv_rat"}, {"note", ""}}));
  unseen.note(csv({"user", "note"}), rows_of({}));
  EXPECT_EQ(unseen.found(), (std::vector<Unseen>{{"conv_rate", "conv_rat"}})) << "some file has it";
  ingest::RecordBatch parquet;
  parquet.format = catalog::Format::kParquet;
  parquet.rows = rows_of({"x"});
  unseen.note(parquet, rows_of({"x"}));
  EXPECT_TRUE(unseen.found().empty());
}

TEST(UnseenColumns, RecordsThatMayLackThemAreSuspectedOfASlipOnly) {
  const catalog::BronzeDef bronze = clicks();
  UnseenColumns slip(bronze);
  slip.note(json({R"({"user":"u","conv_rte":1,"x":{"note":[":"]}})"}), rows_of({std::nullopt}));
  EXPECT_EQ(slip.found(), (std::vector<Unseen>{{"conv_rate", "conv_rte"}}));
  slip.note(json({R"({"user":"u","conv_rate":null})"}), rows_of({std::nullopt}));
  EXPECT_TRUE(slip.found().empty()) << "it is there, with nothing in it";
  UnseenColumns valued(bronze);
  valued.note(json({R"({"user":"u","nots":1})", R"({"note":"n"})"}), rows_of({{}, "n"}));
  EXPECT_TRUE(valued.found().empty());
}

TEST(UnseenColumns, FieldsOfOtherNamesAreLookedForByThose) {
  catalog::BronzeDef bronze = clicks();
  bronze.columns[1].from = "Conv-Rate";
  UnseenColumns there(bronze);
  there.note(csv({"user", "Conv-Rate", "note"}), rows_of({}));
  EXPECT_TRUE(there.found().empty());
  UnseenColumns slip(bronze);
  slip.note(csv({"user", "conv_rate", "Conv-Rat", "note"}), rows_of({}));
  EXPECT_EQ(slip.found(), (std::vector<Unseen>{{"Conv-Rate", "Conv-Rat"}}));
  UnseenColumns json_slip(bronze);
  json_slip.note(json({R"({"user":"u","Conv-Rte":1})"}), rows_of({std::nullopt}));
  EXPECT_EQ(json_slip.found(), (std::vector<Unseen>{{"Conv-Rate", "Conv-Rte"}}));
}

TEST(UnseenColumns, NamesOfMembersAreThoseOfTheObjectItself) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(member_names(R"({"a": 1, "b":{"c":"d:e"}, "f":["g:"], "h\"i":1, "j":"k\\"})"),
            (Names{"a", "b", "f", "j"}));
  EXPECT_EQ(member_names(R"([{"a":1}])"), Names());
  EXPECT_EQ(member_names(R"({"a":"no end)"), Names{"a"});
  EXPECT_EQ(member_names("\\\"{:"), Names()) << "no JSON";
  EXPECT_EQ(member_names(""), Names());
}

}  // namespace
}  // namespace assay::flow

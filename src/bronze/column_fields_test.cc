// Columns that are read from fields of other names (`from:`), of every format.

#include <random>

#include <gtest/gtest.h>

#include "bronze/bronze_operator.h"
#include "bronze/test_records.h"
#include "data/avro.h"
#include "quality/quarantine.h"

namespace assay::bronze {
namespace {

using catalog::BronzeDef;
using catalog::ColumnDef;
using catalog::Format;
using catalog::Scrub;
using data::RejectReason;
using data::Type;

ColumnDef column(const std::string& name, Type type, const std::string& from, bool needed = false) {
  ColumnDef def;
  def.name = name;
  def.type = std::move(type);
  def.from = from;
  def.required = needed;
  return def;
}

BronzeDef rates() {
  BronzeDef bronze;
  bronze.name = "rates";
  bronze.source = "source";
  bronze.columns = {column("id", Type::kInt64, "Driver ID", true),
                    column("conv_rate", Type::kFloat64, "Conv-Rate"),
                    column("note", Type::kString, "")};
  return bronze;
}

data::Decoded decode(const BronzeDef& bronze, const ingest::RecordBatch& records) {
  const Result<data::Decoded> decoded = RecordDecoder(bronze, {}).decode(records);
  EXPECT_TRUE(decoded.ok()) << decoded.status().to_string();
  return *decoded;
}

/// Rows as JSON, then refused records as `number reason column`.
std::vector<std::string> said(const data::Decoded& decoded) {
  std::vector<std::string> lines;
  for (int64_t row = 0; row < decoded.rows.rows(); ++row) {
    lines.push_back(quality::row_json(decoded.rows, row));
  }
  for (const data::Reject& reject : decoded.rejects) {
    lines.push_back(std::to_string(reject.row) + " " +
                    std::string(data::reason_name(reject.reason)) + " " + reject.column);
  }
  return lines;
}

using Lines = std::vector<std::string>;
const Lines kBoth = {R"({"id":1,"conv_rate":0.5,"note":"a"})", "1 wrong_type Conv-Rate"};

TEST(ColumnFields, OfCsvAreHeaders) {
  EXPECT_EQ(
      said(decode(
          rates(),
          text_records(Format::kCsv, {"0.5,a,1", "x,a,2"}, {"Conv-Rate", "note", "Driver ID"}))),
      kBoth);
  // A header of the column's own name is another field.
  EXPECT_EQ(said(decode(rates(), text_records(Format::kCsv, {"0.5,1"}, {"conv_rate", "id"}))),
            Lines{"0 missing_required Driver ID"});
}

TEST(ColumnFields, OfJsonAreKeysHoweverTheyAreWritten) {
  EXPECT_EQ(said(decode(rates(),
                        text_records(Format::kJsonLines,
                                     {R"({"Driver ID":1,"conv_rate":9,"Conv-Rate":0.5,"note":"a"})",
                                      R"({"Driver ID":2,"Conv-Rate":"x"})"},
                                     {}))),
            kBoth);
  EXPECT_EQ(said(decode(rates(),
                        text_records(Format::kJsonLines,
                                     {R"({"Driver\u0020ID":1,"Conv\u002dRate":0.5,"note":"a"})"},
                                     {}))),
            Lines{kBoth[0]});
}

TEST(ColumnFields, MayHaveAnyCharacters) {
  BronzeDef bronze;
  const Lines names = {"a\"b", "a\\b", "ä ö", "x.y", "", "ID", "id2", "sequence", "a\tb"};
  std::string record = "{";
  std::string row = "{";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) {
      continue;
    }
    bronze.columns.push_back(column("c" + std::to_string(i), Type::kInt64, names[i]));
    std::string name = names[i];
    for (const auto& [bytes, escaped] :
         {std::pair{"\\", "\\\\"}, std::pair{"\"", "\\\""}, std::pair{"\t", "\\t"}}) {
      if (const std::size_t at = name.find(bytes); at != std::string::npos) {
        name.replace(at, 1, escaped);
      }
    }
    const std::string value = std::to_string(i);
    record += (record.size() == 1 ? "\"" : ",\"") + name + "\":" + value;
    row += (row.size() == 1 ? "\"c" : ",\"c") + value + "\":" + value;
  }
  for (const int records : {1, 200}) {  // alone, and together with others of its shape
    const Lines rows =
        said(decode(bronze,
                    text_records(Format::kJsonLines,
                                 Lines(static_cast<std::size_t>(records), record + ",\"a\\b\":77}"),
                                 {})));
    EXPECT_EQ(rows, Lines(static_cast<std::size_t>(records), row + "}"));
  }
}

TEST(ColumnFields, MayChangePlaces) {
  BronzeDef bronze;
  bronze.columns = {column("a", Type::kInt64, "b"), column("b", Type::kInt64, "a")};
  EXPECT_EQ(said(decode(bronze, text_records(Format::kJsonLines, {R"({"a":1,"b":2})"}, {}))),
            Lines{R"({"a":2,"b":1})"});
  EXPECT_EQ(said(decode(bronze, text_records(Format::kCsv, {"1,2"}, {"a", "b"}))),
            Lines{R"({"a":2,"b":1})"});
}

TEST(ColumnFields, OfParquetAreColumns) {
  data::BatchBuilder builder(data::make_schema({{"Conv-Rate", Type::kString, true},
                                                {"Driver ID", Type::kInt32, true},
                                                {"conv_rate", Type::kFloat64, true},
                                                {"note", Type::kString, true}}));
  for (const char* rate : {"0.5", "x"}) {
    builder.column(0).append_text(rate);
    builder.column(1).append(int32_t{1});
    builder.column(2).append(9.0);
    builder.column(3).append_text("a");
  }
  ingest::RecordBatch records = text_records(Format::kParquet, {}, {});
  records.rows = builder.finish();
  BronzeDef bronze = rates();
  bronze.columns[1].type = Type::kString;
  EXPECT_EQ(said(decode(bronze, records)),
            (Lines{R"({"id":1,"conv_rate":"0.5","note":"a"})",
                   R"({"id":1,"conv_rate":"x","note":"a"})"}));
  bronze.columns[1].type = Type::kInt64;
  EXPECT_EQ(said(decode(bronze, records)),
            (Lines{"0 wrong_type Conv-Rate", "1 wrong_type Conv-Rate"}));
}

TEST(ColumnFields, OfDebeziumAreColumnsOfTheDatabaseAndOfTheKey) {
  BronzeDef bronze = rates();
  bronze.columns.push_back(column("operation", Type::kString, "__op"));
  ingest::RecordBatch records = text_records(
      Format::kDebezium,
      {R"({"op":"c","after":{"Driver ID":1,"Conv-Rate":0.5,"conv_rate":9,"note":"a"}})",
       R"({"op":"u","after":{"Driver ID":1,"Conv-Rate":"x"}})",
       R"({"op":"d","before":null,"after":null})",
       R"({"op":"u","after":{"Driver ID":1,"note":"__debezium_unavailable_value"}})"},
      {});
  const data::SchemaPtr meta =
      data::make_schema({{std::string(catalog::kKafkaColumns[catalog::kKey]), Type::kBytes, true}});
  data::BatchBuilder keys(meta);
  for (int i = 0; i < 4; ++i) {
    keys.column(0).append_text(R"({"Driver ID":7})");
  }
  records.meta = keys.finish();
  EXPECT_EQ(said(decode(bronze, records)),
            (Lines{R"({"id":1,"conv_rate":0.5,"note":"a","operation":"c"})",
                   R"({"id":7,"conv_rate":null,"note":null,"operation":"d"})",
                   "1 wrong_type Conv-Rate",
                   "3 unsupported note"}));
}

TEST(ColumnFields, OfSchemasAreTheirs) {
  BronzeDef bronze = rates();
  bronze.columns[0].from = "DriverId";
  bronze.columns[1].from = "ConvRate";
  const std::string record =
      std::string("\0\0\0\0\1", 5) + "\2" + std::string("\0\0\0\0\0\0\xe0\x3f", 8) + "\2a";
  ingest::RecordBatch records = text_records(Format::kAvro, {"replaced below"}, {});
  records.records[0] = record;
  records.schemas[1] = *data::parse_avro_schema(
      R"({"type":"record","name":"R","fields":[{"name":"DriverId","type":"long"},)"
      R"({"name":"ConvRate","type":"double"},{"name":"note","type":"string"}]})");
  EXPECT_EQ(said(decode(bronze, records)), Lines{kBoth[0]});
}

TEST(ColumnFields, StandBesideWhatATopicSaysOfARecord) {
  BronzeDef bronze = rates();
  bronze.columns.insert(bronze.columns.begin(), column("_offset", Type::kInt64, ""));
  ingest::RecordBatch records =
      text_records(Format::kJsonLines, {R"({"Driver ID":1,"Conv-Rate":0.5,"note":"a"})"}, {});
  data::BatchBuilder meta(data::make_schema({{"_offset", Type::kInt64, true}}));
  meta.column(0).append(int64_t{42});
  records.meta = meta.finish();
  const Result<data::Decoded> decoded = RecordDecoder(bronze, {.has_meta = true}).decode(records);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(said(*decoded), Lines{R"({"_offset":42,"id":1,"conv_rate":0.5,"note":"a"})"});
}

// ---- The whole table
// -----------------------------------------------------------------------------

std::unique_ptr<BronzeOperator> make(const BronzeDef& bronze, int threads = 1) {
  BronzeOptions options;
  options.threads = threads;
  options.key = privacy::PrivacyKey::from_bytes(std::string(32, 'k')).value();
  auto made = BronzeOperator::create(bronze, options);
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return std::move(made).value();
}

BronzeOutput run(const BronzeDef& definition, const ingest::RecordBatch& records) {
  const auto bronze = make(definition);
  BronzeState state = bronze->initial_state();
  EXPECT_TRUE(state.dedup
                  .load(data::Batch::empty(bronze->schema()),
                        bronze->dedup_columns(),
                        {EventTime::min(), EventTime::max()})
                  .ok());
  auto output = bronze->process(records, std::move(state));
  EXPECT_TRUE(output.ok()) << output.status().to_string();
  return std::move(output).value();
}

Lines payloads(const BronzeOutput& output) {
  Lines payloads;
  for (int64_t row = 0; row < output.quarantine.rows(); ++row) {
    payloads.push_back(std::string(output.quarantine.find("column")->text(row)) + " " +
                       std::string(output.quarantine.find("payload")->text(row)));
  }
  return payloads;
}

TEST(ColumnFields, OfPersonalDataAreHiddenUnderTheirOwnNames) {
  BronzeDef bronze = rates();
  bronze.columns[0].required = false;
  bronze.columns.push_back(column("email", Type::kString, "E-Mail", true));
  bronze.columns.back().pii = "email";
  bronze.columns.back().scrub = Scrub::kHmac;
  const Lines refused = payloads(
      run(bronze,
          text_records(Format::kJsonLines,
                       {R"({"Driver ID":1,"Conv-Rate":"x","E-Mail":"a@b.example","email":"c@d"})",
                        R"({"Driver ID":"a@b.example","Conv-Rate":"x","E-Mail":"a@b.example"})",
                        R"({"Driver ID":3,"email":"c@d","note":"n"})"},
                       {})));
  EXPECT_EQ(refused,
            (Lines{R"(Conv-Rate {"Driver ID":1,"Conv-Rate":"[redacted]","note":null,)"
                   R"("E-Mail":"[redacted]"})",
                   R"(Driver ID {"Driver ID":"[redacted]","Conv-Rate":"[redacted]","note":null,)"
                   R"("E-Mail":"[redacted]"})",
                   R"(E-Mail {"Driver ID":3,"Conv-Rate":null,"note":"n","E-Mail":"[redacted]"})"}));
}

/// Names of columns and of fields are each other's here: nothing may be looked up by the wrong one.
TEST(ColumnFields, ThatHaveTheNamesOfOtherColumnsShowNothingOfThem) {
  BronzeDef bronze;
  bronze.name = "swapped";
  bronze.columns = {column("email", Type::kInt64, "id"),
                    column("id", Type::kString, "email"),
                    column("n", Type::kInt64, "")};
  bronze.columns[1].pii = "email";
  bronze.columns[1].scrub = Scrub::kHmac;
  const BronzeOutput output = run(bronze,
                                  text_records(Format::kJsonLines,
                                               {R"({"id":1,"email":"a@b.example"})",
                                                R"({"id":"a@b.example","email":"a@b.example"})",
                                                R"({"id":2,"email":5})"},
                                               {}));
  ASSERT_EQ(output.rows.rows(), 1);
  EXPECT_EQ(output.rows.find("email")->scalar(0), data::Scalar::int64(1));
  EXPECT_EQ(output.rows.find("id")->text(0).size(), 64U);
  EXPECT_EQ(payloads(output),
            (Lines{R"(id {"id":"[redacted]","email":"[redacted]","n":null})",
                   R"(email {"id":2,"email":"[redacted]","n":null})"}));
}

TEST(ColumnFields, OfRequiredColumnsAreNamedInTablesOfChanges) {
  BronzeDef bronze = rates();
  bronze.of_changes = true;
  bronze.key = {"id"};
  bronze.columns[1].required = true;
  bronze.delete_when = "note = 'gone'";
  const BronzeOutput output = run(bronze,
                                  text_records(Format::kJsonLines,
                                               {R"({"Driver ID":1,"note":"gone"})",
                                                R"({"Driver ID":2,"conv_rate":1})",
                                                R"({"id":3,"Conv-Rate":1})"},
                                               {}));
  EXPECT_EQ(output.rows.rows(), 1);
  EXPECT_EQ(
      payloads(output),
      (Lines{R"(Conv-Rate {"Driver ID":2,"conv_rate":1})", R"(Driver ID {"id":3,"Conv-Rate":1})"}));
}

/// The same records with the columns' own names are read to the same rows, on any threads, in any
/// cut.
TEST(ColumnFields, AnyRecordsAreThoseOfPlainNames) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const Lines fields = {"Driver ID", "Conv-Rate", "note"};
  const Lines names = {"id", "conv_rate", "note"};
  const Lines values = {"1", "0.5", "\"a\"", "null", "\"7\"", "-3", "[1]", "tru", "1e3"};
  for (int round = 0; round < 20; ++round) {
    Lines renamed;
    Lines plain;
    for (int record = 0; record < 1'500; ++record) {
      std::string one = "{";
      std::string other = "{";
      for (auto count = random() % 5; count > 0; --count) {
        const std::size_t which = random() % names.size();
        const std::string value = values[random() % values.size()];
        const std::string comma = one.size() == 1 ? "\"" : ",\"";
        one += comma + fields[which] + "\":" + value;
        other += comma + names[which] + "\":" + value;
      }
      renamed.push_back(one + "}");
      plain.push_back(other + "}");
    }
    BronzeDef twin = rates();
    for (ColumnDef& each : twin.columns) {
      each.from = "";
    }
    const data::Decoded expected = decode(twin, text_records(Format::kJsonLines, plain, {}));
    const RecordDecoder decoder(rates(), {.threads = 1 + static_cast<int>(random() % 4)});
    Lines found;
    data::Rejects rejects;
    for (std::size_t begin = 0; begin < renamed.size();) {
      const std::size_t end = std::min(renamed.size(), begin + 1 + random() % 1'200);
      const Lines some(renamed.begin() + static_cast<std::ptrdiff_t>(begin),
                       renamed.begin() + static_cast<std::ptrdiff_t>(end));
      const auto decoded = decoder.decode(text_records(Format::kJsonLines, some, {}));
      ASSERT_TRUE(decoded.ok());
      for (int64_t row = 0; row < decoded->rows.rows(); ++row) {
        found.push_back(quality::row_json(decoded->rows, row));
      }
      for (const data::Reject& reject : decoded->rejects) {
        rejects.push_back({reject.row + static_cast<int64_t>(begin), reject.reason, reject.column});
      }
      begin = end;
    }
    ASSERT_EQ(static_cast<int64_t>(found.size()), expected.rows.rows());
    for (int64_t row = 0; row < expected.rows.rows(); ++row) {
      ASSERT_EQ(found[static_cast<std::size_t>(row)], quality::row_json(expected.rows, row));
    }
    ASSERT_EQ(rejects.size(), expected.rejects.size());
    for (std::size_t i = 0; i < rejects.size(); ++i) {
      const data::Reject& known = expected.rejects[i];
      const auto at = std::find(names.begin(), names.end(), known.column) - names.begin();
      EXPECT_EQ(rejects[i].row, known.row);
      EXPECT_EQ(rejects[i].reason, known.reason);
      EXPECT_EQ(rejects[i].column,
                known.column.empty() ? "" : fields[static_cast<std::size_t>(at)]);
    }
  }
}

}  // namespace
}  // namespace assay::bronze

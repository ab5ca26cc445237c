#include <gtest/gtest.h>

#include "base/temp_folder.h"
#include "data/arrow.h"
#include "data/json_lines.h"
#include "data/json_text.h"
#include "data/parquet.h"
#include "data/random_values.h"
#include "data/sql_engine.h"

namespace assay::data {
namespace {

/// Same schema and the same value in each row.
void expect_same(const Batch& actual, const Batch& expected) {
  ASSERT_EQ(actual.schema(), expected.schema());
  ASSERT_EQ(actual.rows(), expected.rows());
  for (int c = 0; c < expected.column_count(); ++c) {
    for (int64_t row = 0; row < expected.rows(); ++row) {
      ASSERT_TRUE(same_value(actual.column(c), row, expected.column(c), row))
          << type_name(expected.schema().field(c).type) << " row " << row << ": "
          << format_scalar(actual.column(c).scalar(row)) << " is not "
          << format_scalar(expected.column(c).scalar(row));
    }
    EXPECT_EQ(actual.column(c).null_count(), expected.column(c).null_count());
  }
  EXPECT_EQ(content_hash(actual), content_hash(expected));
}

std::unique_ptr<SqlEngine> engine() {
  SqlOptions options;
  options.keep_timestamp_ntz = true;
  return SqlEngine::open(options).value();
}

std::vector<Type> random_types(Random& random) {
  std::vector<Type> types = every_type();
  for (int i = 0; i < 6; ++i) {
    types.push_back(random_type(random, 3));
  }
  return types;
}

TEST(NestedColumn, ListsHaveElementsOfEachRow) {
  ColumnBuilder builder(Type::list(Type::kInt64));
  builder.child(0).append(int64_t{1});
  builder.child(0).append(int64_t{2});
  builder.append_nested();
  builder.append_null();
  builder.append_nested();
  builder.child(0).append_null();
  builder.append_nested();
  const ColumnPtr column = builder.finish();
  ASSERT_EQ(column->size(), 4);
  EXPECT_EQ(column->elements(0).size(), 2);
  EXPECT_TRUE(column->is_null(1));
  EXPECT_EQ(column->elements(1).size(), 0);
  EXPECT_EQ(column->elements(2).size(), 0);
  EXPECT_TRUE(column->is_valid(2));
  EXPECT_EQ(column->elements(3).begin, 2);
  EXPECT_TRUE(column->child(0).is_null(2));
  EXPECT_EQ(format_scalar(column->scalar(0)), "[1,2]");
  EXPECT_EQ(format_scalar(column->scalar(2)), "[]");
  EXPECT_EQ(format_scalar(column->scalar(3)), "[null]");
}

TEST(NestedColumn, ArraysLieOneBehindTheOther) {
  ColumnBuilder builder(Type::array(Type::kFloat32, 2));
  const std::vector<float> values{1, 2, 3, 4};
  builder.child(0).append_block(values.data(), 4);
  builder.append_blocks(nullptr, 2);
  builder.append_null();
  const ColumnPtr column = builder.finish();
  EXPECT_EQ(column->elements(1).begin, 2);
  EXPECT_EQ(column->elements(1).end, 4);
  EXPECT_EQ(column->child(0).size(), 6);
  EXPECT_TRUE(column->child(0).is_null(5));
  EXPECT_EQ(format_scalar(column->scalar(1)), "[3.0,4.0]");
}

TEST(NestedColumn, EqualRowsHaveEqualBytesHoweverTheyWereMade) {
  const auto random = seeded_random(11);
  for (int repeat = 0; repeat < 20; ++repeat) {
    const Batch made = random_batch(*random, random_types(*random), 30);
    std::vector<Batch> parts;
    for (int64_t begin = 0; begin < 30; begin += 7) {
      parts.push_back(made.slice(begin, std::min<int64_t>(begin + 7, 30)));
    }
    expect_same(concat(made.schema_ptr(), parts).value(), made);
    std::vector<int64_t> backwards;
    for (int64_t row = 29; row >= 0; --row) {
      backwards.push_back(row);
    }
    expect_same(made.take(backwards).take(backwards), made);
  }
}

TEST(NestedColumn, ConstantsRepeatTheirRow) {
  const auto random = seeded_random(12);
  for (const Type& type : every_type()) {
    const Scalar value = random_scalar(*random, type);
    const ColumnPtr column = constant_column(value, 5);
    ASSERT_EQ(column->size(), 5);
    for (int64_t row = 0; row < 5; ++row) {
      EXPECT_EQ(column->scalar(row), value);
    }
  }
}

TEST(NestedColumn, HashesSeeWhereValuesStand) {
  const auto hash = [](std::string_view json) {
    const Scalar value = parse_json(json, Type::list(Type::list(Type::kInt64))).value();
    return content_hash(
        Batch(make_schema({{"x", value.type, true}}), {constant_column(value, 1)}, 1));
  };
  EXPECT_EQ(hash("[[1,2],[3]]"), hash(" [ [1, 2], [3] ] "));
  EXPECT_NE(hash("[[1,2],[3]]"), hash("[[1],[2,3]]"));
  EXPECT_NE(hash("[[1,2]]"), hash("[[2,1]]"));
  EXPECT_NE(hash("[[]]"), hash("[]"));
  EXPECT_NE(hash("[null]"), hash("[[]]"));
}

TEST(NestedColumn, ArrowGivesBackWhatItTook) {
  const auto random = seeded_random(13);
  for (int repeat = 0; repeat < 20; ++repeat) {
    const Batch made = random_batch(*random, random_types(*random), 25);
    ArrowSchema schema;
    ArrowArray array;
    export_batch(made, &schema, &array);
    const Result<Batch> back = import_batch(&schema, &array);
    ASSERT_TRUE(back.ok()) << back.status().to_string();
    expect_same(*back, made);
  }
}

TEST(NestedColumn, ArrowSlicesStartAtTheirOffset) {
  const auto random = seeded_random(14);
  const Batch made = random_batch(*random, every_type(), 40);
  ArrowSchema schema;
  ArrowArray array;
  export_batch(made, &schema, &array);
  array.offset = 9;
  array.length = 20;
  const Result<Batch> back = import_batch(&schema, &array);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  expect_same(*back, made.slice(9, 29));
}

TEST(NestedColumn, ArrowMapsWithNullKeysAreRefused) {
  ColumnBuilder builder(
      Type::list(Type::structure({{"key", Type::kString}, {"value", Type::kInt64}})));
  builder.child(0).child(0).append_null();
  builder.child(0).child(1).append(int64_t{1});
  builder.child(0).append_nested();
  builder.append_nested();
  const Type type = builder.type();
  const Batch batch(make_schema({{"m", type, true}}), {builder.finish()}, 1);
  ArrowSchema schema;
  ArrowArray array;
  export_batch(batch, &schema, &array);
  schema.children[0]->format = "+m";
  EXPECT_EQ(import_batch(&schema, &array).code(), Code::kInvalidArgument);
}

TEST(NestedColumn, DuckdbGivesBackWhatItTook) {
  const auto random = seeded_random(15);
  const auto sql = engine();
  for (const int64_t rows : {0, 1, 9, 100, 5000}) {
    const Batch made = random_batch(*random, random_types(*random), rows);
    ASSERT_TRUE(sql->create_table("t", made).ok());
    const Result<Batch> back = sql->query("SELECT * FROM t");
    ASSERT_TRUE(back.ok()) << back.status().to_string();
    expect_same(*back, made);
  }
}

TEST(NestedColumn, DuckdbAgreesOnTheTextOfValues) {
  const auto random = seeded_random(16);
  const auto sql = engine();
  const std::vector<Type> types{Type::list(Type::kInt64),
                                Type::structure({{"a", Type::kInt64}, {"b", Type::kString}}),
                                Type::map(Type::kString, Type::list(Type::kBool)),
                                Type::list(Type::array(Type::kInt16, 3))};
  const Batch made = random_batch(*random, types, 500);
  ASSERT_TRUE(sql->create_table("t", made).ok());
  for (int c = 0; c < made.column_count(); ++c) {
    const std::string name = made.schema().field(c).name;
    const Batch texts =
        sql->query("SELECT CAST(to_json(" + name + ") AS VARCHAR) AS j FROM t").value();
    for (int64_t row = 0; row < made.rows(); ++row) {
      if (made.column(c).is_valid(row)) {
        EXPECT_EQ(format_scalar(made.column(c).scalar(row)), texts.column(0).text(row));
      }
    }
  }
}

TEST(NestedColumn, DuckdbsConstantsFiltersAndJoinsAreRead) {
  const auto sql = engine();
  const auto one = [&](const std::string& query) {
    const Result<Batch> rows = sql->query(query);
    EXPECT_TRUE(rows.ok()) << rows.status().to_string();
    std::string text;
    for (int64_t row = 0; rows.ok() && row < rows->rows(); ++row) {
      text += format_scalar(rows->column(0).scalar(row)) + ";";
    }
    return text;
  };
  EXPECT_EQ(one("SELECT [1, 2] AS x FROM range(3)"), "[1,2];[1,2];[1,2];");
  EXPECT_EQ(one("SELECT {'a': i, 'b': 'x'} AS x FROM range(2) t(i)"),
            "{\"a\":0,\"b\":\"x\"};{\"a\":1,\"b\":\"x\"};");
  EXPECT_EQ(
      one("SELECT x FROM (SELECT i, [i, NULL, i * 2] AS x FROM range(100) t(i)) WHERE i % 40 = 3"),
      "[3,null,6];[43,null,86];[83,null,166];");
  EXPECT_EQ(
      one("SELECT list(i ORDER BY i DESC) AS x FROM range(7) t(i) GROUP BY i % 2 ORDER BY i % 2"),
      "[6,4,2,0];[5,3,1];");
  EXPECT_EQ(one("SELECT MAP {'k': [1.5::FLOAT]} AS x"), "{\"k\":[1.5]};");
  EXPECT_EQ(one("SELECT CAST(NULL AS INTEGER[]) AS x UNION ALL SELECT []"), ";[];");
  EXPECT_EQ(one("SELECT 1.25 AS x"), "1.25;");
}

TEST(NestedColumn, ParquetGivesBackWhatItTook) {
  const auto random = seeded_random(17);
  const auto sql = engine();
  std::vector<Type> types;
  for (const Type& type : random_types(*random)) {
    // Parquet has no arrays of a fixed size: DuckDB writes them as lists.
    if (type_name(type).find('[') == std::string::npos) {
      types.push_back(type);
    }
  }
  const Batch made = random_batch(*random, types, 300);
  const TempFolder folder;
  const std::string path = folder.file("nested.parquet");
  ASSERT_TRUE(write_parquet(*sql, made, path).ok());
  const Result<Batch> back = read_file(*sql, path);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  expect_same(*back, made);
}

TEST(NestedColumn, ArraysOfAFixedSizeAreListsInParquet) {
  const auto random = seeded_random(18);
  const auto sql = engine();
  const Batch made = random_batch(*random, {Type::array(Type::kFloat32, 4)}, 50);
  const TempFolder folder;
  const std::string path = folder.file("array.parquet");
  ASSERT_TRUE(write_parquet(*sql, made, path).ok());
  const Batch lists = read_file(*sql, path).value();
  EXPECT_EQ(lists.schema().field(0).type, Type::list(Type::kFloat32));
  const Batch arrays = sql->query("SELECT CAST(c0 AS FLOAT[4]) AS c0 FROM read_parquet(" +
                                  SqlEngine::literal(path) + ")")
                           .value();
  expect_same(arrays, made);
}

TEST(NestedColumn, JsonIsReadBack) {
  const auto random = seeded_random(19);
  for (int repeat = 0; repeat < 50; ++repeat) {
    for (const Type& type : random_types(*random)) {
      const Scalar value = random_scalar(*random, type);
      if (value.is_null() || !is_nested(type)) {
        continue;
      }
      const std::string text = format_scalar(value);
      const Result<Scalar> back = parse_scalar(text, type);
      ASSERT_TRUE(back.ok()) << type_name(type) << " " << text;
      ASSERT_EQ(*back, value) << type_name(type) << " " << text;
    }
  }
}

TEST(NestedColumn, JsonOfAnotherShapeIsRefused) {
  const auto refuses = [](std::string_view text, const Type& type) {
    return parse_json(text, type).code() == Code::kInvalidArgument;
  };
  EXPECT_TRUE(refuses("[1,\"a\"]", Type::list(Type::kInt64)));
  EXPECT_TRUE(refuses("[1.5]", Type::list(Type::kInt64)));
  EXPECT_TRUE(refuses("[1", Type::list(Type::kInt64)));
  EXPECT_TRUE(refuses("{}", Type::list(Type::kInt64)));
  EXPECT_TRUE(refuses("[1,2,3]", Type::array(Type::kFloat32, 2)));
  EXPECT_TRUE(refuses("[1]", Type::array(Type::kFloat32, 2)));
  EXPECT_TRUE(refuses("[1e300]", Type::list(Type::kFloat32)));
  EXPECT_TRUE(refuses("[]", Type::structure({{"a", Type::kInt64}})));
  EXPECT_TRUE(refuses("{\"a\":true}", Type::structure({{"a", Type::kInt64}})));
  EXPECT_TRUE(refuses("{\"x\":1}", Type::map(Type::kInt64, Type::kInt64)));
  EXPECT_TRUE(refuses("[\"128\"]", Type::list(Type::kInt8)));
  EXPECT_TRUE(refuses("[128]", Type::list(Type::kInt8)));
  EXPECT_TRUE(refuses("[\"1000.00\"]", Type::list(Type::decimal(5, 2))));
  EXPECT_TRUE(refuses("", Type::list(Type::kInt64)));
}

TEST(NestedColumn, NumbersThatJsonDoesNotKnowAreText) {
  const Scalar value =
      parse_json("[\"NaN\",\"-Infinity\",null,1]", Type::list(Type::kFloat64)).value();
  EXPECT_EQ(format_scalar(value), "[\"NaN\",\"-Infinity\",null,1.0]");
  std::string nulls;
  append_json(nulls, *std::get<NestedValue>(value.value).row, 0, JsonNonFinite::kNull);
  EXPECT_EQ(nulls, "[null,null,null,1.0]");
  EXPECT_EQ(parse_scalar(format_scalar(value), value.type).value(), value);
}

TEST(NestedColumn, JsonLinesFillDeclaredColumns) {
  const DecodeOptions options{
      make_schema(
          {{"id", Type::kInt64, false},
           {"tags", Type::list(Type::kString), true},
           {"at", Type::structure({{"lat", Type::kFloat64}, {"lon", Type::kFloat64}}), true},
           {"counts", Type::map(Type::kString, Type::kInt16), true},
           {"v", Type::array(Type::kFloat32, 2), true},
           {"price", Type::decimal(10, 2), true}}),
      {},
      {},
      {}};
  const std::vector<std::string_view> records{
      R"({"id":1,"tags":["a",null],"at":{"lon":2.5,"more":1},"counts":{"x":3},"v":[1,2],"price":12.3})",
      R"({"id":2,"tags":[],"at":null,"counts":{},"price":"-0.105"})",
      R"({"id":3,"tags":"a"})",
      R"({"id":4,"v":[1,2,3]})",
      R"({"id":5,"counts":{"x":40000}})",
      R"({"id":6,"at":{"lat":"north"}})",
      R"({"id":7,"tags":[[1],{"a":2}],"price":1e99})",
      R"({"id":8,"tags":[[1],{"a":2}]})"};
  const Decoded decoded = JsonLinesDecoder(options).decode(records);
  ASSERT_EQ(decoded.rows.rows(), 3);
  EXPECT_EQ(decoded.record_of_row, (std::vector<int64_t>{0, 1, 7}));
  const auto text = [&](int column, int64_t row) {
    return format_scalar(decoded.rows.column(column).scalar(row));
  };
  EXPECT_EQ(text(1, 0), "[\"a\",null]");
  EXPECT_EQ(text(2, 0), "{\"lat\":null,\"lon\":2.5}");
  EXPECT_EQ(text(3, 0), "{\"x\":3}");
  EXPECT_EQ(text(4, 0), "[1.0,2.0]");
  EXPECT_EQ(text(5, 0), "12.30");
  EXPECT_EQ(text(1, 1), "[]");
  EXPECT_TRUE(decoded.rows.column(2).is_null(1));
  EXPECT_EQ(text(3, 1), "{}");
  EXPECT_TRUE(decoded.rows.column(4).is_null(1));
  EXPECT_EQ(text(5, 1), "-0.11");
  EXPECT_EQ(text(1, 2), R"(["[1]","{\"a\":2}"])");
  ASSERT_EQ(decoded.rejects.size(), 5U);
  for (const Reject& reject : decoded.rejects) {
    EXPECT_EQ(reject.reason, RejectReason::kWrongType);
  }
  EXPECT_EQ(decoded.rejects[1].column, "v");
}

}  // namespace
}  // namespace assay::data

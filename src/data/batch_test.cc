#include "data/batch.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "data/arrow.h"
#include "data/encoded_keys.h"
#include "data/entity_key.h"
#include "data/random_values.h"

namespace assay::data {
namespace {

struct RandomBatch {
  Batch batch;
  std::vector<std::vector<Scalar>> rows;
};

RandomBatch random_rows(Random& random, int64_t rows) {
  std::vector<Field> fields;
  for (const Type& type : every_type()) {
    fields.push_back({"c_" + type_name(type), type, true});
  }
  RandomBatch result;
  BatchBuilder builder(make_schema(std::move(fields)));
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<Scalar> row;
    for (std::size_t c = 0; c < every_type().size(); ++c) {
      row.push_back(random_scalar(random, every_type()[c]));
      builder.column(static_cast<int>(c)).append_scalar(row.back());
    }
    result.rows.push_back(std::move(row));
  }
  result.batch = builder.finish();
  return result;
}

void expect_rows(const Batch& batch, const std::vector<std::vector<Scalar>>& rows) {
  ASSERT_EQ(batch.rows(), static_cast<int64_t>(rows.size()));
  for (int64_t r = 0; r < batch.rows(); ++r) {
    for (int c = 0; c < batch.column_count(); ++c) {
      EXPECT_EQ(batch.column(c).scalar(r),
                rows[static_cast<std::size_t>(r)][static_cast<std::size_t>(c)])
          << "row " << r << " column " << c;
    }
  }
}

TEST(Batch, HoldsWhatWasAppendedForEveryTypeAndNull) {
  const auto random = seeded_random(1);
  for (const int64_t rows : {0, 1, 7, 8, 9, 64, 200}) {
    const RandomBatch made = random_rows(*random, rows);
    expect_rows(made.batch, made.rows);
  }
}

TEST(Batch, TakeSliceAndConcatAgreeWithRowsPickedByHand) {
  const auto random = seeded_random(2);
  const RandomBatch made = random_rows(*random, 50);
  std::vector<int64_t> picks;
  std::vector<std::vector<Scalar>> expected;
  for (int i = 0; i < 80; ++i) {
    const auto row = static_cast<int64_t>(random->below(51)) - 1;
    picks.push_back(row);
    if (row < 0) {
      std::vector<Scalar> nulls;
      for (const Type& type : every_type()) {
        nulls.push_back(Scalar::null(type));
      }
      expected.push_back(nulls);
    } else {
      expected.push_back(made.rows[static_cast<std::size_t>(row)]);
    }
  }
  expect_rows(made.batch.take(picks), expected);

  const std::vector<Batch> parts{
      made.batch.slice(0, 13), made.batch.slice(13, 13), made.batch.slice(13, 50)};
  const Result<Batch> joined = concat(made.batch.schema_ptr(), parts);
  ASSERT_TRUE(joined.ok());
  expect_rows(*joined, made.rows);
}

TEST(Batch, ConcatOfPiecesOfAnyLengthEqualsRowByRow) {
  const auto random = seeded_random(3);
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::vector<Batch> parts;
    std::vector<std::vector<Scalar>> expected;
    for (int part = 0; part < 4; ++part) {
      RandomBatch made = random_rows(*random, static_cast<int64_t>(random->below(20)));
      if (random->below(2) == 0) {
        made = random_rows(*random, 0);
      }
      parts.push_back(made.batch);
      expected.insert(expected.end(), made.rows.begin(), made.rows.end());
    }
    const Batch joined = concat(parts[0].schema_ptr(), parts).value();
    expect_rows(joined, expected);
    const Batch last = random_rows(*random, 1).batch;
    const std::vector<Batch> more{joined, last};
    ASSERT_EQ(concat(joined.schema_ptr(), more)->rows(), joined.rows() + 1);
  }
}

TEST(Column, BlocksWithNullsEqualRowByRow) {
  const auto random = seeded_random(4);
  for (int repeat = 0; repeat < 50; ++repeat) {
    ColumnBuilder blocks(Type::kInt64);
    std::vector<Scalar> expected;
    for (int block = 0; block < 5; ++block) {
      std::vector<int64_t> values(random->below(20));
      std::vector<uint8_t> is_null(values.size());
      const bool with_nulls = random->below(2) == 0;
      for (std::size_t i = 0; i < values.size(); ++i) {
        is_null[i] = with_nulls && random->below(3) == 0 ? 1 : 0;
        values[i] = is_null[i] != 0 ? 0 : static_cast<int64_t>(random->next());
        expected.push_back(is_null[i] != 0 ? Scalar::null(Type::kInt64) : Scalar::int64(values[i]));
      }
      blocks.append_block(values.data(), is_null.data(), static_cast<int64_t>(values.size()));
    }
    const ColumnPtr column = blocks.finish();
    ASSERT_EQ(column->size(), static_cast<int64_t>(expected.size()));
    for (int64_t row = 0; row < column->size(); ++row) {
      ASSERT_EQ(column->scalar(row), expected[static_cast<std::size_t>(row)]);
    }
  }
}

TEST(Batch, ContentHashIgnoresRowOrderAndSeesEveryValue) {
  const auto random = seeded_random(3);
  const RandomBatch made = random_rows(*random, 40);
  std::vector<int64_t> backwards;
  for (int64_t row = 39; row >= 0; --row) {
    backwards.push_back(row);
  }
  EXPECT_EQ(content_hash(made.batch), content_hash(made.batch.take(backwards)));
  EXPECT_NE(content_hash(made.batch), content_hash(made.batch.slice(0, 39)));
  backwards.back() = 1;  // row 0 replaced by a second row 1
  EXPECT_NE(content_hash(made.batch), content_hash(made.batch.take(backwards)));
}

TEST(Batch, SelectNamesTheNearestColumnWhenOneIsMissing) {
  const auto random = seeded_random(4);
  const Result<Batch> selected = random_rows(*random, 1).batch.select({"c_itn64"});
  ASSERT_EQ(selected.code(), Code::kNotFound);
  EXPECT_NE(selected.status().message().find("c_int64"), std::string::npos);
}

TEST(Arrow, ExportedBatchesComeBackEqual) {
  const auto random = seeded_random(5);
  for (const int64_t rows : {0, 1, 9, 100}) {
    const RandomBatch made = random_rows(*random, rows);
    ArrowSchema schema;
    ArrowArray array;
    export_batch(made.batch, &schema, &array);
    const Result<Batch> back = import_batch(&schema, &array);
    ASSERT_TRUE(back.ok()) << back.status().to_string();
    EXPECT_EQ(back->schema(), made.batch.schema());
    expect_rows(*back, made.rows);
  }
}

TEST(Arrow, ATypeWithoutCounterpartIsRefusedByName) {
  const auto random = seeded_random(6);
  ArrowSchema schema;
  ArrowArray array;
  export_batch(random_rows(*random, 3).batch, &schema, &array);
  schema.children[0]->format = "+l";
  const Result<Batch> back = import_batch(&schema, &array);
  ASSERT_EQ(back.code(), Code::kUnimplemented);
  EXPECT_NE(back.status().message().find("c_bool"), std::string::npos);
}

TEST(EntityKey, CompositeKeysNeverCollide) {
  const std::vector<std::vector<Scalar>> keys{{Scalar::int64(1), Scalar::int64(23)},
                                              {Scalar::int64(12), Scalar::int64(3)},
                                              {Scalar::string("a"), Scalar::string("bc")},
                                              {Scalar::string("ab"), Scalar::string("c")},
                                              {Scalar::string("abc")},
                                              {Scalar::string("")},
                                              {Scalar::string(""), Scalar::string("")},
                                              {Scalar::int64(-1)}};
  for (std::size_t i = 0; i < keys.size(); ++i) {
    for (std::size_t j = 0; j < keys.size(); ++j) {
      EXPECT_EQ(encode_key(keys[i]) == encode_key(keys[j]), i == j);
    }
    const Result<std::vector<Scalar>> decoded = decode_key(*encode_key(keys[i]));
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, keys[i]);
  }
}

TEST(EntityKey, BytesOrderIntegersAsNumbers) {
  EXPECT_LT(*encode_key(std::vector{Scalar::int64(-5)}),
            *encode_key(std::vector{Scalar::int64(3)}));
  EXPECT_LT(*encode_key(std::vector{Scalar::int64(3)}),
            *encode_key(std::vector{Scalar::int64(300)}));
  EXPECT_FALSE(encode_key(std::vector{Scalar::null(Type::kInt64)}).has_value());
}

TEST(EntityKey, IndexGivesEqualRowsEqualIdsAndNullsNone) {
  BatchBuilder builder(make_schema({{"a", Type::kString, true}, {"b", Type::kInt32, true}}));
  for (const auto& [a, b] :
       std::vector<std::pair<std::string, int32_t>>{{"x", 1}, {"y", 1}, {"x", 1}, {"x", 2}}) {
    builder.column(0).append_text(a);
    builder.column(1).append(b);
  }
  builder.column(0).append_null();
  builder.column(1).append(int32_t{1});
  const Batch batch = builder.finish();
  const std::vector<const Column*> columns{&batch.column(0), &batch.column(1)};
  const EntityIndex index = index_entities(columns, batch.rows());
  EXPECT_EQ(index.ids, (std::vector<int32_t>{0, 1, 0, 2, -1}));
  EXPECT_EQ(index.keys[2], *encode_key(columns, 3));
}

TEST(EntityKey, KeysOfAllRowsAreThoseOfEach) {
  BatchBuilder builder(make_schema({{"a", Type::kString, true}, {"b", Type::kInt32, true}}));
  const auto random = seeded_random(8);
  for (int row = 0; row < 1'000; ++row) {
    if (random->below(5) == 0) {
      builder.column(0).append_null();
    } else {
      builder.column(0).append_text(std::string(random->below(30), 'x'));
    }
    if (random->below(5) == 0) {
      builder.column(1).append_null();
    } else {
      builder.column(1).append(static_cast<int32_t>(random->next()));
    }
  }
  const Batch batch = builder.finish();
  const std::vector<const Column*> columns{&batch.column(0), &batch.column(1)};
  const EncodedKeys keys(columns, batch.rows());
  for (int64_t row = 0; row < batch.rows(); ++row) {
    const std::optional<EntityKey> expected = encode_key(columns, row);
    ASSERT_EQ(keys.key(row).has_value(), expected.has_value()) << row;
    EXPECT_TRUE(!expected || *keys.key(row) == expected->bytes()) << row;
  }
}

TEST(EntityKey, DamagedBytesAreCorruptNeverACrash) {
  const auto random = seeded_random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random->below(24), '\0');
    for (char& byte : bytes) {
      byte = static_cast<char>(random->next());
    }
    const Result<std::vector<Scalar>> decoded = decode_key(EntityKey(bytes));
    EXPECT_TRUE(decoded.ok() || decoded.code() == Code::kCorrupt);
  }
}

}  // namespace
}  // namespace assay::data

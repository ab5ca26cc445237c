// Rows by entity: whatever way they are put in order, they stand as a map of key bytes has them.

#include "online/entity_rows.h"

#include <limits>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "online/fake_view.h"

namespace assay::online {
namespace {

/// How the values of a key column are spread.
enum class Values { kFew, kMany, kNegative, kFarApart, kAllAlike, kWithNulls };

void append_value(const data::Type& type, Values values, Random& random, data::ColumnBuilder* out) {
  if (values == Values::kWithNulls && random.below(4) == 0) {
    out->append_null();
    return;
  }
  int64_t number = 0;
  switch (values) {
    case Values::kFew:
    case Values::kWithNulls:
      number = static_cast<int64_t>(random.below(7));
      break;
    case Values::kMany:
      number = static_cast<int64_t>(random.below(100'000));
      break;
    case Values::kNegative:
      number = static_cast<int64_t>(random.below(5'000)) - 2'500;
      break;
    case Values::kFarApart:
      number = random.below(9) == 0 ? std::numeric_limits<int64_t>::min()
                                    : static_cast<int64_t>(random.next());
      break;
    case Values::kAllAlike:
      number = 42;
      break;
  }
  if (type == data::Type::kBool) {
    out->append(static_cast<uint8_t>(number & 1));
  } else if (type == data::Type::kInt32 || type == data::Type::kDate) {
    out->append(static_cast<int32_t>(number));
  } else if (type == data::Type::kString) {
    out->append_text("key" + std::to_string(number));
  } else {
    out->append(number);
  }
}

void expect_rows_of_map(const std::vector<data::Type>& types,
                        Values values,
                        int64_t count,
                        uint64_t seed) {
  const auto random = seeded_random(seed);
  std::vector<data::Field> keys;
  for (const data::Type& type : types) {
    keys.push_back({"key" + std::to_string(keys.size()), type});
  }
  const FakeView view("rows", keys, 0);
  data::BatchBuilder builder(view.source_schema());
  const auto width = static_cast<int>(keys.size());
  for (int64_t row = 0; row < count; ++row) {
    for (int i = 0; i < width; ++i) {
      append_value(types[static_cast<std::size_t>(i)], values, *random, &builder.column(i));
    }
    for (int i = 0; i < 3; ++i) {
      builder.column(width + i).append(row);
    }
  }
  const data::Batch batch = builder.finish();
  std::vector<const data::Column*> columns;
  for (int i = 0; i < width; ++i) {
    columns.push_back(&batch.column(i));
  }
  std::map<std::string, std::vector<int64_t>> expected;
  int64_t nulls = 0;
  for (int64_t row = 0; row < count; ++row) {
    const std::optional<data::EntityKey> key = data::encode_key(columns, row);
    if (key) {
      expected[key->bytes()].push_back(row);
    } else {
      ++nulls;
    }
  }

  const EntityRows gathered = EntityRows::gather(view, batch).value();
  EXPECT_EQ(gathered.null_key_rows(), nulls);
  EXPECT_EQ(gathered.known_until().micros, count == 0 ? EventTime::min().micros : count - 1);
  ASSERT_EQ(gathered.entities().size(), expected.size()) << "seed " << seed;
  auto next = expected.begin();
  int64_t begin = 0;
  for (const EntityRows::Entity& entity : gathered.entities()) {
    EXPECT_EQ(entity.key.bytes(), next->first);
    EXPECT_EQ(entity.begin, begin);
    const std::span<const int64_t> rows = gathered.rows_of(entity);
    EXPECT_EQ(std::vector<int64_t>(rows.begin(), rows.end()), next->second) << "seed " << seed;
    begin = entity.end;
    ++next;
  }
  EXPECT_EQ(static_cast<std::size_t>(begin), gathered.order().size());
}

TEST(EntityRows, RowsOfAnyKeysStandInOrderOfTheirBytes) {
  const std::vector<std::vector<data::Type>> all_types = {
      {data::Type::kInt64},
      {data::Type::kInt32},
      {data::Type::kDate},
      {data::Type::kTimestamp},
      {data::Type::kBool},
      {data::Type::kString},
      {data::Type::kInt64, data::Type::kInt32},
      {data::Type::kString, data::Type::kInt64}};
  uint64_t seed = 1;
  for (const std::vector<data::Type>& types : all_types) {
    for (const Values values : {Values::kFew,
                                Values::kMany,
                                Values::kNegative,
                                Values::kFarApart,
                                Values::kAllAlike,
                                Values::kWithNulls}) {
      for (const int64_t count : {0, 1, 2, 50, 3000}) {
        expect_rows_of_map(types, values, count, seed++);
      }
    }
  }
}

TEST(EntityRows, KeysAreAsFarApartAsTheUpperHalfOfANumberHolds) {
  for (const int64_t more : {0, 1}) {
    const FakeView view("rows", {{"key", data::Type::kInt64}}, 0);
    data::BatchBuilder builder(view.source_schema());
    const int64_t lowest = -7;
    for (const int64_t key : {lowest + (int64_t{1} << 32) - 1 + more, lowest, int64_t{5}, lowest}) {
      for (int i = 0; i < 4; ++i) {
        builder.column(i).append(key);
      }
    }
    const EntityRows gathered = EntityRows::gather(view, builder.finish()).value();
    ASSERT_EQ(gathered.entities().size(), 3U);
    EXPECT_EQ(std::vector<int64_t>(gathered.order().begin(), gathered.order().end()),
              (std::vector<int64_t>{1, 3, 2, 0}));
  }
}

}  // namespace
}  // namespace assay::online

#include "data/random_values.h"

#include <set>
#include <string>

namespace assay::data {
namespace {

Scalar random_decimal(Random& random, const Type& type) {
  Int128 units = (Int128{static_cast<int64_t>(random.next())} << 64) | random.next();
  for (int digits = type.precision(); digits < 39; ++digits) {
    units /= 10;
  }
  return {type, units};
}

void append_random_map(Random& random, ColumnBuilder& builder) {
  const Type& key_type = builder.type().map_key();
  std::set<std::string> seen;
  for (uint64_t i = random.below(4); i > 0; --i) {
    const Scalar key = random_scalar(random, key_type);
    if (key.is_null() || !seen.insert(format_scalar(key)).second) {
      continue;
    }
    builder.child(0).child(0).append_scalar(key);
    builder.child(0).child(1).append_scalar(random_scalar(random, builder.type().map_value()));
    builder.child(0).append_nested();
  }
  builder.append_nested();
}

Scalar random_nested(Random& random, const Type& type) {
  ColumnBuilder builder(type);
  if (type == Type::kMap) {
    append_random_map(random, builder);
    return Scalar::nested(builder.finish());
  }
  const uint64_t values = type == Type::kList    ? random.below(4)
                          : type == Type::kArray ? static_cast<uint64_t>(type.array_size())
                                                 : 1;
  for (int child = 0; child < static_cast<int>(type.children().size()); ++child) {
    for (uint64_t i = 0; i < values; ++i) {
      ColumnBuilder& out = builder.child(child);
      out.append_scalar(random_scalar(random, out.type()));
    }
  }
  builder.append_nested();
  return Scalar::nested(builder.finish());
}

constexpr int64_t kMicrosMax = 60'000'000'000'000'000;  // about the years 70 to 3870

}  // namespace

const std::vector<Type>& every_type() {
  static const std::vector<Type> kTypes{
      Type::kBool,
      Type::kInt8,
      Type::kInt16,
      Type::kInt32,
      Type::kInt64,
      Type::kFloat32,
      Type::kFloat64,
      Type::kString,
      Type::kBytes,
      Type::kDate,
      Type::kTimestamp,
      Type::kTimestampNtz,
      Type::decimal(4, 1),
      Type::decimal(9, 0),
      Type::decimal(18, 18),
      Type::decimal(38, 10),
      Type::list(Type::kInt64),
      Type::list(Type::list(Type::kString)),
      Type::list(Type::decimal(6, 2)),
      Type::array(Type::kFloat32, 8),
      Type::list(Type::array(Type::kInt16, 3)),
      Type::array(Type::list(Type::kBool), 2),
      Type::structure({{"a", Type::kInt64}, {"b c", Type::kString}}),
      Type::list(Type::structure({{"x", Type::kDate}, {"y", Type::list(Type::kFloat64)}})),
      Type::structure({{"s", Type::structure({{"t", Type::kTimestamp}})}, {"u", Type::kInt8}}),
      Type::map(Type::kString, Type::kInt64),
      Type::map(Type::kInt32, Type::list(Type::map(Type::kString, Type::kBytes)))};
  return kTypes;
}

Type random_type(Random& random, int depth) {
  if (depth == 0 || random.below(3) == 0) {
    return every_type()[random.below(16)];
  }
  switch (random.below(4)) {
    case 0:
      return Type::list(random_type(random, depth - 1));
    case 1:
      return Type::array(random_type(random, depth - 1), 1 + static_cast<int>(random.below(4)));
    case 2: {
      std::vector<Field> fields;
      for (uint64_t i = 0; i <= random.below(3); ++i) {
        fields.push_back({"f" + std::to_string(i), random_type(random, depth - 1), true});
      }
      return Type::structure(std::move(fields));
    }
    default:
      return Type::map(random.below(2) == 0 ? Type::kString : Type::kInt64,
                       random_type(random, depth - 1));
  }
}

Scalar random_scalar(Random& random, const Type& type) {
  if (random.below(4) == 0) {
    return Scalar::null(type);
  }
  switch (type) {
    case Type::kBool:
      return {type, random.below(2) == 1};
    case Type::kInt8:
      return {type, int64_t{static_cast<int8_t>(random.next())}};
    case Type::kInt16:
      return {type, int64_t{static_cast<int16_t>(random.next())}};
    case Type::kInt32:
      return {type, int64_t{static_cast<int32_t>(random.next())}};
    case Type::kInt64:
      return {type, static_cast<int64_t>(random.next())};
    case Type::kDate:
      return {type, static_cast<int64_t>(random.below(1'000'000)) - 500'000};
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      return {type, static_cast<int64_t>(random.below(2 * kMicrosMax)) - kMicrosMax};
    case Type::kFloat32:
      return {type, static_cast<double>(static_cast<float>(random.below(1000)) / 8)};
    case Type::kFloat64:
      return {type, static_cast<double>(random.below(1000)) / 3};
    case Type::kString:
      return {type, std::string(random.below(20), 'x') + "é" + std::to_string(random.below(100))};
    case Type::kBytes:
      return {type, std::string(random.below(20), '\xff') + std::to_string(random.below(100))};
    case Type::kDecimal:
      return random_decimal(random, type);
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      return random_nested(random, type);
  }
  return Scalar::null(type);
}

Batch random_batch(Random& random, const std::vector<Type>& types, int64_t rows) {
  std::vector<Field> fields;
  for (std::size_t i = 0; i < types.size(); ++i) {
    fields.push_back({"c" + std::to_string(i), types[i], true});
  }
  BatchBuilder builder(make_schema(std::move(fields)));
  for (int64_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < types.size(); ++i) {
      builder.column(static_cast<int>(i)).append_scalar(random_scalar(random, types[i]));
    }
  }
  return builder.finish();
}

}  // namespace assay::data

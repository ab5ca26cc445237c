#include "data/key_codes.h"

#include <cstring>
#include <string_view>

#include "base/hash.h"

namespace assay::data {
namespace {

inline Code64 text_code(std::string_view text) {
  if (text.empty()) {
    return 0;
  }
  if (text.size() <= 7) {
    Code64 code = 0;
    std::memcpy(&code, text.data(), text.size());
    return code | static_cast<Code64>(text.size()) << 56;
  }
  return hash_bytes(text) | kLongText;
}

/// Call `use(row, value)` for each row of a fixed-width or text column, the type decided once.
template <typename Use>
void for_each_code(const Column& column, Use use) {
  const auto size = static_cast<std::size_t>(column.size());
  switch (column.type()) {
    case Type::kBool: {
      const auto values = column.values<uint8_t>();
      for (std::size_t row = 0; row < size; ++row) {
        use(row, Code64{values[row]});
      }
      return;
    }
    case Type::kInt32:
    case Type::kDate: {
      const auto values = column.values<int32_t>();
      for (std::size_t row = 0; row < size; ++row) {
        use(row, static_cast<Code64>(int64_t{values[row]}));
      }
      return;
    }
    case Type::kInt64:
    case Type::kTimestamp: {
      const auto values = column.values<int64_t>();
      for (std::size_t row = 0; row < size; ++row) {
        use(row, static_cast<Code64>(values[row]));
      }
      return;
    }
    default:
      for (std::size_t row = 0; row < size; ++row) {
        use(row, text_code(column.text(static_cast<int64_t>(row))));
      }
  }
}

void mark_nulls(const Column& column, std::vector<uint8_t>& skip) {
  if (column.null_count() == 0) {
    return;
  }
  skip.resize(static_cast<std::size_t>(column.size()));
  for (int64_t row = 0; row < column.size(); ++row) {
    skip[static_cast<std::size_t>(row)] |= static_cast<uint8_t>(column.is_null(row));
  }
}

bool equal_values(const Column& a, int64_t row_a, const Column& b, int64_t row_b) {
  switch (a.type()) {
    case Type::kBool:
      return a.values<uint8_t>()[static_cast<std::size_t>(row_a)] ==
             b.values<uint8_t>()[static_cast<std::size_t>(row_b)];
    case Type::kInt32:
    case Type::kDate:
      return a.values<int32_t>()[static_cast<std::size_t>(row_a)] ==
             b.values<int32_t>()[static_cast<std::size_t>(row_b)];
    case Type::kInt64:
    case Type::kTimestamp:
      return a.values<int64_t>()[static_cast<std::size_t>(row_a)] ==
             b.values<int64_t>()[static_cast<std::size_t>(row_b)];
    default:
      return a.text(row_a) == b.text(row_b);
  }
}

}  // namespace

KeyCodes make_key_codes(const std::vector<const Column*>& keys,
                        std::initializer_list<const Column*> times) {
  KeyCodes coded;
  const auto size = static_cast<std::size_t>((*times.begin())->size());
  for (const Column* column : times) {
    mark_nulls(*column, coded.skip);
  }
  for (const Column* column : keys) {
    mark_nulls(*column, coded.skip);
  }
  if (keys.size() == 1 && value_width(keys[0]->type()) == sizeof(Code64)) {
    const auto values = keys[0]->values<int64_t>();
    coded.codes = {reinterpret_cast<const Code64*>(values.data()), values.size()};
    return coded;
  }
  coded.owned.resize(size);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    Code64* codes = coded.owned.data();
    if (keys.size() == 1) {
      for_each_code(*keys[i], [=](std::size_t row, Code64 code) { codes[row] = code; });
    } else {
      for_each_code(*keys[i], [=](std::size_t row, Code64 code) {
        codes[row] = hash_mix(codes[row], scramble(code + i));
      });
    }
  }
  coded.codes = coded.owned;
  return coded;
}

CodeMeaning meaning_of_codes(const std::vector<const Column*>& keys) {
  if (keys.empty()) {
    return CodeMeaning::kKey;  // one entity, code 0
  }
  if (keys.size() > 1) {
    return CodeMeaning::kHash;
  }
  return is_text(keys[0]->type()) ? CodeMeaning::kKeyWhenShort : CodeMeaning::kKey;
}

bool equal_keys(const std::vector<const Column*>& a,
                int64_t row_a,
                const std::vector<const Column*>& b,
                int64_t row_b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!equal_values(*a[i], row_a, *b[i], row_b)) {
      return false;
    }
  }
  return true;
}

}  // namespace assay::data

#include "data/parquet_chunk.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "data/run_lengths.h"
#include "data/thrift_compact.h"
#include "data/value_dictionary.h"
#include "data/zstd_frames.h"

// A column chunk (https://github.com/apache/parquet-format), version 1 of its pages:
//
//   [dictionary page]  head, zstd(plain values)
//   data page ...      head, zstd(levels, values)
//
//   levels   uint32 size, run lengths of one bit a row: 1 where there is a value
//   values   plain, or: a byte that tells the width, run lengths of numbers in the dictionary
//
// A column is one data page, unless it is long texts. Values are read once into the words that the
// file has; everything after that goes over plain arrays.

namespace assay::data {
namespace {

// Numbers of the format.
constexpr int32_t kDataPage = 0;
constexpr int32_t kDictionaryPage = 2;
constexpr int32_t kPlain = 0;
constexpr int32_t kRunLengths = 3;
constexpr int32_t kDictionaryNumbers = 8;

constexpr std::size_t kTextPageBytes = std::size_t{4} << 20;
constexpr std::size_t kTextDictionaryBytes = std::size_t{1} << 20;
constexpr std::size_t kPageBytesMax = std::numeric_limits<int32_t>::max();

/// Values as the file has them, and those that differ among them.
template <typename Value>
struct Values {
  std::vector<Value> all;
  ValueDictionary<Value> dictionary;
};

template <typename Value>
std::size_t plain_bytes(std::span<const Value> values) {
  return values.size_bytes();
}
std::size_t plain_bytes(std::span<const std::string_view> texts) {
  std::size_t bytes = 0;
  for (const std::string_view text : texts) {
    bytes += sizeof(uint32_t) + text.size();
  }
  return bytes;
}

template <typename Value>
void append_plain(std::string& out, std::span<const Value> values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}
void append_plain(std::string& out, std::span<const std::string_view> texts) {
  for (const std::string_view text : texts) {
    const auto size = static_cast<uint32_t>(text.size());
    out.append(reinterpret_cast<const char*>(&size), sizeof size);
    out.append(text);
  }
}
void append_plain(std::string& out, std::span<const Int128> values) {
  for (const Int128 value : values) {
    out.append(big_endian(value));
  }
}

Scalar bound_of(const Type& type, int64_t value) {
  return type == Type::kDecimal ? Scalar{type, Int128{value}} : Scalar{type, value};
}
Scalar bound_of(const Type& type, Int128 value) {
  return {type, value};
}
Scalar bound_of(const Type& type, double value) {
  return {type, value};
}
/// Of a long text, whole letters of its beginning: more than any reader of the bound keeps, so it
/// is still seen to be cut.
Scalar bound_of(const Type& type, std::string_view value) {
  std::size_t size = std::min(value.size(), kParquetBoundBytes + 1);
  while (size < value.size() && size < kParquetBoundBytes + 4 &&
         (static_cast<unsigned char>(value[size]) & 0xC0) == 0x80) {
    ++size;
  }
  return {type, std::string(value.substr(0, size))};
}

/// The bounds of values that are no NaN.
template <typename Value, typename Read>
void find_bounds(const Type& type, std::span<const Value> values, Read read, ColumnBounds& bounds) {
  using Number = decltype(read(values[0]));
  if (values.empty()) {
    return;
  }
  if constexpr (std::is_floating_point_v<Number>) {
    // Several at a time: one after the other each comparison would wait for the one before.
    constexpr std::size_t kLanes = 8;
    std::array<Number, kLanes> mins;
    std::array<Number, kLanes> maxs;
    std::array<bool, kLanes> nans{};
    mins.fill(std::numeric_limits<Number>::infinity());
    maxs.fill(-std::numeric_limits<Number>::infinity());
    const auto take = [&](std::size_t lane, Number number) {
      nans[lane] |= number != number;
      mins[lane] = number < mins[lane] ? number : mins[lane];
      maxs[lane] = number > maxs[lane] ? number : maxs[lane];
    };
    std::size_t next = 0;
    for (; next + kLanes <= values.size(); next += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        take(lane, read(values[next + lane]));
      }
    }
    for (; next < values.size(); ++next) {
      take(0, read(values[next]));
    }
    const Number min = *std::min_element(mins.begin(), mins.end());
    const Number max = *std::max_element(maxs.begin(), maxs.end());
    const bool has_nan = std::any_of(nans.begin(), nans.end(), [](bool nan) { return nan; });
    bounds.has_nan = has_nan;
    if (min <= max) {
      bounds.min = bound_of(type, double{min});
      bounds.max = bound_of(type, double{max});
    }
  } else {
    Number min = read(values[0]);
    Number max = min;
    for (const Value value : values) {
      const Number number = read(value);
      min = number < min ? number : min;
      max = number > max ? number : max;
    }
    bounds.min = bound_of(type, min);
    bounds.max = bound_of(type, max);
  }
}

/// Of values of one type that has an order, neither null.
bool is_less(const Scalar& a, const Scalar& b) {
  return std::visit(
      [&](const auto& value) {
        using Held = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Held, std::monostate> || std::is_same_v<Held, NestedValue>) {
          return false;
        } else {
          return value < std::get<Held>(b.value);
        }
      },
      a.value);
}

/// The smaller, or the larger, of two bounds.
void take_bound(std::optional<Scalar>& bound, const std::optional<Scalar>& other, bool smaller) {
  if (other && (!bound || (smaller ? is_less(*other, *bound) : is_less(*bound, *other)))) {
    bound = other;
  }
}

}  // namespace

ParquetStorage parquet_storage_of(const Type& type) {
  switch (type) {
    case Type::kBool:
      return ParquetStorage::kBoolean;
    case Type::kInt8:
    case Type::kInt16:
    case Type::kInt32:
    case Type::kDate:
      return ParquetStorage::kInt32;
    case Type::kInt64:
    case Type::kTimestamp:
    case Type::kTimestampNtz:
      return ParquetStorage::kInt64;
    case Type::kFloat32:
      return ParquetStorage::kFloat;
    case Type::kFloat64:
      return ParquetStorage::kDouble;
    case Type::kString:
    case Type::kBytes:
      return ParquetStorage::kByteArray;
    case Type::kDecimal:
      return type.precision() <= 9    ? ParquetStorage::kInt32
             : type.precision() <= 18 ? ParquetStorage::kInt64
                                      : ParquetStorage::kFixed;
    case Type::kList:
    case Type::kArray:
    case Type::kStruct:
    case Type::kMap:
      break;
  }
  ASSAY_CHECK(false);
}

std::string big_endian(Int128 value) {
  std::string bytes(sizeof value, '\0');
  for (std::size_t i = bytes.size(); i-- > 0; value >>= 8) {
    bytes[i] = static_cast<char>(value);
  }
  return bytes;
}

void ColumnBounds::add(const ColumnBounds& other) {
  null_count += other.null_count;
  has_nan = has_nan || other.has_nan;
  take_bound(min, other.min, true);
  take_bound(max, other.max, false);
}

/// The pages of one column at a time, and the memory that they are made in.
class ParquetChunkWriter::Pages {
 public:
  Result<ParquetChunk> append(std::span<const Column* const> pieces, std::string& out) {
    ASSAY_CHECK(!pieces.empty());
    pieces_ = pieces;
    type_ = pieces.front()->type();
    out_ = &out;
    chunk_ = {};
    chunk_.begin = out.size();
    chunk_.first_data_page = out.size();
    read_levels();
    ASSAY_RETURN_IF_ERROR(append_pages());
    chunk_.end = out.size();
    return std::move(chunk_);
  }

 private:
  void read_levels() {
    rows_ = 0;
    levels_.clear();
    for (const Column* piece : pieces_) {
      rows_ += static_cast<std::size_t>(piece->size());
      chunk_.bounds.null_count += piece->null_count();
    }
    if (chunk_.bounds.null_count == 0) {
      return;
    }
    levels_.resize(rows_, 1);
    std::size_t begin = 0;
    for (const Column* piece : pieces_) {
      const auto rows = static_cast<std::size_t>(piece->size());
      const uint8_t* valid = piece->validity_buffer().data();
      for (std::size_t row = 0; piece->null_count() != 0 && row < rows; ++row) {
        levels_[begin + row] = valid[row >> 3] >> (row & 7) & 1U;
      }
      begin += rows;
    }
  }

  Status append_pages() {
    switch (type_) {
      case Type::kBool:
        return append_booleans();
      case Type::kInt8:
        return append_integers<int8_t, int32_t>(words_);
      case Type::kInt16:
        return append_integers<int16_t, int32_t>(words_);
      case Type::kInt32:
      case Type::kDate:
        return append_integers<int32_t, int32_t>(words_);
      case Type::kInt64:
      case Type::kTimestamp:
      case Type::kTimestampNtz:
        return append_integers<int64_t, int64_t>(long_words_);
      case Type::kFloat32:
        return append_reals<float>(words_);
      case Type::kFloat64:
        return append_reals<double>(long_words_);
      case Type::kDecimal:
        return append_decimals();
      default:
        return append_texts();
    }
  }

  /// Of the rows that have a value: what the column holds, as the file has it.
  template <typename Held, typename Value, typename Convert>
  std::span<const Value> read(std::vector<Value>& values, Convert convert) {
    if constexpr (sizeof(Held) == sizeof(Value) &&
                  (sizeof(Value) == sizeof(uint32_t) || sizeof(Value) == sizeof(uint64_t))) {
      if (pieces_.size() == 1 && levels_.empty()) {  // then converting keeps the bits
        const uint8_t* bytes = pieces_.front()->value_buffer().data();
        return {reinterpret_cast<const Value*>(bytes), rows_};
      }
    }
    if (values.size() < rows_) {
      values.resize(rows_);
    }
    Value* to = values.data();
    const uint8_t* level = levels_.data();
    for (const Column* piece : pieces_) {
      const std::span<const Held> held = piece->values<Held>();
      if (piece->null_count() == 0) {
        to = std::transform(held.begin(), held.end(), to, convert);
      } else {
        for (std::size_t row = 0; row < held.size(); ++row) {
          *to = convert(held[row]);
          to += level[row];
        }
      }
      level += levels_.empty() ? 0 : held.size();
    }
    return {values.data(), to};
  }

  template <typename Held, typename Signed, typename Value>
  Status append_integers(Values<Value>& values) {
    return append_values(
        read<Held>(values.all, [](Held held) { return static_cast<Value>(Signed{held}); }),
        values.dictionary,
        [](Value value) { return int64_t{static_cast<Signed>(value)}; });
  }

  template <typename Real, typename Value>
  Status append_reals(Values<Value>& values) {
    return append_values(
        read<Real>(values.all, [](Real held) { return std::bit_cast<Value>(held); }),
        values.dictionary,
        [](Value value) { return std::bit_cast<Real>(value); });
  }

  template <typename Signed, typename Value>
  Status append_narrow_decimals(Values<Value>& values) {
    return append_values(
        read<Int128>(values.all, [](Int128 held) { return static_cast<Value>(held); }),
        values.dictionary,
        [](Value value) { return int64_t{static_cast<Signed>(value)}; });
  }

  Status append_decimals() {
    switch (parquet_storage_of(type_)) {
      case ParquetStorage::kInt32:
        return append_narrow_decimals<int32_t>(words_);
      case ParquetStorage::kInt64:
        return append_narrow_decimals<int64_t>(long_words_);
      default:
        return append_values(read<Int128>(wide_.all, [](Int128 held) { return held; }),
                             wide_.dictionary,
                             [](Int128 value) { return value; });
    }
  }

  Status append_texts() {
    texts_.all.clear();
    texts_.all.reserve(rows_);
    for (const Column* piece : pieces_) {
      for (int64_t row = 0; row < piece->size(); ++row) {
        if (piece->is_valid(row)) {
          texts_.all.push_back(piece->text(row));
        }
      }
    }
    return append_values(std::span<const std::string_view>(texts_.all),
                         texts_.dictionary,
                         [](std::string_view text) { return text; });
  }

  Status append_booleans() {
    const std::span<const uint8_t> values =
        read<uint8_t>(bytes_, [](uint8_t held) { return static_cast<uint8_t>(held != 0); });
    if (!values.empty()) {
      const auto [min, max] = std::minmax_element(values.begin(), values.end());
      chunk_.bounds.min = Scalar::boolean(*min != 0);
      chunk_.bounds.max = Scalar::boolean(*max != 0);
    }
    begin_page(0, rows_);
    run_lengths::append_packed(raw_, values, 1);
    return append_data_page(rows_, kPlain);
  }

  /// By a dictionary where that takes fewer bytes.
  template <typename Value, typename Read>
  Status append_values(std::span<const Value> values,
                       ValueDictionary<Value>& dictionary,
                       Read read) {
    if (!values.empty() && dictionary.number(values, values.size() / 4 + 1, numbers_)) {
      const std::span<const Value> entries = dictionary.entries();
      const int width = std::max(1, static_cast<int>(std::bit_width(entries.size() - 1)));
      const std::size_t bytes =
          plain_bytes(entries) + values.size() * static_cast<std::size_t>(width) / 8;
      const bool fits =
          !std::is_same_v<Value, std::string_view> || plain_bytes(entries) <= kTextDictionaryBytes;
      if (fits && bytes < plain_bytes(values)) {
        find_bounds(type_, entries, read, chunk_.bounds);
        return append_by_dictionary(entries, values.size(), width);
      }
    }
    find_bounds(type_, values, read, chunk_.bounds);
    return append_plain_pages(values);
  }

  template <typename Value>
  Status append_by_dictionary(std::span<const Value> entries, std::size_t values, int width) {
    raw_.clear();
    append_plain(raw_, entries);
    ASSAY_RETURN_IF_ERROR(append_dictionary_page(entries.size()));
    begin_page(0, rows_);
    raw_.push_back(static_cast<char>(width));
    append_run_lengths(raw_, std::span<const uint32_t>(numbers_.data(), values), width);
    return append_data_page(rows_, kDictionaryNumbers);
  }

  template <typename Value>
  Status append_plain_pages(std::span<const Value> values) {
    begin_page(0, rows_);
    append_plain(raw_, values);
    return append_data_page(rows_, kPlain);
  }

  Status append_plain_pages(std::span<const std::string_view> texts) {
    for (std::size_t row = 0; row < rows_;) {
      const std::size_t first_row = row;
      std::size_t bytes = 0;
      std::size_t count = 0;
      for (; row < rows_ && bytes < kTextPageBytes; ++row) {
        if (levels_.empty() || levels_[row] != 0) {
          bytes += sizeof(uint32_t) + texts[count++].size();
        }
      }
      begin_page(first_row, row);
      append_plain(raw_, texts.first(count));
      texts = texts.subspan(count);
      ASSAY_RETURN_IF_ERROR(append_data_page(row - first_row, kPlain));
    }
    return {};
  }

  /// Put the levels of these rows into raw_.
  void begin_page(std::size_t first_row, std::size_t end_row) {
    raw_.assign(sizeof(uint32_t), '\0');
    if (levels_.empty()) {
      append_varint(raw_, (end_row - first_row) << 1);
      raw_.push_back(1);
    } else {
      append_run_lengths(
          raw_, std::span<const uint8_t>(levels_).subspan(first_row, end_row - first_row), 1);
    }
    const auto size = static_cast<uint32_t>(raw_.size() - sizeof(uint32_t));
    std::memcpy(raw_.data(), &size, sizeof size);
  }

  Status append_data_page(std::size_t rows, int32_t encoding) {
    ++chunk_.data_pages;
    // Much of a real number is noise, on which effort is lost.
    const bool is_real = type_ == Type::kFloat64 && encoding == kPlain;
    const ZstdEffort effort = is_real ? ZstdEffort::kLittle : ZstdEffort::kSome;
    return append_page(kDataPage, effort, [&](ThriftWriter& head) {
      head.begin_struct(5);
      head.i32(1, static_cast<int32_t>(rows));
      head.i32(2, encoding);
      head.i32(3, kRunLengths);
      head.i32(4, kRunLengths);
      head.end_struct();
    });
  }

  Status append_dictionary_page(std::size_t entries) {
    ASSAY_RETURN_IF_ERROR(append_page(kDictionaryPage, ZstdEffort::kSome, [&](ThriftWriter& head) {
      head.begin_struct(7);
      head.i32(1, static_cast<int32_t>(entries));
      head.i32(2, kPlain);
      head.end_struct();
    }));
    chunk_.first_data_page = out_->size();
    return {};
  }

  /// What is in raw_.
  template <typename AddHead>
  Status append_page(int32_t kind, ZstdEffort effort, AddHead add_head) {
    frame_.clear();
    if (raw_.size() <= kPageBytesMax) {
      ASSAY_RETURN_IF_ERROR(compressor_.append(raw_, frame_, effort));
    }
    if (std::max(raw_.size(), frame_.size()) > kPageBytesMax) {
      return {Code::kResourceExhausted, "a text is too long for a page of a Parquet file"};
    }
    const std::size_t begin = out_->size();
    ThriftWriter head(*out_);
    head.i32(1, kind);
    head.i32(2, static_cast<int32_t>(raw_.size()));
    head.i32(3, static_cast<int32_t>(frame_.size()));
    add_head(head);
    head.end_struct();
    chunk_.raw_bytes += out_->size() - begin + raw_.size();
    out_->append(frame_);
    return {};
  }

  std::span<const Column* const> pieces_;
  Type type_;
  std::string* out_ = nullptr;
  ParquetChunk chunk_;
  std::size_t rows_ = 0;
  std::vector<uint8_t> levels_;  // of all rows: 1 where there is a value; empty without nulls
  std::vector<uint8_t> bytes_;
  Values<uint32_t> words_;
  Values<uint64_t> long_words_;
  Values<Int128> wide_;
  Values<std::string_view> texts_;
  std::vector<uint32_t> numbers_;
  ZstdCompressor compressor_;
  std::string raw_;
  std::string frame_;
};

ParquetChunkWriter::ParquetChunkWriter() : pages_(std::make_unique<Pages>()) {}
ParquetChunkWriter::~ParquetChunkWriter() = default;
ParquetChunkWriter::ParquetChunkWriter(ParquetChunkWriter&&) noexcept = default;
ParquetChunkWriter& ParquetChunkWriter::operator=(ParquetChunkWriter&&) noexcept = default;

Result<ParquetChunk> ParquetChunkWriter::append(std::span<const Column* const> pieces,
                                                std::string& out) {
  return pages_->append(pieces, out);
}

}  // namespace assay::data

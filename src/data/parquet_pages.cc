#include "data/parquet_pages.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "data/parquet_chunk.h"
#include "data/parquet_plain.h"
#include "data/run_lengths.h"
#include "data/thrift_reader.h"
#include "data/utf8.h"
#include "data/zstd_frames.h"

// The reverse of parquet_chunk.cc and parquet_file.cc. The footer's schema is not parsed: its
// readers compare it with what we would have written. Everything else may be damaged or made to do
// harm: each number is held against what it counts, rows are counted three times (the file's, each
// row group's, each column's) and nulls twice, columns lie end to end as we lay them, a page holds
// nothing but what it says, and everything that a file unpacks to is taken out of one budget before
// there is memory for it.

namespace assay::data {
namespace {

constexpr int64_t kZstd = 6;
constexpr int64_t kDataPage = 0;
constexpr int64_t kDictionaryPage = 2;
constexpr int64_t kPlain = 0;
constexpr int64_t kRunLengths = 3;
constexpr int64_t kDictionaryNumbers = 8;
constexpr int64_t kRowsMax = kParquetRowsMax;  // of a page
constexpr std::size_t kKeptBytes = std::size_t{1} << 20;

struct PageHead {
  int64_t kind = -1;
  int64_t raw_bytes = -1;
  int64_t bytes = -1;
  int struct_id = 0;  // of what follows: 5 in a data page, 7 in a dictionary
  int64_t values = -1;
  int64_t encoding = -1;
  int64_t level_encoding = -1;
};

/// Of a column's statistics.
int64_t read_null_count(ThriftReader& reader) {
  int64_t count = -1;
  if (reader.enter_struct()) {
    while (reader.next_field()) {
      if (reader.id() == 3) {
        count = reader.i64();
      } else {
        reader.skip();
      }
    }
  }
  return count;
}

ParquetChunkPlace read_chunk_meta(ThriftReader& reader) {
  ParquetChunkPlace place;
  while (reader.next_field()) {
    switch (reader.id()) {
      case 4:
        place.codec = reader.i64();
        break;
      case 5:
        place.rows = reader.i64();
        break;
      case 6:
        place.raw_bytes = reader.i64();
        break;
      case 7:
        place.bytes = reader.i64();
        break;
      case 9:
        place.data_page = reader.i64();
        break;
      case 11:
        place.dictionary_page = reader.i64();
        break;
      case 12:
        place.null_count = read_null_count(reader);
        break;
      default:
        reader.skip();
    }
  }
  return place;
}

/// Its fields say where the metadata stand (2) and what they are (3), nothing else.
bool read_chunk(ThriftReader& reader, ParquetChunkPlace& place) {
  int metas = 0;
  reader.begin_struct();
  while (reader.next_field()) {
    if (reader.id() == 3 && reader.enter_struct()) {
      place = read_chunk_meta(reader);
      ++metas;
    } else if (reader.id() == 2) {
      reader.skip();
    } else {
      return false;
    }
  }
  return metas == 1;
}

bool read_group(ThriftReader& reader, std::size_t columns, ParquetGroupPlace& group) {
  bool good = true;
  reader.begin_struct();
  while (reader.next_field()) {
    if (reader.id() == 3) {
      group.rows = reader.i64();
    } else if (reader.id() != 1) {
      reader.skip();
    } else {
      good = good && group.chunks.empty() && reader.enter_structs() == columns;
      for (std::size_t i = 0; i < columns && good && reader.ok(); ++i) {
        good = read_chunk(reader, group.chunks.emplace_back());
      }
    }
    if (!good) {
      return false;
    }
  }
  return group.chunks.size() == columns && group.rows > 0;
}

/// How many bytes the head takes; 0 when it is damaged, or has what we do not write.
std::size_t read_page_head(std::string_view bytes, PageHead& head) {
  ThriftReader reader(bytes);
  reader.begin_struct();
  while (reader.next_field()) {
    const int id = reader.id();
    if (id <= 3) {
      (id == 1 ? head.kind : id == 2 ? head.raw_bytes : head.bytes) = reader.i64();
    } else if ((id == 5 || id == 7) && reader.enter_struct()) {
      head.struct_id = id;
      while (reader.next_field()) {
        const int member = reader.id();
        if (member > 4) {
          return 0;
        }
        const int64_t value = reader.i64();
        (member == 1 ? head.values : member == 2 ? head.encoding : head.level_encoding) = value;
      }
    } else {
      return 0;
    }
  }
  return reader.ok() ? reader.offset() : 0;
}

/// A page's values, and those of the dictionary before it.
template <typename Value>
struct StoredValues {
  std::vector<Value> page;
  std::vector<Value> dictionary;
};

}  // namespace

std::optional<std::vector<ParquetGroupPlace>> read_parquet_footer(std::string_view footer,
                                                                  std::size_t columns,
                                                                  std::size_t chunks_max,
                                                                  int64_t rows_max) {
  std::vector<ParquetGroupPlace> groups;
  int64_t rows = -1;
  int64_t rows_left = rows_max;
  bool has_groups = false;
  ThriftReader reader(footer);
  reader.begin_struct();
  while (reader.next_field()) {
    if (reader.id() == 3) {
      rows = reader.i64();
    } else if (reader.id() > 7 || (reader.id() == 4 && std::exchange(has_groups, true))) {
      return std::nullopt;
    } else if (reader.id() != 4) {
      reader.skip();
    } else {
      const std::size_t count = reader.enter_structs();
      if (count > chunks_max / columns) {
        return std::nullopt;
      }
      for (std::size_t i = 0; i < count && reader.ok(); ++i) {
        if (!read_group(reader, columns, groups.emplace_back()) || groups.back().rows > rows_left) {
          return std::nullopt;
        }
        rows_left -= groups.back().rows;
      }
    }
  }
  const bool is_whole = reader.ok() && reader.offset() == footer.size() && has_groups;
  return is_whole && rows == rows_max - rows_left ? std::optional(std::move(groups)) : std::nullopt;
}

class ParquetPages::Impl {
 public:
  void begin_file(std::size_t bytes_max) {
    bytes_left_ = bytes_max;
    ran_out_ = false;
  }
  /// Was it too large? What such a file needed, a small one does not.
  bool end_file(std::size_t bytes_max) {
    const bool ran_out = ran_out_;
    if (bytes_max - bytes_left_ > kKeptBytes) {
      *this = Impl();
    }
    return ran_out;
  }

  bool read(std::string_view& rest,
            int64_t begin,
            const ParquetChunkPlace& place,
            int64_t rows,
            ColumnBuilder& out) {
    has_dictionary_ = place.dictionary_page >= 0;
    first_data_page_ = place.data_page - begin;
    if (place.codec != kZstd || place.rows != rows || place.begin() != begin || place.bytes < 0 ||
        place.bytes > std::ssize(rest)) {
      return false;
    }
    rest_ = rest.substr(0, static_cast<std::size_t>(place.bytes));
    rest.remove_prefix(rest_.size());
    rows_left_ = static_cast<std::size_t>(rows);
    nulls_left_ = place.null_count;
    is_string_ = out.type() == Type::kString;
    // What the column holds, and the levels and numbers of a page.
    const auto width = static_cast<std::size_t>(value_width(out.type()));
    if (!take(rows_left_ * (width + sizeof(uint8_t) + sizeof(uint32_t)))) {
      return false;
    }
    out.reserve(rows);
    return read_typed(out) && rest_.empty() && rows_left_ == 0 && nulls_left_ == 0;
  }

 private:
  bool take(std::size_t bytes) {
    const bool has_room = bytes <= bytes_left_;
    ran_out_ = ran_out_ || !has_room;
    bytes_left_ -= has_room ? bytes : 0;
    return has_room;
  }

  bool read_typed(ColumnBuilder& out) {
    const Type& type = out.type();
    switch (type) {
      case Type::kBool:
        return read_booleans(out);
      case Type::kInt8:
        return read_numbers<int8_t>(words_, out, [](uint32_t v) { return static_cast<int8_t>(v); });
      case Type::kInt16:
        return read_numbers<int16_t>(
            words_, out, [](uint32_t v) { return static_cast<int16_t>(v); });
      case Type::kInt32:
      case Type::kDate:
        return read_numbers<int32_t>(
            words_, out, [](uint32_t v) { return static_cast<int32_t>(v); });
      case Type::kInt64:
      case Type::kTimestamp:
      case Type::kTimestampNtz:
        return read_numbers<int64_t>(
            long_words_, out, [](uint64_t v) { return static_cast<int64_t>(v); });
      case Type::kFloat32:
        return read_numbers<float>(words_, out, [](uint32_t v) { return std::bit_cast<float>(v); });
      case Type::kFloat64:
        return read_numbers<double>(
            long_words_, out, [](uint64_t v) { return std::bit_cast<double>(v); });
      case Type::kString:
      case Type::kBytes:
        return read_texts(out);
      case Type::kDecimal:
        return read_decimals(out);
      default:
        return false;
    }
  }

  bool read_decimals(ColumnBuilder& out) {
    switch (parquet_storage_of(out.type())) {
      case ParquetStorage::kInt32:
        return read_numbers<Int128>(
            words_, out, [](uint32_t v) { return Int128{static_cast<int32_t>(v)}; });
      case ParquetStorage::kInt64:
        return read_numbers<Int128>(
            long_words_, out, [](uint64_t v) { return Int128{static_cast<int64_t>(v)}; });
      default:
        return read_numbers<Int128>(wide_, out, [](Int128 v) { return v; });
    }
  }

  template <typename Held, typename Value, typename Convert>
  bool read_numbers(StoredValues<Value>& values, ColumnBuilder& out, Convert convert) {
    return read_values(
        values,
        [&](std::string_view bytes, std::size_t count) {
          return append_as_they_are<Held, Value>(bytes, count, out);
        },
        [&](std::span<const Value> page) { return append_rows<Held>(page, convert, out); });
  }

  /// Plain values without nulls, whose bytes are what the column has. False: it is not so.
  template <typename Held, typename Value>
  bool append_as_they_are(std::string_view bytes, std::size_t count, ColumnBuilder& out) {
    if constexpr (sizeof(Held) == sizeof(Value) && sizeof(Value) <= sizeof(uint64_t)) {
      if (count == nulls_.size() && bytes.size() == count * sizeof(Value)) {
        out.append_block(reinterpret_cast<const Held*>(bytes.data()), static_cast<int64_t>(count));
        return true;
      }
    }
    return false;
  }

  /// False when a value is none of the type, which has fewer bytes than are stored.
  template <typename Held, typename Value, typename Convert>
  bool append_rows(std::span<const Value> page, Convert convert, ColumnBuilder& out) {
    if constexpr (sizeof(Held) == sizeof(Value)) {  // then converting keeps the bits
      if (page.size() == nulls_.size()) {
        out.append_block(reinterpret_cast<const Held*>(page.data()), std::ssize(page));
        return true;
      }
    }
    std::vector<Held> held(nulls_.size());
    std::size_t next = 0;
    bool fit = true;
    for (std::size_t row = 0; row < held.size(); ++row) {
      if (nulls_[row] != 0) {
        continue;
      }
      held[row] = convert(page[next]);
      if constexpr (sizeof(Held) < sizeof(Value)) {
        fit = fit && static_cast<Value>(held[row]) == page[next];
      }
      ++next;
    }
    out.append_block(held.data(), nulls_.data(), static_cast<int64_t>(held.size()));
    return fit;
  }

  bool read_texts(ColumnBuilder& out) {
    return read_values(
        texts_,
        [](std::string_view, std::size_t) { return false; },
        [&](std::span<const std::string_view> page) {
          std::size_t next = 0;
          for (const uint8_t is_null : nulls_) {
            if (is_null != 0) {
              out.append_null();
              continue;
            }
            const std::string_view text = page[next++];
            if (!take(text.size())) {  // a dictionary's texts may stand for many times as many
              return false;
            }
            out.append_text(text);
          }
          return true;
        });
  }

  bool read_booleans(ColumnBuilder& out) {
    return !has_dictionary_ &&
           read_pages([&](const PageHead& head, std::string_view bytes, std::size_t count) {
             if (head.encoding != kPlain || bytes.size() != (count + 7) / 8) {
               return false;
             }
             bits_.resize(count);
             run_lengths::read_packed(bytes, std::span(bits_), 1);
             return append_rows<uint8_t>(
                 std::span<const uint8_t>(bits_), [](uint8_t bit) { return bit; }, out);
           });
  }

  /// Hand over the values of each data page, of which nulls_ says the rows: the bytes of a plain
  /// one to `append_plain`; what that does not take, value by value to `append`.
  template <typename Value, typename AppendPlain, typename Append>
  bool read_values(StoredValues<Value>& values, AppendPlain append_plain, Append append) {
    values.dictionary.clear();
    if (has_dictionary_ && !read_dictionary(values.dictionary)) {
      return false;
    }
    return read_pages([&](const PageHead& head, std::string_view bytes, std::size_t count) {
      if (head.encoding == kPlain && append_plain(bytes, count)) {
        return true;
      }
      const bool good =
          head.encoding == kPlain
              ? take(count * sizeof(Value)) && read_plain(bytes, count, values.page) &&
                    are_texts(values.page)
              : head.encoding == kDictionaryNumbers && read_by_dictionary(values, bytes, count);
      return good && append(std::span<const Value>(values.page));
    });
  }

  /// Other readers refuse a file with a string that is no UTF-8.
  template <typename Value>
  [[nodiscard]] bool are_texts(const std::vector<Value>& values) const {
    if constexpr (std::is_same_v<Value, std::string_view>) {
      return !is_string_ || std::all_of(values.begin(), values.end(), is_utf8);
    }
    return true;
  }

  /// The first page; its bytes stay, for the texts in it.
  template <typename Value>
  bool read_dictionary(std::vector<Value>& entries) {
    const std::size_t bytes = rest_.size();
    PageHead head;
    if (!read_page(head) || head.kind != kDictionaryPage || head.struct_id != 7 ||
        head.encoding != kPlain || static_cast<int64_t>(bytes - rest_.size()) != first_data_page_) {
      return false;
    }
    dictionary_.swap(raw_);
    const auto count = static_cast<std::size_t>(head.values);
    return take(count * sizeof(Value)) && read_plain(dictionary_, count, entries) &&
           are_texts(entries);
  }

  template <typename Value>
  bool read_by_dictionary(StoredValues<Value>& values, std::string_view bytes, std::size_t count) {
    const int width = bytes.empty() ? 0 : static_cast<unsigned char>(bytes.front());
    if (width < 1 || width > 32 || !take(count * sizeof(Value))) {
      return false;
    }
    numbers_.resize(count);
    values.page.resize(count);
    if (!read_run_lengths(bytes.substr(1), width, std::span(numbers_))) {
      return false;
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (numbers_[i] >= values.dictionary.size()) {
        return false;
      }
      values.page[i] = values.dictionary[numbers_[i]];
    }
    return true;
  }

  /// Unpack the next page into raw_.
  bool read_page(PageHead& head) {
    const std::size_t head_bytes = read_page_head(rest_, head);
    const std::size_t left = rest_.size() - head_bytes;
    if (head_bytes == 0 || head.bytes < 0 || head.bytes > static_cast<int64_t>(left) ||
        head.raw_bytes < 0 || head.values < 0 || head.values > kRowsMax ||
        !take(static_cast<std::size_t>(head.raw_bytes)) ||
        !frames_.read(rest_.substr(head_bytes, static_cast<std::size_t>(head.bytes)),
                      static_cast<std::size_t>(head.raw_bytes),
                      raw_)) {
      return false;
    }
    rest_.remove_prefix(head_bytes + static_cast<std::size_t>(head.bytes));
    return true;
  }

  /// Fill nulls_ and hand over each data page: its head, its bytes behind the levels, and how many
  /// values are in them.
  template <typename ReadPage>
  bool read_pages(ReadPage read_data) {
    while (!rest_.empty()) {
      PageHead head;
      if (!read_page(head) || head.kind != kDataPage || head.struct_id != 5 ||
          head.level_encoding != kRunLengths) {
        return false;
      }
      std::string_view bytes = raw_;
      std::size_t count = 0;
      if (!read_levels(static_cast<std::size_t>(head.values), bytes, count) ||
          !read_data(head, bytes, count)) {
        return false;
      }
    }
    return true;
  }

  /// Of a page of so many rows: how many have a value.
  bool read_levels(std::size_t rows, std::string_view& bytes, std::size_t& count) {
    uint32_t size = 0;
    if (bytes.size() < sizeof size || rows > rows_left_) {
      return false;
    }
    rows_left_ -= rows;
    std::memcpy(&size, bytes.data(), sizeof size);
    bytes.remove_prefix(sizeof size);
    nulls_.resize(rows);
    if (size > bytes.size() ||
        !read_run_lengths(bytes.substr(0, size), 1, std::span<uint8_t>(nulls_))) {
      return false;
    }
    bytes.remove_prefix(size);
    for (uint8_t& level : nulls_) {
      count += level;
      level ^= 1U;
    }
    nulls_left_ -= static_cast<int64_t>(rows - count);
    return true;
  }

  std::string_view rest_;  // of the column's bytes
  std::size_t rows_left_ = 0;
  std::size_t bytes_left_ = 0;
  bool ran_out_ = false;
  int64_t nulls_left_ = 0;
  int64_t first_data_page_ = 0;  // in the column's bytes
  bool has_dictionary_ = false;
  bool is_string_ = false;
  ZstdDecompressor frames_;
  std::string raw_;
  std::string dictionary_;
  std::vector<uint8_t> nulls_;  // of a page's rows: 1 where there is no value
  std::vector<uint8_t> bits_;
  std::vector<uint32_t> numbers_;
  StoredValues<uint32_t> words_;
  StoredValues<uint64_t> long_words_;
  StoredValues<Int128> wide_;
  StoredValues<std::string_view> texts_;
};

ParquetPages::ParquetPages() : impl_(std::make_unique<Impl>()) {}
ParquetPages::~ParquetPages() = default;
ParquetPages::ParquetPages(ParquetPages&&) noexcept = default;

void ParquetPages::begin_file(std::size_t bytes_max) {
  impl_->begin_file(bytes_max);
}

bool ParquetPages::end_file(std::size_t bytes_max) {
  return impl_->end_file(bytes_max);
}

bool ParquetPages::read(std::string_view& rest,
                        int64_t begin,
                        const ParquetChunkPlace& place,
                        int64_t rows,
                        ColumnBuilder& out) {
  return impl_->read(rest, begin, place, rows, out);
}

}  // namespace assay::data

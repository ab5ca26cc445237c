#include "data/gather.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "data/partition.h"

// Taking n rows of c columns one value at a time misses the cache n * c times. Here rows cross
// memory twice, in order, instead:
//   1. The pairs (row, place in the result) are scattered by blocks of rows.
//   2. Block after block, each pair's values are read (the block's columns are in the cache) and
//      put side by side into a record, scattered by blocks of the result.
//   3. Block after block of the result, records are dealt out to its columns.
// One thread takes rows that come in order anyway column by column.
// A chunk of the result at a time: the records' memory is used again, and stays in the cache.

namespace assay::data {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{256} << 10;
constexpr std::size_t kBlocksMax = 8'192;
constexpr std::size_t kChunk = std::size_t{1} << 20;  // places of the result
/// Fewer values than this are taken one by one.
constexpr std::size_t kFewValues = 200'000;
constexpr std::size_t kColumnsMax = 64;  // one bit each in a record's mask

struct Pair {
  uint32_t row;
  uint32_t place;
};

/// Rows in a block of columns that are `width` bytes wide, as a power of two; a multiple of 64.
int block_bits(std::size_t width, std::size_t size) {
  int bits = std::max(6, static_cast<int>(std::bit_width(kBlockBytes / width)) - 1);
  while ((size >> bits) >= kBlocksMax) {
    ++bits;
  }
  return bits;
}

class Gather {
 public:
  Gather(std::vector<const Column*> columns, std::span<const int64_t> rows, int threads)
      : columns_(std::move(columns)), all_rows_(rows), threads_(threads) {
    for (const Column* column : columns_) {
      width_ += static_cast<std::size_t>(value_width(column->type()));
    }
    stride_ = (2 + columns_.size()) * sizeof(uint64_t);
    source_rows_ = static_cast<std::size_t>(columns_.front()->size());
  }

  std::vector<ColumnPtr> run() {
    const int row_bits = block_bits(width_, source_rows_);
    place_bits_ = block_bits(width_, std::min(kChunk, all_rows_.size()));
    for (const Column* column : columns_) {
      builders_.emplace_back(column->type());
      builders_.back().reserve(static_cast<int64_t>(all_rows_.size()));
    }
    Records<Pair> used;
    for (std::size_t begin = 0; begin < all_rows_.size(); begin += kChunk) {
      rows_ = all_rows_.subspan(begin, std::min(kChunk, all_rows_.size() - begin));
      Parts<Pair> pairs = partition<Pair>(
          rows_.size(),
          (source_rows_ >> row_bits) + 1,
          threads_,
          [&](std::size_t place) {
            return rows_[place] < 0 ? kNoPart : static_cast<std::size_t>(rows_[place]) >> row_bits;
          },
          [&](std::size_t place) {
            return Pair{static_cast<uint32_t>(rows_[place]), static_cast<uint32_t>(place)};
          },
          std::move(used));
      read_records(pairs);
      deal_records();
      used = std::move(pairs.records);
    }
    std::vector<ColumnPtr> result;
    for (ColumnBuilder& builder : builders_) {
      result.push_back(builder.finish());
    }
    return result;
  }

 private:
  // A record: place, mask of valid columns, one word per column.
  [[nodiscard]] uint64_t* record(std::size_t number) {
    return records_.data() + number * (stride_ / sizeof(uint64_t));
  }

  void read_records(Parts<Pair>& pairs) {
    const std::size_t count = pairs.begins.back();
    const std::size_t blocks = (rows_.size() >> place_bits_) + 1;
    const Pair* pair = pairs.records.data();
    std::vector<std::vector<std::size_t>> positions(static_cast<std::size_t>(threads_),
                                                    std::vector<std::size_t>(blocks));
    on_threads(threads_, [&](int thread) {
      const IndexRange range = share_of(count, thread, threads_);
      std::vector<std::size_t>& counts = positions[static_cast<std::size_t>(thread)];
      for (std::size_t i = range.begin; i < range.end; ++i) {
        ++counts[pair[i].place >> place_bits_];
      }
    });
    begins_.resize(blocks + 1);
    std::size_t next = 0;
    for (std::size_t block = 0; block < blocks; ++block) {
      begins_[block] = next;
      for (std::vector<std::size_t>& of_thread : positions) {
        next += std::exchange(of_thread[block], next);
      }
    }
    begins_[blocks] = next;
    const std::size_t words = rows_.size() * (stride_ / sizeof(uint64_t));
    if (records_.size() < words) {
      records_ = Records<uint64_t>(words);
    }
    on_threads(threads_, [&](int thread) {
      const IndexRange range = share_of(count, thread, threads_);
      std::vector<std::size_t>& position = positions[static_cast<std::size_t>(thread)];
      // Some pairs at a time, column by column: the type is decided once for all of them.
      constexpr std::size_t kAtOnce = 256;
      std::vector<uint64_t*> into(kAtOnce);
      for (std::size_t begin = range.begin; begin < range.end; begin += kAtOnce) {
        const std::span<const Pair> some{pair + begin, std::min(kAtOnce, range.end - begin)};
        for (std::size_t i = 0; i < some.size(); ++i) {
          into[i] = record(position[some[i].place >> place_bits_]++);
          into[i][0] = some[i].place;
          into[i][1] = ~uint64_t{0};
        }
        for (std::size_t column = 0; column < columns_.size(); ++column) {
          read_column(column, some, into.data());
        }
      }
    });
  }

  void read_column(std::size_t number, std::span<const Pair> pairs, uint64_t* const* into) const {
    const Column& column = *columns_[number];
    const uint8_t* values = column.value_buffer().data();
    const auto copy = [&](auto width) {
      for (std::size_t i = 0; i < pairs.size(); ++i) {
        uint64_t word = 0;
        std::memcpy(&word, values + std::size_t{pairs[i].row} * width, width);
        into[i][2 + number] = word;
      }
    };
    switch (value_width(column.type())) {
      case 8:
        copy(std::integral_constant<std::size_t, 8>{});
        break;
      case 4:
        copy(std::integral_constant<std::size_t, 4>{});
        break;
      case 2:
        copy(std::integral_constant<std::size_t, 2>{});
        break;
      default:
        copy(std::integral_constant<std::size_t, 1>{});
    }
    if (column.null_count() != 0) {
      for (std::size_t i = 0; i < pairs.size(); ++i) {
        into[i][1] &= ~(uint64_t{column.is_null(pairs[i].row)} << number);
      }
    }
  }

  /// Each thread makes some of the columns, block after block.
  void deal_records() {
    on_threads(threads_, [&](int thread) {
      const IndexRange mine = share_of(columns_.size(), thread, threads_);
      std::vector<uint64_t> values(std::size_t{1} << place_bits_);
      std::vector<uint8_t> is_null(values.size());
      for (std::size_t block = 0; block + 1 < begins_.size(); ++block) {
        for (std::size_t i = mine.begin; i < mine.end; ++i) {
          deal_block(block, i, values, is_null, builders_[i]);
        }
      }
    });
  }

  /// Append one block of the result to one of its columns.
  void deal_block(std::size_t block,
                  std::size_t number,
                  std::vector<uint64_t>& values,
                  std::vector<uint8_t>& is_null,
                  ColumnBuilder& out) {
    const std::size_t begin = block << place_bits_;
    const std::size_t size = std::min(rows_.size(), begin + values.size()) - begin;
    const std::size_t records = begins_[block + 1] - begins_[block];
    if (records != size) {
      std::fill_n(values.begin(), size, 0);
    }
    std::fill_n(is_null.begin(), size, uint8_t{1});
    const auto deal = [&](auto sample) {
      using Value = decltype(sample);
      auto* into = reinterpret_cast<Value*>(values.data());
      uint64_t all_valid = 1;
      for (std::size_t i = begins_[block]; i < begins_[block + 1]; ++i) {
        const uint64_t* from = record(i);
        const std::size_t place = from[0] - begin;
        const uint64_t is_valid = (from[1] >> number) & 1;
        std::memcpy(into + place, &from[2 + number], sizeof(Value));
        is_null[place] = static_cast<uint8_t>(1 - is_valid);
        all_valid &= is_valid;
      }
      if (records == size && all_valid != 0) {
        out.append_block(into, static_cast<int64_t>(size));
      } else {
        out.append_block(into, is_null.data(), static_cast<int64_t>(size));
      }
    };
    switch (value_width(columns_[number]->type())) {
      case 8:
        deal(int64_t{});
        break;
      case 4:
        deal(int32_t{});
        break;
      case 2:
        deal(int16_t{});
        break;
      default:
        deal(uint8_t{});
    }
  }

  std::vector<const Column*> columns_;
  std::span<const int64_t> all_rows_;
  std::span<const int64_t> rows_;  // of this chunk
  int threads_;
  std::size_t width_ = 0;
  std::size_t stride_ = 0;
  std::size_t source_rows_ = 0;
  int place_bits_ = 0;
  std::vector<ColumnBuilder> builders_;
  std::vector<std::size_t> begins_;  // of each block of the chunk, in records
  Records<uint64_t> records_;
};

/// Do the rows come in their order, some of them left out? Then nothing is far from the next one.
bool ascend(std::span<const int64_t> rows) {
  int64_t last = -1;
  for (const int64_t row : rows) {
    if (row >= 0 && row < last) {
      return false;
    }
    last = std::max(last, row);
  }
  return true;
}

}  // namespace

std::vector<ColumnPtr> take_columns(std::span<const Column* const> columns,
                                    std::span<const int64_t> rows,
                                    int threads) {
  std::vector<ColumnPtr> result(columns.size());
  if (threads <= 1 && ascend(rows)) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      result[i] = take(*columns[i], rows);
    }
    return result;
  }
  std::vector<std::size_t> together;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const int width = value_width(columns[i]->type());
    if (width != 0 && width <= static_cast<int>(sizeof(uint64_t)) &&
        rows.size() <= std::numeric_limits<uint32_t>::max() &&
        columns[i]->size() <= std::numeric_limits<uint32_t>::max()) {
      together.push_back(i);
    } else {
      result[i] = take(*columns[i], rows);
    }
  }
  for (std::size_t begin = 0; begin < together.size(); begin += kColumnsMax) {
    const std::size_t end = std::min(begin + kColumnsMax, together.size());
    if ((end - begin) * rows.size() < kFewValues) {
      for (std::size_t i = begin; i < end; ++i) {
        result[together[i]] = take(*columns[together[i]], rows);
      }
      continue;
    }
    std::vector<const Column*> some;
    for (std::size_t i = begin; i < end; ++i) {
      some.push_back(columns[together[i]]);
    }
    std::vector<ColumnPtr> taken = Gather(std::move(some), rows, std::max(threads, 1)).run();
    for (std::size_t i = begin; i < end; ++i) {
      result[together[i]] = std::move(taken[i - begin]);
    }
  }
  return result;
}

}  // namespace assay::data

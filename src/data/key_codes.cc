#include "data/key_codes.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <limits>
#include <string_view>

#include "base/check.h"
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

/// Call `use(row, value)` for rows of a fixed-width or text column, the type decided once.
template <typename Use>
void for_each_code(const Column& column, IndexRange range, Use use) {
  switch (column.type()) {
    case Type::kBool: {
      const auto values = column.values<uint8_t>();
      for (std::size_t row = range.begin; row < range.end; ++row) {
        use(row, Code64{values[row]});
      }
      return;
    }
    case Type::kInt8: {
      const auto values = column.values<int8_t>();
      for (std::size_t row = range.begin; row < range.end; ++row) {
        use(row, static_cast<Code64>(int64_t{values[row]}));
      }
      return;
    }
    case Type::kInt16: {
      const auto values = column.values<int16_t>();
      for (std::size_t row = range.begin; row < range.end; ++row) {
        use(row, static_cast<Code64>(int64_t{values[row]}));
      }
      return;
    }
    case Type::kInt32:
    case Type::kDate: {
      const auto values = column.values<int32_t>();
      for (std::size_t row = range.begin; row < range.end; ++row) {
        use(row, static_cast<Code64>(int64_t{values[row]}));
      }
      return;
    }
    case Type::kInt64:
    case Type::kTimestamp: {
      const auto values = column.values<int64_t>();
      for (std::size_t row = range.begin; row < range.end; ++row) {
        use(row, static_cast<Code64>(values[row]));
      }
      return;
    }
    default:
      for (std::size_t row = range.begin; row < range.end; ++row) {
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

/// The key of one row as bytes; `buffer` holds them unless they lie in the column.
std::string_view key_bytes(const std::vector<const Column*>& keys,
                           int64_t row,
                           std::string& buffer) {
  if (keys.size() == 1 && is_text(keys[0]->type())) {
    return keys[0]->text(row);
  }
  buffer.clear();
  for (const Column* key : keys) {
    const auto width = static_cast<std::size_t>(value_width(key->type()));
    if (width != 0) {
      const auto* values = reinterpret_cast<const char*>(key->value_buffer().data());
      buffer.append(values + static_cast<std::size_t>(row) * width, width);
    } else {
      const std::string_view text = key->text(row);
      const auto size = static_cast<uint32_t>(text.size());
      buffer.append(reinterpret_cast<const char*>(&size), sizeof(size)).append(text);
    }
  }
  return buffer;
}

}  // namespace

KeyCodes make_key_codes(const std::vector<const Column*>& keys,
                        std::initializer_list<const Column*> times,
                        int threads) {
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
  coded.owned = Records<Code64>(size);
  Code64* codes = coded.owned.data();
  on_threads(threads, [&](int thread) {
    const IndexRange range = share_of(size, thread, threads);
    std::fill(codes + range.begin, codes + range.end, Code64{0});
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys.size() == 1) {
        for_each_code(*keys[i], range, [=](std::size_t row, Code64 code) { codes[row] = code; });
      } else {
        for_each_code(*keys[i], range, [=](std::size_t row, Code64 code) {
          codes[row] = hash_mix(codes[row], scramble(code + i));
        });
      }
    }
  });
  coded.codes = {codes, size};
  return coded;
}

CodeMeaning meaning_of_codes(const std::vector<Type>& key_types) {
  if (key_types.empty()) {
    return CodeMeaning::kKey;  // one entity, code 0
  }
  if (key_types.size() > 1) {
    return CodeMeaning::kHash;
  }
  return is_text(key_types[0]) ? CodeMeaning::kKeyWhenShort : CodeMeaning::kKey;
}

// ---- Dictionary
// -------------------------------------------------------------------------------------

namespace {
/// Keys are dealt to shards by their hash, so that threads can fill them at once.
constexpr std::size_t kShards = 8;
constexpr int kShardBits = 3;
/// Rows that are looked up together: their slots and then their keys are fetched ahead.
constexpr std::size_t kAhead = 16;

/// The high bits; slots of a shard go by the low ones.
std::size_t shard_of(uint64_t scrambled) {
  return scrambled >> (64 - kShardBits);
}
}  // namespace

/// Open addressing, linear probing, at most two thirds full. A key is numbered as it comes, and
/// lies in its slot if it is short, so that one line of the cache answers; the others lie one after
/// the other, each behind its size. Keys are given with their scrambled hash.
class KeyDictionary::Shard {
 public:
  /// The number of a key, taken in when it is new.
  uint64_t put(uint64_t scrambled, std::string_view key) {
    if (keys_ * 3 >= slots_.size() * 2) {
      grow();
    }
    Slot& slot = slots_[find_slot(scrambled, key)];
    if (slot.number == 0) {
      ASSAY_CHECK(keys_ < std::numeric_limits<uint32_t>::max());
      slot = Slot{scrambled, static_cast<uint32_t>(++keys_), kLong, {}};
      if (key.size() <= kShortBytes) {
        slot.size = static_cast<uint8_t>(key.size());
        std::copy(key.begin(), key.end(), slot.key);
      } else {
        std::memcpy(slot.key, &bytes_used_, sizeof(bytes_used_));
        append(key);
      }
    }
    return slot.number;
  }
  /// The number of a key, or 0.
  [[nodiscard]] uint64_t find(uint64_t scrambled, std::string_view key) const {
    return keys_ == 0 ? 0 : slots_[find_slot(scrambled, key)].number;
  }
  void fetch_slot(uint64_t scrambled) const {
    if (keys_ != 0) {
      __builtin_prefetch(&slots_[scrambled & (slots_.size() - 1)]);
    }
  }
  void fetch_key(uint64_t scrambled) const {
    if (keys_ != 0) {
      const Slot& slot = slots_[scrambled & (slots_.size() - 1)];
      if (slot.size == kLong) {
        __builtin_prefetch(bytes_.data() + place_of(slot));
      }
    }
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_.size() + slots_.size() * sizeof(Slot); }

 private:
  static constexpr std::size_t kShortBytes = 19;
  static constexpr uint8_t kLong = 255;
  struct Slot {
    uint64_t scrambled;
    uint32_t number;        // 0: a free slot
    uint8_t size;           // of the key, or kLong
    char key[kShortBytes];  // or, of a long one, where it lies
  };
  static_assert(sizeof(Slot) == 32);

  static std::size_t place_of(const Slot& slot) {
    std::size_t place = 0;
    std::memcpy(&place, slot.key, sizeof(place));
    return place;
  }
  static uint64_t word(const char* bytes) {
    uint64_t value = 0;
    std::memcpy(&value, bytes, sizeof(value));
    return value;
  }
  /// Of up to 24 bytes, by words that may overlap.
  static bool are_equal(const char* a, const char* b, std::size_t size) {
    constexpr std::size_t kWord = sizeof(uint64_t);
    if (size < kWord) {
      return std::memcmp(a, b, size) == 0;
    }
    uint64_t differs = (word(a) ^ word(b)) | (word(a + size - kWord) ^ word(b + size - kWord));
    if (size > 2 * kWord) {
      differs |= word(a + kWord) ^ word(b + kWord);
    }
    return differs == 0;
  }
  [[nodiscard]] bool is_key(const Slot& slot, std::string_view key) const {
    if (slot.size != kLong) {
      return slot.size == key.size() && are_equal(slot.key, key.data(), key.size());
    }
    const char* held = bytes_.data() + place_of(slot);
    uint32_t size = 0;
    std::memcpy(&size, held, sizeof(size));
    return size == key.size() && std::memcmp(held + sizeof(size), key.data(), size) == 0;
  }
  [[nodiscard]] std::size_t find_slot(uint64_t scrambled, std::string_view key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = scrambled & mask;
    while (slots_[at].number != 0 &&
           (slots_[at].scrambled != scrambled || !is_key(slots_[at], key))) {
      at = (at + 1) & mask;
    }
    return at;
  }
  void grow() {
    Records<Slot> old(std::max<std::size_t>(slots_.size() * 2, 64));
    std::fill(old.data(), old.data() + old.size(), Slot{});
    std::swap(old, slots_);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = 0; i < old.size(); ++i) {
      std::size_t at = old[i].scrambled & mask;
      while (old[i].number != 0 && slots_[at].number != 0) {
        at = (at + 1) & mask;
      }
      if (old[i].number != 0) {
        slots_[at] = old[i];
      }
    }
  }
  void append(std::string_view key) {
    const auto size = static_cast<uint32_t>(key.size());
    const std::size_t needed = bytes_used_ + sizeof(size) + key.size();
    if (needed > bytes_.size()) {
      Records<char> more(std::max<std::size_t>(needed * 2, 1024));
      std::copy(bytes_.data(), bytes_.data() + bytes_used_, more.data());
      bytes_ = std::move(more);
    }
    std::memcpy(bytes_.data() + bytes_used_, &size, sizeof(size));
    std::copy(key.begin(), key.end(), bytes_.data() + bytes_used_ + sizeof(size));
    bytes_used_ = needed;
  }

  Records<Slot> slots_;  // in large pages, as are the bytes: both are read in no order
  Records<char> bytes_;
  std::size_t bytes_used_ = 0;
  uint64_t keys_ = 0;
};

KeyDictionary::KeyDictionary(const std::vector<Type>& key_types)
    : meaning_(meaning_of_codes(key_types)) {
  if (meaning_ != CodeMeaning::kKey) {
    for (std::size_t i = 0; i < kShards; ++i) {
      shards_.push_back(std::make_unique<Shard>());
    }
  }
}
KeyDictionary::~KeyDictionary() = default;
KeyDictionary::KeyDictionary(KeyDictionary&&) noexcept = default;
KeyDictionary& KeyDictionary::operator=(KeyDictionary&&) noexcept = default;

namespace {

bool needs_number(CodeMeaning meaning, Code64 code) {
  return meaning == CodeMeaning::kHash || (code & kLongText) == kLongText;
}
/// Numbers of shards do not overlap, nor with the codes of short texts.
Code64 code_of(std::size_t shard, uint64_t number) {
  return kLongText | number * kShards | shard;
}

}  // namespace

void KeyDictionary::put(const std::vector<const Column*>& keys, KeyCodes& coded, int threads) {
  const auto needs = [&](Code64 code) { return needs_number(meaning_, code); };
  if (meaning_ == CodeMeaning::kKey ||
      std::none_of(coded.codes.begin(), coded.codes.end(), needs)) {
    return;
  }
  auto rows = partition<uint32_t>(
      coded.codes.size(),
      kShards,
      threads,
      [&](std::size_t row) {
        return coded.skips(row) || !needs_number(meaning_, coded.codes[row])
                   ? kNoPart
                   : shard_of(scramble(coded.codes[row]));
      },
      [](std::size_t row) { return static_cast<uint32_t>(row); });
  std::atomic<std::size_t> next{0};
  on_threads(threads, [&](int) {
    std::string buffer;
    for (std::size_t shard = next++; shard < kShards; shard = next++) {
      const std::span<const uint32_t> of_shard = rows.part(shard);
      for (std::size_t i = 0; i < of_shard.size(); ++i) {
        if (i + 2 * kAhead < of_shard.size()) {
          shards_[shard]->fetch_slot(scramble(coded.owned[of_shard[i + 2 * kAhead]]));
        }
        if (i + kAhead < of_shard.size()) {
          shards_[shard]->fetch_key(scramble(coded.owned[of_shard[i + kAhead]]));
        }
        Code64& code = coded.owned[of_shard[i]];
        code = code_of(shard,
                       shards_[shard]->put(scramble(code), key_bytes(keys, of_shard[i], buffer)));
      }
    }
  });
}

void KeyDictionary::find(const std::vector<const Column*>& keys,
                         KeyCodes& coded,
                         int threads) const {
  if (meaning_ == CodeMeaning::kKey) {
    return;
  }
  coded.skip.resize(coded.codes.size());
  on_threads(threads, [&](int thread) {
    std::string buffer;
    const IndexRange range = share_of(coded.codes.size(), thread, threads);
    const std::size_t blocks = (range.end - range.begin + kAhead - 1) / kAhead;
    // Slots are fetched two blocks ahead of where keys are compared, keys one.
    std::array<uint64_t, 4 * kAhead> scrambled{};
    const auto each_of = [&](std::size_t block, auto use) {
      const std::size_t begin = range.begin + block * kAhead;
      for (std::size_t row = begin; row < std::min(begin + kAhead, range.end); ++row) {
        use(row, scrambled[(row - range.begin) % scrambled.size()]);
      }
    };
    for (std::size_t block = 0; block < blocks + 2; ++block) {
      each_of(block, [&](std::size_t row, uint64_t& hash) {
        hash = scramble(coded.owned[row]);
        if (coded.skip[row] == 0 && needs_number(meaning_, coded.owned[row])) {
          shards_[shard_of(hash)]->fetch_slot(hash);
        }
      });
      if (block >= 1) {
        each_of(block - 1, [&](std::size_t row, uint64_t hash) {
          if (coded.skip[row] == 0 && needs_number(meaning_, coded.owned[row])) {
            shards_[shard_of(hash)]->fetch_key(hash);
          }
        });
      }
      if (block >= 2) {
        each_of(block - 2, [&](std::size_t row, uint64_t hash) {
          Code64& code = coded.owned[row];
          if (coded.skip[row] != 0 || !needs_number(meaning_, code)) {
            return;
          }
          const uint64_t number = shards_[shard_of(hash)]->find(
              hash, key_bytes(keys, static_cast<int64_t>(row), buffer));
          code = code_of(shard_of(hash), number);
          coded.skip[row] = static_cast<uint8_t>(number == 0);
        });
      }
    }
  });
}

std::size_t KeyDictionary::bytes() const {
  std::size_t total = 0;
  for (const std::unique_ptr<Shard>& shard : shards_) {
    total += shard->bytes();
  }
  return total;
}

}  // namespace assay::data

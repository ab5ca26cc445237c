// A table of places of keys, open addressing, each step to the next slot.

#include "data/repeated_keys.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/hash.h"

namespace assay::data {
namespace {

constexpr uint32_t kNobody = std::numeric_limits<uint32_t>::max();
constexpr std::size_t kStepsMax =
    32;  // then it counts as new: nobody's choice of keys makes it slow
constexpr std::size_t kSampleMax = 1024;

class SeenKeys {
 public:
  SeenKeys(std::span<const EntityKey> keys, std::size_t seen_max)
      : keys_(keys), slots_(std::bit_ceil(2 * seen_max), kNobody) {}
  /// The place where the key of a place was seen first; that place itself when it is new.
  uint32_t first_of(std::size_t place) {
    const std::string& key = keys_[place].bytes();
    std::size_t slot = hash_bytes(key);
    for (std::size_t step = 0; step < kStepsMax; ++step, ++slot) {
      uint32_t& seen = slots_[slot & (slots_.size() - 1)];
      if (seen == kNobody) {
        seen = static_cast<uint32_t>(place);
        return seen;
      }
      if (seen == place || keys_[seen].bytes() == key) {
        return seen;
      }
    }
    return static_cast<uint32_t>(place);
  }

 private:
  std::span<const EntityKey> keys_;
  std::vector<uint32_t> slots_;
};

/// Whether a key stands twice among the first ones, or among some from all over: lists that are
/// repeated show in these, runs of one key in those.
bool repeats_in_sample(std::span<const EntityKey> keys) {
  const std::size_t count = std::min(keys.size() / 32, kSampleMax / 2);
  const std::size_t step = keys.size() / count;
  SeenKeys seen(keys, 2 * count);
  for (std::size_t i = 0; i < count; ++i) {
    if (seen.first_of(i) != i) {
      return true;
    }
  }
  for (std::size_t i = count / step + 1; i < count; ++i) {
    const std::size_t place = i * step;
    if (place >= count && seen.first_of(place) != place) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<RepeatedKeys> take_repeated(std::vector<EntityKey>* keys) {
  if (keys->size() <= kUnlookedKeysMax || !repeats_in_sample(*keys)) {
    return std::nullopt;
  }
  SeenKeys seen(*keys, keys->size());
  RepeatedKeys repeated;
  repeated.key_of.resize(keys->size());
  std::vector<uint32_t> firsts;
  for (std::size_t i = 0; i < keys->size(); ++i) {
    const uint32_t first = seen.first_of(i);
    if (first == i) {
      repeated.key_of[i] = static_cast<uint32_t>(firsts.size());
      firsts.push_back(first);
    } else {
      repeated.key_of[i] = repeated.key_of[first];
    }
  }
  repeated.keys.reserve(firsts.size());
  for (const uint32_t first : firsts) {
    repeated.keys.push_back(std::move((*keys)[first]));
  }
  return repeated;
}

}  // namespace assay::data

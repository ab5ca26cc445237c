#include "data/asof_index.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "base/check.h"
#include "data/key_codes.h"
#include "data/label_parts.h"
#include "data/partition.h"

// The idea, in five steps:
//   1. Code: each row's key becomes 64 bits that are its alone: the value itself, a short text
//      packed, or the number of the key in a dictionary of the labels' keys.
//   2. Partition: labels are scattered by the hash of their code into parts that fit the
//      second-level cache, and so are rows as they come. When labels are few, rows whose key no
//      label has are dropped on the way.
//   3. Order: in each part a small hash table leads from a code to that entity's labels, in order
//      of time.
//   4. Sweep: a row is visible from max(event_time, known_time) on. Of the rows that become visible
//      after one label and not after the next, that next label keeps the newest by (event_time,
//      known_time, sequence). Rows need no order for that: one binary search each.
//   5. Finish: along an entity's labels the running maximum of what they keep is the answer.
// Parts are independent and a maximum does not depend on order: threads and pieces change nothing.

namespace assay::data {
namespace {

constexpr std::size_t kPartLabels = 3'000;
constexpr int kPartBitsMax = 12;
/// Inputs smaller than this are not worth a second thread.
constexpr std::size_t kRowsPerThread = 16'384;
struct RowRecord {
  Code64 code;
  int64_t event;
  int64_t known;
  uint32_t row;
};

/// Rows that are scattered before they are swept: their memory is used again.
constexpr std::size_t kRowsAtOnce = std::size_t{1} << 21;
/// Of more labels than this no filter is made: it would not fit a cache.
constexpr std::size_t kFilterLabelsMax = std::size_t{1} << 20;

/// The newest row that a label keeps.
struct Kept {
  int64_t event;
  int64_t known;
  int64_t sequence;
  int64_t row;  // -1: none
};

inline bool newer(const Kept& a, const Kept& b) {
  if (b.row < 0 || a.row < 0) {
    return a.row >= 0;
  }
  if (a.event != b.event) {
    return a.event > b.event;
  }
  if (a.known != b.known) {
    return a.known > b.known;
  }
  return a.sequence != b.sequence ? a.sequence > b.sequence : a.row > b.row;
}

/// A set of codes that may hold a few more than were put in: one bit a slot.
class CodeFilter {
 public:
  CodeFilter() = default;
  explicit CodeFilter(std::size_t codes)
      : bits_(std::max(12, static_cast<int>(std::bit_width(codes * 16)))),
        words_((std::size_t{1} << bits_) / 64) {}
  void put(uint64_t scrambled) {
    words_[slot(scrambled) / 64] |= uint64_t{1} << (slot(scrambled) % 64);
  }
  [[nodiscard]] bool may_hold(uint64_t scrambled) const {
    return ((words_[slot(scrambled) / 64] >> (slot(scrambled) % 64)) & 1) != 0;
  }
  [[nodiscard]] std::size_t bytes() const { return words_.size() * sizeof(uint64_t); }

 private:
  // The low bits: the part number is made of the high ones.
  [[nodiscard]] std::size_t slot(uint64_t scrambled) const {
    return scrambled & ((std::size_t{1} << bits_) - 1);
  }
  int bits_ = 0;
  std::vector<uint64_t> words_;
};

inline std::size_t part_of_code(uint64_t scrambled, int bits) {
  return bits == 0 ? 0 : scrambled >> (64 - bits);
}

Status check_column(const Column* column, const Type& type, int64_t rows, std::string_view what) {
  if (column == nullptr || column->type() != type) {
    return {Code::kInvalidArgument,
            "as-of join: " + std::string(what) + " must be of type " +
                std::string(type_name(type)) +
                (column == nullptr ? ", and is absent"
                                   : ", not " + std::string(type_name(column->type())))};
  }
  if (column->size() != rows) {
    return {Code::kInvalidArgument, "as-of join: columns differ in length at " + std::string(what)};
  }
  return {};
}

int useful_threads(int threads, std::size_t rows) {
  return std::clamp(
      threads, 1, static_cast<int>(std::min<std::size_t>(rows / kRowsPerThread, 63)) + 1);
}

}  // namespace

class AsofIndex::Impl {
 public:
  Impl(std::vector<Type> key_types, int threads)
      : key_types_(std::move(key_types)), threads_(threads), dictionary_(key_types_) {}

  Status check_keys(const std::vector<const Column*>& keys, int64_t rows, const char* side) const {
    if (keys.size() != key_types_.size()) {
      return {Code::kInvalidArgument,
              "as-of join: labels have " + std::to_string(key_types_.size()) + " key columns, " +
                  side + " have " + std::to_string(keys.size())};
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const std::string what = "key column " + std::to_string(i + 1) + " of " + side;
      if (!is_key_type(key_types_[i])) {
        return {Code::kInvalidArgument,
                "as-of join: a column of type " + std::string(type_name(key_types_[i])) +
                    " cannot be a key; " + what};
      }
      ASSAY_RETURN_IF_ERROR(check_column(keys[i], key_types_[i], rows, what));
    }
    return {};
  }

  Status add(const AsofLabels& labels) {
    const int64_t count = labels.time == nullptr ? 0 : labels.time->size();
    ASSAY_RETURN_IF_ERROR(check_column(labels.time, Type::kTimestamp, count, "label time"));
    ASSAY_RETURN_IF_ERROR(check_keys(labels.keys, count, "labels"));
    if (labels_ + count > std::numeric_limits<uint32_t>::max()) {
      return {Code::kInvalidArgument, "as-of join: more than 4294967295 labels; split them"};
    }
    if (count == 0) {
      return {};
    }
    const auto size = static_cast<std::size_t>(count);
    const int threads = useful_threads(threads_, size);
    KeyCodes coded = make_key_codes(labels.keys, {labels.time}, threads);
    dictionary_.put(labels.keys, coded, threads);
    Piece piece{Records<Code64>(size), Records<int64_t>(size), static_cast<uint32_t>(labels_), {}};
    std::copy(coded.codes.begin(), coded.codes.end(), piece.codes.data());
    const auto times = labels.time->values<int64_t>();
    std::copy(times.begin(), times.end(), piece.times.data());
    with_nulls_ += std::count(coded.skip.begin(), coded.skip.end(), 1);
    piece.skip = std::move(coded.skip);
    pieces_.push_back(std::move(piece));
    labels_ += count;
    return {};
  }

  void seal() {
    ASSAY_CHECK(!sealed_);
    sealed_ = true;
    const auto size = static_cast<std::size_t>(labels_ - with_nulls_);
    bits_ = std::min(kPartBitsMax, static_cast<int>(std::bit_width(size / kPartLabels)));
    parts_.resize(std::size_t{1} << bits_);
    filter_ = size <= kFilterLabelsMax ? CodeFilter(size) : CodeFilter();
    Parts<LabelRecord> records = scatter();
    pieces_.clear();
    times_ = Records<int64_t>(size);
    numbers_ = Records<uint32_t>(size);
    std::atomic<std::size_t> next{0};
    std::atomic<int64_t> duplicates{0};
    on_threads(useful_threads(threads_, size), [&](int) {
      PartOrderer orderer;
      for (std::size_t p = next++; p < parts_.size(); p = next++) {
        parts_[p].first = records.begins[p];
        duplicates += orderer.order(records.part(p),
                                    parts_[p],
                                    times_.data() + parts_[p].first,
                                    numbers_.data() + parts_[p].first);
      }
    });
    duplicates_ = duplicates;
    for (const LabelPart& part : parts_) {
      for (const LabelPart::Slot& slot : part.slots) {
        if (slot.begin != slot.end) {
          ++entities_;
          if (filter_.bytes() != 0) {
            filter_.put(scramble(slot.code));
          }
        }
      }
    }
  }

  struct Piece {
    Records<Code64> codes;
    Records<int64_t> times;
    uint32_t first;
    std::vector<uint8_t> skip;
  };

  Parts<LabelRecord> scatter() {
    const auto size = static_cast<std::size_t>(labels_);
    const auto piece_of = [&](std::size_t label) -> const Piece& {
      return *(
          std::upper_bound(pieces_.begin(),
                           pieces_.end(),
                           label,
                           [](std::size_t at, const Piece& piece) { return at < piece.first; }) -
          1);
    };
    if (pieces_.size() == 1) {  // no search per label
      const Piece& piece = pieces_.front();
      return scatter_from(size, [&](std::size_t) -> const Piece& { return piece; });
    }
    return scatter_from(size, piece_of);
  }
  template <typename PieceOf>
  Parts<LabelRecord> scatter_from(std::size_t size, PieceOf piece_of) {
    return partition<LabelRecord>(
        size,
        parts_.size(),
        useful_threads(threads_, size),
        [&](std::size_t label) {
          const Piece& piece = piece_of(label);
          const std::size_t i = label - piece.first;
          return !piece.skip.empty() && piece.skip[i] != 0
                     ? kNoPart
                     : part_of_code(scramble(piece.codes[i]), bits_);
        },
        [&](std::size_t label) {
          const Piece& piece = piece_of(label);
          const std::size_t i = label - piece.first;
          return LabelRecord{piece.codes[i], piece.times[i], static_cast<uint32_t>(label)};
        });
  }

  std::vector<Type> key_types_;
  int threads_;
  KeyDictionary dictionary_;
  bool sealed_ = false;
  int64_t labels_ = 0;
  int64_t with_nulls_ = 0;
  int64_t duplicates_ = 0;
  int64_t entities_ = 0;
  std::vector<Piece> pieces_;  // until sealed
  int bits_ = 0;
  std::vector<LabelPart> parts_;
  CodeFilter filter_;
  Records<int64_t> times_;     // part after part, entity after entity, in order of time
  Records<uint32_t> numbers_;  // of the labels, likewise
};

// ---- 4. Sweep
// ---------------------------------------------------------------------------------------

namespace {

/// First of the sorted times [begin, end) that is not before `time`.
inline uint32_t first_not_before(const int64_t* times, uint32_t begin, uint32_t end, int64_t time) {
  uint32_t size = end - begin;
  while (size > 0) {
    const uint32_t half = size / 2;
    begin += times[begin + half] < time ? size - half : 0;
    size = half;
  }
  return begin;
}

/// The same, from a place that is probably near.
inline uint32_t first_not_before(
    const int64_t* times, uint32_t begin, uint32_t end, int64_t time, uint32_t near) {
  uint32_t step = 1;
  if (near < end && times[near] < time) {
    uint32_t low = near + 1;
    while (low + step < end && times[low + step - 1] < time) {
      low += step;
      step *= 2;
    }
    return first_not_before(times, low, std::min(end, low + step), time);
  }
  uint32_t high = near;
  while (high > begin && high - begin > step && times[high - step] >= time) {
    high -= step;
    step *= 2;
  }
  return first_not_before(times, high - std::min(step, high - begin), high, time);
}

}  // namespace

class AsofSweep::Impl {
 public:
  Impl(const AsofIndex::Impl& index, int threads)
      : index_(index), threads_(threads), kept_(index.times_.size()) {
    const int filling = useful_threads(threads_, kept_.size());
    on_threads(filling, [&](int thread) {
      const IndexRange range = share_of(kept_.size(), thread, filling);
      std::fill(kept_.data() + range.begin, kept_.data() + range.end, Kept{0, 0, 0, -1});
    });
  }

  Status add(const AsofRows& rows, int64_t first_row) {
    const int64_t count = rows.event_time == nullptr ? 0 : rows.event_time->size();
    ASSAY_RETURN_IF_ERROR(check_column(rows.event_time, Type::kTimestamp, count, "event_time"));
    ASSAY_RETURN_IF_ERROR(check_column(rows.known_time, Type::kTimestamp, count, "known_time"));
    if (rows.sequence != nullptr) {
      ASSAY_RETURN_IF_ERROR(check_column(rows.sequence, Type::kInt64, count, "sequence"));
    }
    ASSAY_RETURN_IF_ERROR(index_.check_keys(rows.keys, count, "rows"));
    if (count > std::numeric_limits<uint32_t>::max()) {
      return {Code::kInvalidArgument, "as-of join: more than 4294967295 rows; give them in pieces"};
    }
    if (count == 0 || kept_.size() == 0) {
      return {};
    }
    const int threads = useful_threads(threads_, static_cast<std::size_t>(count));
    KeyCodes coded = make_key_codes(rows.keys, {rows.event_time, rows.known_time}, threads);
    index_.dictionary_.find(rows.keys, coded, threads);
    sequences_ = rows.sequence == nullptr ? nullptr : rows.sequence->values<int64_t>().data();
    first_row_ = first_row;
    for (std::size_t begin = 0; begin < coded.codes.size(); begin += kRowsAtOnce) {
      const IndexRange range{begin, std::min(begin + kRowsAtOnce, coded.codes.size())};
      Parts<RowRecord> parts = scatter(rows, coded, range, threads);
      sweep(parts, threads);
      used_ = std::move(parts.records);
    }
    return {};
  }

  AsofMatch finish(std::optional<Duration> ttl) {
    AsofMatch match;
    match.rows.assign(static_cast<std::size_t>(index_.labels_), -1);
    match.statuses.assign(static_cast<std::size_t>(index_.labels_), FeatureStatus::kNotFound);
    const uint64_t ttl_micros =
        ttl ? static_cast<uint64_t>(ttl->micros) : std::numeric_limits<uint64_t>::max();
    std::atomic<std::size_t> next{0};
    on_threads(useful_threads(threads_, kept_.size()), [&](int) {
      for (std::size_t p = next++; p < index_.parts_.size(); p = next++) {
        for (const LabelPart::Slot& slot : index_.parts_[p].slots) {
          finish_entity(index_.parts_[p].first, slot, ttl_micros, match);
        }
      }
    });
    return match;
  }

 private:
  Parts<RowRecord> scatter(const AsofRows& rows,
                           const KeyCodes& coded,
                           IndexRange range,
                           int threads) {
    const auto events = rows.event_time->values<int64_t>();
    const auto knowns = rows.known_time->values<int64_t>();
    // The filter pays only where most rows fall through it.
    const bool filtered = index_.filter_.bytes() != 0 &&
                          coded.codes.size() / 8 > static_cast<std::size_t>(index_.labels_);
    return partition<RowRecord>(
        range.end - range.begin,
        index_.parts_.size(),
        threads,
        [&](std::size_t place) {
          const std::size_t row = range.begin + place;
          const uint64_t scrambled = scramble(coded.codes[row]);
          return coded.skips(row) || (filtered && !index_.filter_.may_hold(scrambled))
                     ? kNoPart
                     : part_of_code(scrambled, index_.bits_);
        },
        [&](std::size_t place) {
          const std::size_t row = range.begin + place;
          return RowRecord{coded.codes[row], events[row], knowns[row], static_cast<uint32_t>(row)};
        },
        std::move(used_));
  }

  void sweep(Parts<RowRecord>& rows, int threads) {
    // Large parts first: one with a very frequent key must not be what all wait for at the end.
    std::vector<uint32_t> order(index_.parts_.size());
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return rows.part(a).size() > rows.part(b).size();
    });
    std::atomic<std::size_t> next{0};
    on_threads(threads, [&](int) {
      for (std::size_t i = next++; i < order.size(); i = next++) {
        sweep_part(index_.parts_[order[i]], rows.part(order[i]));
      }
    });
  }

  void sweep_part(const LabelPart& part, std::span<const RowRecord> rows) {
    const int64_t* times = index_.times_.data() + part.first;
    Kept* kept = kept_.data() + part.first;
    const LabelPart::Slot* last = nullptr;
    uint32_t near = 0;
    const LabelPart::Slot* found = nullptr;
    Code64 found_code = 0;
    for (const RowRecord& row : rows) {
      if (found == nullptr || row.code != found_code) {  // steps come entity by entity
        found = &part.find(row.code);
        found_code = row.code;
      }
      const LabelPart::Slot& slot = *found;
      if (slot.begin == slot.end) {
        continue;
      }
      const int64_t visible = std::max(row.event, row.known);
      uint32_t at = 0;
      if (slot.end - slot.begin < kManyLabels) {
        at = first_not_before(times, slot.begin, slot.end, visible);
      } else {
        at = first_not_before(
            times, slot.begin, slot.end, visible, &slot == last ? near : slot.begin);
        last = &slot;
        near = at;
      }
      if (at == slot.end) {
        continue;
      }
      const int64_t number = first_row_ + row.row;
      const Kept candidate{
          row.event, row.known, sequences_ == nullptr ? number : sequences_[row.row], number};
      if (newer(candidate, kept[at])) {
        kept[at] = candidate;
      }
    }
  }

  void finish_entity(std::size_t first,
                     const LabelPart::Slot& slot,
                     uint64_t ttl_micros,
                     AsofMatch& match) const {
    Kept newest{0, 0, 0, -1};
    for (std::size_t i = first + slot.begin; i < first + slot.end; ++i) {
      newest = newer(kept_[i], newest) ? kept_[i] : newest;
      if (newest.row < 0) {
        continue;  // rows = -1 and kNotFound stand there already
      }
      const uint32_t label = index_.numbers_[i];
      // event <= time, so the difference fits unsigned arithmetic whatever the two are.
      const uint64_t age =
          static_cast<uint64_t>(index_.times_[i]) - static_cast<uint64_t>(newest.event);
      if (age > ttl_micros) {
        match.statuses[label] = FeatureStatus::kOutsideMaxAge;
      } else {
        match.rows[label] = newest.row;
        match.statuses[label] = FeatureStatus::kPresent;
      }
    }
  }

  const AsofIndex::Impl& index_;
  int threads_;
  Records<Kept> kept_;       // per label, in the order of the index
  Records<RowRecord> used_;  // memory of rows that were swept
  const int64_t* sequences_ = nullptr;
  int64_t first_row_ = 0;
};

// ---- The public classes
// -----------------------------------------------------------------------------

AsofIndex::AsofIndex(std::vector<Type> key_types, int threads)
    : impl_(std::make_unique<Impl>(std::move(key_types), threads)) {}
AsofIndex::~AsofIndex() = default;
AsofIndex::AsofIndex(AsofIndex&&) noexcept = default;
AsofIndex& AsofIndex::operator=(AsofIndex&&) noexcept = default;
Status AsofIndex::add(const AsofLabels& labels) {
  return impl_->add(labels);
}
void AsofIndex::seal() {
  impl_->seal();
}
int64_t AsofIndex::labels() const {
  return impl_->labels_;
}
int64_t AsofIndex::labels_with_nulls() const {
  return impl_->with_nulls_;
}
int64_t AsofIndex::duplicate_labels() const {
  return impl_->duplicates_;
}
int64_t AsofIndex::entities() const {
  return impl_->entities_;
}
std::size_t AsofIndex::bytes() const {
  std::size_t slots = 0;
  for (const LabelPart& part : impl_->parts_) {
    slots += part.slots.size();
  }
  std::size_t pending = 0;
  for (const Impl::Piece& piece : impl_->pieces_) {
    pending += piece.codes.size() * (sizeof(Code64) + sizeof(int64_t));
  }
  return impl_->times_.size() * sizeof(int64_t) + impl_->numbers_.size() * sizeof(uint32_t) +
         slots * sizeof(LabelPart::Slot) + pending + impl_->filter_.bytes() +
         impl_->dictionary_.bytes();
}

AsofSweep::AsofSweep(const AsofIndex& index, int threads)
    : impl_(std::make_unique<Impl>(*index.impl_, threads)) {}
AsofSweep::~AsofSweep() = default;
AsofSweep::AsofSweep(AsofSweep&&) noexcept = default;
AsofSweep& AsofSweep::operator=(AsofSweep&&) noexcept = default;
Status AsofSweep::add(const AsofRows& rows, int64_t first_row) {
  return impl_->add(rows, first_row);
}
AsofMatch AsofSweep::finish(std::optional<Duration> ttl) {
  return impl_->finish(ttl);
}

}  // namespace assay::data

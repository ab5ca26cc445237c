// Deduplication in constant time per record.
//
// Event time is cut into buckets of dedup_for + 1 microseconds. Two records of one key in one
// bucket are at most dedup_for apart, so the later one is a duplicate: a bucket holds at most one
// accepted record per key. A duplicate of a record therefore lies in its own bucket or in one of
// the two beside it, and three look-ups in a hash table over (key, bucket) find it:
//
//   time  --[   b-1   |    b    |   b+1   ]--
//                 x <-- dedup_for --> y         x in b-1 or b, y in b or b+1
//
// (After dedup_for was changed in a definition, older rows of the table may break the rule; the
// table holds several entries of equal hash then, and a look-up walks them all. Verdicts stay
// exact.)

#include "bronze/dedup.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"
#include "bronze/contract.h"
#include "data/entity_key.h"

namespace assay::bronze {
namespace {

constexpr std::size_t kRangesMax = 16;
constexpr std::size_t kSlotsMin = 1024;

EventTime plus(EventTime time, int64_t micros) {
  int64_t sum = 0;
  if (__builtin_add_overflow(time.micros, micros, &sum)) {
    return micros < 0 ? EventTime::min() : EventTime::max();
  }
  return {sum};
}

/// Ascending ranges that overlap or touch become one.
std::vector<TimeRange> join_touching(std::vector<TimeRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const TimeRange& a, const TimeRange& b) {
    return a.first < b.first;
  });
  std::vector<TimeRange> joined;
  for (const TimeRange& range : ranges) {
    if (!joined.empty() && plus(joined.back().last, 1) >= range.first) {
      joined.back().last = std::max(joined.back().last, range.last);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

/// Join neighbours across the smallest gaps until `count` ranges are left.
std::vector<TimeRange> join_nearest(const std::vector<TimeRange>& ranges, std::size_t count) {
  if (ranges.size() <= count) {
    return ranges;
  }
  std::vector<std::pair<int64_t, std::size_t>> gaps;  // width, number of the range before the gap
  for (std::size_t index = 0; index + 1 < ranges.size(); ++index) {
    gaps.emplace_back(ranges[index + 1].first.micros - ranges[index].last.micros, index);
  }
  std::sort(gaps.rbegin(), gaps.rend());
  std::vector<bool> stays(ranges.size(), false);
  for (std::size_t index = 0; index + 1 < count; ++index) {
    stays[gaps[index].second] = true;
  }
  std::vector<TimeRange> joined{ranges.front()};
  for (std::size_t index = 1; index < ranges.size(); ++index) {
    if (stays[index - 1]) {
      joined.push_back(ranges[index]);
    } else {
      joined.back().last = ranges[index].last;
    }
  }
  return joined;
}

bool covers(const std::vector<TimeRange>& ranges, EventTime time) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const TimeRange& range) {
    return range.first <= time && time <= range.last;
  });
}

}  // namespace

std::vector<TimeRange> needed_ranges(const data::Column& event_times, Duration dedup_for) {
  std::vector<int64_t> times(event_times.values<int64_t>().begin(),
                             event_times.values<int64_t>().end());
  std::sort(times.begin(), times.end());
  std::vector<TimeRange> ranges;
  for (const int64_t micros : times) {
    const TimeRange range{plus({micros}, -dedup_for.micros), plus({micros}, dedup_for.micros)};
    if (!ranges.empty() && plus(ranges.back().last, 1) >= range.first) {
      ranges.back().last = range.last;
    } else {
      ranges.push_back(range);
    }
  }
  return join_nearest(ranges, kRangesMax);
}

DedupIndex::DedupIndex(Duration dedup_for, bool in_order)
    : dedup_for_(dedup_for), in_order_(in_order), slots_(kSlotsMin, 0) {}

std::vector<TimeRange> DedupIndex::missing(std::span<const TimeRange> ranges) const {
  std::vector<TimeRange> result;
  for (const TimeRange& wanted : join_touching({ranges.begin(), ranges.end()})) {
    EventTime from = wanted.first;
    for (const TimeRange& have : loaded_) {
      if (have.last < from || have.first > wanted.last) {
        continue;
      }
      if (from < have.first) {
        result.push_back({from, plus(have.first, -1)});
      }
      from = plus(have.last, 1);
    }
    if (from <= wanted.last) {
      result.push_back({from, wanted.last});
    }
  }
  return result;
}

Status DedupIndex::load(const data::Batch& rows,
                        const std::vector<std::string>& key,
                        const TimeRange& range,
                        std::span<const uint64_t> contents) {
  std::vector<const data::Column*> columns;
  for (const std::string& name : key) {
    columns.push_back(rows.find(name));
  }
  const data::Column* event_time = rows.find(kEventTime);
  const data::Column* sequence = rows.find(kSequence);
  if (event_time == nullptr || sequence == nullptr ||
      std::count(columns.begin(), columns.end(), nullptr) != 0) {
    return {Code::kInvalidArgument, "deduplication needs the key columns, event_time and sequence"};
  }
  const auto times = event_time->values<int64_t>();
  const auto sequences = sequence->values<int64_t>();
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    if (const auto bytes = data::encode_key(columns, row)) {
      insert(bytes->bytes(), {times[at]}, sequences[at], contents.empty() ? 0 : contents[at]);
    }
  }
  loaded_.push_back(range);
  loaded_ = join_touching(std::move(loaded_));
  return {};
}

bool DedupIndex::accept(std::string_view key,
                        EventTime event_time,
                        int64_t sequence,
                        uint64_t content) {
  ASSAY_CHECK(covers(loaded_, event_time));
  const uint64_t key_hash = hash_bytes(key);
  const int64_t bucket = bucket_of(event_time);
  const Entry* last = nullptr;
  for (const int64_t near : {bucket, bucket - 1, bucket + 1}) {
    const Entry* entry = last_near(key, key_hash, near, event_time, sequence);
    last = entry != nullptr && (last == nullptr || entry->sequence > last->sequence) ? entry : last;
  }
  if (last != nullptr && last->content == content) {
    return false;
  }
  insert(key, event_time, sequence, content);
  return true;
}

void DedupIndex::keep_only(std::span<const TimeRange> ranges) {
  DedupIndex kept(dedup_for_, in_order_);
  const std::vector<TimeRange> wanted = join_touching({ranges.begin(), ranges.end()});
  for (const Entry& entry : entries_) {
    if (covers(wanted, entry.event_time)) {
      kept.insert(key_of(entry), entry.event_time, entry.sequence, entry.content);
    }
  }
  for (const TimeRange& want : wanted) {
    for (const TimeRange& have : loaded_) {
      const TimeRange both{std::max(want.first, have.first), std::min(want.last, have.last)};
      if (both.first <= both.last) {
        kept.loaded_.push_back(both);
      }
    }
  }
  *this = std::move(kept);
}

std::size_t DedupIndex::bytes() const {
  return entries_.capacity() * sizeof(Entry) + slots_.size() * sizeof(uint32_t) + keys_.capacity();
}

int64_t DedupIndex::bucket_of(EventTime time) const {
  const int64_t width = dedup_for_.micros + 1;
  return floor_to(time.micros, width) / width;
}

const DedupIndex::Entry* DedupIndex::last_near(std::string_view key,
                                               uint64_t key_hash,
                                               int64_t bucket,
                                               EventTime event_time,
                                               int64_t sequence) const {
  const Entry* last = nullptr;
  const uint64_t hash = hash_mix(key_hash, static_cast<uint64_t>(bucket));
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = hash & mask; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const Entry& entry = entries_[slots_[slot] - 1];
    const bool is_other = in_order_ ? entry.sequence < sequence : entry.sequence != sequence;
    if (entry.hash != hash || !is_other || key_of(entry) != key) {
      continue;
    }
    const int64_t apart = entry.event_time.micros - event_time.micros;
    if (apart <= dedup_for_.micros && -apart <= dedup_for_.micros &&
        (last == nullptr || entry.sequence > last->sequence)) {
      last = &entry;
    }
  }
  return last;
}

void DedupIndex::insert(std::string_view key,
                        EventTime event_time,
                        int64_t sequence,
                        uint64_t content) {
  if ((entries_.size() + 1) * 2 > slots_.size()) {
    grow(slots_.size() * 2);
  }
  Entry entry;
  entry.hash = hash_mix(hash_bytes(key), static_cast<uint64_t>(bucket_of(event_time)));
  entry.key_offset = keys_.size();
  entry.key_size = static_cast<uint32_t>(key.size());
  entry.event_time = event_time;
  entry.sequence = sequence;
  entry.content = content;
  keys_ += key;
  entries_.push_back(entry);
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = entry.hash & mask;
  while (slots_[slot] != 0) {
    slot = (slot + 1) & mask;
  }
  slots_[slot] = static_cast<uint32_t>(entries_.size());
}

// Slots are probed in order and taken one by one: the last one that was taken lies at the end of
// its run, so that freeing it breaks no other run.
void DedupIndex::forget_newest(int64_t size) {
  const std::size_t mask = slots_.size() - 1;
  while (this->size() > size) {
    std::size_t slot = entries_.back().hash & mask;
    while (slots_[slot] != entries_.size()) {
      slot = (slot + 1) & mask;
    }
    slots_[slot] = 0;
    keys_.resize(entries_.back().key_offset);
    entries_.pop_back();
  }
}

void DedupIndex::grow(std::size_t slots) {
  slots_.assign(slots, 0);
  const std::size_t mask = slots - 1;
  for (std::size_t index = 0; index < entries_.size(); ++index) {
    std::size_t slot = entries_[index].hash & mask;
    while (slots_[slot] != 0) {
      slot = (slot + 1) & mask;
    }
    slots_[slot] = static_cast<uint32_t>(index + 1);
  }
}

}  // namespace assay::bronze

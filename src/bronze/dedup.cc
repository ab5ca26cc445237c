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
//
// Memory holds as much as it may; then all of it becomes a sorted file (key_run.h), or a few of
// them where times lie far apart, and memory begins anew. Before a batch is judged, keys that files
// have of it are brought back to memory, so that judging itself knows nothing of files.

#include "bronze/dedup.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "bronze/contract.h"
#include "data/encoded_keys.h"

namespace assay::bronze {
namespace {

constexpr std::size_t kRangesMax = 16;
constexpr std::size_t kSlotsMin = 1024;
/// Files that memory becomes at once, at most: times that lie far apart, and so are asked for
/// apart.
constexpr std::size_t kPiecesMax = 16;
constexpr int64_t kPieceMicrosMin = 60 * kMicrosPerSecond;
/// Shares of memory that keys and filters of files may take.
constexpr std::size_t kKeysShare = 2;
constexpr std::size_t kFiltersShare = 4;

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

/// Parts of ranges, which ascend, that none of `taken` has; those ascend and are disjoint.
std::vector<TimeRange> without(const std::vector<TimeRange>& ranges,
                               std::span<const TimeRange> taken) {
  std::vector<TimeRange> result;
  for (const TimeRange& range : ranges) {
    EventTime from = range.first;
    bool is_over = false;
    for (const TimeRange& each : taken) {
      if (is_over || each.last < from || each.first > range.last) {
        continue;
      }
      if (from < each.first) {
        result.push_back({from, plus(each.first, -1)});
      }
      is_over = each.last >= range.last;
      from = plus(each.last, 1);
    }
    if (!is_over) {
      result.push_back({from, range.last});
    }
  }
  return result;
}

/// What both have, disjoint and ascending each.
std::vector<TimeRange> shared(const std::vector<TimeRange>& a, const std::vector<TimeRange>& b) {
  std::vector<TimeRange> result;
  for (const TimeRange& one : a) {
    for (const TimeRange& other : b) {
      const TimeRange both{std::max(one.first, other.first), std::min(one.last, other.last)};
      if (both.first <= both.last) {
        result.push_back(both);
      }
    }
  }
  return result;
}

/// Whether one of the ranges, which ascend and are disjoint, has the time.
bool covers(const std::vector<TimeRange>& ranges, EventTime time) {
  const auto behind = std::upper_bound(
      ranges.begin(), ranges.end(), time, [](EventTime value, const TimeRange& range) {
        return value < range.first;
      });
  return behind != ranges.begin() && time <= (behind - 1)->last;
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

DedupIndex::DedupIndex(Duration dedup_for, bool in_order, DedupMemory memory)
    : dedup_for_(dedup_for),
      in_order_(in_order),
      memory_(std::move(memory)),
      slots_(kSlotsMin, 0),
      runs_(memory_.folder, memory_.bytes_max / kFiltersShare) {}

std::vector<TimeRange> DedupIndex::missing(std::span<const TimeRange> ranges) const {
  return without(join_touching({ranges.begin(), ranges.end()}), loaded_);
}

Status DedupIndex::load(const data::Batch& rows,
                        const std::vector<std::string>& key,
                        const TimeRange& range,
                        std::span<const uint64_t> contents) {
  ASSAY_RETURN_IF_ERROR(load_some(rows, key, contents));
  note_loaded(range);
  return {};
}

Status DedupIndex::load_some(const data::Batch& rows,
                             const std::vector<std::string>& key,
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
  const data::EncodedKeys keys(columns, rows.rows());
  for (int64_t row = 0; row < rows.rows(); ++row) {
    const auto at = static_cast<std::size_t>(row);
    if (const auto bytes = keys.key(row)) {
      insert({hash_of(*bytes, {times[at]}),
              *bytes,
              {times[at]},
              sequences[at],
              contents.empty() ? 0 : contents[at]},
             false);
    }
  }
  return is_full() ? spill() : Status();
}

void DedupIndex::note_loaded(const TimeRange& range) {
  loaded_.push_back(range);
  loaded_ = join_touching(std::move(loaded_));
}

Status DedupIndex::recall(std::span<const AskedKey> asked) {
  if (runs_.empty()) {
    return {};
  }
  struct Asked {
    uint64_t hash = 0;
    std::size_t number = 0;
  };
  std::vector<Asked> by_hash;
  std::vector<KeyRuns::Question> questions;
  for (std::size_t number = 0; number < asked.size(); ++number) {
    const uint64_t key_hash = hash_bytes(asked[number].key);
    const int64_t bucket = bucket_of(asked[number].event_time);
    for (const int64_t near : {bucket, bucket - 1, bucket + 1}) {
      const uint64_t hash = hash_mix(key_hash, static_cast<uint64_t>(near));
      by_hash.push_back({hash, number});
      questions.push_back({hash, asked[number].event_time});
    }
  }
  const auto is_before = [](const Asked& a, const Asked& b) { return a.hash < b.hash; };
  std::sort(by_hash.begin(), by_hash.end(), is_before);
  return runs_.find(std::move(questions), dedup_for_, [&](const AcceptedKey& found) {
    const auto [begin, end] =
        std::equal_range(by_hash.begin(), by_hash.end(), Asked{found.hash, 0}, is_before);
    const bool is_asked_for = std::any_of(
        begin, end, [&](const Asked& each) { return asked[each.number].key == found.key; });
    if (is_asked_for && !has(found)) {
      insert(found, true);
    }
  });
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
  insert({hash_mix(key_hash, static_cast<uint64_t>(bucket)), key, event_time, sequence, content},
         false);
  return true;
}

bool DedupIndex::is_full() const {
  return !memory_.folder.empty() && !entries_.empty() &&
         table_bytes() > memory_.bytes_max / kKeysShare;
}

Status DedupIndex::make_room(std::span<const TimeRange> ranges) {
  narrow(ranges);
  const auto kept = std::count_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return covers(loaded_, entry.event_time);
  });
  if (!is_full() || static_cast<std::size_t>(kept) * 2 <= entries_.size()) {
    rebuild();
    return {};
  }
  for (Entry& entry : entries_) {  // what is not asked for goes to no file
    entry.is_in_file = entry.is_in_file || !covers(loaded_, entry.event_time);
  }
  return spill();
}

void DedupIndex::keep_only(std::span<const TimeRange> ranges) {
  narrow(ranges);
  rebuild();
}

/// What is loaded becomes what `ranges` and the files that stay have of it. So a file is whole or
/// gone, and what it had may be loaded again.
void DedupIndex::narrow(std::span<const TimeRange> ranges) {
  const std::vector<TimeRange> dropped = join_touching(runs_.drop_outside(ranges));
  std::vector<TimeRange> stays = runs_.ranges();
  stays.insert(stays.end(), ranges.begin(), ranges.end());
  loaded_ = without(shared(join_touching(std::move(stays)), loaded_), dropped);
}

/// Drop from memory what is not loaded any more.
void DedupIndex::rebuild() {
  const std::vector<Entry> entries = std::exchange(entries_, {});
  const std::string keys = std::exchange(keys_, {});
  slots_.assign(kSlotsMin, 0);
  slots_.shrink_to_fit();
  for (const Entry& entry : entries) {
    if (covers(loaded_, entry.event_time)) {
      insert({entry.hash,
              std::string_view(keys).substr(entry.key_offset, entry.key_size),
              entry.event_time,
              entry.sequence,
              entry.content},
             entry.is_in_file);
    }
  }
}

/// Everything in memory goes to files, save for what came from there.
Status DedupIndex::spill() {
  std::vector<uint32_t> order;
  for (uint32_t number = 0; number < entries_.size(); ++number) {
    if (!entries_[number].is_in_file) {
      order.push_back(number);
    }
  }
  std::vector<KeyRuns::Keys> pieces;
  std::size_t begin = 0;
  for (const TimeRange& piece : spilled_pieces()) {
    const auto middle = std::partition(
        order.begin() + static_cast<int64_t>(begin), order.end(), [&](uint32_t number) {
          const EventTime time = entries_[number].event_time;
          return piece.first <= time && time <= piece.last;
        });
    const auto end = static_cast<std::size_t>(middle - order.begin());
    std::sort(order.begin() + static_cast<int64_t>(begin), middle, [&](uint32_t a, uint32_t b) {
      return entries_[a].hash < entries_[b].hash;
    });
    pieces.push_back({static_cast<int64_t>(end - begin), [this, &order, begin](int64_t number) {
                        return key_of(entries_[order[begin + static_cast<std::size_t>(number)]]);
                      }});
    begin = end;
  }
  ASSAY_RETURN_IF_ERROR(runs_.add(pieces));
  entries_ = {};
  keys_ = {};
  slots_.assign(kSlotsMin, 0);
  slots_.shrink_to_fit();
  return {};
}

/// Times that lie together, of the keys that are to go to files: each has one.
std::vector<TimeRange> DedupIndex::spilled_pieces() const {
  const int64_t width = std::max(dedup_for_.micros, kPieceMicrosMin);
  std::map<int64_t, TimeRange> cells;
  for (const Entry& entry : entries_) {
    if (!entry.is_in_file) {
      const auto [cell, is_new] = cells.try_emplace(floor_to(entry.event_time.micros, width),
                                                    TimeRange{entry.event_time, entry.event_time});
      cell->second.first = std::min(cell->second.first, entry.event_time);
      cell->second.last = std::max(cell->second.last, entry.event_time);
    }
  }
  std::vector<TimeRange> pieces;
  int64_t last_cell = 0;
  for (const auto& [cell, range] : cells) {
    if (!pieces.empty() && cell - last_cell == width) {
      pieces.back().last = range.last;
    } else {
      pieces.push_back(range);
    }
    last_cell = cell;
  }
  return join_nearest(pieces, kPiecesMax);
}

AcceptedKey DedupIndex::key_of(const Entry& entry) const {
  return {entry.hash, bytes_of(entry), entry.event_time, entry.sequence, entry.content};
}

std::size_t DedupIndex::table_bytes() const {
  return entries_.capacity() * sizeof(Entry) + slots_.size() * sizeof(uint32_t) + keys_.capacity();
}

int64_t DedupIndex::bucket_of(EventTime time) const {
  const int64_t width = dedup_for_.micros + 1;
  return floor_to(time.micros, width) / width;
}

uint64_t DedupIndex::hash_of(std::string_view key, EventTime time) const {
  return hash_mix(hash_bytes(key), static_cast<uint64_t>(bucket_of(time)));
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
    if (entry.hash != hash || !is_other || bytes_of(entry) != key) {
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

bool DedupIndex::has(const AcceptedKey& key) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = key.hash & mask; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const Entry& entry = entries_[slots_[slot] - 1];
    if (entry.hash == key.hash && entry.sequence == key.sequence && bytes_of(entry) == key.key) {
      return true;
    }
  }
  return false;
}

void DedupIndex::insert(const AcceptedKey& key, bool is_in_file) {
  if ((entries_.size() + 1) * 2 > slots_.size()) {
    grow(slots_.size() * 2);
  }
  Entry entry;
  entry.hash = key.hash;
  entry.key_offset = keys_.size();
  entry.key_size = static_cast<uint32_t>(key.key.size());
  entry.is_in_file = is_in_file;
  entry.event_time = key.event_time;
  entry.sequence = key.sequence;
  entry.content = key.content;
  keys_ += key.key;
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

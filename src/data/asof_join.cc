#include "data/asof_join.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "data/key_codes.h"

// The idea, in four steps:
//   1. Code: each row's key becomes 64 bits: the value itself, a short text packed, or a hash.
//   2. Partition: both sides are scattered by the hash of their code into parts that fit the
//      second-level cache, each thread writing its own ranges. When labels are few, rows whose key
//      no label has are dropped on the way.
//   3. Group: in each part a small hash table gives the label keys dense ids; rows and labels are
//      counting-sorted by id. Codes that are hashes are compared by their full keys here.
//   4. Sweep: per entity, rows in order of visible time = max(event_time, known_time) are merged
//      with labels in order of time. The newest row so far by (event_time, known_time, sequence) is
//      a running maximum, so late rows are exact at no cost.
// Parts are independent and each label is answered once: thread count and order change nothing.

namespace assay::data {
namespace {

constexpr std::size_t kPartBytes = std::size_t{256} << 10;
constexpr int kPartBitsMax = 11;
constexpr int kThreadsMax = 64;
/// Inputs smaller than this are not worth a second thread.
constexpr std::size_t kRowsPerThread = 16'384;
/// Up to this many labels of one entity are answered by scanning rows that are not in order.
constexpr std::size_t kScanLabels = 4;

struct RowRecord {
  Code64 code;
  int64_t event;
  int64_t known;
  uint32_t row;
};

struct LabelRecord {
  Code64 code;
  int64_t time;
  uint32_t row;
};

// ---- 2. Partition
// -----------------------------------------------------------------------------------

/// Run `work(thread)` on that many threads and wait.
template <typename Work>
void on_threads(int threads, Work work) {
  std::vector<std::jthread> others;
  for (int thread = 1; thread < threads; ++thread) {
    others.emplace_back([&work, thread] { work(thread); });
  }
  work(0);
}

/// Memory for records that is not zeroed first.
template <typename Record>
class Records {
 public:
  explicit Records(std::size_t size) : data_(new Record[size]) {}
  Record* data() { return data_.get(); }

 private:
  std::unique_ptr<Record[]> data_;
};

/// Records of one side, part after part; part p is [begins[p], begins[p + 1]).
template <typename Record>
struct Parts {
  Records<Record> records{0};
  std::vector<std::size_t> begins;
  std::span<Record> part(std::size_t p) {
    return {records.data() + begins[p], begins[p + 1] - begins[p]};
  }
};

/// A set of codes that may hold a few more than were put in: one bit a slot.
class CodeFilter {
 public:
  explicit CodeFilter(std::size_t codes)
      : bits_(std::max(12, static_cast<int>(std::bit_width(codes * 16)))),
        words_((std::size_t{1} << bits_) / 64) {}
  void put(uint64_t scrambled) {
    words_[slot(scrambled) / 64] |= uint64_t{1} << (slot(scrambled) % 64);
  }
  [[nodiscard]] bool may_hold(uint64_t scrambled) const {
    return ((words_[slot(scrambled) / 64] >> (slot(scrambled) % 64)) & 1) != 0;
  }

 private:
  // The low bits: the part number is made of the high ones.
  [[nodiscard]] std::size_t slot(uint64_t scrambled) const {
    return scrambled & ((std::size_t{1} << bits_) - 1);
  }
  int bits_;
  std::vector<uint64_t> words_;
};

/// Scatter the rows of one side by the top `bits` of their scrambled code, in row order within a
/// part.
template <typename Record, typename Make>
Parts<Record> partition(
    const KeyCodes& coded, const CodeFilter* filter, int bits, int threads, Make make) {
  const std::size_t size = coded.codes.size();
  const std::size_t parts = std::size_t{1} << bits;
  const auto used_threads = static_cast<std::size_t>(threads);
  std::vector<std::vector<std::size_t>> positions(used_threads, std::vector<std::size_t>(parts));
  const auto for_rows_of = [&](int thread, auto use) {
    const std::size_t begin = size * static_cast<std::size_t>(thread) / used_threads;
    const std::size_t end = size * (static_cast<std::size_t>(thread) + 1) / used_threads;
    for (std::size_t row = begin; row < end; ++row) {
      const uint64_t scrambled = scramble(coded.codes[row]);
      if ((coded.skip.empty() || coded.skip[row] == 0) &&
          (filter == nullptr || filter->may_hold(scrambled))) {
        use(row, bits == 0 ? 0 : scrambled >> (64 - bits));
      }
    }
  };
  on_threads(threads, [&](int thread) {
    std::size_t* counts = positions[static_cast<std::size_t>(thread)].data();
    for_rows_of(thread, [&](std::size_t, uint64_t part) { ++counts[part]; });
  });

  Parts<Record> out;
  out.begins.resize(parts + 1);
  std::size_t next = 0;
  for (std::size_t part = 0; part < parts; ++part) {
    out.begins[part] = next;
    for (std::vector<std::size_t>& of_thread : positions) {
      next += std::exchange(of_thread[part], next);
    }
  }
  out.begins[parts] = next;
  out.records = Records<Record>(next);

  on_threads(threads, [&](int thread) {
    std::size_t* position = positions[static_cast<std::size_t>(thread)].data();
    Record* records = out.records.data();
    for_rows_of(thread,
                [&](std::size_t row, uint64_t part) { records[position[part]++] = make(row); });
  });
  return out;
}

// ---- 3. Group
// ---------------------------------------------------------------------------------------

constexpr uint32_t kNoEntity = std::numeric_limits<uint32_t>::max();

/// Dense ids of the label keys of one part. Open addressing, linear probing, at most half full.
class EntityTable {
 public:
  EntityTable(const AsofLabels& labels, const AsofRows& rows, CodeMeaning meaning)
      : labels_(labels), rows_(rows), meaning_(meaning) {}

  void start_part(std::size_t labels) {
    const std::size_t slots = std::bit_ceil(std::max<std::size_t>(labels * 2, 16));
    mask_ = slots - 1;
    slots_.assign(slots, {});
    first_labels_.clear();
  }
  [[nodiscard]] std::size_t entities() const { return first_labels_.size(); }

  uint32_t put(const LabelRecord& label) {
    Slot& slot = find(label.code, [&](uint32_t other) {
      return equal_keys(labels_.keys, label.row, labels_.keys, other);
    });
    if (slot.id == kNoEntity) {
      slot = {label.code, static_cast<uint32_t>(first_labels_.size())};
      first_labels_.push_back(label.row);
    }
    return slot.id;
  }
  uint32_t get(const RowRecord& row) {
    return find(
               row.code,
               [&](uint32_t label) { return equal_keys(rows_.keys, row.row, labels_.keys, label); })
        .id;
  }

 private:
  struct Slot {
    Code64 code = 0;
    uint32_t id = kNoEntity;
  };

  [[nodiscard]] bool code_is_key(Code64 code) const {
    return meaning_ == CodeMeaning::kKey ||
           (meaning_ == CodeMeaning::kKeyWhenShort && (code & kLongText) != kLongText);
  }

  template <typename Same>
  Slot& find(Code64 code, Same same) {
    std::size_t at = scramble(code) & mask_;
    while (slots_[at].id != kNoEntity) {
      if (slots_[at].code == code && (code_is_key(code) || same(first_labels_[slots_[at].id]))) {
        break;
      }
      at = (at + 1) & mask_;
    }
    return slots_[at];
  }

  const AsofLabels& labels_;
  const AsofRows& rows_;
  CodeMeaning meaning_;
  std::size_t mask_ = 0;
  std::vector<Slot> slots_;
  std::vector<uint32_t> first_labels_;  // per id: the label row that brought it
};

/// Records of one part, entity after entity, in their order before. ends[id] is where entity id
/// ends.
template <typename Record>
struct Grouped {
  std::vector<uint32_t> ids;  // per record of the part
  std::vector<uint32_t> ends;
  std::vector<Record> records;

  template <typename IdOf>
  void count(std::span<Record> part, IdOf id_of) {
    ids.resize(part.size());
    for (std::size_t i = 0; i < part.size(); ++i) {
      ids[i] = id_of(part[i]);
    }
  }
  void group(std::span<Record> part, std::size_t entities) {
    ends.assign(entities + 1, 0);
    for (const uint32_t id : ids) {
      if (id != kNoEntity) {
        ++ends[id + 1];
      }
    }
    for (std::size_t id = 0; id < entities; ++id) {
      ends[id + 1] += ends[id];
    }
    records.resize(ends[entities]);
    // ends[id] is where entity id begins, and moves to its end as it fills.
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (ids[i] != kNoEntity) {
        records[ends[ids[i]]++] = part[i];
      }
    }
  }
  std::span<Record> of(std::size_t id) {
    const std::size_t begin = id == 0 ? 0 : ends[id - 1];
    return {records.data() + begin, ends[id] - begin};
  }
};

// ---- 4. Sweep
// ---------------------------------------------------------------------------------------

inline int64_t visible_time(const RowRecord& row) {
  return std::max(row.event, row.known);
}

/// One thread's way through its parts.
class PartJoiner {
 public:
  PartJoiner(const AsofLabels& labels,
             const AsofRows& rows,
             CodeMeaning meaning,
             std::optional<Duration> ttl,
             AsofMatch& match)
      : entities_(labels, rows, meaning), match_(match) {
    if (rows.sequence != nullptr) {
      sequence_ = rows.sequence->values<int64_t>().data();
    }
    if (ttl) {
      ttl_micros_ = static_cast<uint64_t>(ttl->micros);
    }
  }

  void join(std::span<LabelRecord> labels, std::span<RowRecord> rows) {
    if (labels.empty() || rows.empty()) {
      return;
    }
    entities_.start_part(labels.size());
    labels_.count(labels, [&](const LabelRecord& label) { return entities_.put(label); });
    rows_.count(rows, [&](const RowRecord& row) { return entities_.get(row); });
    labels_.group(labels, entities_.entities());
    rows_.group(rows, entities_.entities());
    for (std::size_t id = 0; id < entities_.entities(); ++id) {
      join_entity(labels_.of(id), rows_.of(id));
    }
  }

 private:
  [[nodiscard]] bool newer(const RowRecord& a, const RowRecord& b) const {
    if (a.event != b.event) {
      return a.event > b.event;
    }
    if (a.known != b.known) {
      return a.known > b.known;
    }
    if (sequence_ != nullptr && sequence_[a.row] != sequence_[b.row]) {
      return sequence_[a.row] > sequence_[b.row];
    }
    return a.row > b.row;
  }

  void answer(const LabelRecord& label, const RowRecord* newest) {
    if (newest == nullptr) {
      return;  // rows = -1 and kNotFound stand there already
    }
    // event <= time, so the difference fits unsigned arithmetic whatever the two are.
    const uint64_t age = static_cast<uint64_t>(label.time) - static_cast<uint64_t>(newest->event);
    if (age > ttl_micros_) {
      match_.statuses[label.row] = FeatureStatus::kOutsideMaxAge;
      return;
    }
    match_.rows[label.row] = newest->row;
    match_.statuses[label.row] = FeatureStatus::kPresent;
  }

  void join_entity(std::span<LabelRecord> labels, std::span<RowRecord> rows) {
    const auto earlier_visible = [](const RowRecord& a, const RowRecord& b) {
      return visible_time(a) < visible_time(b);
    };
    if (!std::is_sorted(rows.begin(), rows.end(), earlier_visible)) {
      if (labels.size() <= kScanLabels) {
        scan(labels, rows);
        return;
      }
      std::sort(rows.begin(), rows.end(), earlier_visible);
    }
    const auto earlier = [](const LabelRecord& a, const LabelRecord& b) { return a.time < b.time; };
    if (!std::is_sorted(labels.begin(), labels.end(), earlier)) {
      std::sort(labels.begin(), labels.end(), earlier);
    }
    const RowRecord* newest = nullptr;
    std::size_t row = 0;
    for (const LabelRecord& label : labels) {
      for (; row < rows.size() && visible_time(rows[row]) <= label.time; ++row) {
        newest = newest == nullptr || newer(rows[row], *newest) ? &rows[row] : newest;
      }
      answer(label, newest);
    }
  }

  void scan(std::span<const LabelRecord> labels, std::span<const RowRecord> rows) {
    for (const LabelRecord& label : labels) {
      const RowRecord* newest = nullptr;
      for (const RowRecord& row : rows) {
        if (visible_time(row) <= label.time && (newest == nullptr || newer(row, *newest))) {
          newest = &row;
        }
      }
      answer(label, newest);
    }
  }

  EntityTable entities_;
  AsofMatch& match_;
  const int64_t* sequence_ = nullptr;
  uint64_t ttl_micros_ = std::numeric_limits<uint64_t>::max();
  Grouped<LabelRecord> labels_;
  Grouped<RowRecord> rows_;
};

// ---- Arguments
// --------------------------------------------------------------------------------------

Status check_column(const Column* column, Type type, int64_t rows, std::string_view what) {
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

Status check_keys(const AsofLabels& labels, const AsofRows& rows) {
  if (labels.keys.size() != rows.keys.size()) {
    return {Code::kInvalidArgument,
            "as-of join: labels have " + std::to_string(labels.keys.size()) +
                " key columns, rows have " + std::to_string(rows.keys.size())};
  }
  for (std::size_t i = 0; i < labels.keys.size(); ++i) {
    const Type type = labels.keys[i]->type();
    if (type == Type::kFloat32 || type == Type::kFloat64) {
      return {Code::kInvalidArgument,
              "as-of join: a floating-point column cannot be a key; key column " +
                  std::to_string(i + 1)};
    }
    const std::string what = "key column " + std::to_string(i + 1);
    ASSAY_RETURN_IF_ERROR(
        check_column(labels.keys[i], type, labels.time->size(), what + " of labels"));
    ASSAY_RETURN_IF_ERROR(
        check_column(rows.keys[i], type, rows.event_time->size(), what + " of rows"));
  }
  return {};
}

Status check_arguments(const AsofLabels& labels, const AsofRows& rows, const AsofOptions& options) {
  const int64_t label_count = labels.time == nullptr ? 0 : labels.time->size();
  const int64_t row_count = rows.event_time == nullptr ? 0 : rows.event_time->size();
  ASSAY_RETURN_IF_ERROR(check_column(labels.time, Type::kTimestamp, label_count, "label time"));
  ASSAY_RETURN_IF_ERROR(check_column(rows.event_time, Type::kTimestamp, row_count, "event_time"));
  ASSAY_RETURN_IF_ERROR(check_column(rows.known_time, Type::kTimestamp, row_count, "known_time"));
  if (rows.sequence != nullptr) {
    ASSAY_RETURN_IF_ERROR(check_column(rows.sequence, Type::kInt64, row_count, "sequence"));
  }
  if (std::max(label_count, row_count) > std::numeric_limits<uint32_t>::max()) {
    return {Code::kInvalidArgument, "as-of join: more than 4294967295 rows; split them by time"};
  }
  if (options.ttl && options.ttl->micros < 0) {
    return {Code::kInvalidArgument, "as-of join: negative ttl"};
  }
  return check_keys(labels, rows);
}

int part_bits(std::size_t labels, std::size_t rows) {
  const std::size_t bytes = labels * sizeof(LabelRecord) + rows * sizeof(RowRecord);
  return std::min(kPartBitsMax, static_cast<int>(std::bit_width(bytes / kPartBytes)));
}

}  // namespace

std::string_view status_name(FeatureStatus status) {
  switch (status) {
    case FeatureStatus::kPresent:
      return "PRESENT";
    case FeatureStatus::kNullValue:
      return "NULL_VALUE";
    case FeatureStatus::kNotFound:
      return "NOT_FOUND";
    case FeatureStatus::kOutsideMaxAge:
      return "OUTSIDE_MAX_AGE";
  }
  return "";
}

Result<AsofMatch> asof_join(const AsofLabels& labels,
                            const AsofRows& rows,
                            const AsofOptions& options) {
  ASSAY_RETURN_IF_ERROR(check_arguments(labels, rows, options));
  const auto label_count = static_cast<std::size_t>(labels.time->size());
  const auto row_count = static_cast<std::size_t>(rows.event_time->size());
  AsofMatch match;
  match.rows.assign(label_count, -1);
  match.statuses.assign(label_count, FeatureStatus::kNotFound);
  if (label_count == 0 || row_count == 0) {
    return match;
  }
  const auto threads_max = static_cast<int>((label_count + row_count) / kRowsPerThread + 1);
  const int threads = std::clamp(options.threads, 1, std::min(threads_max, kThreadsMax));
  const CodeMeaning meaning = meaning_of_codes(labels.keys);
  const KeyCodes label_codes = make_key_codes(labels.keys, {labels.time});
  const KeyCodes row_codes = make_key_codes(rows.keys, {rows.event_time, rows.known_time});
  const int bits = part_bits(label_count, row_count);

  std::optional<CodeFilter> filter;
  if (label_count < row_count / 8) {
    filter.emplace(label_count);
    for (const Code64 code : label_codes.codes) {
      filter->put(scramble(code));
    }
  }
  const auto times = labels.time->values<int64_t>();
  const auto events = rows.event_time->values<int64_t>();
  const auto knowns = rows.known_time->values<int64_t>();
  auto label_parts =
      partition<LabelRecord>(label_codes, nullptr, bits, threads, [&](std::size_t row) {
        return LabelRecord{label_codes.codes[row], times[row], static_cast<uint32_t>(row)};
      });
  auto row_parts = partition<
      RowRecord>(row_codes, filter ? &*filter : nullptr, bits, threads, [&](std::size_t row) {
    return RowRecord{row_codes.codes[row], events[row], knowns[row], static_cast<uint32_t>(row)};
  });

  std::atomic<std::size_t> next_part{0};
  on_threads(threads, [&](int) {
    PartJoiner joiner(labels, rows, meaning, options.ttl, match);
    const std::size_t parts = std::size_t{1} << bits;
    for (std::size_t part = next_part++; part < parts; part = next_part++) {
      joiner.join(label_parts.part(part), row_parts.part(part));
    }
  });
  return match;
}

}  // namespace assay::data

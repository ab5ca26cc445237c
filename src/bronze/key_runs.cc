#include "bronze/key_runs.h"

#include <algorithm>
#include <optional>
#include <queue>
#include <utility>

namespace assay::bronze {
namespace {

/// With so many runs the smallest ones begin to be merged.
constexpr std::size_t kRunsMax = 32;
/// So many at once.
constexpr std::size_t kRunsMerged = 8;
/// Keys merged for each that is asked for: a merge is done before as many runs have come again.
constexpr int64_t kKeysPerQuestion = 1;
/// Times between them, at most: who asks for one of them soon asks for the other.
constexpr Duration kGapMax{3600 * kMicrosPerSecond};
/// And at least so many.
constexpr std::size_t kRunsMergedMin = 4;
/// So many filters of the largest runs fit into memory.
constexpr std::size_t kFiltersHeldMin = 4;
/// Where less memory is given for filters, runs of a million keys may be merged none the less.
constexpr std::size_t kMergedFilterMin = std::size_t{2} << 20;

bool overlap(const TimeRange& a, const TimeRange& b) {
  return a.first <= b.last && b.first <= a.last;
}

/// Whether a run that begins not before another one may be one with it: little lies between them.
bool are_neighbours(const TimeRange& earlier, const TimeRange& later) {
  int64_t gap = 0;
  return later.first <= earlier.last ||
         (!__builtin_sub_overflow(later.first.micros, earlier.last.micros, &gap) &&
          gap <= kGapMax.micros);
}

/// Whether a time is at most `reach` from one in a range.
bool is_near(EventTime time, const TimeRange& range, Duration reach) {
  int64_t first = 0;
  int64_t last = 0;
  if (__builtin_sub_overflow(range.first.micros, reach.micros, &first)) {
    first = INT64_MIN;
  }
  if (__builtin_add_overflow(range.last.micros, reach.micros, &last)) {
    last = INT64_MAX;
  }
  return first <= time.micros && time.micros <= last;
}

}  // namespace

/// Some runs on their way to be one.
class KeyRuns::Merge {
 public:
  static Result<std::unique_ptr<Merge>> begin(const std::string& folder,
                                              std::vector<const KeyRun*> inputs) {
    int64_t keys = 0;
    for (const KeyRun* run : inputs) {
      keys += run->size();
    }
    ASSAY_ASSIGN_OR_RETURN(KeyRunWriter writer, KeyRunWriter::open(folder, keys));
    std::unique_ptr<Merge> merge(new Merge(std::move(inputs), std::move(writer), keys));
    for (const KeyRun* run : merge->inputs_) {
      merge->readers_.emplace_back(*run);
    }
    for (std::size_t input = 0; input < merge->readers_.size(); ++input) {
      ASSAY_RETURN_IF_ERROR(merge->read(input));
    }
    return merge;
  }

  /// Go on by so many keys; false when there are none left.
  Result<bool> go_on(int64_t keys) {
    for (; keys > 0 && !next_.empty(); --keys) {
      const std::size_t input = next_.top().second;
      next_.pop();
      ASSAY_RETURN_IF_ERROR(writer_.add(keys_[input]));
      ASSAY_RETURN_IF_ERROR(read(input));
    }
    return !next_.empty();
  }

  Result<KeyRun> finish(bool holds_filter) { return std::move(writer_).finish(holds_filter); }

  [[nodiscard]] int64_t keys() const { return total_; }

  [[nodiscard]] bool has(const KeyRun* run) const {
    return std::count(inputs_.begin(), inputs_.end(), run) != 0;
  }

 private:
  Merge(std::vector<const KeyRun*> inputs, KeyRunWriter writer, int64_t total)
      : inputs_(std::move(inputs)),
        writer_(std::move(writer)),
        total_(total),
        keys_(inputs_.size()) {}

  Status read(std::size_t input) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<AcceptedKey> key, readers_[input].next());
    if (key.has_value()) {
      keys_[input] = *key;
      next_.push({key->hash, input});
    }
    return {};
  }

  using Next = std::pair<uint64_t, std::size_t>;  // hash, number of the input
  std::vector<const KeyRun*> inputs_;
  KeyRunWriter writer_;
  int64_t total_ = 0;  // keys of all inputs
  std::vector<KeyRunReader> readers_;
  std::vector<AcceptedKey> keys_;  // the next one of each input
  std::priority_queue<Next, std::vector<Next>, std::greater<>> next_;
};

KeyRuns::KeyRuns(std::string folder, std::size_t filter_bytes_max)
    : folder_(std::move(folder)), filter_bytes_max_(filter_bytes_max) {}
KeyRuns::~KeyRuns() = default;
KeyRuns::KeyRuns(KeyRuns&&) noexcept = default;
KeyRuns& KeyRuns::operator=(KeyRuns&&) noexcept = default;

Status KeyRuns::add(std::span<const Keys> pieces) {
  std::vector<std::unique_ptr<const KeyRun>> added;
  std::size_t held = 0;
  for (const Keys& keys : pieces) {
    ASSAY_ASSIGN_OR_RETURN(KeyRunWriter writer, KeyRunWriter::open(folder_, keys.count));
    for (int64_t number = 0; number < keys.count; ++number) {
      ASSAY_RETURN_IF_ERROR(writer.add(keys.at(number)));
    }
    const std::size_t filter = KeyRun::filter_bytes_of(keys.count);
    const bool holds_filter = may_hold(held + filter);
    held += holds_filter ? filter : 0;
    ASSAY_ASSIGN_OR_RETURN(KeyRun run, std::move(writer).finish(holds_filter));
    added.push_back(std::make_unique<const KeyRun>(std::move(run)));
  }
  std::move(added.begin(), added.end(), std::back_inserter(runs_));
  // Merges only make look-ups quicker: one that fails is given up, and tried again.
  if (runs_.size() >= kRunsMax + kRunsMerged) {
    (void)merge_on(INT64_MAX);  // it did not come to its end by itself
  }
  if (merge_ == nullptr && runs_.size() >= kRunsMax) {
    (void)begin_merge();
  }
  return {};
}

bool KeyRuns::may_hold(std::size_t filter_bytes) const {
  std::size_t held = filter_bytes;
  for (const auto& run : runs_) {
    held += run->filter_bytes();
  }
  return held <= filter_bytes_max_;
}

/// Of neighbours in time those with the fewest keys, as many as one filter can be made for. Runs of
/// times that lie far apart stay apart: one of them goes before the other.
Status KeyRuns::begin_merge() {
  std::vector<const KeyRun*> by_time;
  for (const auto& run : runs_) {
    by_time.push_back(run.get());
  }
  std::stable_sort(by_time.begin(), by_time.end(), [](const KeyRun* a, const KeyRun* b) {
    return a->range().first < b->range().first;
  });
  const std::size_t filter_max = std::max(filter_bytes_max_ / kFiltersHeldMin, kMergedFilterMin);
  std::vector<const KeyRun*> best;
  double best_keys = 0;  // of each of them, on average
  for (std::size_t first = 0; first < by_time.size(); ++first) {
    std::vector<const KeyRun*> inputs;
    TimeRange range = by_time[first]->range();
    int64_t keys = 0;
    for (std::size_t at = first; at < by_time.size() && inputs.size() < kRunsMerged; ++at) {
      keys += by_time[at]->size();
      if (!are_neighbours(range, by_time[at]->range()) ||
          KeyRun::filter_bytes_of(keys) > filter_max) {
        break;
      }
      range.last = std::max(range.last, by_time[at]->range().last);
      inputs.push_back(by_time[at]);
      const double average = static_cast<double>(keys) / static_cast<double>(inputs.size());
      // Few at a time are many merges of the same keys.
      if (inputs.size() >= kRunsMergedMin && (best.empty() || average < best_keys)) {
        best = inputs;
        best_keys = average;
      }
    }
  }
  if (best.empty()) {
    return {};
  }
  ASSAY_ASSIGN_OR_RETURN(merge_, Merge::begin(folder_, std::move(best)));
  return {};
}

Status KeyRuns::merge_on(int64_t keys) {
  if (merge_ == nullptr) {
    return {};
  }
  const Result<bool> has_more = merge_->go_on(keys);
  if (has_more.ok() && *has_more) {
    return {};
  }
  const std::unique_ptr<Merge> merge = std::move(merge_);
  ASSAY_RETURN_IF_ERROR(has_more.status());
  std::vector<std::unique_ptr<const KeyRun>> runs;
  std::size_t held = KeyRun::filter_bytes_of(merge->keys());
  for (const auto& run : runs_) {
    held += merge->has(run.get()) ? 0 : run->filter_bytes();
  }
  ASSAY_ASSIGN_OR_RETURN(KeyRun merged, merge->finish(held <= filter_bytes_max_));
  runs.push_back(std::make_unique<const KeyRun>(std::move(merged)));
  for (auto& run : runs_) {
    if (!merge->has(run.get())) {
      runs.push_back(std::move(run));
    }
  }
  runs_ = std::move(runs);
  return {};
}

Status KeyRuns::find(std::vector<Question> questions,
                     Duration reach,
                     const std::function<void(const AcceptedKey&)>& found) {
  if (runs_.empty()) {
    return {};
  }
  (void)merge_on(kKeysPerQuestion * static_cast<int64_t>(questions.size()));
  std::sort(questions.begin(), questions.end(), [](const Question& a, const Question& b) {
    return a.hash < b.hash;
  });
  std::vector<uint64_t> hashes;
  for (const auto& run : runs_) {
    hashes.clear();
    for (const Question& question : questions) {
      if (is_near(question.event_time, run->range(), reach)) {
        hashes.push_back(question.hash);
      }
    }
    ASSAY_RETURN_IF_ERROR(run->find(hashes, found));
  }
  return {};
}

std::vector<TimeRange> KeyRuns::drop_outside(std::span<const TimeRange> ranges) {
  const auto is_outside = [&](const auto& run) {
    return std::none_of(ranges.begin(), ranges.end(), [&](const TimeRange& range) {
      return overlap(range, run->range());
    });
  };
  std::vector<TimeRange> dropped;
  for (const auto& run : runs_) {
    if (is_outside(run)) {
      dropped.push_back(run->range());
      merge_ = merge_ != nullptr && merge_->has(run.get()) ? nullptr : std::move(merge_);
    }
  }
  std::erase_if(runs_, is_outside);
  return dropped;
}

std::vector<TimeRange> KeyRuns::ranges() const {
  std::vector<TimeRange> ranges;
  for (const auto& run : runs_) {
    ranges.push_back(run->range());
  }
  return ranges;
}

int64_t KeyRuns::size() const {
  int64_t keys = 0;
  for (const auto& run : runs_) {
    keys += run->size();
  }
  return keys;
}

int64_t KeyRuns::file_bytes() const {
  int64_t bytes = 0;
  for (const auto& run : runs_) {
    bytes += run->file_bytes();
  }
  return bytes;
}

std::size_t KeyRuns::bytes() const {
  std::size_t bytes = 0;
  for (const auto& run : runs_) {
    bytes += run->bytes();
  }
  return bytes;
}

}  // namespace assay::bronze

#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace assay::gold {

/// How often each value stands in a window: what distinct, mode and top_k are had from. Adding and
/// subtracting counts is exact, so any order and grouping gives the same counts.
///
/// Ties    of equal counts the smaller value comes first.
/// Threads one thread at a time.
/// Cost    O(log distinct values) an update, one entry a distinct value.
template <typename Value>
class ValueCounts {
 public:
  enum class Ranking : uint8_t { kOnDemand, kKept };

  /// kKept: the order by count is kept up to date, for callers who ask for it after each update.
  explicit ValueCounts(Ranking ranking = Ranking::kOnDemand) : ranking_(ranking) {}

  void add(const Value& value, int64_t count) {
    const auto place = counts_.try_emplace(value, 0).first;
    const int64_t before = place->second;
    place->second += count;
    if (ranking_ == Ranking::kKept) {
      if (before != 0) {
        ranked_.erase({-before, value});
      }
      if (place->second != 0) {
        ranked_.insert({-place->second, value});
      }
    }
    if (place->second == 0) {
      counts_.erase(place);
    }
  }
  void clear() {
    counts_.clear();
    ranked_.clear();
  }

  [[nodiscard]] int64_t distinct() const { return static_cast<int64_t>(counts_.size()); }
  /// Values with their counts, ascending.
  [[nodiscard]] const std::map<Value, int64_t>& counts() const { return counts_; }
  /// A value with how often it stands, the count negated: smaller is more often.
  using Ranked = std::pair<int64_t, Value>;
  /// The `limit` values that stand most often, most often first.
  [[nodiscard]] std::vector<Ranked> top(int64_t limit) const {
    const auto count = std::min(counts_.size(), static_cast<std::size_t>(limit));
    if (ranking_ == Ranking::kKept) {
      return {ranked_.begin(), std::next(ranked_.begin(), static_cast<std::ptrdiff_t>(count))};
    }
    std::vector<Ranked> ranked;
    for (const auto& [value, times] : counts_) {
      ranked.emplace_back(-times, value);
    }
    const auto end = ranked.begin() + static_cast<std::ptrdiff_t>(count);
    std::partial_sort(ranked.begin(), end, ranked.end());
    ranked.erase(end, ranked.end());
    return ranked;
  }

 private:
  Ranking ranking_;
  std::map<Value, int64_t> counts_;
  std::set<std::pair<int64_t, Value>> ranked_;  // by falling count, rising value
};

}  // namespace assay::gold

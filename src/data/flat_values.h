#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "data/asof_join.h"
#include "data/scalar.h"

namespace assay::data {

/// Values of rows, one row behind the other, without an object for each: what Scalars say, in a
/// word each and, where that is too small, beside. A value is null exactly when its status is not
/// PRESENT.
///
///   integers, dates, times   the number             bool     0 or 1
///   float32, float64         the bits of a double   null     nothing
///   text and bytes           which of the texts     others   which of the Scalars
///
/// Threads one thread at a time. What is cleared keeps its memory.
class FlatValues {
 public:
  /// How much there is of everything, to go back to.
  struct Size {
    std::size_t words = 0;
    std::size_t rows = 0;
    std::size_t texts = 0;
    std::size_t text_bytes = 0;
    std::size_t others = 0;
  };
  [[nodiscard]] Size size() const {
    return {values_, rows_, texts_.size(), bytes_.size(), others_.size()};
  }
  /// Forget what came since it had this size.
  void shrink(const Size& size);
  void clear() { shrink({}); }
  /// Make room for so many more.
  void reserve(std::size_t values, std::size_t rows) {
    if (words_.size() < values_ + values) {
      words_.resize(values_ + values);
      statuses_.resize(values_ + values);
    }
    if (times_.size() < rows_ + rows) {
      times_.resize(rows_ + rows);
    }
  }

  /// A row whose values are all null, and of one status. Where its first value stands; when the
  /// status is PRESENT, each value is to be set.
  std::size_t add_row(std::size_t values, FeatureStatus status, EventTime time) {
    if (words_.size() < values_ + values || times_.size() == rows_) {
      grow(values);
    }
    const std::size_t begin = values_;
    std::fill_n(statuses_.begin() + static_cast<std::ptrdiff_t>(begin), values, status);
    times_[rows_++] = time;
    values_ += values;
    return begin;
  }
  /// A row of these.
  void add_row(std::span<const Scalar> values,
               std::span<const FeatureStatus> statuses,
               EventTime time);
  /// Of the value at a place and those behind it, until the next row is added.
  [[nodiscard]] uint64_t* words(std::size_t at) { return words_.data() + at; }
  [[nodiscard]] FeatureStatus* statuses(std::size_t at) { return statuses_.data() + at; }
  void set_text(std::size_t at, std::string_view text) {
    words_[at] = texts_.size();
    texts_.push_back({bytes_.size(), text.size()});
    bytes_.append(text);
  }
  /// Of any type.
  void set(std::size_t at, const Scalar& value);

  [[nodiscard]] FeatureStatus status(std::size_t at) const { return statuses_[at]; }
  [[nodiscard]] const FeatureStatus* statuses(std::size_t at) const { return &statuses_[at]; }
  /// Whether so many values from a place on are all there.
  [[nodiscard]] bool are_present(std::size_t at, std::size_t count) const {
    static_assert(static_cast<uint8_t>(FeatureStatus::kPresent) == 0);
    uint8_t others = 0;  // no way out of the loop: it takes many statuses at once
    for (std::size_t i = at; i < at + count; ++i) {
      others |= static_cast<uint8_t>(statuses_[i]);
    }
    return others == 0;
  }
  [[nodiscard]] const uint64_t* words(std::size_t at) const { return words_.data() + at; }
  [[nodiscard]] EventTime time(std::size_t row) const { return times_[row]; }
  [[nodiscard]] int64_t integer(std::size_t at) const { return static_cast<int64_t>(words_[at]); }
  [[nodiscard]] double real(std::size_t at) const { return std::bit_cast<double>(words_[at]); }
  [[nodiscard]] std::string_view text(std::size_t at) const {
    const Text& text = texts_[words_[at]];
    return std::string_view(bytes_).substr(text.begin, text.size);
  }
  [[nodiscard]] Scalar scalar(std::size_t at, const Type& type) const;

 private:
  struct Text {
    std::size_t begin = 0;
    std::size_t size = 0;
  };
  void grow(std::size_t values);

  std::size_t values_ = 0;  // so much of the following is used
  std::size_t rows_ = 0;
  std::vector<uint64_t> words_;
  std::vector<FeatureStatus> statuses_;  // as words_
  std::vector<EventTime> times_;         // one a row
  std::vector<Text> texts_;
  std::string bytes_;  // of them
  std::vector<Scalar> others_;
};

}  // namespace assay::data

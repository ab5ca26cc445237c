#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "gold/contract.h"

namespace assay::online {

/// A small feature view of newest values, so that stores and servers are tested and measured
/// without gold's kernels. Features f0, f1, ... are float64; the source has the keys, event_time,
/// known_time, sequence and the features.
///
/// The online row is a run of entries: event_time, known_time, sequence, bit set of nulls, values;
/// 8 bytes each. All entries but the newest visible one are of the future.
class FakeView : public gold::FeatureView {
 public:
  FakeView(std::string name,
           std::vector<data::Field> keys,
           int feature_count,
           std::optional<Duration> ttl = std::nullopt,
           uint64_t version = 1)
      : name_(std::move(name)), keys_(std::move(keys)), ttl_(ttl), version_(version) {
    std::vector<data::Field> source = keys_;
    for (const char* const column : {"event_time", "known_time"}) {
      source.push_back({column, data::Type::kTimestamp});
    }
    source.push_back({"sequence", data::Type::kInt64});
    for (int i = 0; i < feature_count; ++i) {
      features_.push_back({"f" + std::to_string(i), data::Type::kFloat64});
      source.push_back(features_.back());
    }
    source_schema_ = data::make_schema(source);
    source_columns_ = source_schema_->names();
  }

  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] const std::vector<data::Field>& keys() const override { return keys_; }
  [[nodiscard]] const std::vector<data::Field>& features() const override { return features_; }
  [[nodiscard]] std::optional<Duration> ttl() const override { return ttl_; }
  [[nodiscard]] Duration window_max() const override { return {}; }
  [[nodiscard]] Duration slide() const override { return {}; }
  [[nodiscard]] const std::vector<std::string>& source_columns() const override {
    return source_columns_;
  }
  [[nodiscard]] const data::SchemaPtr& steps_schema() const override { return source_schema_; }
  [[nodiscard]] const data::SchemaPtr& source_schema() const { return source_schema_; }
  Result<data::Batch> steps(
      const data::Batch& rows, const data::Batch&, EventTime, EventTime, int) const override {
    return rows;
  }
  [[nodiscard]] std::vector<data::Field> step_columns(
      std::span<const int> features) const override {
    std::vector<data::Field> fields;
    for (const int feature : features) {
      fields.push_back(features_[static_cast<std::size_t>(feature)]);
    }
    return fields;
  }
  [[nodiscard]] Result<std::vector<data::ColumnPtr>> answers(const data::Batch& steps,
                                                             std::span<const int64_t> rows,
                                                             const data::ColumnPtr&,
                                                             std::span<const int> features,
                                                             int) const override {
    std::vector<data::ColumnPtr> columns;
    for (const data::Field& field : step_columns(features)) {
      columns.push_back(data::take(*steps.find(field.name), rows));
    }
    return columns;
  }
  [[nodiscard]] uint64_t fingerprint() const override { return hash_bytes(name_, version_); }

  [[nodiscard]] Status update_online_row(const data::Batch& rows,
                                         std::span<const int64_t> selected,
                                         EventTime applied_until,
                                         std::string* row) const override {
    if (row->size() % entry_bytes() != 0) {
      return {Code::kCorrupt, "fake row has a broken entry"};
    }
    const int first = static_cast<int>(keys_.size());
    for (const int64_t at : selected) {
      for (int i = 0; i < 3; ++i) {
        append_word(row, rows.column(first + i).values<int64_t>()[static_cast<std::size_t>(at)]);
      }
      uint64_t nulls = 0;
      for (int i = 0; i < feature_count(); ++i) {
        nulls |= rows.column(first + 3 + i).is_null(at) ? uint64_t{1} << i : 0;
      }
      append_word(row, nulls);
      for (int i = 0; i < feature_count(); ++i) {
        append_word(row, rows.column(first + 3 + i).values<double>()[static_cast<std::size_t>(at)]);
      }
    }
    prune(applied_until, row);
    return {};
  }

  [[nodiscard]] Result<gold::FeatureValues> read_online_row(std::string_view row,
                                                            EventTime now) const override {
    if (row.size() % entry_bytes() != 0) {
      return Status(Code::kCorrupt, "fake row has a broken entry");
    }
    gold::FeatureValues answer;
    const std::size_t newest = newest_visible(row, now);
    const auto status = newest == std::string::npos ? data::FeatureStatus::kNotFound
                        : ttl_.has_value() && now.micros - word(row, newest) > ttl_->micros
                            ? data::FeatureStatus::kOutsideMaxAge
                            : data::FeatureStatus::kPresent;
    answer.values.assign(features_.size(), data::Scalar::null(data::Type::kFloat64));
    answer.statuses.assign(features_.size(), status);
    if (newest != std::string::npos) {
      answer.event_time = EventTime{word(row, newest)};
    }
    if (status == data::FeatureStatus::kPresent) {
      const auto nulls = static_cast<uint64_t>(word(row, newest + 24));
      for (std::size_t i = 0; i < features_.size(); ++i) {
        if (((nulls >> i) & 1) != 0) {
          answer.statuses[i] = data::FeatureStatus::kNullValue;
          continue;
        }
        double value = 0;
        std::memcpy(&value, row.data() + newest + 32 + 8 * i, 8);
        answer.values[i].value = value;
      }
    }
    return answer;
  }

 private:
  [[nodiscard]] int feature_count() const { return static_cast<int>(features_.size()); }
  [[nodiscard]] std::size_t entry_bytes() const { return 32 + 8 * features_.size(); }

  template <typename T>
  static void append_word(std::string* row, T value) {
    static_assert(sizeof(T) == 8);
    row->append(reinterpret_cast<const char*>(&value), 8);
  }
  static int64_t word(std::string_view row, std::size_t offset) {
    int64_t value = 0;
    std::memcpy(&value, row.data() + offset, 8);
    return value;
  }
  static std::tuple<int64_t, int64_t, int64_t> order(std::string_view row, std::size_t entry) {
    return {word(row, entry), word(row, entry + 8), word(row, entry + 16)};
  }
  static bool visible(std::string_view row, std::size_t entry, EventTime at) {
    return word(row, entry) <= at.micros && word(row, entry + 8) <= at.micros;
  }
  [[nodiscard]] std::size_t newest_visible(std::string_view row, EventTime at) const {
    std::size_t newest = std::string::npos;
    for (std::size_t entry = 0; entry < row.size(); entry += entry_bytes()) {
      if (visible(row, entry, at) &&
          (newest == std::string::npos || order(row, entry) > order(row, newest))) {
        newest = entry;
      }
    }
    return newest;
  }
  void prune(EventTime applied_until, std::string* row) const {
    const std::size_t newest = newest_visible(*row, applied_until);
    std::vector<std::pair<std::tuple<int64_t, int64_t, int64_t>, std::string>> kept;
    for (std::size_t entry = 0; entry < row->size(); entry += entry_bytes()) {
      if (entry == newest || !visible(*row, entry, applied_until)) {
        kept.emplace_back(order(*row, entry), row->substr(entry, entry_bytes()));
      }
    }
    std::sort(kept.begin(), kept.end());
    row->clear();
    for (const auto& [at, bytes] : kept) {
      row->append(bytes);
    }
  }

  std::string name_;
  std::vector<data::Field> keys_;
  std::optional<Duration> ttl_;
  uint64_t version_;
  std::vector<data::Field> features_;
  data::SchemaPtr source_schema_;
  std::vector<std::string> source_columns_;
};

/// The same view under another storage name.
template <typename View>
class Beside : public View {
 public:
  using View::View;
  [[nodiscard]] const std::string& storage_name() const override { return name_; }

 private:
  const std::string name_ = "~clicks, under a longer name";
};

/// One source row of a FakeView with a text key; a missing value is null.
struct FakeRow {
  std::optional<std::string> key;
  int64_t event_time = 0;
  int64_t known_time = 0;
  std::vector<std::optional<double>> features;
};

/// Rows as a batch, numbered from `first_sequence` on.
inline data::Batch fake_batch(const FakeView& view,
                              const std::vector<FakeRow>& rows,
                              int64_t first_sequence = 0) {
  data::BatchBuilder builder(view.source_schema());
  for (const FakeRow& row : rows) {
    if (row.key.has_value()) {
      builder.column(0).append_text(*row.key);
    } else {
      builder.column(0).append_null();
    }
    builder.column(1).append<int64_t>(row.event_time);
    builder.column(2).append<int64_t>(row.known_time);
    builder.column(3).append<int64_t>(first_sequence++);
    for (std::size_t i = 0; i < view.features().size(); ++i) {
      data::ColumnBuilder& column = builder.column(static_cast<int>(4 + i));
      if (row.features[i].has_value()) {
        column.append<double>(*row.features[i]);
      } else {
        column.append_null();
      }
    }
  }
  return builder.finish();
}

/// The key of one text.
inline data::EntityKey fake_key(const std::string& text) {
  const std::array<data::Scalar, 1> values = {data::Scalar::string(text)};
  return *data::encode_key(values);
}

}  // namespace assay::online

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "data/asof_join.h"
#include "data/flat_values.h"
#include "data/scalar.h"
#include "gold/service.h"
#include "online/online_store.h"

namespace assay::serve {

/// Values of one entity key or request value, one a row, of the declared type.
struct RequestColumn {
  std::string name;
  std::vector<data::Scalar> values;
};

/// What is asked: entity keys and request values by name.
struct RequestRows {
  std::vector<RequestColumn> columns;
  int64_t rows = 0;

  [[nodiscard]] const RequestColumn* find(std::string_view name) const;
};

/// The features of a service for each row of a request, feature by feature.
class FeatureAnswer {
 public:
  FeatureAnswer(int features, int64_t rows);

  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] const data::Scalar& value(int feature, int64_t row) const {
    return values_[at(feature, row)];
  }
  [[nodiscard]] data::FeatureStatus status(int feature, int64_t row) const {
    return statuses_[at(feature, row)];
  }
  /// Event time of the newest visible event behind the value; the epoch when there is none.
  [[nodiscard]] EventTime event_time(int feature, int64_t row) const {
    return event_times_[at(feature, row)];
  }
  /// The same of all rows of a feature.
  [[nodiscard]] std::span<const data::FeatureStatus> statuses(int feature) const {
    return std::span(statuses_).subspan(at(feature, 0), static_cast<std::size_t>(rows_));
  }
  [[nodiscard]] std::span<const EventTime> event_times(int feature) const {
    return std::span(event_times_).subspan(at(feature, 0), static_cast<std::size_t>(rows_));
  }
  void set(int feature,
           int64_t row,
           data::Scalar value,
           data::FeatureStatus status,
           EventTime event_time) {
    values_[at(feature, row)] = std::move(value);
    statuses_[at(feature, row)] = status;
    event_times_[at(feature, row)] = event_time;
  }

  EventTime now;  // the instant that was answered for
  std::optional<EventTime>
      known_until;  // the store had applied at least this far, in every view asked
  std::vector<std::optional<online::AppliedTo>> applied;  // the same, by view of the service

 private:
  [[nodiscard]] std::size_t at(int feature, int64_t row) const {
    return static_cast<std::size_t>(feature * rows_ + row);
  }
  int64_t rows_;
  std::vector<data::Scalar> values_;
  std::vector<data::FeatureStatus> statuses_;
  std::vector<EventTime> event_times_;
};

/// Where the values of views are read: an online store, or what remembers its past.
struct ViewReads {
  /// One answer a key, at the instant of the question.
  std::function<Result<std::vector<gold::FeatureValues>>(const gold::FeatureView& view,
                                                         std::span<const data::EntityKey> keys)>
      read;
  /// How far what is read had come; asked before reading. Empty: it is not told.
  std::function<Result<std::optional<online::AppliedTo>>(const gold::FeatureView& view)> applied;

  /// Of the question's Pace.
  std::function<Status()> goes_on{};

  /// From a store, at `now`. The store must outlive what is returned.
  static ViewReads of(online::OnlineStore& store,
                      EventTime now,
                      const std::function<Status()>& goes_on = {});
};

/// Whether a store has a view's rows at all. One that does not know where the view stands was
/// emptied, or never filled: that it has no row of an entity says nothing.
///
/// Errors  kUnavailable, with the next step.
Status check_is_there(const gold::FeatureView& view,
                      const std::optional<online::AppliedTo>& applied);

/// Read a service's features at `now` and compute its on-demand features. The one way to serve:
/// HTTP, predictions and the command line all come through here.
///
/// Shape   one answer per (feature of the service, row), in their orders. Columns not needed are
/// ignored. Time    TTL and windows are evaluated at `now`. Nulls   a null entity key answers
/// NOT_FOUND; on-demand features are PRESENT or NULL_VALUE. Errors  kInvalidArgument: a column is
/// missing, too short or of another type; kUnavailable: the store has nothing of a view
/// (check_is_there);
///         kCorrupt, kFailedPrecondition and others from the store.
/// Threads thread-safe. Each view's answers are of one consistent state.
Result<FeatureAnswer> get_features(const gold::Service& service,
                                   const ViewReads& reads,
                                   const RequestRows& rows,
                                   EventTime now);
/// The same from a store.
Result<FeatureAnswer> get_online_features(const gold::Service& service,
                                          online::OnlineStore& store,
                                          const RequestRows& rows,
                                          EventTime now);

/// The features of a service that has all of them from its views, as they were read: what a
/// FeatureAnswer says, without an object for each value.
struct FlatAnswer {
  struct View {
    std::size_t begin = 0;    // of its values
    std::size_t row = 0;      // its first one
    std::size_t width = 0;    // values of a row
    bool is_present = false;  // all of it is
  };
  data::FlatValues values;
  std::vector<View> views;  // as of the service
  int64_t rows = 0;
  EventTime now;
  std::optional<EventTime> known_until;                   // as of FeatureAnswer
  std::vector<std::optional<online::AppliedTo>> applied;  // where the views stood

  /// Where the value of a feature of a view stands.
  [[nodiscard]] std::size_t at(int view, int feature, int64_t row) const {
    const View& of = views[static_cast<std::size_t>(view)];
    return of.begin + static_cast<std::size_t>(row) * of.width + static_cast<std::size_t>(feature);
  }
  [[nodiscard]] std::size_t at(const gold::ServiceFeature& feature, int64_t row) const {
    return at(feature.view_index, feature.feature_index, row);
  }
  /// Hands the status of each row to `take`.
  template <typename Take>
  void each_status(const gold::ServiceFeature& feature, const Take& take) const {
    const std::size_t width = views[static_cast<std::size_t>(feature.view_index)].width;
    std::size_t place = at(feature, 0);
    for (int64_t row = 0; row < rows; ++row, place += width) {
      take(values.status(place));
    }
  }
  /// Calls `take(place, present)` for the value of each row.
  template <typename Take>
  void each_value(const gold::ServiceFeature& feature, const Take& take) const {
    each_value(feature.view_index, feature.feature_index, take);
  }
  template <typename Take>
  void each_value(int view, int feature, const Take& take) const {
    const View& of = views[static_cast<std::size_t>(view)];
    std::size_t place = at(view, feature, 0);
    if (of.is_present) {
      for (int64_t row = 0; row < rows; ++row, place += of.width) {
        take(place, true);
      }
      return;
    }
    for (int64_t row = 0; row < rows; ++row, place += of.width) {
      take(place, values.status(place) == data::FeatureStatus::kPresent);
    }
  }
  [[nodiscard]] EventTime event_time(int view, int64_t row) const {
    return values.time(views[static_cast<std::size_t>(view)].row + static_cast<std::size_t>(row));
  }
};

/// Give back the memory of an answer that is done with: the thread's next one has it, unless it is
/// very much.
void keep_memory_of(FlatAnswer&& answer);

/// Bytes of keys, and of room for them, that this thread keeps from its questions for the next one.
std::size_t kept_key_bytes();
inline constexpr std::size_t kKeptKeyBytesMax = 512 << 10;

/// Whether a service has all its features from its views, by keys that rows are asked with.
bool is_flat(const gold::Service& service);

/// get_online_features of such a service. Nothing when part of a key is null: that is not asked
/// for here. `goes_on`: of the question's Pace. Keep the memory of what is returned
/// (keep_memory_of).
Result<std::optional<FlatAnswer>> get_flat_features(const gold::Service& service,
                                                    online::OnlineStore& store,
                                                    const RequestRows& rows,
                                                    EventTime now,
                                                    const std::function<Status()>& goes_on = {});

}  // namespace assay::serve

#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "data/batch.h"

namespace assay::data {

/// What a feature is for one request, online and offline alike.
enum class FeatureStatus : uint8_t {
  kPresent,
  kNullValue,
  kNotFound,
  kOutsideMaxAge,
  kOverflow,  // a sum of integers that does not fit 64 bits; its value is null
};
inline constexpr std::size_t kFeatureStatuses = 5;
/// "PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE", "OVERFLOW".
std::string_view status_name(FeatureStatus status);

/// The left side: one row per question. Key columns of both sides have equal types, in equal order.
struct AsofLabels {
  std::vector<const Column*> keys;
  const Column* time = nullptr;  // kTimestamp: the instant t of the question
};

/// The right side: rows that became known over time, in any order.
struct AsofRows {
  std::vector<const Column*> keys;
  const Column* event_time = nullptr;  // kTimestamp
  const Column* known_time = nullptr;  // kTimestamp
  const Column* sequence = nullptr;    // kInt64, or nullptr: row number breaks ties
};

struct AsofOptions {
  std::optional<Duration> ttl;  // none: never too old
  int threads = 1;
};

struct AsofMatch {
  std::vector<int64_t> rows;            // per label: row on the right side, -1 for none
  std::vector<FeatureStatus> statuses;  // kPresent, kNotFound or kOutsideMaxAge (rows = -1)
};

/// Find for each label row the newest right row visible at its time.
///
/// Shape   one entry per label row, in label order.
/// Time    microseconds UTC; a row is visible at t when event_time <= t and known_time <= t; it
///         answers when t - event_time <= ttl.
/// Ties    largest (event_time, known_time, sequence) among the visible rows. Deterministic.
/// Nulls   a null key or time never matches, on either side.
/// Errors  kInvalidArgument: key counts or types differ.
/// Threads one call at a time per argument; the result does not depend on options.threads.
/// Cost    O((n + m) log) in time, about 40 bytes a row of both sides held.
/// Source  docs/decisions/0007-point-in-time.md
Result<AsofMatch> asof_join(const AsofLabels& labels,
                            const AsofRows& rows,
                            const AsofOptions& options);

}  // namespace assay::data

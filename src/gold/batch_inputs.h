#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gold/window_plan.h"

namespace assay::gold {

/// A row of a batch in the tile that it belongs to.
struct RowPlace {
  int64_t tile = 0;
  std::size_t row = 0;
  auto operator<=>(const RowPlace&) const = default;
};

/// What the arguments of a plan are in the rows of a batch, and where the rows stand.
struct BatchInputs {
  std::vector<ArgumentColumn> arguments;
  std::span<const int64_t> event_time;
  std::span<const int64_t> known_time;
  std::span<const int64_t> sequence;

  [[nodiscard]] RowOrder order_of_row(std::size_t row) const {
    return {event_time[row], known_time[row], sequence[row]};
  }
};

}  // namespace assay::gold

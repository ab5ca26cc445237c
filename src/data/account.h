#pragma once

#include <cstdint>

namespace assay::data {

/// What became of the rows that a stage took in. `in` is always the sum of the others; the program
/// checks it at each commit and stops when it is not so.
struct Account {
  int64_t in = 0;
  int64_t out = 0;
  int64_t filtered = 0;
  int64_t duplicates = 0;
  int64_t late = 0;
  int64_t quarantined = 0;

  [[nodiscard]] bool balances() const {
    return in == out + filtered + duplicates + late + quarantined;
  }
  Account& operator+=(const Account& other) {
    in += other.in;
    out += other.out;
    filtered += other.filtered;
    duplicates += other.duplicates;
    late += other.late;
    quarantined += other.quarantined;
    return *this;
  }
  bool operator==(const Account&) const = default;
};

}  // namespace assay::data

// Functions of vectors: lists and arrays of floating-point numbers.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "data/expression_functions.h"
#include "data/expression_kernels.h"

namespace assay::data {
namespace {

/// a·b / (|a| |b|). The order of operations is part of the meaning, so that all machines give the
/// same bits: three sums in float64 from the first element to the last, the roots of two of them
/// multiplied, one division, and what rounding put outside [-1, 1] is brought back.
struct Cosine {
  static bool apply(const VectorView& a, const VectorView& b, double& out) {
    if (a.size != b.size || a.has_null || b.has_null) {
      return false;
    }
    double dot = 0;
    double square_a = 0;
    double square_b = 0;
    for (int64_t i = 0; i < a.size; ++i) {
      const double x = a.at(i);
      const double y = b.at(i);
      dot += x * y;
      square_a += x * x;
      square_b += y * y;
    }
    const double norms = std::sqrt(square_a) * std::sqrt(square_b);
    if (norms == 0) {
      return false;
    }
    const double cosine = dot / norms;
    out = std::isnan(cosine) ? cosine : std::clamp(cosine, -1.0, 1.0);
    return true;
  }
};

/// NaN equals NaN and is greater than any number, as everywhere in expressions.
struct PercentileRank {
  static bool at_or_below(double value, double x) { return std::isnan(x) || value <= x; }

  static bool apply(double x, const VectorView& values, double& out) {
    if (values.size == 0 || values.has_null) {
      return false;
    }
    int64_t below = 0;
    for (int64_t i = 0; i < values.size; ++i) {
      below += at_or_below(values.at(i), x) ? 1 : 0;
    }
    out = static_cast<double>(below) / static_cast<double>(values.size);
    return true;
  }
};

/// Of a number the bits that name its bin in the histograms of windows: 7 behind the highest.
double cut_to_bin(double x) {
  constexpr uint64_t kDropped = (uint64_t{1} << 45) - 1;
  return std::isnan(x) ? x : std::bit_cast<double>(std::bit_cast<uint64_t>(x) & ~kDropped);
}

/// Values and counts take turns, as the aggregate `histogram` writes them.
struct HistogramRank {
  static bool apply(double x, const VectorView& histogram, double& out) {
    if (histogram.size == 0 || histogram.size % 2 != 0 || histogram.has_null) {
      return false;
    }
    const double cut = cut_to_bin(x);
    double below = 0;  // whole numbers: sums are exact
    double all = 0;
    for (int64_t i = 0; i < histogram.size; i += 2) {
      const double count = histogram.at(i + 1);
      below += PercentileRank::at_or_below(histogram.at(i), cut) ? count : 0;
      all += count;
    }
    if (all <= 0) {
      return false;
    }
    out = below / all;
    return true;
  }
};

}  // namespace

std::vector<FunctionEntry> vector_functions() {
  return {{"percentile_rank",
           {ValueKind::kFloat64, ValueKind::kVector},
           ValueKind::kFloat64,
           partial_kernel<PercentileRank, double, double, VectorView>,
           NullRule::kPartial,
           "Share of the values of a list that are at or below x, in [0, 1]; exact. Null when the "
           "list is empty or an element is null."},
          {"histogram_rank",
           {ValueKind::kFloat64, ValueKind::kVector},
           ValueKind::kFloat64,
           partial_kernel<HistogramRank, double, double, VectorView>,
           NullRule::kPartial,
           "Share of the values of a `histogram` feature that are at or below x, in [0, 1]; those "
           "that are above x by less than |x| / 128 may count as well. Null when the histogram is "
           "empty, an element is null, or it is no histogram."},
          {"cosine",
           {ValueKind::kVector, ValueKind::kVector},
           ValueKind::kFloat64,
           partial_kernel<Cosine, double, VectorView, VectorView>,
           NullRule::kPartial,
           "Cosine of the angle between two vectors, in [-1, 1]. Null when their sizes differ, an "
           "element is null, or a norm is 0. Sums run in float64 from the first element to the "
           "last."}};
}

}  // namespace assay::data

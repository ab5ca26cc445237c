#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/column.h"
#include "gold/exact_sum.h"
#include "gold/input_value.h"
#include "gold/row_bytes.h"

// Aggregates take arrays of floating-point numbers as bytes: those of append_row_value, with one
// NaN, so that equal arrays have equal bytes.

namespace assay::gold {

/// True for the types that aggregates take so: float32[n] and float64[n].
bool is_vector(const data::Type& type);
/// The bytes of every row of such a column.
data::ColumnPtr vector_bytes(const data::Column& column);
/// True when the bytes are those of an array of that type.
bool is_vector_bytes(std::string_view bytes, const data::Type& type);

/// The sums of arrays, element by element, and how many arrays have each element. Exact: any order
/// and grouping gives the same bits, and what was added can be taken out again.
///
/// Nulls   an element that is null is not counted; the others of its array are.
/// Threads one thread at a time.
/// Cost    O(size) an update; 300 bytes an element in memory.
class VectorSum {
 public:
  VectorSum(data::TypeId element, int64_t size);
  void add(const InputValue& array, const RowOrder&) { change(array.text, false); }
  void subtract(const InputValue& array) { change(array.text, true); }
  void clear();

  /// Append the array of float64 that holds the sum, or the mean, of each element, as
  /// append_row_value writes it; null where no array has the element.
  void append_sums(std::string* out) const;
  void append_means(std::string* out) const;

  void encode(std::string* out) const;
  /// Merge the sums whose bytes come next. The reader fails when they are none.
  void merge_encoded(RowReader* reader);

 private:
  void change(std::string_view array, bool subtract);
  template <typename CellOf>
  void append(CellOf cell_of, std::string* out) const;

  data::TypeId element_;
  bool is_clear_ = true;
  std::vector<ExactSum> sums_;
  std::vector<int64_t> counts_;
};

}  // namespace assay::gold

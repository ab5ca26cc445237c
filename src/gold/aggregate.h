#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "data/scalar.h"
#include "gold/cell.h"
#include "gold/ddsketch.h"
#include "gold/exact_sum.h"
#include "gold/hyperloglog.h"
#include "gold/input_value.h"
#include "gold/ordered_values.h"
#include "gold/power_sums.h"
#include "gold/row_bytes.h"
#include "gold/value_counts.h"
#include "gold/vector_sum.h"

// Aggregates as commutative monoids, to the bit: the states that window features are made of. The
// steps kernel (window_states.h) and the online row (window_row.cc) share the functions that turn
// states into values; so they cannot differ.

namespace assay::gold {

/// What a feature is made of. A mean is a sum and a count, a variance these and the squares.
enum class PrimitiveKind : uint8_t {
  kCount,
  kIntegerSum,
  kFloatSum,
  kMin,
  kMax,
  kSquares,
  kCubes,
  kFirst,
  kLast,
  kValueCounts,
  kRegisters,  // HyperLogLog
  kBins,       // DDSketch
  kVectorSum,  // of arrays, element by element
};

/// One state that is kept: a kind over one argument (see window_plan.h).
struct Primitive {
  PrimitiveKind kind = PrimitiveKind::kCount;
  int argument = 0;
  data::TypeId type = data::TypeId::kInt64;  // of the argument's values; kVectorSum: of an element
  int64_t limit = 1;                         // kFirst, kLast: how many values; kVectorSum: elements
  bool operator==(const Primitive&) const = default;
};

/// A count of rows as states write it; the reader fails on one that no table has.
int64_t read_count(RowReader* reader);

/// Value of an integer sum; null when nothing was counted; overflows when it does not fit 64 bits.
Cell sum_cell(Int128 sum, int64_t count);
/// Value of a floating-point sum, of it rounded once too; null when nothing was counted.
Cell sum_cell(const ExactSum& sum, int64_t count);
Cell rounded_sum_cell(double sum, int64_t count);
/// The sum, rounded once, over the count; null when nothing was counted.
Cell mean_cell(Int128 sum, int64_t count);
Cell mean_cell(const ExactSum& sum, int64_t count);
Cell rounded_mean_cell(double sum, int64_t count);
/// Whether any, or every value is true, from how many are; null when nothing was counted.
Cell any_cell(Int128 true_count, int64_t count);
Cell all_cell(Int128 true_count, int64_t count);
/// A quantile; null when nothing was counted.
Cell quantile_cell(const DdSketch& sketch, double q);

/// The code under which a value is counted by approx_distinct.
uint32_t sketch_code_of(data::TypeId type, const InputValue& value);
/// The bin under which a value is counted by quantile.
int32_t sketch_bin_of(data::TypeId type, const InputValue& value);

// States of one primitive over some rows, as tiles of the online row hold them. Each is added to,
// merged from bytes (the reader fails when they are none) and encoded.

struct CountState {
  int64_t count = 0;
  void add(const InputValue&, const RowOrder&) { ++count; }
  void merge_encoded(RowReader* reader);
  void encode(std::string* out) const;
};

struct IntegerSumState {
  Int128 sum = 0;
  void add(const InputValue& value, const RowOrder&) { sum += value.integer; }
  void merge_encoded(RowReader* reader);
  void encode(std::string* out) const;
};

struct FloatSumState {
  ExactSum sum;
  void add(const InputValue& value, const RowOrder&) { sum.add(value.real); }
  void merge_encoded(RowReader* reader) { sum.merge_encoded(reader); }
  void encode(std::string* out) const { sum.encode(out); }
};

struct ExtremeState {
  data::TypeId type;
  bool is_min;
  bool has_value = false;
  int64_t order = 0;
  std::string text{};
  void add(const InputValue& value, const RowOrder&) { take(value.integer, value.text); }
  void take(int64_t other_order, std::string_view other_text);
  void merge_encoded(RowReader* reader);
  void encode(std::string* out) const;
};

struct PowerSumState {
  data::TypeId type;
  int power;
  WideSum sum{};
  void add(const InputValue& value, const RowOrder&);
  void merge_encoded(RowReader* reader);
  void encode(std::string* out) const { sum.encode(out, false); }
};

struct ValueCountsState {
  data::TypeId type;
  ValueCounts<int64_t> numbers{};  // by order_of_equal
  ValueCounts<std::string> texts{};
  void add(const InputValue& value, const RowOrder&) { take(value, 1); }
  void take(const InputValue& value, int64_t count);
  void merge_encoded(RowReader* reader);
  void encode(std::string* out) const;
};

struct RegistersState {
  data::TypeId type;
  HyperLogLog registers{};
  void add(const InputValue& value, const RowOrder&) { registers.add(sketch_code_of(type, value)); }
  void merge_encoded(RowReader* reader) { registers.merge_encoded(reader); }
  void encode(std::string* out) const { registers.encode(out); }
};

struct BinsState {
  data::TypeId type;
  DdSketch sketch{};
  void add(const InputValue& value, const RowOrder&) { sketch.add(sketch_bin_of(type, value), 1); }
  void merge_encoded(RowReader* reader) { sketch.merge_encoded(reader); }
  void encode(std::string* out) const { sketch.encode(out); }
};

/// The state of any primitive.
///
/// Threads one thread at a time.
class AggregateState {
 public:
  explicit AggregateState(const Primitive& primitive);

  void add(const InputValue& value, const RowOrder& order) {
    std::visit([&](auto& state) { state.add(value, order); }, state_);
  }
  /// Call `use` with the state as what it is, to add many rows to it.
  template <typename Use>
  void visit(Use use) {
    std::visit(use, state_);
  }
  /// Merge the state whose bytes come next. The reader fails when they are none.
  void merge_encoded(RowReader* reader) {
    std::visit([&](auto& state) { state.merge_encoded(reader); }, state_);
  }
  void encode(std::string* out) const {
    std::visit([&](const auto& state) { state.encode(out); }, state_);
  }
  /// The state as what it is; nullptr when it is another.
  template <typename State>
  [[nodiscard]] const State* as() const {
    return std::get_if<State>(&state_);
  }

 private:
  std::variant<CountState,
               IntegerSumState,
               FloatSumState,
               ExtremeState,
               PowerSumState,
               OrderedValues,
               ValueCountsState,
               RegistersState,
               BinsState,
               VectorSum>
      state_;
};

}  // namespace assay::gold

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "gold/aggregate.h"
#include "gold/batch_inputs.h"
#include "gold/byte_buffer.h"
#include "gold/small_sum.h"

namespace assay::gold {

/// The state of a primitive while encoded states and rows are folded into it. Counts, sums and
/// extremes of numbers are plain numbers; a sum that these do not hold, and the state of any other
/// primitive, is an AggregateState. The bytes are those of AggregateState.
///
/// Threads one thread at a time.
class FoldedState {
 public:
  explicit FoldedState(const Primitive& primitive);

  /// As if it were new.
  void clear();
  /// Merge the state whose bytes come next. The reader fails when they are none.
  void merge_encoded(RowReader* reader);
  /// Merge another state of the same primitive.
  void merge(const FoldedState& other);
  /// Add rows of a batch, as far as they count.
  void add(const BatchInputs& inputs, std::span<const RowPlace> rows);
  /// Add one value.
  void add(const InputValue& value, const RowOrder& order);
  void encode(ByteBuffer* out) const;

  /// What it is now; which of these may be asked follows from the kind of the primitive.
  [[nodiscard]] int64_t count() const { return whole_; }
  [[nodiscard]] bool is_real_sum() const { return fresh_form_ == Form::kFloatSum; }
  [[nodiscard]] Int128 integer_sum() const { return sum_; }
  /// The sum of doubles, rounded once, as ExactSum does.
  [[nodiscard]] double rounded_sum() const;
  [[nodiscard]] ExactSum exact_sum() const;
  /// Of an extreme of numbers: its order. Of anything else: nothing.
  [[nodiscard]] bool is_number_extreme() const { return form_ == Form::kExtreme; }
  [[nodiscard]] std::optional<int64_t> extreme_order() const {
    return has_value_ ? std::optional(whole_) : std::nullopt;
  }
  /// The state of a primitive that is no number.
  template <typename State>
  [[nodiscard]] const State& as() const {
    return *general_->as<State>();
  }

 private:
  enum class Form : uint8_t { kCount, kIntegerSum, kFloatSum, kExtreme, kGeneral };
  static Form form_of(const Primitive& primitive);

  void add_real(double value);
  void take_order(int64_t order);
  void merge_extreme(RowReader* reader);
  void start_general();
  /// The general state, which it is from now on until it is cleared.
  AggregateState& generalize();

  Primitive primitive_;
  Form fresh_form_;
  Form form_;
  bool has_value_ = false;  // an extreme
  bool is_min_ = false;
  bool is_real_ = false;
  int64_t whole_ = 0;  // a count, or the order of an extreme
  Int128 sum_ = 0;     // of integers
  SmallSum reals_;
  std::unique_ptr<AggregateState> general_;  // nullptr: it was never needed
};

/// Those of all primitives of a plan.
class FoldedStates {
 public:
  explicit FoldedStates(const WindowPlan& plan);
  [[nodiscard]] std::size_t size() const { return states_.size(); }
  void clear();
  /// Merge the states that bytes begin with; false when these are none.
  bool merge(std::string_view bytes);
  void merge(const FoldedStates& other);
  void add(const BatchInputs& inputs, std::span<const RowPlace> rows);
  void encode(ByteBuffer* out) const;
  [[nodiscard]] const FoldedState& operator[](int primitive) const {
    return states_[static_cast<std::size_t>(primitive)];
  }
  FoldedState& operator[](int primitive) { return states_[static_cast<std::size_t>(primitive)]; }

 private:
  std::vector<FoldedState> states_;
};

}  // namespace assay::gold

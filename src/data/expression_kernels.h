#pragma once

#include <string_view>
#include <tuple>
#include <utility>

#include "base/time.h"
#include "data/expression_program.h"

// How kernels are written: an operation on one row, `struct Add { static ... apply(a, b) }`, put
// into a loop by one of the templates below.

namespace assay::data {

template <typename Op, typename Out, typename... In, std::size_t... I>
void map_rows(const KernelCall& call, std::index_sequence<I...> /*indexes*/) {
  Out* __restrict out = call.output<Out>();
  const std::tuple<const In*...> inputs(call.input<In>(I)...);
  for (int64_t row = 0; row < call.rows; ++row) {
    out[row] = Op::apply(std::get<I>(inputs)[row]...);
  }
}

/// Kernel of `Out Op::apply(In...)`, which has an answer for every input. NullRule::kStrict.
template <typename Op, typename Out, typename... In>
void map_kernel(const KernelCall& call) {
  map_rows<Op, Out, In...>(call, std::index_sequence_for<In...>{});
}

template <typename Op, typename Out, typename... In, std::size_t... I>
void partial_rows(const KernelCall& call, std::index_sequence<I...> /*indexes*/) {
  Out* __restrict out = call.output<Out>();
  uint8_t* __restrict valid = call.valid;
  const std::tuple<const In*...> inputs(call.input<In>(I)...);
  for (int64_t row = 0; row < call.rows; ++row) {
    Out value{};
    const bool answered = Op::apply(std::get<I>(inputs)[row]..., value);
    out[row] = answered ? value : Out{};
    valid[row] = static_cast<uint8_t>(valid[row] & static_cast<uint8_t>(answered));
  }
}

/// Kernel of `bool Op::apply(In..., Out&)`, false for no answer. NullRule::kPartial.
template <typename Op, typename Out, typename... In>
void partial_kernel(const KernelCall& call) {
  partial_rows<Op, Out, In...>(call, std::index_sequence_for<In...>{});
}

template <typename Op, typename... In, std::size_t... I>
void text_rows(const KernelCall& call, std::index_sequence<I...> /*indexes*/) {
  auto* out = call.output<std::string_view>();
  const std::tuple<const In*...> inputs(call.input<In>(I)...);
  for (int64_t row = 0; row < call.rows; ++row) {
    std::string_view value;
    bool answered = call.valid[row] != 0;
    if (answered) {
      answered = Op::apply(std::get<I>(inputs)[row]..., *call.texts, value);
    }
    out[row] = answered ? value : std::string_view();
    call.valid[row] = static_cast<uint8_t>(answered);
  }
}

/// Kernel of `bool Op::apply(In..., TextArena&, std::string_view&)`, which may make text. kPartial.
template <typename Op, typename... In>
void text_kernel(const KernelCall& call) {
  text_rows<Op, In...>(call, std::index_sequence_for<In...>{});
}

/// True when an instant may be held in a table: years 0001 to 9999.
constexpr bool is_instant(int64_t micros) {
  return micros >= kFirstInstant.micros && micros < kEndInstant.micros;
}

struct KernelChoice {
  Kernel kernel = nullptr;
  NullRule nulls = NullRule::kStrict;
};

enum class CompareOp : uint8_t { kEqual, kNotEqual, kLess, kLessEqual };

/// Compare two registers of one kind; kFloat32 is compared as kFloat64 and has none.
Kernel compare_kernel(CompareOp op, ValueKind kind);
/// AND, OR: NullRule::kOwn. NOT: kStrict.
Kernel and_kernel();
Kernel or_kernel();
Kernel not_kernel();
/// x IS NULL. kOwn.
Kernel is_null_kernel();
/// Inputs condition, value if true, value otherwise. kOwn.
Kernel choose_kernel(ValueKind kind);
/// Inputs condition, value: null where the condition is true. kOwn.
Kernel null_when_kernel(ValueKind kind);
/// The first input that is not null. kOwn.
Kernel coalesce_kernel(ValueKind kind);
/// Greatest and least of the inputs that are not null. kOwn.
Kernel extreme_kernel(ValueKind kind, bool greatest);
/// Text of all inputs; a null input is empty (skip_nulls, kOwn) or makes null (kPartial).
Kernel concat_kernel(bool skip_nulls);
/// The value of a literal in every row. kOwn.
Kernel constant_kernel(ValueKind kind);
/// The cast between two kinds; kernel is nullptr when there is none.
KernelChoice cast_kernel(ValueKind from, ValueKind to);

}  // namespace assay::data

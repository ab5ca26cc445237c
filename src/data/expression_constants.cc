#include "data/expression_constants.h"

#include <algorithm>
#include <cstring>

namespace assay::data {
namespace {

class ConstantState : public StepState {
 public:
  ConstantState(Literal literal, bool is_null) : literal_(std::move(literal)), is_null_(is_null) {}
  [[nodiscard]] const Literal& literal() const { return literal_; }
  [[nodiscard]] bool is_null() const { return is_null_; }

 private:
  Literal literal_;
  bool is_null_;
};

template <typename T>
T value_of(const Literal& literal) {
  if constexpr (std::is_same_v<T, VectorView>) {
    return {};  // there are no literals of vectors but null
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    return literal.text;
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(literal.number);
  } else {
    return static_cast<T>(literal.integer);
  }
}

template <typename T>
void fill(const KernelCall& call) {
  const auto& state = static_cast<const ConstantState&>(*call.state);
  const T value = state.is_null() ? T{} : value_of<T>(state.literal());
  std::fill_n(call.output<T>(), call.rows, value);
  std::memset(call.valid, state.is_null() ? 0 : 1, static_cast<std::size_t>(call.rows));
}

/// A total order in which all NaNs are equal and -0.0 equals 0.0.
template <typename T>
bool before(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    return (a < b) || (b != b && a == a);
  } else {
    return a < b;
  }
}

template <typename T>
class InSetState : public StepState {
 public:
  InSetState(const std::vector<Literal>& constants, bool has_null) : has_null_(has_null) {
    literals_ = constants;  // keeps the bytes of texts
    for (const Literal& literal : literals_) {
      values_.push_back(value_of<T>(literal));
    }
    std::sort(values_.begin(), values_.end(), before<T>);
  }
  [[nodiscard]] bool has_null() const { return has_null_; }
  [[nodiscard]] bool contains(const T& value) const {
    return std::binary_search(values_.begin(), values_.end(), value, before<T>);
  }

 private:
  std::vector<Literal> literals_;
  std::vector<T> values_;
  bool has_null_;
};

template <typename T>
void in_set(const KernelCall& call) {
  const auto& state = static_cast<const InSetState<T>&>(*call.state);
  const T* in = call.input<T>(0);
  const uint8_t* in_valid = call.mask(0);
  auto* out = call.output<uint8_t>();
  const bool certain = !state.has_null();  // what is not found is not in the list
  for (int64_t row = 0; row < call.rows; ++row) {
    const bool found = in_valid[row] != 0 && state.contains(in[row]);
    out[row] = static_cast<uint8_t>(found);
    call.valid[row] = static_cast<uint8_t>(in_valid[row] != 0 && (found || certain));
  }
}

}  // namespace

StepStatePtr constant_state(Literal literal, bool is_null) {
  return std::make_shared<const ConstantState>(std::move(literal), is_null);
}

Kernel constant_kernel(ValueKind kind) {
  switch (kind) {
    case ValueKind::kNull:
    case ValueKind::kBool:
      return fill<uint8_t>;
    case ValueKind::kInt32:
    case ValueKind::kDate:
      return fill<int32_t>;
    case ValueKind::kInt64:
    case ValueKind::kTimestamp:
    case ValueKind::kInterval:
      return fill<int64_t>;
    case ValueKind::kFloat32:
      return fill<float>;
    case ValueKind::kFloat64:
      return fill<double>;
    case ValueKind::kString:
    case ValueKind::kBytes:
      return fill<std::string_view>;
    case ValueKind::kVector:
      return fill<VectorView>;
    case ValueKind::kNested:
      break;
  }
  return nullptr;
}

StepStatePtr in_set_state(ValueKind kind, const std::vector<Literal>& constants, bool has_null) {
  switch (kind_width(kind)) {
    case 1:
      return std::make_shared<const InSetState<uint8_t>>(constants, has_null);
    case 4:
      return std::make_shared<const InSetState<int32_t>>(constants, has_null);
    case 8:
      if (kind == ValueKind::kFloat64) {
        return std::make_shared<const InSetState<double>>(constants, has_null);
      }
      return std::make_shared<const InSetState<int64_t>>(constants, has_null);
    default:
      return std::make_shared<const InSetState<std::string_view>>(constants, has_null);
  }
}

Kernel in_set_kernel(ValueKind kind) {
  switch (kind_width(kind)) {
    case 1:
      return in_set<uint8_t>;
    case 4:
      return in_set<int32_t>;
    case 8:
      return kind == ValueKind::kFloat64 ? in_set<double> : in_set<int64_t>;
    default:
      return in_set<std::string_view>;
  }
}

}  // namespace assay::data

#include <cstring>

#include "data/expression_kernels.h"

// Comparisons, three-valued logic and the constructs that choose between values.

namespace assay::data {
namespace {

/// NaN equals NaN and is greater than every number, as in PostgreSQL and DuckDB; -0.0 equals 0.0.
template <typename T>
bool equals(const T& a, const T& b) {
  return a == b;
}
bool equals(double a, double b) {
  return (a == b) | ((a != a) & (b != b));
}
template <typename T>
bool less(const T& a, const T& b) {
  return a < b;
}
bool less(double a, double b) {
  return (a < b) | ((b != b) & (a == a));
}
bool less(float a, float b) {
  return (a < b) | ((b != b) & (a == a));
}

template <typename T, CompareOp kOp>
struct Compare {
  static uint8_t apply(const T& a, const T& b) {
    switch (kOp) {
      case CompareOp::kEqual:
        return static_cast<uint8_t>(equals(a, b));
      case CompareOp::kNotEqual:
        return static_cast<uint8_t>(!equals(a, b));
      case CompareOp::kLess:
        return static_cast<uint8_t>(less(a, b));
      case CompareOp::kLessEqual:
        return static_cast<uint8_t>(!less(b, a));
    }
    return 0;
  }
};

template <typename T>
Kernel compare_kernel_of(CompareOp op) {
  switch (op) {
    case CompareOp::kEqual:
      return map_kernel<Compare<T, CompareOp::kEqual>, uint8_t, T, T>;
    case CompareOp::kNotEqual:
      return map_kernel<Compare<T, CompareOp::kNotEqual>, uint8_t, T, T>;
    case CompareOp::kLess:
      return map_kernel<Compare<T, CompareOp::kLess>, uint8_t, T, T>;
    case CompareOp::kLessEqual:
      return map_kernel<Compare<T, CompareOp::kLessEqual>, uint8_t, T, T>;
  }
  return nullptr;
}

/// AND and OR: `kDecides` on either side is the answer whatever the other side is.
template <uint8_t kDecides>
void connect(const KernelCall& call) {
  const auto* a = call.input<uint8_t>(0);
  const auto* b = call.input<uint8_t>(1);
  const uint8_t* a_valid = call.mask(0);
  const uint8_t* b_valid = call.mask(1);
  auto* __restrict out = call.output<uint8_t>();
  uint8_t* __restrict valid = call.valid;
  for (int64_t row = 0; row < call.rows; ++row) {
    const auto decided =
        static_cast<uint8_t>((a_valid[row] & static_cast<uint8_t>(a[row] == kDecides)) |
                             (b_valid[row] & static_cast<uint8_t>(b[row] == kDecides)));
    valid[row] = static_cast<uint8_t>(decided | (a_valid[row] & b_valid[row]));
    const auto answer = static_cast<uint8_t>(kDecides == 1 ? decided : decided ^ 1U);
    out[row] = static_cast<uint8_t>(answer & valid[row]);
  }
}

struct Not {
  static uint8_t apply(uint8_t a) { return a ^ 1U; }
};

void test_null(const KernelCall& call) {
  auto* out = call.output<uint8_t>();
  const uint8_t* in_valid = call.mask(0);
  for (int64_t row = 0; row < call.rows; ++row) {
    out[row] = in_valid[row] ^ 1U;
    call.valid[row] = 1;
  }
}

template <typename T>
void choose(const KernelCall& call) {
  const auto* condition = call.input<uint8_t>(0);
  const T* yes = call.input<T>(1);
  const T* no = call.input<T>(2);
  const uint8_t* condition_valid = call.mask(0);
  const uint8_t* yes_valid = call.mask(1);
  const uint8_t* no_valid = call.mask(2);
  T* __restrict out = call.output<T>();
  uint8_t* __restrict valid = call.valid;
  for (int64_t row = 0; row < call.rows; ++row) {
    const bool first = (condition[row] & condition_valid[row]) != 0;
    out[row] = first ? yes[row] : no[row];
    valid[row] = first ? yes_valid[row] : no_valid[row];
  }
}

template <typename T>
void null_when(const KernelCall& call) {
  const auto* condition = call.input<uint8_t>(0);
  const T* in = call.input<T>(1);
  const uint8_t* condition_valid = call.mask(0);
  const uint8_t* in_valid = call.mask(1);
  T* __restrict out = call.output<T>();
  uint8_t* __restrict valid = call.valid;
  for (int64_t row = 0; row < call.rows; ++row) {
    valid[row] =
        static_cast<uint8_t>(in_valid[row] & ((condition[row] & condition_valid[row]) ^ 1U));
    out[row] = valid[row] != 0 ? in[row] : T{};
  }
}

/// Starts with the first input and lets each further one replace what `Replace` says.
template <typename T, typename Replace>
void fold_inputs(const KernelCall& call, Replace replace) {
  T* __restrict out = call.output<T>();
  uint8_t* __restrict valid = call.valid;
  std::memcpy(out, call.input<T>(0), sizeof(T) * static_cast<std::size_t>(call.rows));
  std::memcpy(valid, call.mask(0), static_cast<std::size_t>(call.rows));
  for (std::size_t i = 1; i < call.inputs.size(); ++i) {
    const T* in = call.input<T>(i);
    const uint8_t* in_valid = call.mask(i);
    for (int64_t row = 0; row < call.rows; ++row) {
      const bool taken = in_valid[row] != 0 && (valid[row] == 0 || replace(out[row], in[row]));
      out[row] = taken ? in[row] : out[row];
      valid[row] = static_cast<uint8_t>(valid[row] | in_valid[row]);
    }
  }
}

template <typename T>
void coalesce(const KernelCall& call) {
  fold_inputs<T>(call, [](const T&, const T&) { return false; });
}

template <typename T>
void greatest(const KernelCall& call) {
  fold_inputs<T>(call, [](const T& held, const T& next) { return less(held, next); });
}

template <typename T>
void least(const KernelCall& call) {
  fold_inputs<T>(call, [](const T& held, const T& next) { return less(next, held); });
}

}  // namespace

Kernel compare_kernel(CompareOp op, ValueKind kind) {
  switch (kind) {
    case ValueKind::kNull:
    case ValueKind::kBool:
      return compare_kernel_of<uint8_t>(op);
    case ValueKind::kInt32:
    case ValueKind::kDate:
      return compare_kernel_of<int32_t>(op);
    case ValueKind::kInt64:
    case ValueKind::kTimestamp:
    case ValueKind::kInterval:
      return compare_kernel_of<int64_t>(op);
    case ValueKind::kFloat64:
      return compare_kernel_of<double>(op);
    case ValueKind::kString:
    case ValueKind::kBytes:
      return compare_kernel_of<std::string_view>(op);
    case ValueKind::kFloat32:
    case ValueKind::kVector:
    case ValueKind::kNested:
      return nullptr;
  }
  return nullptr;
}

Kernel and_kernel() {
  return connect<0>;
}
Kernel or_kernel() {
  return connect<1>;
}
Kernel not_kernel() {
  return map_kernel<Not, uint8_t, uint8_t>;
}
Kernel is_null_kernel() {
  return test_null;
}

Kernel choose_kernel(ValueKind kind) {
  switch (kind_width(kind)) {
    case 1:
      return choose<uint8_t>;
    case 4:
      return choose<uint32_t>;
    case 8:
      return choose<uint64_t>;
    default:
      return choose<std::string_view>;
  }
}

Kernel null_when_kernel(ValueKind kind) {
  switch (kind_width(kind)) {
    case 1:
      return null_when<uint8_t>;
    case 4:
      return null_when<uint32_t>;
    case 8:
      return null_when<uint64_t>;
    default:
      return null_when<std::string_view>;
  }
}

Kernel coalesce_kernel(ValueKind kind) {
  switch (kind_width(kind)) {
    case 1:
      return coalesce<uint8_t>;
    case 4:
      return coalesce<uint32_t>;
    case 8:
      return coalesce<uint64_t>;
    default:
      return coalesce<std::string_view>;
  }
}

Kernel extreme_kernel(ValueKind kind, bool is_greatest) {
  switch (kind) {
    case ValueKind::kNull:
    case ValueKind::kBool:
      return is_greatest ? greatest<uint8_t> : least<uint8_t>;
    case ValueKind::kInt32:
    case ValueKind::kDate:
      return is_greatest ? greatest<int32_t> : least<int32_t>;
    case ValueKind::kInt64:
    case ValueKind::kTimestamp:
    case ValueKind::kInterval:
      return is_greatest ? greatest<int64_t> : least<int64_t>;
    case ValueKind::kFloat32:
      return is_greatest ? greatest<float> : least<float>;
    case ValueKind::kFloat64:
      return is_greatest ? greatest<double> : least<double>;
    case ValueKind::kString:
    case ValueKind::kBytes:
      return is_greatest ? greatest<std::string_view> : least<std::string_view>;
    case ValueKind::kVector:
    case ValueKind::kNested:
      break;
  }
  return nullptr;
}

}  // namespace assay::data

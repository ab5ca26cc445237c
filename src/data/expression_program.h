#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/batch.h"
#include "data/expression.h"
#include "data/expression_kind.h"

// How a compiled expression runs: a list of steps in order, each one a tight loop over up to 1,024
// rows, reading the registers that earlier steps wrote. Types were decided when the steps were
// made, so a step is one call of a plain function. A register is an array of values and, when
// something may be null, an array of one byte a row that says which are valid.

namespace assay::data {

/// Longest text that a function may make; a longer one is null.
constexpr std::size_t kExpressionTextBytesMax = std::size_t{1} << 20;

/// Most rows that a kernel is called with.
constexpr int64_t kChunkRowsMax = 1024;

constexpr std::array<uint8_t, kChunkRowsMax> all_valid() {
  std::array<uint8_t, kChunkRowsMax> ones{};
  for (uint8_t& one : ones) {
    one = 1;
  }
  return ones;
}
inline constexpr std::array<uint8_t, kChunkRowsMax> kAllValid = all_valid();

/// Memory for the texts made while one chunk of rows is evaluated.
///
/// Threads one thread at a time.
class TextArena {
 public:
  /// `size` bytes that live until reset().
  char* allocate(std::size_t size);
  /// Forget all texts, keep one block.
  void reset();

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t block_size_ = 0;
  std::size_t used_ = 0;
};

/// What a step needs besides registers: a compiled pattern, a time unit, a constant.
class StepState {
 public:
  virtual ~StepState() = default;
};
using StepStatePtr = std::shared_ptr<const StepState>;

/// Values of one input for the rows of this call; `valid` is nullptr when nothing is null.
struct Lane {
  const void* values = nullptr;
  const uint8_t* valid = nullptr;
};

/// One row of a list or array of floating-point numbers; the memory is the column's.
struct VectorView {
  const float* floats = nullptr;  // one of the two
  const double* doubles = nullptr;
  int64_t size = 0;
  bool has_null = false;

  [[nodiscard]] double at(int64_t index) const {
    return floats != nullptr ? static_cast<double>(floats[index]) : doubles[index];
  }
};

/// One call of a kernel. Kernels write a proper value (zero, empty text) also under a null.
struct KernelCall {
  int64_t rows = 0;
  std::span<const Lane> inputs;
  void* values = nullptr;    // output, never one of the inputs
  uint8_t* valid = nullptr;  // output; see NullRule
  const StepState* state = nullptr;
  TextArena* texts = nullptr;

  template <typename T>
  [[nodiscard]] const T* input(std::size_t index) const {
    return static_cast<const T*>(inputs[index].values);
  }
  template <typename T>
  [[nodiscard]] T* output() const {
    return static_cast<T*>(values);
  }
  /// One byte a row, 1 for valid, also when the lane has no mask.
  [[nodiscard]] const uint8_t* mask(std::size_t index) const {
    return inputs[index].valid != nullptr ? inputs[index].valid : kAllValid.data();
  }
};

using Kernel = void (*)(const KernelCall& call);

/// Who decides which rows are null.
enum class NullRule : uint8_t {
  kStrict,   // null when an input is null; the kernel does not touch `valid`
  kPartial,  // the same, and the kernel clears `valid` where there is no answer
  kOwn,      // the kernel writes every byte of `valid`
};

struct Step {
  Kernel kernel = nullptr;  // nullptr: load column `column`
  NullRule nulls = NullRule::kStrict;
  ValueKind kind = ValueKind::kNull;
  int column = -1;          // index into Program::columns
  std::vector<int> inputs;  // earlier steps
  StepStatePtr state;
  int values_slot = -1;  // byte of the values per row of a chunk; set by assign_slots
  int valid_slot = -1;
};

/// The compiled form of an expression.
struct Expression::Program {
  std::string text;
  std::vector<std::string> columns;
  std::vector<Type> column_types;
  std::vector<Step> steps;  // the last one is the answer
  Type type = Type::kInt64;
  int row_bytes = 0;  // register bytes per row of a chunk
  int inputs_max = 0;
};

/// Give every step its place in the register file; places are used again when nobody reads them any
/// more.
void assign_slots(Expression::Program& program);

/// Run the program over all rows of a batch. Columns as in Expression::evaluate.
Result<ColumnPtr> run_program(const Expression::Program& program, const Batch& batch);

}  // namespace assay::data

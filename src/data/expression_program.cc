#include "data/expression_program.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

namespace assay::data {
namespace {

constexpr int64_t kChunkRowsStep = 16;  // keeps every register aligned for its values
constexpr int64_t kRegisterBytesMax = int64_t{4} << 20;
constexpr std::size_t kTextColumnBytesMax =
    std::numeric_limits<int32_t>::max();  // offsets are int32
constexpr std::size_t kStackBytes = 4096;
constexpr std::size_t kArenaBlockBytes = std::size_t{64} << 10;

/// Registers for one chunk of rows: on the stack when they are small, as when one row is served.
class RegisterFile {
 public:
  explicit RegisterFile(std::size_t bytes) {
    if (bytes > small_.size()) {
      large_ = std::make_unique_for_overwrite<uint8_t[]>(bytes);
    }
  }
  uint8_t* data() { return large_ ? large_.get() : small_.data(); }

 private:
  alignas(16) std::array<uint8_t, kStackBytes> small_;
  std::unique_ptr<uint8_t[]> large_;
};

/// One evaluation of a program over a batch.
class Run {
 public:
  Run(const Expression::Program& program, std::vector<const Column*> columns, int64_t rows)
      : program_(program),
        columns_(std::move(columns)),
        rows_(rows),
        chunk_rows_(chunk_rows(program, rows)),
        registers_(static_cast<std::size_t>(program.row_bytes * chunk_rows_)),
        lanes_(program.steps.size()),
        inputs_(static_cast<std::size_t>(program.inputs_max)) {}

  Result<ColumnPtr> run() {
    ColumnBuilder builder(program_.type);
    builder.reserve(rows_);
    for (int64_t begin = 0; begin < rows_; begin += chunk_rows_) {
      const int64_t count = std::min(chunk_rows_, rows_ - begin);
      for (std::size_t i = 0; i < program_.steps.size(); ++i) {
        run_step(i, begin, count);
      }
      ASSAY_RETURN_IF_ERROR(append(lanes_.back(), count, builder));
      texts_.reset();
    }
    return builder.finish();
  }

 private:
  static int64_t chunk_rows(const Expression::Program& program, int64_t rows) {
    const int64_t fitting = kRegisterBytesMax / std::max(program.row_bytes, 1);
    const int64_t wanted = std::min({rows, kChunkRowsMax, fitting});
    return std::max(kChunkRowsStep,
                    (wanted + kChunkRowsStep - 1) / kChunkRowsStep * kChunkRowsStep);
  }

  void run_step(std::size_t index, int64_t begin, int64_t count) {
    const Step& step = program_.steps[index];
    Lane& out = lanes_[index];
    uint8_t* values = registers_.data() + step.values_slot * chunk_rows_;
    uint8_t* valid = registers_.data() + step.valid_slot * chunk_rows_;
    if (step.kernel == nullptr) {
      load(step, begin, count, values, valid, out);
      return;
    }
    bool nulls = step.nulls != NullRule::kStrict;
    for (std::size_t i = 0; i < step.inputs.size(); ++i) {
      inputs_[i] = lanes_[static_cast<std::size_t>(step.inputs[i])];
      nulls = nulls || inputs_[i].valid != nullptr;
    }
    const std::span<const Lane> inputs(inputs_.data(), step.inputs.size());
    if (nulls && step.nulls != NullRule::kOwn) {
      combine_nulls(inputs, count, valid);
    }
    step.kernel({count, inputs, values, nulls ? valid : nullptr, step.state.get(), &texts_});
    out = {values, nulls ? valid : nullptr};
  }

  /// Valid where every input is.
  static void combine_nulls(std::span<const Lane> inputs,
                            int64_t count,
                            uint8_t* __restrict valid) {
    std::memset(valid, 1, static_cast<std::size_t>(count));
    for (const Lane& input : inputs) {
      if (input.valid != nullptr) {
        for (int64_t row = 0; row < count; ++row) {
          valid[row] = static_cast<uint8_t>(valid[row] & input.valid[row]);
        }
      }
    }
  }

  /// Rows of a column: its own memory for numbers, views for text.
  void load(const Step& step,
            int64_t begin,
            int64_t count,
            uint8_t* values,
            uint8_t* valid,
            Lane& out) const {
    const Column& column = *columns_[static_cast<std::size_t>(step.column)];
    if (is_text(column.type())) {
      auto* views = reinterpret_cast<std::string_view*>(values);
      for (int64_t row = 0; row < count; ++row) {
        views[row] = column.text(begin + row);
      }
      out.values = views;
    } else if (step.kind == ValueKind::kVector) {
      view_vectors(column, begin, count, reinterpret_cast<VectorView*>(values));
      out.values = values;
    } else if (is_widened(column.type())) {
      widen(column, begin, count, values);
      out.values = values;
    } else if (step.kind != ValueKind::kNested) {
      out.values = column.value_buffer().data() + begin * value_width(column.type());
    }
    out.valid = nullptr;
    if (column.null_count() != 0) {
      for (int64_t row = 0; row < count; ++row) {
        valid[row] = static_cast<uint8_t>(column.is_valid(begin + row));
      }
      out.valid = valid;
    }
  }

  static void view_vectors(const Column& column, int64_t begin, int64_t count, VectorView* views) {
    const Column& elements = column.child(0);
    const bool floats = elements.type() == Type::kFloat32;
    for (int64_t row = 0; row < count; ++row) {
      const ElementRange range = column.elements(begin + row);
      VectorView view;
      view.size = range.size();
      if (floats) {
        view.floats = elements.values<float>().data() + range.begin;
      } else {
        view.doubles = elements.values<double>().data() + range.begin;
      }
      for (int64_t i = range.begin; elements.null_count() != 0 && i < range.end; ++i) {
        view.has_null = view.has_null || elements.is_null(i);
      }
      views[row] = view;
    }
  }

  /// Columns whose values are not those of their kind; see kind_of.
  static bool is_widened(TypeId type) {
    return type == TypeId::kInt8 || type == TypeId::kInt16 || type == TypeId::kDecimal;
  }

  static void widen(const Column& column, int64_t begin, int64_t count, uint8_t* values) {
    const auto first = static_cast<std::size_t>(begin);
    const auto size = static_cast<std::size_t>(count);
    if (column.type() == Type::kInt8) {
      const std::span<const int8_t> from = column.values<int8_t>().subspan(first, size);
      std::copy(from.begin(), from.end(), reinterpret_cast<int32_t*>(values));
    } else if (column.type() == Type::kInt16) {
      const std::span<const int16_t> from = column.values<int16_t>().subspan(first, size);
      std::copy(from.begin(), from.end(), reinterpret_cast<int32_t*>(values));
    } else {
      const int scale = column.type().scale();
      const std::span<const Int128> from = column.values<Int128>().subspan(first, size);
      std::transform(from.begin(), from.end(), reinterpret_cast<double*>(values), [&](Int128 v) {
        return decimal_to_double(v, scale);
      });
    }
  }

  Status append(const Lane& lane, int64_t count, ColumnBuilder& builder) {
    switch (program_.type) {
      case Type::kBool:
        append_values<uint8_t>(lane, count, builder);
        return {};
      case Type::kInt32:
      case Type::kDate:
        append_values<int32_t>(lane, count, builder);
        return {};
      case Type::kInt64:
      case Type::kTimestamp:
        append_values<int64_t>(lane, count, builder);
        return {};
      case Type::kFloat32:
        append_floats<float>(lane, count, builder);
        return {};
      case Type::kFloat64:
        append_floats<double>(lane, count, builder);
        return {};
      case Type::kString:
      case Type::kBytes:
        return append_texts(lane, count, builder);
      default:
        return {};  // other types leave as the columns they came in; see run_program
    }
  }

  Status append_texts(const Lane& lane, int64_t count, ColumnBuilder& builder) {
    const auto* texts = static_cast<const std::string_view*>(lane.values);
    for (int64_t row = 0; row < count; ++row) {
      if (lane.valid != nullptr && lane.valid[row] == 0) {
        builder.append_null();
        continue;
      }
      text_bytes_ += texts[row].size();
      if (text_bytes_ > kTextColumnBytesMax) {
        return {Code::kResourceExhausted,
                "`" + program_.text.substr(0, 200) +
                    "` makes more than 2 GiB of text of one batch; use smaller batches"};
      }
      builder.append_text(texts[row]);
    }
    return {};
  }

  /// Every NaN leaves as the same bits: which one a processor makes depends on the order of
  /// operands.
  template <typename T>
  static void append_floats(const Lane& lane, int64_t count, ColumnBuilder& builder) {
    std::array<T, kChunkRowsMax> values;
    const T* in = static_cast<const T*>(lane.values);
    for (int64_t row = 0; row < count; ++row) {
      values[static_cast<std::size_t>(row)] =
          in[row] != in[row] ? std::numeric_limits<T>::quiet_NaN() : in[row];
    }
    append_values<T>({values.data(), lane.valid}, count, builder);
  }

  /// Runs of valid rows go as blocks.
  template <typename T>
  static void append_values(const Lane& lane, int64_t count, ColumnBuilder& builder) {
    const T* values = static_cast<const T*>(lane.values);
    int64_t row = 0;
    while (row < count) {
      int64_t end = row;
      while (end < count && (lane.valid == nullptr || lane.valid[end] != 0)) {
        ++end;
      }
      if (end > row) {
        builder.append_block(values + row, end - row);
      }
      for (row = end; row < count && lane.valid[row] == 0; ++row) {
        builder.append_null();
      }
    }
  }

  const Expression::Program& program_;
  std::vector<const Column*> columns_;
  int64_t rows_;
  int64_t chunk_rows_;
  RegisterFile registers_;
  std::vector<Lane> lanes_;
  std::vector<Lane> inputs_;
  TextArena texts_;
  std::size_t text_bytes_ = 0;
};

}  // namespace

char* TextArena::allocate(std::size_t size) {
  if (blocks_.empty() || used_ + size > block_size_) {
    block_size_ = std::max(size, kArenaBlockBytes);
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_size_));
    used_ = 0;
  }
  char* bytes = blocks_.back().get() + used_;
  used_ += size;
  return bytes;
}

void TextArena::reset() {
  if (blocks_.size() > 1 || block_size_ > kArenaBlockBytes) {
    blocks_.clear();
    block_size_ = 0;
  }
  used_ = 0;
}

void assign_slots(Expression::Program& program) {
  const auto count = static_cast<int>(program.steps.size());
  std::vector<int> last_reader(program.steps.size(), count);
  for (int i = 0; i < count; ++i) {
    const Step& step = program.steps[static_cast<std::size_t>(i)];
    program.inputs_max = std::max(program.inputs_max, static_cast<int>(step.inputs.size()));
    last_reader[static_cast<std::size_t>(i)] = i;
    for (const int input : step.inputs) {
      last_reader[static_cast<std::size_t>(input)] = i;
    }
  }
  // Free places by width: those of values and those of one byte a row.
  std::map<int, std::vector<int>> free_slots;
  const auto take = [&](int width) {
    std::vector<int>& slots = free_slots[width];
    if (slots.empty()) {
      program.row_bytes += width;
      return program.row_bytes - width;
    }
    const int slot = slots.back();
    slots.pop_back();
    return slot;
  };
  for (int i = 0; i < count; ++i) {
    Step& step = program.steps[static_cast<std::size_t>(i)];
    step.values_slot = take(kind_width(step.kind));
    step.valid_slot = take(1);
    std::vector<int> read = step.inputs;
    std::sort(read.begin(), read.end());
    read.erase(std::unique(read.begin(), read.end()), read.end());
    for (const int input : read) {
      const Step& done = program.steps[static_cast<std::size_t>(input)];
      if (last_reader[static_cast<std::size_t>(input)] == i) {
        free_slots[kind_width(done.kind)].push_back(done.values_slot);
        free_slots[1].push_back(done.valid_slot);
      }
    }
  }
}

Result<ColumnPtr> run_program(const Expression::Program& program, const Batch& batch) {
  std::vector<const Column*> columns;
  columns.reserve(program.columns.size());
  for (std::size_t i = 0; i < program.columns.size(); ++i) {
    const std::optional<int> index = batch.schema().find(program.columns[i]);
    if (!index.has_value()) {
      return Status(
          Code::kInvalidArgument,
          "cannot evaluate `" + program.text + "`: the batch has no column " + program.columns[i]);
    }
    const Column& column = batch.column(*index);
    if (column.type() != program.column_types[i]) {
      return Status(Code::kInvalidArgument,
                    "cannot evaluate `" + program.text + "`: column " + program.columns[i] +
                        " is " + type_name(column.type()) + ", not " +
                        type_name(program.column_types[i]));
    }
    const bool is_column = program.steps.size() == 1 && program.steps[0].kernel == nullptr;
    if (is_column && column.type() == program.type) {
      return batch.column_ptr(*index);
    }
    columns.push_back(&column);
  }
  return Run(program, std::move(columns), batch.rows()).run();
}

}  // namespace assay::data

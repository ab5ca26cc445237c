#include "gold/step_writer.h"

#include <bit>
#include <utility>

#include "gold/row_value.h"

namespace assay::gold {
namespace {

template <typename T, typename Convert>
void append_converted(const uint64_t* bits,
                      const uint8_t* is_null,
                      std::size_t count,
                      data::ColumnBuilder* builder,
                      Convert convert) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = convert(bits[i]);
  }
  builder->append_block(values.data(), is_null, static_cast<int64_t>(count));
}

/// `is_null` may be empty: none is.
data::ColumnPtr timestamps(const std::vector<int64_t>& micros,
                           const std::vector<uint8_t>& is_null) {
  data::ColumnBuilder builder(data::Type::kTimestamp);
  const auto count = static_cast<int64_t>(micros.size());
  if (is_null.empty()) {
    builder.append_block(micros.data(), count);
  } else {
    builder.append_block(micros.data(), is_null.data(), count);
  }
  return builder.finish();
}

}  // namespace

StepWriter::StepWriter(const WindowPlan& plan, const KernelInputs& inputs)
    : plan_(plan),
      inputs_(inputs),
      bits_(plan.outputs.size() * kBlockRows),
      is_null_(plan.outputs.size() * kBlockRows) {
  for (const WindowOutput& output : plan.outputs) {
    features_.emplace_back(output.type);
    if (output.can_overflow) {
      overflows_.emplace_back(data::Type::kBool);
    }
  }
}

void StepWriter::write(int64_t key_row,
                       std::optional<int64_t> event_time,
                       int64_t known_time,
                       const std::vector<Cell>& cells) {
  key_rows_.push_back(key_row);
  event_times_.push_back(event_time.value_or(0));
  if (!event_time || !has_no_event_.empty()) {
    has_no_event_.resize(event_times_.size());
    has_no_event_.back() = event_time ? 0 : 1;
  }
  known_times_.push_back(known_time);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    bits_[i * kBlockRows + rows_] = cells[i].bits;
    is_null_[i * kBlockRows + rows_] = cells[i].is_null ? 1 : 0;
  }
  if (++rows_ == kBlockRows) {
    flush();
  }
}

void StepWriter::flush() {
  std::size_t next_overflow = 0;
  for (std::size_t i = 0; i < features_.size(); ++i) {
    if (plan_.outputs[i].can_overflow) {
      flush_overflow(i, &overflows_[next_overflow++]);
    }
    flush_feature(i);
  }
  rows_ = 0;
}

/// Move what says that a null overflows into a column of its own.
void StepWriter::flush_overflow(std::size_t feature, data::ColumnBuilder* overflows) {
  for (std::size_t i = feature * kBlockRows; i < feature * kBlockRows + rows_; ++i) {
    const bool overflow = Cell{bits_[i], is_null_[i] != 0}.overflows();
    overflows->append(static_cast<uint8_t>(overflow ? 1 : 0));
    bits_[i] = is_null_[i] != 0 ? 0 : bits_[i];
  }
}

void StepWriter::flush_feature(std::size_t feature) {
  const uint64_t* bits = &bits_[feature * kBlockRows];
  const uint8_t* is_null = &is_null_[feature * kBlockRows];
  data::ColumnBuilder* builder = &features_[feature];
  switch (builder->type()) {
    case data::Type::kBool:
      append_converted<uint8_t>(
          bits, is_null, rows_, builder, [](uint64_t b) { return static_cast<uint8_t>(b); });
      break;
    case data::Type::kInt8:
      append_converted<int8_t>(
          bits, is_null, rows_, builder, [](uint64_t b) { return static_cast<int8_t>(b); });
      break;
    case data::Type::kInt16:
      append_converted<int16_t>(
          bits, is_null, rows_, builder, [](uint64_t b) { return static_cast<int16_t>(b); });
      break;
    case data::Type::kInt32:
    case data::Type::kDate:
      append_converted<int32_t>(bits, is_null, rows_, builder, [](uint64_t b) {
        return static_cast<int32_t>(static_cast<int64_t>(b));
      });
      break;
    case data::Type::kFloat32:
      append_converted<float>(bits, is_null, rows_, builder, [](uint64_t b) {
        return static_cast<float>(std::bit_cast<double>(b));
      });
      break;
    case data::Type::kInt64:
    case data::Type::kTimestamp:
    case data::Type::kTimestampNtz:
    case data::Type::kFloat64:
      builder->append_block(bits, is_null, static_cast<int64_t>(rows_));
      break;
    case data::Type::kString:
    case data::Type::kBytes: {
      const TextRanks texts = texts_of(plan_, inputs_, plan_.outputs[feature]);
      for (std::size_t i = 0; i < rows_; ++i) {
        if (is_null[i] != 0) {
          builder->append_null();
        } else {
          builder->append_text(texts.text(bits[i]));
        }
      }
      break;
    }
    case data::Type::kList:
    case data::Type::kArray:
      flush_nested(feature);
      break;
    case data::Type::kDecimal:
    case data::Type::kStruct:
    case data::Type::kMap:
      break;  // no feature has these types; see catalog/value_reading.cc
  }
}

void StepWriter::flush_nested(std::size_t feature) {
  data::ColumnBuilder* builder = &features_[feature];
  for (std::size_t i = feature * kBlockRows; i < feature * kBlockRows + rows_; ++i) {
    if (is_null_[i] != 0) {
      builder->append_null();
    } else {
      RowReader reader(nested_.bytes(bits_[i]));
      builder->append_scalar(read_row_value(&reader, builder->type()));
    }
  }
}

Result<data::Batch> StepWriter::finish(const ViewLayout& layout,
                                       const std::vector<data::ColumnPtr>& keys) {
  flush();
  std::vector<data::ColumnPtr> step_keys;
  for (const data::ColumnPtr& column : keys) {
    step_keys.push_back(data::take(*column, key_rows_));
  }
  std::vector<data::ColumnPtr> raw;
  for (data::ColumnBuilder& builder : features_) {
    raw.push_back(builder.finish());
  }
  std::vector<data::ColumnPtr> overflows;
  for (data::ColumnBuilder& builder : overflows_) {
    overflows.push_back(builder.finish());
  }
  return make_steps(layout,
                    step_keys,
                    timestamps(event_times_, has_no_event_),
                    timestamps(known_times_, {}),
                    data::Batch(layout.raw, std::move(raw), static_cast<int64_t>(key_rows_.size())),
                    overflows);
}

}  // namespace assay::gold

// WindowView::steps: source rows become the kernel's inputs, the kernel's steps become a steps table.

#include <algorithm>
#include <bit>
#include <optional>

#include "gold/entity_rows.h"
#include "gold/window_kernel.h"
#include "gold/window_view.h"

namespace assay::gold {
namespace {

constexpr uint64_t kNoSuchText = ~uint64_t{0};

std::size_t at(int index) { return static_cast<std::size_t>(index); }

void fill_text_ranks(const data::Column& column, ExtremeInput* input) {
  std::vector<int64_t>& rows = input->text_rows;
  for (int64_t row = 0; row < column.size(); ++row) {
    if (input->counted[row] != 0) {
      rows.push_back(row);
    }
  }
  const auto less = [&](int64_t a, int64_t b) { return column.text(a) < column.text(b); };
  std::sort(rows.begin(), rows.end(), less);
  const auto same = [&](int64_t a, int64_t b) { return column.text(a) == column.text(b); };
  rows.erase(std::unique(rows.begin(), rows.end(), same), rows.end());
  input->order.resize(static_cast<std::size_t>(column.size()));
  for (int64_t row = 0; row < column.size(); ++row) {
    if (input->counted[row] != 0) {
      const auto place = std::lower_bound(rows.begin(), rows.end(), row, less);
      input->order[static_cast<std::size_t>(row)] = place - rows.begin();
    }
  }
}

template <typename T, typename Get>
std::vector<T> read_values(const ArgumentColumn& argument, Get get) {
  std::vector<T> values(argument.counted.size());
  for (std::size_t row = 0; row < values.size(); ++row) {
    if (argument.counted[row] != 0) {
      values[row] = get(input_value(*argument.values, static_cast<int64_t>(row)));
    }
  }
  return values;
}

void add_primitive(const Primitive& primitive, KernelInputs* inputs) {
  const ArgumentColumn& argument = inputs->arguments[at(primitive.argument)];
  const uint8_t* counted = argument.counted.data();
  switch (primitive.kind) {
    case PrimitiveKind::kCount:
      inputs->slot.push_back(inputs->counts.size());
      inputs->counts.push_back({counted});
      break;
    case PrimitiveKind::kIntegerSum:
      inputs->slot.push_back(inputs->integers.size());
      inputs->integers.push_back({counted, read_values<int64_t>(argument, [](const InputValue& value) {
                                    return value.integer;
                                  })});
      break;
    case PrimitiveKind::kFloatSum:
      inputs->slot.push_back(inputs->floats.size());
      inputs->floats.push_back({counted, read_values<double>(argument, [](const InputValue& value) {
                                  return value.real;
                                })});
      break;
    case PrimitiveKind::kMin:
    case PrimitiveKind::kMax: {
      inputs->slot.push_back(inputs->extremes.size());
      ExtremeInput input;
      input.counted = counted;
      input.is_min = primitive.kind == PrimitiveKind::kMin;
      if (data::is_text(primitive.type)) {
        fill_text_ranks(*argument.values, &input);
      } else {
        input.order = read_values<int64_t>(
            argument, [](const InputValue& value) { return value.integer; });
      }
      inputs->extremes.push_back(std::move(input));
      break;
    }
  }
}

/// Cells of a seed row. A text that no row holds gets a rank that nothing equals.
Cell seed_cell(const data::Column& column, int64_t row, const ExtremeInput* extreme,
               const data::Column* texts) {
  if (column.is_null(row)) {
    return {};
  }
  if (!data::is_text(column.type())) {
    const InputValue value = input_value(column, row);
    return {is_real(column.type()) ? std::bit_cast<uint64_t>(value.real)
                                   : static_cast<uint64_t>(value.integer),
            false};
  }
  const std::vector<int64_t>& rows = extreme->text_rows;
  const std::string_view text = column.text(row);
  const auto found = std::partition_point(rows.begin(), rows.end(),
                                          [&](int64_t one) { return texts->text(one) < text; });
  const bool known = found != rows.end() && texts->text(*found) == text;
  return {known ? static_cast<uint64_t>(found - rows.begin()) : kNoSuchText, false};
}

/// Reads seed rows as the kernel takes them.
class Seeds {
 public:
  static Result<Seeds> find(const ViewLayout& layout, const WindowPlan& plan,
                            const KernelInputs& inputs, const data::Batch& seed) {
    Seeds seeds(plan, inputs);
    if (seed.rows() == 0) {
      return seeds;
    }
    ASSAY_ASSIGN_OR_RETURN(seeds.columns_, columns_as(layout.raw->fields(), seed));
    const data::Field time{kEventTime, data::Type::kTimestamp, false};
    ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> times, columns_as({time}, seed));
    seeds.event_time_ = times.front();
    return seeds;
  }

  [[nodiscard]] std::optional<WindowKernel::Seed> row(int64_t row) const {
    if (row < 0) {
      return std::nullopt;
    }
    WindowKernel::Seed seed;
    seed.event_time = event_time_->values<int64_t>()[static_cast<std::size_t>(row)];
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const int value = plan_->outputs[i].value;
      const bool text = data::is_text(columns_[i]->type());
      const ExtremeInput* extreme =
          text ? &inputs_->extremes[inputs_->slot[at(value)]] : nullptr;
      const data::Column* texts =
          text ? inputs_->arguments[at(plan_->primitives[at(value)].argument)].values.get() : nullptr;
      seed.cells.push_back(seed_cell(*columns_[i], row, extreme, texts));
    }
    return seed;
  }

 private:
  Seeds(const WindowPlan& plan, const KernelInputs& inputs) : plan_(&plan), inputs_(&inputs) {}

  const WindowPlan* plan_;
  const KernelInputs* inputs_;
  std::vector<data::ColumnPtr> columns_;
  data::ColumnPtr event_time_;
};

/// One column of steps from all chunks: `append` puts one value.
template <typename Append>
data::ColumnPtr join_bits(data::Type type, const std::vector<StepColumns>& chunks, std::size_t feature,
                          Append append) {
  data::ColumnBuilder builder(type);
  for (const StepColumns& chunk : chunks) {
    if (chunk.key.empty()) {
      continue;
    }
    for (std::size_t i = 0; i < chunk.key.size(); ++i) {
      if (chunk.is_null[feature][i] != 0) {
        builder.append_null();
      } else {
        append(&builder, chunk.bits[feature][i]);
      }
    }
  }
  return builder.finish();
}

data::ColumnPtr feature_column(data::Type type, const std::vector<StepColumns>& chunks,
                               std::size_t feature, const ExtremeInput* extreme,
                               const data::Column* texts) {
  switch (type) {
    case data::Type::kBool:
      return join_bits(type, chunks, feature, [](data::ColumnBuilder* builder, uint64_t bits) {
        builder->append(static_cast<uint8_t>(bits != 0 ? 1 : 0));
      });
    case data::Type::kInt32:
    case data::Type::kDate:
      return join_bits(type, chunks, feature, [](data::ColumnBuilder* builder, uint64_t bits) {
        builder->append(static_cast<int32_t>(static_cast<int64_t>(bits)));
      });
    case data::Type::kInt64:
    case data::Type::kTimestamp:
      return join_bits(type, chunks, feature, [](data::ColumnBuilder* builder, uint64_t bits) {
        builder->append(static_cast<int64_t>(bits));
      });
    case data::Type::kFloat32:
      return join_bits(type, chunks, feature, [](data::ColumnBuilder* builder, uint64_t bits) {
        builder->append(static_cast<float>(std::bit_cast<double>(bits)));
      });
    case data::Type::kFloat64:
      return join_bits(type, chunks, feature, [](data::ColumnBuilder* builder, uint64_t bits) {
        builder->append(std::bit_cast<double>(bits));
      });
    case data::Type::kString:
    case data::Type::kBytes:
      return join_bits(type, chunks, feature, [&](data::ColumnBuilder* builder, uint64_t bits) {
        builder->append_text(texts->text(extreme->text_rows[static_cast<std::size_t>(bits)]));
      });
  }
  return nullptr;
}

data::ColumnPtr time_column(const std::vector<StepColumns>& chunks,
                            std::vector<int64_t> StepColumns::* member) {
  data::ColumnBuilder builder(data::Type::kTimestamp);
  for (const StepColumns& chunk : chunks) {
    builder.append_block((chunk.*member).data(), static_cast<int64_t>((chunk.*member).size()));
  }
  return builder.finish();
}

}  // namespace

Result<data::Batch> WindowView::steps(const data::Batch& rows, const data::Batch& seed,
                                      EventTime begin, EventTime end, int threads) const {
  ASSAY_ASSIGN_OR_RETURN(const RowColumns columns, find_row_columns(layout(), rows));
  ASSAY_ASSIGN_OR_RETURN(const EntityRows entities, group_by_entity(layout(), rows, columns, seed));
  KernelInputs inputs;
  inputs.event_time = columns.event_time->values<int64_t>().data();
  inputs.known_time = columns.known_time->values<int64_t>().data();
  ASSAY_ASSIGN_OR_RETURN(inputs.arguments, evaluate_arguments(plan_, rows));
  for (const Primitive& primitive : plan_.primitives) {
    add_primitive(primitive, &inputs);
  }
  ASSAY_ASSIGN_OR_RETURN(const Seeds seeds, Seeds::find(layout(), plan_, inputs, seed));

  std::vector<StepColumns> chunks(chunk_count_max(threads));
  for_entity_ranges(entities, threads, [&](std::size_t first, std::size_t last, std::size_t chunk) {
    WindowKernel kernel(plan_, inputs, layout().slide.micros, begin, end, &chunks[chunk]);
    for (std::size_t i = first; i < last; ++i) {
      kernel.run(entities, entities.entities[i], seeds.row(entities.entities[i].seed));
    }
  });

  std::vector<int64_t> key_rows;
  for (const StepColumns& chunk : chunks) {
    key_rows.insert(key_rows.end(), chunk.key.begin(), chunk.key.end());
  }
  std::vector<data::ColumnPtr> keys;
  for (const data::ColumnPtr& column : entities.keys) {
    keys.push_back(data::take(*column, key_rows));
  }
  std::vector<data::ColumnPtr> raw;
  for (std::size_t i = 0; i < plan_.outputs.size(); ++i) {
    const WindowOutput& output = plan_.outputs[i];
    const bool text = data::is_text(output.type);
    raw.push_back(feature_column(
        output.type, chunks, i, text ? &inputs.extremes[inputs.slot[at(output.value)]] : nullptr,
        text ? inputs.arguments[at(plan_.primitives[at(output.value)].argument)].values.get()
             : nullptr));
  }
  return make_steps(layout(), keys, time_column(chunks, &StepColumns::event_time),
                    time_column(chunks, &StepColumns::known_time),
                    data::Batch(layout().raw, std::move(raw), static_cast<int64_t>(key_rows.size())));
}

}  // namespace assay::gold

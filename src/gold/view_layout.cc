#include "gold/view_layout.h"

#include <algorithm>
#include <utility>

#include "data/gather.h"

namespace assay::gold {
namespace {

bool in_range(int64_t micros) {
  return micros >= kFirstInstant.micros && micros < kEndInstant.micros;
}

data::ColumnPtr dates_of(const data::Column& times) {
  data::ColumnBuilder builder(data::Type::kDate);
  builder.reserve(times.size());
  for (const int64_t micros : times.values<int64_t>()) {
    builder.append(static_cast<int32_t>(floor_to(micros, kMicrosPerDay) / kMicrosPerDay));
  }
  return builder.finish();
}

data::ColumnPtr widened(const data::Column& column) {
  data::ColumnBuilder builder(data::Type::kInt64);
  builder.reserve(column.size());
  for (int64_t row = 0; row < column.size(); ++row) {
    if (column.is_null(row)) {
      builder.append_null();
    } else {
      builder.append(static_cast<int64_t>(column.values<int32_t>()[static_cast<std::size_t>(row)]));
    }
  }
  return builder.finish();
}

Status wrong_type(const data::Field& field, data::Type found) {
  return {Code::kInvalidArgument,
          "column `" + field.name + "` must be " + std::string(data::type_name(field.type)) +
              " but is " + std::string(data::type_name(found))};
}

}  // namespace

Result<data::Batch> stored_features(const ViewLayout& layout, const data::Batch& raw) {
  data::Batch all = raw;
  for (const ViewLayout::Computed& computed : layout.computed) {
    if (!computed.at_read) {
      ASSAY_ASSIGN_OR_RETURN(data::ColumnPtr column, computed.expression.evaluate(all));
      all = all.with_column(computed.field, std::move(column));
    }
  }
  return all.select(layout.stored->names());
}

Result<data::Batch> features_at(const ViewLayout& layout,
                                const data::Batch& stored,
                                const data::ColumnPtr& now) {
  const bool any = std::any_of(layout.computed.begin(),
                               layout.computed.end(),
                               [](const ViewLayout::Computed& one) { return one.at_read; });
  if (!any) {
    return stored;
  }
  data::Batch all = stored.with_column({data::kNowColumn, data::Type::kTimestamp, true}, now);
  for (const ViewLayout::Computed& computed : layout.computed) {
    const std::vector<std::string>& inputs = computed.expression.columns();
    const bool possible = std::all_of(inputs.begin(), inputs.end(), [&](const std::string& name) {
      return all.find(name) != nullptr;
    });
    if (computed.at_read && possible) {
      ASSAY_ASSIGN_OR_RETURN(data::ColumnPtr column, computed.expression.evaluate(all));
      all = all.with_column(computed.field, std::move(column));
    }
  }
  return all;
}

Result<std::vector<data::Scalar>> complete_features(const ViewLayout& layout,
                                                    std::vector<data::Scalar> raw,
                                                    EventTime now) {
  if (layout.computed.empty()) {
    return raw;
  }
  data::BatchBuilder builder(layout.raw);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    builder.column(static_cast<int>(i)).append_scalar(raw[i]);
  }
  ASSAY_ASSIGN_OR_RETURN(const data::Batch stored, stored_features(layout, builder.finish()));
  data::ColumnBuilder instant(data::Type::kTimestamp);
  instant.append(now.micros);
  ASSAY_ASSIGN_OR_RETURN(const data::Batch all, features_at(layout, stored, instant.finish()));
  std::vector<data::Scalar> values;
  values.reserve(layout.features.size());
  for (const data::Field& field : layout.features) {
    values.push_back(all.find(field.name)->scalar(0));
  }
  return values;
}

std::vector<data::Field> LaidOutView::step_columns(std::span<const int> features) const {
  std::vector<data::Field> columns;
  std::vector<std::string> wanted;
  for (const int feature : features) {
    wanted.push_back(layout_.features[static_cast<std::size_t>(feature)].name);
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::optional<int> stored = layout_.stored->find(wanted[i]);
    if (stored) {
      columns.push_back(layout_.stored->field(*stored));
      continue;
    }
    for (const ViewLayout::Computed& computed : layout_.computed) {
      if (computed.field.name != wanted[i]) {
        continue;
      }
      for (const std::string& input : computed.expression.columns()) {
        if (std::find(wanted.begin(), wanted.end(), input) == wanted.end()) {
          wanted.push_back(input);
        }
      }
      break;
    }
  }
  return columns;
}

Result<std::vector<data::ColumnPtr>> LaidOutView::answers(const data::Batch& steps,
                                                          std::span<const int64_t> rows,
                                                          const data::ColumnPtr& now,
                                                          std::span<const int> features,
                                                          int threads) const {
  const std::vector<data::Field> fields = step_columns(features);
  ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> columns, columns_as(fields, steps));
  std::vector<const data::Column*> pointers;
  for (const data::ColumnPtr& column : columns) {
    pointers.push_back(column.get());
  }
  const data::Batch stored(data::make_schema(fields),
                           data::take_columns(pointers, rows, threads),
                           static_cast<int64_t>(rows.size()));
  ASSAY_ASSIGN_OR_RETURN(const data::Batch all, features_at(layout_, stored, now));
  // Where there is no row there is no answer, whatever an expression makes of nulls.
  std::vector<int64_t> found(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    found[i] = rows[i] < 0 ? -1 : static_cast<int64_t>(i);
  }
  std::vector<data::ColumnPtr> answers;
  for (const int feature : features) {
    const std::string& name = layout_.features[static_cast<std::size_t>(feature)].name;
    const data::ColumnPtr& column = all.column_ptr(*all.schema().find(name));
    const bool is_stored = layout_.stored->find(name).has_value();
    answers.push_back(is_stored ? column : data::take(*column, found));
  }
  return answers;
}

Result<data::Batch> make_steps(const ViewLayout& layout,
                               const std::vector<data::ColumnPtr>& keys,
                               const data::ColumnPtr& event_time,
                               const data::ColumnPtr& known_time,
                               const data::Batch& raw,
                               const std::vector<data::ColumnPtr>& overflows) {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch features, stored_features(layout, raw));
  std::vector<data::ColumnPtr> columns = keys;
  columns.push_back(event_time);
  columns.push_back(known_time);
  for (int i = 0; i < features.column_count(); ++i) {
    columns.push_back(features.column_ptr(i));
  }
  columns.insert(columns.end(), overflows.begin(), overflows.end());
  columns.push_back(dates_of(*known_time));
  return data::Batch(layout.steps_schema, std::move(columns), known_time->size());
}

Result<FeatureValues> make_answer(const ViewLayout& layout,
                                  std::optional<EventTime> event_time,
                                  std::vector<data::Scalar> raw,
                                  const std::vector<std::string>& overflowed,
                                  EventTime now) {
  FeatureValues answer;
  answer.event_time = event_time;
  const bool too_old = event_time && is_too_old(layout, *event_time, now);
  if (!event_time || too_old) {
    const data::FeatureStatus status =
        too_old ? data::FeatureStatus::kOutsideMaxAge : data::FeatureStatus::kNotFound;
    for (const data::Field& field : layout.features) {
      answer.values.push_back(data::Scalar::null(field.type));
      answer.statuses.push_back(status);
    }
    return answer;
  }
  ASSAY_ASSIGN_OR_RETURN(answer.values, complete_features(layout, std::move(raw), now));
  answer.statuses.assign(answer.values.size(), data::FeatureStatus::kPresent);
  for (std::size_t i = 0; i < answer.values.size(); ++i) {
    if (answer.values[i].is_null()) {
      answer.statuses[i] = data::FeatureStatus::kNullValue;
    }
  }
  for (const std::string& name : overflowed) {
    for (std::size_t i = 0; i < layout.features.size(); ++i) {
      if (layout.features[i].name == name) {
        answer.statuses[i] = data::FeatureStatus::kOverflow;
      }
    }
  }
  return answer;
}

std::string overflow_column(std::string_view feature) {
  return std::string(feature) + "__overflow";
}

std::vector<data::Field> overflow_fields(const FeatureView& view) {
  std::vector<data::Field> fields;
  for (const data::Field& feature : view.features()) {
    const std::optional<int> index = view.steps_schema()->find(overflow_column(feature.name));
    if (index) {
      fields.push_back(view.steps_schema()->field(*index));
    }
  }
  return fields;
}

data::FeatureStatus null_status(const data::Batch& steps, const std::string& feature, int64_t row) {
  const data::Column* overflow = steps.find(overflow_column(feature));
  const bool overflows =
      overflow != nullptr && overflow->values<uint8_t>()[static_cast<std::size_t>(row)] != 0;
  return overflows ? data::FeatureStatus::kOverflow : data::FeatureStatus::kNullValue;
}

bool RowColumns::has_times(int64_t row) const {
  const auto at = static_cast<std::size_t>(row);
  return event_time->is_valid(row) && known_time->is_valid(row) &&
         in_range(event_time->values<int64_t>()[at]) &&
         in_range(known_time->values<int64_t>()[at]) &&
         replaced_at(row) >
             std::max(event_time->values<int64_t>()[at], known_time->values<int64_t>()[at]);
}

Result<RowColumns> find_row_columns(const ViewLayout& layout, const data::Batch& rows) {
  RowColumns columns;
  ASSAY_ASSIGN_OR_RETURN(columns.keys, columns_as(layout.keys, rows));
  const std::pair<const char*, const data::Column**> wanted[] = {{kEventTime, &columns.event_time},
                                                                 {kKnownTime, &columns.known_time}};
  for (const auto& [name, column] : wanted) {
    *column = rows.find(name);
    if (*column == nullptr || (*column)->type() != data::Type::kTimestamp) {
      return Status(Code::kInvalidArgument,
                    "rows of view `" + layout.name + "` need a timestamp column `" + name + "`");
    }
  }
  columns.sequence = rows.find("sequence");
  if (columns.sequence == nullptr || columns.sequence->type() != data::Type::kInt64) {
    return Status(Code::kInvalidArgument,
                  "rows of view `" + layout.name + "` need an int64 column `sequence`");
  }
  if (layout.of_changes) {
    const data::Field field{kReplacedTime, data::Type::kTimestamp, true};
    ASSAY_ASSIGN_OR_RETURN(const std::vector<data::ColumnPtr> found, columns_as({field}, rows));
    const data::Column& replaced = *found.front();
    columns.replaced_time.assign(static_cast<std::size_t>(rows.rows()), kNeverReplaced);
    for (int64_t row = 0; row < rows.rows(); ++row) {
      if (replaced.is_valid(row)) {
        const auto at = static_cast<std::size_t>(row);
        columns.replaced_time[at] = replaced.values<int64_t>()[at];
      }
    }
  }
  return columns;
}

Result<std::vector<data::ColumnPtr>> columns_as(const std::vector<data::Field>& fields,
                                                const data::Batch& batch) {
  std::vector<data::ColumnPtr> columns;
  for (const data::Field& field : fields) {
    const std::optional<int> index = batch.schema().find(field.name);
    if (!index) {
      return Status(Code::kInvalidArgument, "there is no column `" + field.name + "`");
    }
    const data::ColumnPtr& column = batch.column_ptr(*index);
    if (column->type() == field.type) {
      columns.push_back(column);
    } else if (column->type() == data::Type::kInt32 && field.type == data::Type::kInt64) {
      columns.push_back(widened(*column));
    } else {
      return wrong_type(field, column->type());
    }
  }
  return columns;
}

}  // namespace assay::gold

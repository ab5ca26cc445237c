// Answers of steps tables and their exact texts, for the tests: see view_fixture.h.

#include <algorithm>
#include <bit>
#include <cstdio>

#include "gold/view_fixture.h"

namespace assay::gold {

using data::Scalar;

bool is_step_of(const FeatureView& view,
                const data::Batch& steps,
                int64_t row,
                const TestKey& key) {
  return std::all_of(view.keys().begin(), view.keys().end(), [&](const data::Field& field) {
    const data::Column& column = *steps.find(field.name);
    return field.name == "user"
               ? column.text(row) == key.user
               : column.values<int64_t>()[static_cast<std::size_t>(row)] == key.item;
  });
}

Answer answer_of_steps(const FeatureView& view,
                       const data::Batch& steps,
                       const TestKey& key,
                       int64_t instant) {
  Answer answer;
  const auto known_time = steps.find(kKnownTime)->values<int64_t>();
  int64_t best = -1;
  for (int64_t row = 0; row < steps.rows(); ++row) {
    const int64_t known = known_time[static_cast<std::size_t>(row)];
    if (is_step_of(view, steps, row, key) && known <= instant &&
        (best < 0 || known > known_time[static_cast<std::size_t>(best)])) {
      best = row;
    }
  }
  if (best >= 0 && steps.find(kEventTime)->is_valid(best)) {
    answer.event_time = steps.find(kEventTime)->values<int64_t>()[static_cast<std::size_t>(best)];
    data::ColumnBuilder now(data::Type::kTimestamp);
    now.append(instant);
    const std::vector<data::ColumnPtr> values =
        view.answers(steps, {&best, 1}, now.finish(), all_features(view), 1).value();
    for (const data::ColumnPtr& value : values) {
      answer.values.push_back(value->scalar(0));
    }
  }
  return answer;
}

std::string exact_text(const Scalar& scalar) {
  std::string text(data::type_name(scalar.type));
  text += ":";
  if (scalar.is_null()) {
    return text + "null";
  }
  if (const auto* real = std::get_if<double>(&scalar.value)) {
    char buffer[64];
    std::snprintf(buffer,
                  sizeof(buffer),
                  "%g/%016llx",
                  *real,
                  static_cast<unsigned long long>(std::bit_cast<uint64_t>(*real)));
    return text + buffer;
  }
  return text + data::format_scalar(scalar);
}

std::string exact_text(const Answer& answer) {
  if (!answer.event_time) {
    return "nothing";
  }
  std::string text = "at " + std::to_string(*answer.event_time);
  for (const Scalar& value : answer.values) {
    text += " " + exact_text(value);
  }
  return text;
}

std::string exact_text(const data::Batch& batch) {
  std::string text;
  for (int64_t row = 0; row < batch.rows(); ++row) {
    for (int column = 0; column < batch.column_count(); ++column) {
      text += exact_text(batch.column(column).scalar(row)) + " ";
    }
    text += "\n";
  }
  return text;
}

std::vector<TestRow> shuffled(Random& random, std::vector<TestRow> rows) {
  for (std::size_t i = rows.size(); i > 1; --i) {
    std::swap(rows[i - 1], rows[random.below(i)]);
  }
  return rows;
}

}  // namespace assay::gold

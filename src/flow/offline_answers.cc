#include "flow/offline_answers.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "flow/gold_stage.h"
#include "gold/training_set.h"

namespace assay::flow {
namespace {

/// The questions as label rows: the key's columns and `at`.
Result<data::Batch> label_rows(const gold::FeatureView& view,
                               const std::vector<Question>& questions) {
  std::vector<data::Field> fields = view.keys();
  fields.push_back({"at", data::Type::kTimestamp, false});
  data::BatchBuilder labels(data::make_schema(fields));
  for (const Question& question : questions) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<data::Scalar> key, data::decode_key(question.key));
    for (std::size_t i = 0; i < key.size(); ++i) {
      labels.column(static_cast<int>(i)).append_scalar({view.keys()[i].type, key[i].value});
    }
    labels.column(static_cast<int>(key.size())).append(question.at.micros);
  }
  return labels.finish();
}

}  // namespace

std::optional<data::FeatureStatus> status_from_name(std::string_view name) {
  for (std::size_t i = 0; i < data::kFeatureStatuses; ++i) {
    if (data::status_name(static_cast<data::FeatureStatus>(i)) == name) {
      return static_cast<data::FeatureStatus>(i);
    }
  }
  return std::nullopt;
}

Result<OfflineAnswers> answer_offline(Workspace& workspace,
                                      const gold::FeatureView& view,
                                      const std::vector<Question>& questions,
                                      int threads) {
  EventTime last = EventTime::min();
  for (const Question& question : questions) {
    last = std::max(last, question.at);
  }
  ASSAY_ASSIGN_OR_RETURN(data::Batch steps, read_steps(workspace, view, last));
  return answer_from_steps(view, std::move(steps), questions, threads);
}

Result<OfflineAnswers> answer_from_steps(const gold::FeatureView& view,
                                         data::Batch steps,
                                         const std::vector<Question>& questions,
                                         int threads) {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch asked, label_rows(view, questions));
  OfflineAnswers answers;
  answers.steps = std::move(steps);
  data::AsofLabels left;
  data::AsofRows right;
  for (const data::Field& key : view.keys()) {
    left.keys.push_back(asked.find(key.name));
    right.keys.push_back(answers.steps.find(key.name));
  }
  left.time = asked.find("at");
  // A step answers from its known_time on, whatever its event_time: that one only ages it.
  right.event_time = answers.steps.find(gold::kKnownTime);
  right.known_time = answers.steps.find(gold::kKnownTime);
  ASSAY_ASSIGN_OR_RETURN(answers.match, data::asof_join(left, right, {std::nullopt, threads}));
  gold::judge_age(view, *left.time, *answers.steps.find(gold::kEventTime), &answers.match);
  ASSAY_ASSIGN_OR_RETURN(answers.values,
                         view.answers(answers.steps,
                                      answers.match.rows,
                                      asked.column_ptr(*asked.schema().find("at")),
                                      gold::all_features(view),
                                      threads));
  return answers;
}

OfflineValue offline_value(const gold::FeatureView& view,
                           const OfflineAnswers& answers,
                           std::size_t question,
                           int feature) {
  const data::Field& field = view.features()[static_cast<std::size_t>(feature)];
  const int64_t step = answers.match.rows[question];
  if (step < 0) {
    return {data::Scalar::null(field.type), answers.match.statuses[question]};
  }
  data::Scalar value =
      answers.values[static_cast<std::size_t>(feature)]->scalar(static_cast<int64_t>(question));
  const data::FeatureStatus status = value.is_null()
                                         ? gold::null_status(answers.steps, field.name, step)
                                         : data::FeatureStatus::kPresent;
  return {std::move(value), status};
}

std::vector<gold::FeatureValues> feature_values(const gold::FeatureView& view,
                                                const OfflineAnswers& answers,
                                                std::size_t count) {
  std::vector<gold::FeatureValues> found(count);
  const data::Column& event_time = *answers.steps.find(gold::kEventTime);
  for (std::size_t i = 0; i < count; ++i) {
    gold::FeatureValues& values = found[i];
    for (int feature = 0; feature < static_cast<int>(view.features().size()); ++feature) {
      OfflineValue value = offline_value(view, answers, i, feature);
      values.values.push_back(std::move(value.value));
      values.statuses.push_back(value.status);
    }
    const int64_t step = answers.match.rows[i];
    if (step >= 0 && event_time.is_valid(step)) {
      values.event_time = EventTime{event_time.values<int64_t>()[static_cast<std::size_t>(step)]};
    }
  }
  return found;
}

bool same_bits(const data::Scalar& a, const data::Scalar& b) {
  if (a.is_null() || b.is_null()) {
    return a.is_null() == b.is_null();
  }
  const auto* x = std::get_if<double>(&a.value);
  const auto* y = std::get_if<double>(&b.value);
  if (x != nullptr && y != nullptr) {
    return std::bit_cast<uint64_t>(*x) == std::bit_cast<uint64_t>(*y);
  }
  return a.value == b.value;
}

std::string key_filter(const gold::FeatureView& view, const std::vector<data::Scalar>& key) {
  std::string filter;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const std::string column = data::SqlEngine::identifier(view.keys()[i].name);
    filter += filter.empty() ? "" : " AND ";
    filter += key[i].is_null()
                  ? column + " IS NULL"
                  : column + " = CAST(" + data::SqlEngine::literal(data::format_scalar(key[i])) +
                        " AS " + std::string(data::SqlEngine::sql_type(view.keys()[i].type)) + ")";
  }
  return filter.empty() ? "true" : filter;  // one row for all
}

}  // namespace assay::flow

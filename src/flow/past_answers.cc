#include "flow/past_answers.h"

#include "flow/gold_stage.h"
#include "flow/offline_answers.h"
#include "flow/retention.h"

namespace assay::flow {
namespace {

constexpr std::size_t kKeysInFilter = 200;

/// SQL that keeps the steps of these keys; of many keys all steps are read.
Result<std::string> keys_filter(const gold::FeatureView& view,
                                std::span<const data::EntityKey> keys) {
  std::string filter;
  if (keys.size() > kKeysInFilter) {
    return filter;
  }
  for (const data::EntityKey& key : keys) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<data::Scalar> values, data::decode_key(key));
    std::vector<data::Scalar> typed;
    for (std::size_t i = 0; i < values.size(); ++i) {
      typed.push_back({view.keys()[i].type, values[i].value});
    }
    filter += (filter.empty() ? " WHERE (" : " OR (") + key_filter(view, typed) + ")";
  }
  return filter;
}

}  // namespace

Result<std::vector<gold::FeatureValues>> past_answers(Workspace& workspace,
                                                      const gold::FeatureView& view,
                                                      std::span<const data::EntityKey> keys,
                                                      EventTime at) {
  std::vector<gold::FeatureValues> found(keys.size());
  if (keys.empty()) {
    return found;
  }
  ASSAY_RETURN_IF_ERROR(require_answers_from(workspace, view, at));
  ASSAY_ASSIGN_OR_RETURN(const StepsRelation relation, steps_relation(workspace, view, at));
  ASSAY_ASSIGN_OR_RETURN(const std::string filter, keys_filter(view, keys));
  ASSAY_ASSIGN_OR_RETURN(
      data::Batch steps,
      workspace.sql().query("SELECT " + column_list(view.steps_schema()->names()) +
                            " FROM (SELECT * FROM " + relation.sql + ")" + filter));
  std::vector<Question> questions;
  for (const data::EntityKey& key : keys) {
    questions.push_back({key, at, false, {}});
  }
  ASSAY_ASSIGN_OR_RETURN(const OfflineAnswers answers,
                         answer_from_steps(view, std::move(steps), questions, 1));
  const data::Column& event_time = *answers.steps.find(gold::kEventTime);
  for (std::size_t i = 0; i < keys.size(); ++i) {
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

}  // namespace assay::flow

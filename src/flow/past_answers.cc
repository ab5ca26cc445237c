#include "flow/past_answers.h"

#include "data/batch.h"
#include "flow/gold_stage.h"
#include "flow/gold_task.h"
#include "flow/offline_answers.h"
#include "flow/retention.h"
#include "flow/versions.h"

namespace assay::flow {
namespace {

constexpr char kAsked[] = "assay_asked_keys";

/// The last step of each of these entities up to `at`. Keys go to the engine as a table: they may
/// be many, and hold bytes that SQL's text cannot.
Result<data::Batch> last_steps(Workspace& workspace,
                               const gold::FeatureView& view,
                               std::span<const data::EntityKey> keys,
                               EventTime at) {
  ASSAY_ASSIGN_OR_RETURN(const StepsRelation relation, steps_relation(workspace, view, at));
  const std::string select =
      "SELECT " + column_list(view.steps_schema()->names()) + " FROM " + relation.sql;
  if (view.keys().empty()) {  // one row for all
    return workspace.sql().query(select + last_of_each_entity(view));
  }
  data::BatchBuilder asked(data::make_schema(view.keys()));
  for (const data::EntityKey& key : keys) {
    ASSAY_ASSIGN_OR_RETURN(const std::vector<data::Scalar> values, data::decode_key(key));
    for (std::size_t i = 0; i < values.size(); ++i) {
      asked.column(static_cast<int>(i)).append_scalar({view.keys()[i].type, values[i].value});
    }
  }
  ASSAY_RETURN_IF_ERROR(workspace.sql().create_table(kAsked, asked.finish()));
  Result<data::Batch> steps = workspace.sql().query(select + " SEMI JOIN " + kAsked +
                                                    join_by_keys(view) + last_of_each_entity(view));
  ASSAY_RETURN_IF_ERROR(workspace.sql().drop_table(kAsked));
  return steps;
}

}  // namespace

Result<std::vector<gold::FeatureValues>> past_answers(Workspace& workspace,
                                                      const gold::FeatureView& view,
                                                      std::span<const data::EntityKey> keys,
                                                      EventTime at) {
  if (keys.empty()) {
    return std::vector<gold::FeatureValues>();
  }
  ASSAY_RETURN_IF_ERROR(require_answers_from(workspace, view, at));
  ASSAY_ASSIGN_OR_RETURN(data::Batch steps, last_steps(workspace, view, keys, at));
  std::vector<Question> questions;
  for (const data::EntityKey& key : keys) {
    questions.push_back({key, at, false, {}});
  }
  ASSAY_ASSIGN_OR_RETURN(const OfflineAnswers answers,
                         answer_from_steps(view, std::move(steps), questions, 1));
  return feature_values(view, answers, keys.size());
}

}  // namespace assay::flow

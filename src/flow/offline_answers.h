#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/asof_join.h"
#include "data/entity_key.h"
#include "flow/workspace.h"

namespace assay::flow {

/// One question: an entity of one view at one instant, and what online said.
struct Question {
  data::EntityKey key;
  EventTime at;
  bool live = false;           // asked the project's own store
  gold::FeatureValues online;  // by feature of the view
};

/// What a steps table answers to questions.
struct OfflineAnswers {
  data::Batch steps;
  data::AsofMatch match;
  std::vector<data::ColumnPtr> values;  // one row per question, one column per feature
};

/// A value with its status.
struct OfflineValue {
  data::Scalar value;
  data::FeatureStatus status = data::FeatureStatus::kNotFound;
};

/// What the view's steps table answers.
///
/// Errors  those of read_steps.
Result<OfflineAnswers> answer_offline(Workspace& workspace,
                                      const gold::FeatureView& view,
                                      const std::vector<Question>& questions,
                                      int threads);
/// The same from steps at hand.
Result<OfflineAnswers> answer_from_steps(const gold::FeatureView& view,
                                         data::Batch steps,
                                         const std::vector<Question>& questions,
                                         int threads);

/// One feature of one question's answer.
OfflineValue offline_value(const gold::FeatureView& view,
                           const OfflineAnswers& answers,
                           std::size_t question,
                           int feature);

/// All of the first `count` questions' answers.
std::vector<gold::FeatureValues> feature_values(const gold::FeatureView& view,
                                                const OfflineAnswers& answers,
                                                std::size_t count);

/// The status of a name, or nothing.
std::optional<data::FeatureStatus> status_from_name(std::string_view name);

/// True when both are null, or have equal values; of doubles also equal bits.
bool same_bits(const data::Scalar& a, const data::Scalar& b);

/// SQL: `key = value AND ...` over the view's key columns.
std::string key_filter(const gold::FeatureView& view, const std::vector<data::Scalar>& key);

}  // namespace assay::flow

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/definitions.h"
#include "data/expression.h"

namespace assay::gold {

/// How one feature is had from an entity's events in their order.
struct SequenceOutput {
  catalog::SequenceValue value = catalog::SequenceValue::kSessionCount;
  int of = -1;      // into SequencePlan::expressions, or -1
  int window = 0;   // into SequencePlan::windows
  int64_t lag = 0;  // kLag: how many events ago
  data::Type type = data::Type::kInt64;
};

/// The features of a view that look at events in their order: sessions and changes.
///
/// Threads immutable.
struct SequencePlan {
  std::vector<data::Expression> expressions;
  std::vector<int64_t> windows;         // lengths in microseconds, each once
  std::vector<SequenceOutput> outputs;  // one per raw feature, in definition order
  int64_t slide = 0;
  int64_t gap = 0;          // of sessions; 0: there are none
  int64_t session_max = 0;  // longest session; 0: no bound
  int session_window = -1;  // into windows

  [[nodiscard]] int64_t window_max() const;
};

/// Add the features that a definition stands for, one per window.
///
/// Errors  kInvalidArgument: no session where one is needed, an expression that does not compile, a
///         window that is not a multiple of the slide. Every message names the feature.
Status plan_sequence_feature(const catalog::FeatureDef& feature,
                             const catalog::FeatureViewDef& view,
                             const data::Schema& source,
                             SequencePlan* plan,
                             std::vector<data::Field>* fields);

/// The values of every expression in one row of source rows, after one another.
Result<std::vector<std::string>> pack_sequence_values(const SequencePlan& plan,
                                                      const data::Batch& rows);

}  // namespace assay::gold

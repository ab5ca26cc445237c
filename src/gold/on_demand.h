#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "catalog/definitions.h"
#include "data/batch.h"

namespace assay::gold {

/// Features computed at request time from request values and from features fetched before them.
///
/// Threads immutable.
class OnDemandView {
 public:
  /// `available`: request fields plus features that stand before this view in the service.
  ///
  /// Errors  kInvalidArgument: an expression that does not compile, naming the feature.
  static Result<std::shared_ptr<const OnDemandView>> compile(const catalog::OnDemandDef& definition,
                                                             const data::Schema& available);
  virtual ~OnDemandView() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;
  /// Request values it needs.
  [[nodiscard]] virtual const std::vector<data::Field>& request() const = 0;
  [[nodiscard]] virtual const std::vector<data::Field>& features() const = 0;
  /// Columns it reads, request values and features.
  [[nodiscard]] virtual const std::vector<std::string>& inputs() const = 0;
  /// One row of features per row of `inputs`: the same code offline over many rows and online over
  /// one. `now`: per row the instant of the question, the label's or the request's.
  [[nodiscard]] virtual Result<data::Batch> evaluate(const data::Batch& inputs,
                                                     const data::ColumnPtr& now) const = 0;
};

using OnDemandViewPtr = std::shared_ptr<const OnDemandView>;

}  // namespace assay::gold

#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/type.h"
#include "gold/service.h"
#include "serve/get.h"
#include "serve/request_rows.h"

namespace assay::serve {

/// What all answers for a flat service have in common, made once: which value stands where, and the
/// names around them.
///
/// Threads immutable; memory for writing is kept per thread.
class AnswerTemplate {
 public:
  /// `names`: output name per feature.
  AnswerTemplate(const gold::Service& service, std::span<const std::string> names);

  /// The body of /get-online-features: what render_features writes, to the byte.
  [[nodiscard]] std::string render(const TypedRows& typed,
                                   const FlatAnswer& answer,
                                   bool with_view_versions) const;

 private:
  class Writing;
  struct Feature {
    int view = 0;
    int index = 0;
    data::Type type;
  };

  std::vector<Feature> features_;
  std::string names_;  // "f0","f1"
  std::string views_;  // the views, as JSON
};

}  // namespace assay::serve

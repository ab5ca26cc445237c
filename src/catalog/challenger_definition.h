#pragma once

namespace assay::catalog {

/// `challengers: {other: {share: 0.1, shadow: false}}` of a model: another model that is tried
/// beside it where predictions are served. It decides no feature.
struct ChallengerDef {
  double share = 0;    // of the entities that it answers for, 0 to 1
  bool shadow = true;  // it is scored, and logged, where it does not answer
};

}  // namespace assay::catalog

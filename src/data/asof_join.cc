#include "data/asof_join.h"

#include <string>

#include "data/asof_index.h"

namespace assay::data {

std::string_view status_name(FeatureStatus status) {
  switch (status) {
    case FeatureStatus::kPresent:
      return "PRESENT";
    case FeatureStatus::kNullValue:
      return "NULL_VALUE";
    case FeatureStatus::kNotFound:
      return "NOT_FOUND";
    case FeatureStatus::kOutsideMaxAge:
      return "OUTSIDE_MAX_AGE";
    case FeatureStatus::kOverflow:
      return "OVERFLOW";
  }
  return "";
}

Result<AsofMatch> asof_join(const AsofLabels& labels,
                            const AsofRows& rows,
                            const AsofOptions& options) {
  if (options.ttl && options.ttl->micros < 0) {
    return Status(Code::kInvalidArgument, "as-of join: negative ttl");
  }
  std::vector<Type> key_types;
  for (const Column* key : labels.keys) {
    key_types.push_back(key->type());
  }
  AsofIndex index(std::move(key_types), options.threads);
  ASSAY_RETURN_IF_ERROR(index.add(labels));
  index.seal();
  AsofSweep sweep(index, options.threads);
  ASSAY_RETURN_IF_ERROR(sweep.add(rows, 0));
  return sweep.finish(options.ttl);
}

}  // namespace assay::data

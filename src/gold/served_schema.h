#pragma once

#include <string>

#include "data/schema.h"
#include "gold/service.h"

namespace assay::gold {

// The log of served answers of one service: one row for each answered row of a request whose entity
// is in the sample.
//
//   served_date    day of as_of; the table is partitioned by it
//   as_of          the instant that was answered for
//   <entity keys>  as they are stored
//   model, model_version, score    null where no model was asked; "shadow:NAME" is a challenger's
//                                  score beside the answer, a row of its own
//   <view>__applied                version of the view's source table that the store had applied,
//   at
//                                  least, with the table's number (flow/online_stage.h)
//   <view>__<feature>, <view>__<feature>__status    of all features but those on demand, which are
//                                  functions of these and of request values, and those are not kept
inline constexpr char kServedDate[] = "served_date";
inline constexpr char kServedAsOf[] = "as_of";
inline constexpr char kServedModel[] = "model";
inline constexpr char kServedModelVersion[] = "model_version";
inline constexpr char kServedScore[] = "score";
/// What `model` begins with where nobody was answered so.
inline constexpr char kServedShadow[] = "shadow:";

std::string served_applied_column(const Service& service, std::size_t view);
std::string served_value_column(const ServiceFeature& feature);
std::string served_status_column(const ServiceFeature& feature);

/// Columns in the order above.
///
/// Errors  kInvalidArgument: an entity key has the name of another column.
Result<data::SchemaPtr> served_schema(const Service& service);

}  // namespace assay::gold

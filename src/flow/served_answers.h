#pragma once

#include <string>
#include <vector>

#include "data/entity_key.h"
#include "flow/workspace.h"
#include "gold/served_schema.h"

// For tests: answers as a server would log them.

namespace assay::flow {

/// What the online store answers now of the service `v1` for five users.
inline data::Batch answers_of_five_users(Workspace& workspace) {
  const auto service = *workspace.service("v1");
  const gold::FeatureView& view = *service->views.front();
  online::OnlineStore* store = *workspace.online(true);
  const EventTime now = *workspace.serving_now();
  data::BatchBuilder rows(*gold::served_schema(*service));
  for (int user = 0; user < 5; ++user) {
    const std::string name = "u" + std::to_string(user);
    const data::Scalar key[] = {data::Scalar::string(name)};
    const std::vector<data::EntityKey> keys = {*data::encode_key(key)};
    const gold::FeatureValues values = store->read(view, keys, now)->front();
    int column = 0;
    rows.column(column++).append(static_cast<int32_t>(now.micros / kMicrosPerDay));
    rows.column(column++).append(now.micros);
    rows.column(column++).append_text(name);
    for (int i = 0; i < 3; ++i) {
      rows.column(column++).append_null();  // no model
    }
    rows.column(column++).append((*store->applied_to(view))->position);
    for (std::size_t f = 0; f < values.values.size(); ++f) {
      values.values[f].is_null() ? rows.column(column++).append_null()
                                 : rows.column(column++).append_scalar(values.values[f]);
      rows.column(column++).append_text(data::status_name(values.statuses[f]));
    }
  }
  return rows.finish();
}

}  // namespace assay::flow

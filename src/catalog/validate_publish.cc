// What is sent to others: each topic has one writer, and a published model can be scored from what
// changes.

#include <algorithm>

#include "catalog/validation.h"

namespace assay::catalog {
namespace {

/// Topics that are taken, each with what writes it.
using Takers = std::map<std::string, std::string>;

void check_topic(Validation& v,
                 const std::string& path,
                 const std::string& title,
                 const PublishDef& publish,
                 Takers* takers) {
  const std::string at = path + "/publish/kafka/topic";
  const auto [taker, is_first] = takers->try_emplace(publish.topic, title);
  if (!is_first) {
    v.error("E0203",
            at,
            "topic `" + publish.topic + "` has the values of " + taker->second + " already",
            "name a topic of its own");
  }
  for (const auto& [name, source] : v.project().sources) {
    const bool is_read =
        source.kafka.has_value() &&
        std::count(source.kafka->topics.begin(), source.kafka->topics.end(), publish.topic) != 0;
    if (is_read && source.kafka->brokers == publish.brokers) {
      v.error("E0203",
              at,
              "source `" + name + "` reads topic `" + publish.topic + "`",
              "name another topic");
    }
  }
}

/// Predictions follow the features of the entity that they are for.
void check_model(Validation& v, const ModelDef& model) {
  const auto service = v.project().services.find(model.service);
  if (service == v.project().services.end()) {
    return;  // reported where the model names it
  }
  for (const ServiceItem& item : service->second.items) {
    if (v.project().on_demand.count(item.view) != 0) {
      v.error("E0203",
              "models/" + model.name + "/publish",
              "service `" + model.service + "` needs on-demand view `" + item.view +
                  "`, which is computed from a request",
              "publish a model of a service without it");
    }
  }
}

}  // namespace

void validate_publish(Validation& validation) {
  const Project& project = validation.project();
  Takers takers;
  for (const auto& [name, view] : project.views) {
    if (view.publish.has_value()) {
      check_topic(validation,
                  "feature_views/" + name,
                  "feature view `" + name + "`",
                  *view.publish,
                  &takers);
    }
  }
  for (const auto& [name, model] : project.models) {
    if (model.publish.has_value()) {
      check_topic(validation, "models/" + name, "model `" + name + "`", *model.publish, &takers);
      check_model(validation, model);
    }
  }
}

}  // namespace assay::catalog

#include "serve/model_metrics.h"

#include <string_view>

namespace assay::serve {
namespace {

void add_gauge(std::string_view name,
               std::string_view help,
               const std::map<std::string, bool>& values,
               std::string* text) {
  *text += "# HELP " + std::string(name) + " " + std::string(help) + "\n# TYPE " +
           std::string(name) + " gauge\n";
  for (const auto& [model, value] : values) {
    *text += std::string(name) + "{model=\"" + model + "\"} " + (value ? "1\n" : "0\n");
  }
}

}  // namespace

std::string model_metrics(const ServingState& state) {
  std::map<std::string, bool> served;
  std::map<std::string, bool> of_before;
  std::map<std::string, bool> kept;
  for (const auto& [name, model] : state.models) {
    served[name] = true;
    of_before[name] = model.is_of_before;
    kept[name] = !model.instead_of.empty();
  }
  for (const auto& [name, why] : state.models_not_served) {
    served[name] = false;
  }
  std::string text;
  if (!served.empty()) {
    add_gauge("assay_serve_model_served",
              "Whether a trained model can be asked for predictions.",
              served,
              &text);
  }
  if (!of_before.empty()) {
    add_gauge("assay_serve_model_of_definitions_before",
              "Whether a model is asked with features of the definitions before those that are "
              "served, which get no more rows.",
              of_before,
              &text);
    add_gauge("assay_serve_model_kept",
              "Whether a model is asked in an older version than the one in production, which "
              "cannot be served.",
              kept,
              &text);
  }
  return text;
}

}  // namespace assay::serve

#include "catalog/dependents.h"

#include <array>

#include "catalog/table_schema.h"

namespace assay::catalog {
namespace {

struct KindRow {
  const char* kind;
  const char* words;
};

constexpr std::array<KindRow, 10> kKinds{{{"project", "project"},
                                          {"source", "source"},
                                          {"bronze", "bronze table"},
                                          {"silver", "silver table"},
                                          {"entity", "entity"},
                                          {"feature_view", "feature view"},
                                          {"derived", "derived view"},
                                          {"on_demand", "on-demand view"},
                                          {"service", "service"},
                                          {"model", "model"}}};

int rank_of(const std::string& kind) {
  int rank = 0;
  for (const KindRow& row : kKinds) {
    if (row.kind == kind) {
      return rank;
    }
    ++rank;
  }
  return rank;
}

}  // namespace

Dependents::Dependents(const Project& project) {
  const auto table_kind = [&](const std::string& table) {
    return layer_of(project, table) == TableLayer::kSilver ? "silver" : "bronze";
  };
  for (const auto& [name, bronze] : project.bronze) {
    add("source", bronze.source, "bronze", name);
  }
  for (const auto& [name, silver] : project.silver) {
    add("bronze", silver.from, "silver", name);
    for (const EnrichDef& enrich : silver.enrich) {
      add(table_kind(enrich.lookup), enrich.lookup, "silver", name);
    }
  }
  for (const auto& [name, view] : project.views) {
    add(table_kind(view.from), view.from, "feature_view", name);
    if (view.entity != kNoEntity) {
      add("entity", view.entity, "feature_view", name);
    }
  }
  const auto view_kind = [&](const std::string& view) {
    return project.on_demand.count(view) > 0 ? "on_demand"
           : project.derived.count(view) > 0 ? "derived"
                                             : "feature_view";
  };
  for (const auto& [name, derived] : project.derived) {
    for (const ServiceItem& item : derived.inputs) {
      add(view_kind(item.view), item.view, "derived", name);
    }
  }
  for (const auto& [name, service] : project.services) {
    for (const ServiceItem& item : service.items) {
      add(view_kind(item.view), item.view, "service", name);
    }
  }
  for (const auto& [name, model] : project.models) {
    add("service", model.service, "model", name);
    add(table_kind(model.labels_from), model.labels_from, "model", name);
  }
}

void Dependents::add(const std::string& from_kind,
                     const std::string& from,
                     const std::string& to_kind,
                     const std::string& to) {
  edges_[{rank_of(from_kind), from}].insert({rank_of(to_kind), to});
}

std::vector<std::string> Dependents::of(const std::string& kind, const std::string& name) const {
  std::set<Id> found;
  std::vector<Id> open = {{rank_of(kind), name}};
  while (!open.empty()) {
    const Id id = open.back();
    open.pop_back();
    const auto next = edges_.find(id);
    if (next == edges_.end()) {
      continue;
    }
    for (const Id& dependent : next->second) {
      if (found.insert(dependent).second) {
        open.push_back(dependent);
      }
    }
  }
  std::vector<std::string> words;
  for (const Id& id : found) {
    words.push_back(std::string(kKinds.at(static_cast<std::size_t>(id.first)).words) + " `" +
                    id.second + "`");
  }
  return words;
}

}  // namespace assay::catalog

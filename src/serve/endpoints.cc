#include "serve/endpoints.h"

#include <algorithm>
#include <array>
#include <string>

namespace assay::serve {
namespace {

constexpr std::array<std::string_view, kEndpointCount> kNames = {"/get-online-features",
                                                                 "/predict",
                                                                 "/health",
                                                                 "/ready",
                                                                 "/metrics",
                                                                 "/push",
                                                                 "/explain",
                                                                 "/write-to-online-store",
                                                                 "/materialize",
                                                                 "/materialize-incremental",
                                                                 "/search",
                                                                 "/retrieve-online-documents",
                                                                 "/v1/vector_stores",
                                                                 "/api/v1",
                                                                 "/openapi.json",
                                                                 "other"};

std::vector<Operation> make_operations() {
  std::vector<Operation> all = {
      {kGetOnlineFeatures,
       "POST",
       "/get-online-features",
       "Features of entities, now or as they were served at an instant",
       "FeaturesRequest",
       "FeaturesResponse",
       {},
       {304, 404, 413, 422, 429, 501, 503}},
      {kPredict,
       "POST",
       "/predict",
       "Scores of a model for entities",
       "PredictRequest",
       "PredictResponse",
       {},
       {304, 404, 413, 422, 429, 501, 503}},
      {kHealth, "GET", "/health", "The process answers", "", "", {}, {}},
      {kReady, "GET", "/ready", "The server can answer for features", "", "Ready", {}, {503}},
      {kMetrics, "GET", "/metrics", "Metrics as Prometheus reads them", "", "text", {}, {}},
      {kPush,
       "POST",
       "/push",
       "Rows into a source",
       "PushRequest",
       "PushResponse",
       {},
       {422, 429, 501, 503, 507}},
      {kExplain,
       "POST",
       "/explain",
       "The rows, tables and definition behind one number",
       "ExplainRequest",
       "Explanation",
       {},
       {404, 413, 422, 429, 501, 503, 507}},
      {kWriteToOnlineStore,
       "POST",
       "/write-to-online-store",
       "Rows into the source of a view whose rows they are",
       "WriteRequest",
       "WriteResponse",
       {},
       {404, 413, 422, 429, 501, 503, 507}},
      {kMaterialize,
       "POST",
       "/materialize",
       "Whether all rows are online",
       "MaterializeRequest",
       "Null",
       {"async"},
       {202, 404, 422, 429, 501, 503}},
      {kMaterializeIncremental,
       "POST",
       "/materialize-incremental",
       "Whether all rows are online",
       "MaterializeIncrementalRequest",
       "Null",
       {"async"},
       {202, 404, 422, 429, 501, 503}},
      {kSearch, "POST", "/search", "Refused: there is no vector search", "Any", "", {}, {501}},
      {kRetrieveDocuments,
       "POST",
       "/retrieve-online-documents",
       "Refused: there is no vector search",
       "Any",
       "",
       {},
       {501}},
      {kVectorStores, "GET", "/v1/vector_stores", "An empty list", "", "List", {}, {}},
      {kVectorStores, "GET", "/v1/vector_stores/{id}", "There is none", "", "", {}, {404}},
      {kVectorStores,
       "POST",
       "/v1/vector_stores/{id}/search",
       "There is none",
       "Any",
       "",
       {},
       {404}},
      {kRegistry,
       "GET",
       "/api/v1/search",
       "Objects of the registry by a word",
       "",
       "SearchResponse",
       {"query", "projects", "page", "limit"},
       {304, 422}},
      {kRegistry,
       "GET",
       "/api/v1/projects",
       "The project",
       "",
       "List",
       {"page", "limit"},
       {304, 422}},
      {kRegistry, "GET", "/api/v1/projects/{name}", "The project", "", "Any", {}, {304, 404, 422}},
      {kOpenApi, "GET", "/openapi.json", "This document", "", "Any", {}, {304}},
  };
  static const std::array<std::array<std::string, 3>, 7> kLists = {{
      {"entities", "{name}", "Entities"},
      {"data_sources", "{name}", "Data sources"},
      {"feature_views", "{name}", "Feature views"},
      {"features", "{view}/{name}", "Features"},
      {"feature_services", "{name}", "Feature services"},
      {"saved_datasets", "{name}", "Saved datasets: none"},
      {"permissions", "{name}", "Permissions: none"},
  }};
  static std::array<std::array<std::string, 3>, kLists.size()> paths;
  for (std::size_t i = 0; i < kLists.size(); ++i) {
    const auto& [list, one, what] = kLists[i];
    paths[i] = {"/api/v1/" + list, "/api/v1/" + list + "/all", "/api/v1/" + list + "/" + one};
    all.push_back({kRegistry,
                   "GET",
                   paths[i][0],
                   what,
                   "",
                   "List",
                   {"project", "name", "page", "limit"},
                   {304, 422}});
    all.push_back({kRegistry, "GET", paths[i][1], what, "", "List", {"page", "limit"}, {304, 422}});
    all.push_back({kRegistry, "GET", paths[i][2], what, "", "Any", {"project"}, {304, 404, 422}});
  }
  return all;
}

/// Endpoints that have paths below their own.
bool has_paths_below(Endpoint endpoint) {
  return endpoint == kVectorStores || endpoint == kRegistry;
}

}  // namespace

std::span<const Operation> operations() {
  static const std::vector<Operation> all = make_operations();
  return all;
}

std::string_view endpoint_name(Endpoint endpoint) {
  return kNames[endpoint];
}

Endpoint endpoint_of(std::string_view path) {
  for (int i = 0; i < kOther; ++i) {
    const auto endpoint = static_cast<Endpoint>(i);
    const std::string_view known = kNames[endpoint];
    const bool below = has_paths_below(endpoint) && path.starts_with(known) &&
                       path.substr(known.size()).starts_with('/');
    if (below || path == known) {
      return endpoint;
    }
  }
  return kOther;
}

bool matches_path(std::string_view pattern, std::string_view path) {
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = pattern.substr(0, pattern.find('/'));
    const std::string_view found = path.substr(0, path.find('/'));
    if (wanted != found && (!wanted.starts_with('{') || found.empty())) {
      return false;
    }
    pattern.remove_prefix(std::min(pattern.size(), wanted.size() + 1));
    path.remove_prefix(std::min(path.size(), found.size() + 1));
  }
  return pattern.empty() && path.empty();
}

std::string_view verb_of(Endpoint endpoint, std::string_view path) {
  std::string_view verb;
  for (const Operation& operation : operations()) {
    if (operation.endpoint != endpoint) {
      continue;
    }
    if (verb.empty() || matches_path(operation.path, path)) {
      verb = operation.verb;
    }
    if (!has_paths_below(endpoint)) {
      break;
    }
  }
  return verb;
}

}  // namespace assay::serve

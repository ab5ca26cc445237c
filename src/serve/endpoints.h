#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace assay::serve {

/// What a path is about. Metrics are counted by it.
enum Endpoint {
  kGetOnlineFeatures,
  kPredict,
  kHealth,
  kReady,
  kMetrics,
  kPush,
  kExplain,
  kWriteToOnlineStore,
  kMaterialize,
  kMaterializeIncremental,
  kSearch,
  kRetrieveDocuments,
  kVectorStores,
  kRegistry,
  kOpenApi,
  kOther,
  kEndpointCount
};

/// One verb of one path: what the server routes by, and what /openapi.json says.
struct Operation {
  Endpoint endpoint = kOther;
  std::string_view verb;
  std::string_view path;                // "/api/v1/entities/{name}"
  std::string_view summary;             // one line
  std::string_view request;             // name of the body's schema; "": no body
  std::string_view response;            // the same of a 200; "": an empty one, "text": plain text
  std::vector<std::string_view> query;  // names of parameters behind `?`
  std::vector<int> refusals;  // what it may answer but 200, besides 400, 401, 403, 405, 413,
                              // 431 and 500
};

/// All of them; those that are asked most stand first. Threads immutable.
std::span<const Operation> operations();

/// What a path is about, query cut off; kOther when the server has no such path.
Endpoint endpoint_of(std::string_view path);
/// The verb that a path of this endpoint takes.
std::string_view verb_of(Endpoint endpoint, std::string_view path);
/// How metrics name it: "/predict".
std::string_view endpoint_name(Endpoint endpoint);
/// Whether `path` is one that the template stands for: `{name}` is any one part.
bool matches_path(std::string_view pattern, std::string_view path);

}  // namespace assay::serve

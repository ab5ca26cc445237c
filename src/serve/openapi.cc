#include "serve/openapi.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json_writer.h"
#include "serve/endpoints.h"

namespace assay::serve {
namespace {

using Named = std::pair<std::string_view, std::string_view>;

/// Schemas of bodies, by name, as JSON.
constexpr Named kSchemas[] = {
    {"Any", R"({"type":"object"})"},
    {"Null", R"({"nullable":true,"enum":[null]})"},
    {"List", R"({"type":"object"})"},
    {"Ready",
     R"({"type":"object","required":["ready","views","services","models","models_not)"
     R"(_served","models_kept"],"properties":{"ready":{"type":"boolean"},"views":{"type":"integer")"
     R"(},"services":{"type":"integer"},"models":{"type":"integer"},"models_not_serv)"
     R"(ed":{"type":"integer"},"models_kept":{"type":"integer"},"share":{"type":"obj)"
     R"(ect"}}})"},
    {"Columns", R"({"type":"object","additionalProperties":{"type":"array","items":{}}})"},
    {"FeaturesRequest",
     R"({"type":"object","required":["entities"],"properties":{"entities":{"$ref":"#)"
     R"(/components/schemas/Columns"},"feature_service":{"type":"string","nullable":)"
     R"(true},"features":{"type":"array","items":{"type":"string"},"nullable":true},)"
     R"("full_feature_names":{"type":"boolean"},"include_feature_view_version_metada)"
     R"(ta":{"type":"boolean"},"at":{"nullable":true,"oneOf":[{"type":"string","form)"
     R"(at":"date-time"},{"type":"number"}]}}})"},
    {"FeaturesResponse",
     R"({"type":"object","required":["results","metadata"],"properties":{"results":{)"
     R"("type":"array","items":{"type":"object","required":["values","statuses","eve)"
     R"(nt_timestamps"],"properties":{"values":{"type":"array","items":{"nullable":t)"
     R"(rue}},"statuses":{"type":"array","items":{"type":"string","enum":["PRESENT",)"
     R"("NULL_VALUE","NOT_FOUND","OUTSIDE_MAX_AGE","OVERFLOW"]}},"event_timestamps":)"
     R"({"type":"array","items":{"type":"string","format":"date-time"}}}}},"metadata)"
     R"(":{"type":"object","required":["feature_names"],"properties":{"feature_names)"
     R"(":{"type":"array","items":{"type":"string"}}}}}})"},
    {"PredictRequest",
     R"({"type":"object","required":["entities"],"properties":{"entities":{"$ref":"#)"
     R"(/components/schemas/Columns"},"model":{"type":"string","nullable":true},"wit)"
     R"(h_features":{"type":"boolean"},"at":{"nullable":true,"oneOf":[{"type":"strin)"
     R"(g","format":"date-time"},{"type":"number"}]}}})"},
    {"PredictResponse",
     R"({"type":"object","required":["predictions","model","version"],"properties":{)"
     R"("predictions":{"type":"array","items":{"type":"object","required":["score",")"
     R"(status"],"properties":{"score":{"type":"number","nullable":true},"status":{")"
     R"(type":"string"},"model":{"type":"string"},"version":{"type":"string"}}}},"mo)"
     R"(del":{"type":"string"},"version":{"type":"string"},"features":{"type":"array)"
     R"(","items":{"type":"object"}}}})"},
    {"PushRequest",
     R"({"type":"object","required":["push_source_name","df"],"properties":{"push_so)"
     R"(urce_name":{"type":"string"},"to":{"type":"string","enum":["online","offline)"
     R"(","online_and_offline"]},"df":{"$ref":"#/components/schemas/Columns"},"verdi)"
     R"(cts":{"type":"boolean"}}})"},
    {"PushResponse",
     R"({"type":"object","required":["accepted","quarantined","dropped","rows"],"pro)"
     R"(perties":{"accepted":{"type":"integer"},"quarantined":{"type":"integer"},"dr)"
     R"(opped":{"type":"integer"},"rows":{"type":"array","items":{"type":"object","r)"
     R"(equired":["verdict"],"properties":{"verdict":{"type":"string","enum":["accep)"
     R"(ted","quarantined","dropped"]},"table":{"type":"string"},"reason":{"type":"s)"
     R"(tring"},"column":{"type":"string"}}}}}})"},
    {"ExplainRequest",
     R"({"type":"object","required":["feature"],"properties":{"feature":{"type":"str)"
     R"(ing"},"entities":{"$ref":"#/components/schemas/Columns"},"at":{"nullable":tr)"
     R"(ue,"oneOf":[{"type":"string","format":"date-time"},{"type":"number"}]}}})"},
    {"Explanation", R"({"type":"object"})"},
    {"WriteRequest",
     R"({"type":"object","required":["feature_view_name","df"],"properties":{"featur)"
     R"(e_view_name":{"type":"string"},"df":{"$ref":"#/components/schemas/Columns"},)"
     R"("allow_registry_cache":{"type":"boolean"},"verdicts":{"type":"boolean"}}})"},
    {"WriteResponse",
     R"({"oneOf":[{"$ref":"#/components/schemas/Null"},{"$ref":"#/components/schema)"
     R"(s/PushResponse"}]})"},
    {"MaterializeRequest",
     R"({"type":"object","properties":{"start_ts":{"type":"string","nullable":true},)"
     R"("end_ts":{"type":"string","nullable":true},"feature_views":{"type":"array",")"
     R"(items":{"type":"string"},"nullable":true},"disable_event_timestamp":{"type":)"
     R"("boolean"}}})"},
    {"MaterializeIncrementalRequest",
     R"({"type":"object","required":["end_ts"],"properties":{"end_ts":{"type":"strin)"
     R"(g"},"feature_views":{"type":"array","items":{"type":"string"},"nullable":tru)"
     R"(e}}})"},
    {"SearchResponse",
     R"({"type":"object","required":["query","projects_searched","results","paginati)"
     R"(on"],"properties":{"query":{"type":"string"},"results":{"type":"array","item)"
     R"(s":{"type":"object"}}}})"},
    {"Refusal", R"({"oneOf":[{"type":"string"},{"type":"object"}]})"},
};

/// Schemas of parameters behind `?`.
constexpr Named kParameters[] = {
    {"project", R"({"type":"string"})"},
    {"name", R"({"type":"string"})"},
    {"page", R"({"type":"integer","minimum":1,"maximum":92233720368547758})"},
    {"limit", R"({"type":"integer","minimum":1,"maximum":100})"},
    {"query", R"({"type":"string"})"},
    {"projects", R"({"type":"string"})"},
    {"async", R"({"type":"boolean"})"},
};

/// What a status means, whatever the path.
constexpr std::pair<int, std::string_view> kMeanings[] = {
    {200, "Answered"},
    {202, "Answered; asked as `async`"},
    {304, "The answer is the one that If-None-Match names"},
    {400, "Not HTTP"},
    {401, "No token or key, or one that is not known"},
    {403, "The token or key does not allow it"},
    {404, "Something that was named does not exist"},
    {405, "Another verb"},
    {413, "More is asked for than one answer holds"},
    {422, "The request is wrong, and how"},
    {429, "Too many requests wait; ask again after Retry-After seconds"},
    {431, "The headers are too large"},
    {500, "A fault of the server or its data"},
    {501, "What this server does not do, and why"},
    {503, "Not now: definitions are being replaced, rows are not there yet, or too much load"},
    {507, "There is no room on the disk; nothing was taken"},
};

std::string_view find(std::span<const Named> named, std::string_view name) {
  const auto found =
      std::find_if(named.begin(), named.end(), [&](const Named& one) { return one.first == name; });
  return found == named.end() ? "{}" : found->second;
}

void write_content(JsonWriter& writer, std::string_view type, std::string_view schema) {
  writer.key("content");
  writer.begin_object();
  writer.key(type);
  writer.begin_object();
  writer.key("schema");
  writer.raw(schema);
  writer.end_object();
  writer.end_object();
}

std::string reference(std::string_view schema) {
  return R"({"$ref":"#/components/schemas/)" + std::string(schema) + R"("})";
}

void write_response(JsonWriter& writer, const Operation& operation, int status) {
  writer.key(std::to_string(status));
  writer.begin_object();
  writer.key("description");
  for (const auto& [number, meaning] : kMeanings) {
    if (number == status) {
      writer.string(meaning);
    }
  }
  if (status == 200 && operation.response == "text") {
    write_content(writer, "text/plain", R"({"type":"string"})");
  } else if (status == 200 && !operation.response.empty()) {
    write_content(writer, "application/json", reference(operation.response));
  } else if (status >= 400) {
    write_content(writer, "application/json", reference("Refusal"));
  } else if (status == 202) {
    write_content(writer, "application/json", reference("Any"));
  }
  writer.end_object();
}

void write_parameter(JsonWriter& writer,
                     std::string_view where,
                     std::string_view name,
                     bool required,
                     std::string_view schema) {
  writer.begin_object();
  writer.key("name");
  writer.string(name);
  writer.key("in");
  writer.string(where);
  writer.key("required");
  writer.boolean(required);
  writer.key("schema");
  writer.raw(schema);
  writer.end_object();
}

void write_parameters(JsonWriter& writer, const Operation& operation) {
  writer.key("parameters");
  writer.begin_array();
  for (std::string_view rest = operation.path; rest.find('{') != std::string_view::npos;) {
    rest.remove_prefix(rest.find('{') + 1);
    write_parameter(writer, "path", rest.substr(0, rest.find('}')), true, R"({"type":"string"})");
  }
  for (const std::string_view name : operation.query) {
    const bool required = name == "query" || name == "project";
    write_parameter(writer, "query", name, required, find(kParameters, name));
  }
  writer.end_array();
}

void write_operation(JsonWriter& writer, const Operation& operation) {
  std::string verb(operation.verb);
  std::transform(verb.begin(), verb.end(), verb.begin(), [](char letter) {
    return static_cast<char>(letter + ('a' - 'A'));
  });
  writer.key(verb);
  writer.begin_object();
  writer.key("summary");
  writer.string(operation.summary);
  write_parameters(writer, operation);
  if (!operation.request.empty()) {
    writer.key("requestBody");
    writer.begin_object();
    writer.key("required");
    writer.boolean(operation.request != "Any");
    write_content(writer, "application/json", reference(operation.request));
    writer.end_object();
  }
  writer.key("responses");
  writer.begin_object();
  std::vector<int> statuses = operation.refusals;
  statuses.insert(statuses.end(), {200, 400, 401, 403, 405, 413, 431, 500, 503});
  std::sort(statuses.begin(), statuses.end());
  statuses.erase(std::unique(statuses.begin(), statuses.end()), statuses.end());
  for (const int status : statuses) {
    write_response(writer, operation, status);
  }
  writer.end_object();
  writer.end_object();
}

}  // namespace

std::string openapi_document() {
  std::string document;
  JsonWriter writer(document);
  writer.begin_object();
  writer.key("openapi");
  writer.string("3.0.3");
  writer.key("info");
  writer.begin_object();
  writer.key("title");
  writer.string("Assay");
  writer.key("version");
  writer.string(ASSAY_VERSION);
  writer.end_object();
  writer.key("paths");
  writer.begin_object();
  for (const Operation& operation : operations()) {  // a path has one verb
    writer.key(operation.path);
    writer.begin_object();
    write_operation(writer, operation);
    writer.end_object();
  }
  writer.end_object();
  writer.key("components");
  writer.begin_object();
  writer.key("schemas");
  writer.begin_object();
  for (const auto& [name, schema] : kSchemas) {
    writer.key(name);
    writer.raw(schema);
  }
  writer.end_object();
  writer.end_object();
  writer.end_object();
  return document;
}

}  // namespace assay::serve

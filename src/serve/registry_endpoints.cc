#include "serve/registry_endpoints.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/json_writer.h"
#include "serve/error_response.h"

namespace assay::serve {
namespace {

using Objects = std::vector<const FeastObject*>;

constexpr int64_t kSearchLimit = 50;
constexpr int64_t kLimitMax = 100;

/// A path and its query, percent-decoded.
struct Target {
  std::vector<std::string> parts;  // behind /api/v1/
  std::vector<std::pair<std::string, std::string>> query;

  [[nodiscard]] std::optional<std::string> get(std::string_view name) const {
    for (const auto& [key, value] : query) {
      if (key == name) {
        return value;
      }
    }
    return std::nullopt;
  }
};

int hex_digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

std::string decoded(std::string_view text, bool of_query) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 &&
        hex_digit(text[at + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[at + 1]) << 4 | hex_digit(text[at + 2]));
      at += 2;
    } else {
      out += of_query && text[at] == '+' ? ' ' : text[at];
    }
  }
  return out;
}

/// Hands the pieces of `text` between separators to `take`, empty ones left out.
template <typename Take>
void for_pieces(std::string_view text, char separator, const Take& take) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) {
      take(text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Target parse_target(std::string_view text) {
  Target target;
  const std::size_t mark = std::min(text.find('?'), text.size());
  for_pieces(text.substr(0, mark).substr(kRegistryPath.size()), '/', [&](std::string_view part) {
    target.parts.push_back(decoded(part, false));
  });
  for_pieces(text.substr(std::min(mark + 1, text.size())), '&', [&](std::string_view pair) {
    const std::size_t equals = std::min(pair.find('='), pair.size());
    target.query.emplace_back(decoded(pair.substr(0, equals), true),
                              decoded(pair.substr(std::min(equals + 1, pair.size())), true));
  });
  return target;
}

/// Which part of a list is asked for.
struct Page {
  int64_t page = 0;  // 0: all of it
  int64_t limit = 0;
};

std::optional<int64_t> number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

Response bad_query(std::string_view name, std::string_view type, std::string_view message) {
  Response response;
  response.status = 422;
  JsonWriter writer(response.body);
  writer.begin_object();
  writer.key("detail");
  writer.begin_array();
  writer.begin_object();
  writer.key("type");
  writer.string(type);
  writer.key("loc");
  writer.begin_array();
  writer.string("query");
  writer.string(name);
  writer.end_array();
  writer.key("msg");
  writer.string(message);
  writer.key("input");
  writer.null();
  writer.end_object();
  writer.end_array();
  writer.end_object();
  return response;
}

/// The page asked for, or a refusal.
std::optional<Response> read_page(const Target& target, Page* page) {
  for (const auto& [name, into, most] : {std::tuple{"page", &page->page, INT64_MAX / kLimitMax},
                                         std::tuple{"limit", &page->limit, kLimitMax}}) {
    if (const std::optional<std::string> text = target.get(name)) {
      const std::optional<int64_t> value = number(*text);
      if (!value.has_value() || *value < 1 || *value > most) {
        return bad_query(name, "int_parsing", "Input should be a positive integer in its bounds");
      }
      *into = *value;
    }
  }
  return std::nullopt;
}

bool is_paged(const Page& page) {
  return page.page > 0 && page.limit > 0;
}

/// The objects of a page.
Objects cut(const Objects& objects, const Page& page) {
  if (!is_paged(page)) {
    return objects;
  }
  const auto total = static_cast<int64_t>(objects.size());
  const int64_t begin = std::min(total, (page.page - 1) * page.limit);
  const int64_t end = std::min(total, begin + page.limit);
  return Objects(objects.begin() + begin, objects.begin() + end);
}

void write_pagination(JsonWriter& writer, const Page& page, int64_t total) {
  const bool paged = is_paged(page);
  const int64_t pages = total == 0 ? 0 : paged ? (total + page.limit - 1) / page.limit : 1;
  writer.key("pagination");
  writer.begin_object();
  for (const auto& [name, value] : {std::pair{"page", paged ? page.page : 0},
                                    std::pair{"limit", paged ? page.limit : 0},
                                    std::pair{"totalCount", total},
                                    std::pair{"totalPages", pages}}) {
    if (value != 0) {
      writer.key(name);
      writer.integer(value);
    }
  }
  for (const auto& [name, holds] :
       {std::pair{"hasNext", paged && page.page < pages},
        std::pair{"hasPrevious", paged && total > 0 && page.page > 1}}) {
    if (holds) {
      writer.key(name);
      writer.boolean(true);
    }
  }
  writer.end_object();
}

/// A view says first which kind it is, as Feast's interface does.
std::string object_json(const FeastObject& object) {
  std::string json = object.message.json();
  if (object.kind == "featureView") {
    json.insert(1, "\"type\":\"featureView\",");
  }
  return json;
}

Response list_response(const char* key, const Objects& objects, const Page& page) {
  Response response;
  JsonWriter writer(response.body);
  writer.begin_object();
  writer.key(key);
  writer.begin_array();
  for (const FeastObject* object : cut(objects, page)) {
    writer.raw(object_json(*object));
  }
  writer.end_array();
  write_pagination(writer, page, static_cast<int64_t>(objects.size()));
  writer.end_object();
  return response;
}

Response not_found(const std::string& message) {
  Response response;
  response.status = 404;
  JsonWriter writer(response.body);
  writer.begin_object();
  writer.key("status_code");
  writer.integer(404);
  writer.key("detail");
  writer.string(message);
  writer.key("error_type");
  writer.string("FeastObjectNotFoundException");
  writer.end_object();
  return response;
}

std::string lower(std::string text) {
  for (char& c : text) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  }
  return text;
}

/// How well an object fits a query: Feast's scores. 0: not at all.
int match_score(const FeastObject& object, const std::string& query) {
  const auto holds = [&](const std::string& text) {
    return lower(text).find(query) != std::string::npos;
  };
  if (holds(object.name)) {
    return 100;
  }
  if (holds(object.description)) {
    return 80;
  }
  const bool tagged = std::any_of(object.tags.begin(), object.tags.end(), [&](const auto& tag) {
    return holds(tag.first + "=" + tag.second);
  });
  return tagged ? 60 : 0;
}

void write_match(JsonWriter& writer,
                 const FeastObject& object,
                 const std::string& project,
                 const std::string& query) {
  writer.begin_object();
  writer.key("type");
  writer.string(object.kind);
  writer.key("name");
  writer.string(object.name);
  writer.key("description");
  writer.string(object.description);
  writer.key("project");
  writer.string(project);
  if (!object.view.empty()) {
    writer.key("featureView");
    writer.string(object.view);
  }
  writer.key("matched_tags");
  writer.begin_object();
  for (const auto& [tag, value] : object.tags) {
    if (lower(tag + "=" + value).find(query) != std::string::npos) {
      writer.key(tag);
      writer.string(value);
    }
  }
  writer.end_object();
  if (!query.empty()) {
    writer.key("match_score");
    writer.integer(match_score(object, query));
  }
  writer.end_object();
}

Response search(const FeastRegistry& registry, const Target& target, Page page) {
  const std::optional<std::string> asked = target.get("query");
  if (!asked.has_value()) {
    return bad_query("query", "missing", "Field required");
  }
  const std::string query = lower(*asked);
  const std::optional<std::string> project = target.get("projects");
  const bool here = !project.has_value() || project->empty() || *project == registry.project;
  Objects found;
  for (const auto* objects : {&registry.entities,
                              &registry.feature_views,
                              &registry.features,
                              &registry.feature_services}) {
    for (const FeastObject& object : *objects) {
      if (here && (query.empty() || match_score(object, query) > 0)) {
        found.push_back(&object);
      }
    }
  }
  std::stable_sort(found.begin(), found.end(), [&](const auto* a, const auto* b) {
    return match_score(*a, query) > match_score(*b, query);
  });
  page.page = std::max<int64_t>(page.page, 1);
  page.limit = page.limit == 0 ? kSearchLimit : page.limit;
  Response response;
  JsonWriter writer(response.body);
  writer.begin_object();
  writer.key("query");
  writer.string(*asked);
  writer.key("projects_searched");
  writer.begin_array();
  if (here) {
    writer.string(registry.project);
  }
  writer.end_array();
  writer.key("results");
  writer.begin_array();
  for (const FeastObject* object : cut(found, page)) {
    write_match(writer, *object, registry.project, query);
  }
  writer.end_array();
  write_pagination(writer, page, static_cast<int64_t>(found.size()));
  writer.key("errors");
  writer.begin_array();
  if (!here) {
    writer.string("Following projects do not exist: " + *project);
  }
  writer.end_array();
  writer.end_object();
  return response;
}

Response projects(const FeastRegistry& registry, const Target& target, const Page& page) {
  const FeastObject project{"project", registry.project, "", {}, "", registry.project_message};
  if (target.parts.size() == 1) {
    return list_response("projects", {&project}, page);
  }
  if (target.parts.size() > 2 || target.parts[1] != registry.project) {
    return not_found("Project " + target.parts[1] + " does not exist");
  }
  Response response;
  response.body = project.message.json();
  return response;
}

/// Of a list: its name in the path, in the answer, and what one of it is called in messages.
struct Listing {
  const char* path;
  const char* key;
  const char* what;
  const std::vector<FeastObject> FeastRegistry::*objects;  // nullptr: there are none here
};

constexpr Listing kListings[] = {
    {"entities", "entities", "Entity", &FeastRegistry::entities},
    {"data_sources", "dataSources", "Data source", &FeastRegistry::data_sources},
    {"feature_views", "featureViews", "Feature view", &FeastRegistry::feature_views},
    {"features", "features", "Feature", &FeastRegistry::features},
    {"feature_services", "featureServices", "Feature service", &FeastRegistry::feature_services},
    {"saved_datasets", "savedDatasets", "Saved dataset", nullptr},
    {"permissions", "permissions", "Permission", nullptr},
};

/// Objects of a listing that the query's filters leave.
Objects filtered(const FeastRegistry& registry, const Listing& listing, const Target& target) {
  Objects objects;
  const std::optional<std::string> project = target.get("project");
  if (listing.objects == nullptr || (project.has_value() && *project != registry.project)) {
    return objects;
  }
  const std::optional<std::string> view = target.get("feature_view");
  const std::optional<std::string> name = target.get("name");
  for (const FeastObject& object : registry.*listing.objects) {
    const bool of_view = object.kind != "feature" || !view.has_value() || *view == object.view;
    if (of_view && (!name.has_value() || *name == object.name)) {
      objects.push_back(&object);
    }
  }
  return objects;
}

}  // namespace

Response registry_get(const FeastRegistry& registry, const Request& request) {
  const Target target = parse_target(request.target);
  Page page;
  if (std::optional<Response> refusal = read_page(target, &page)) {
    return *std::move(refusal);
  }
  if (target.parts.empty()) {
    return detail_error(404, "Not Found");
  }
  if (target.parts[0] == "search" && target.parts.size() == 1) {
    return search(registry, target, page);
  }
  if (target.parts[0] == "projects") {
    return projects(registry, target, page);
  }
  for (const Listing& listing : kListings) {
    if (target.parts[0] != listing.path) {
      continue;
    }
    const bool all = target.parts.size() == 2 && target.parts[1] == "all";
    if (!all && !target.get("project").has_value()) {
      return bad_query("project", "missing", "Field required");
    }
    const Objects objects = filtered(registry, listing, target);
    if (target.parts.size() == 1 || all) {
      return list_response(listing.key, objects, page);
    }
    for (const FeastObject* object : objects) {
      const bool same = object->kind == "feature"
                            ? target.parts.size() == 3 && object->view == target.parts[1] &&
                                  object->name == target.parts[2]
                            : target.parts.size() == 2 && object->name == target.parts[1];
      if (same) {
        Response response;
        response.body = object_json(*object);
        return response;
      }
    }
    return not_found(std::string(listing.what) + " " + target.parts.back() +
                     " does not exist in project " +
                     target.get("project").value_or(registry.project));
  }
  return detail_error(404, "Not Found");
}

}  // namespace assay::serve

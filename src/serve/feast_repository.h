#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace assay::serve {

/// A column: feast.core.FeatureSpecV2.
struct FeastColumn {
  std::string name;  // as Feast's clients know it
  std::string type;  // of a definition; "" when there is none for it
  std::string description{};
  std::string feast_type{};  // where definitions have no such type, Feast's word for it
  bool is_json = false;      // Feast's Json: text in the files
  bool has_more = false;     // tags, a vector index
  std::string column{};      // in the files
  std::string made{};        // its name here
};

/// A view as a service has it: feast.core.FeatureViewProjection.
struct FeastPart {
  std::string view;
  std::string alias;
  bool renames_keys = false;
  std::vector<std::string> features;
};

struct FeastEntity {
  std::string name;
  std::string description;
  bool has_more = false;  // tags or an owner
};

/// feast.core.DataSource, as far as it stands beside views.
struct FeastSource {
  std::string name;
  bool has_more = false;  // a description, tags, an owner
};

struct FeastView {
  std::string name;
  std::string project;
  std::vector<std::string> entities;
  std::vector<FeastColumn> features;
  std::vector<FeastColumn> keys;
  int64_t ttl_seconds = 0;
  std::string description;
  std::string owner;
  std::vector<std::string> tags;
  std::string path;  // of its files
  bool is_delta = false;
  std::string event_time;  // columns in the files
  std::string known_time;
  std::map<std::string, std::string> columns;  // of the files, by the name that Feast gives them
  std::string source;                          // the source of files
  std::string stream;                          // the source beside the files
  bool has_stream = false;
  bool is_online = false;
  bool is_disabled = false;
  bool is_transformed = false;  // by Python
  bool is_validated = false;
  bool features_have_more = false;  // tags, vector indexes
  std::string made;                 // its name here

  [[nodiscard]] std::string column_of(const std::string& known) const {
    const auto found = columns.find(known);
    return found == columns.end() ? known : found->second;
  }
};

struct FeastService {
  std::string name;
  std::vector<FeastPart> parts;
  bool has_more = false;  // a description, tags, an owner
  bool is_logged = false;
};

/// Read what a Feast repository defines, as far as definitions of ours can say it: messages
/// FeatureViewSpec, FeatureServiceSpec, EntitySpecV2 and DataSource of feast.core.
///
/// Errors  kInvalidArgument: no such message.
Result<FeastView> read_feast_view(std::string_view message);
Result<FeastService> read_feast_service(std::string_view message);
Result<FeastEntity> read_feast_entity(std::string_view message);
Result<FeastSource> read_feast_source(std::string_view message);

}  // namespace assay::serve

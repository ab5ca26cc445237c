// Feast's registry of a project. Numbers of fields are those of the messages of feast.core.

#include "serve/feast_registry.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <tuple>

#include "base/hash.h"
#include "data/feast_value.h"
#include "gold/contract.h"
#include "serve/written_rows.h"

namespace assay::serve {
namespace {

constexpr char kDummyEntity[] = "__dummy";
constexpr char kDummyKey[] = "__dummy_id";

/// Names of feast.types.ValueType.Enum.
std::string value_type_word(int type) {
  constexpr std::array<std::string_view, 9> kWords = {
      "INVALID", "BYTES", "STRING", "INT32", "INT64", "DOUBLE", "FLOAT", "BOOL", "UNIX_TIMESTAMP"};
  if (type < static_cast<int>(kWords.size())) {
    return std::string(kWords[static_cast<std::size_t>(type)]);
  }
  if (type < 20) {
    return value_type_word(type - 10) + "_LIST";
  }
  return type == data::feast_value_type(data::Type::decimal(1, 0)) ? "DECIMAL" : "JSON";
}

/// feast.core.FeatureSpecV2.
FeastMessage field_message(const std::string& name,
                           const data::Type& type,
                           const std::string& description,
                           const std::map<std::string, std::string>& tags) {
  const int number = data::feast_value_type(type);
  FeastMessage message;
  message.text(1, "name", name).choice(2, "valueType", number, value_type_word(number));
  return message.tags(3, "tags", tags).text(4, "description", description);
}

/// A type that Feast does not have is told by a tag.
std::map<std::string, std::string> type_tags(const data::Type& type) {
  const bool exact = type == data::Type::kBool || type == data::Type::kInt32 ||
                     type == data::Type::kInt64 || type == data::Type::kFloat32 ||
                     type == data::Type::kFloat64 || type == data::Type::kString ||
                     type == data::Type::kBytes || type == data::Type::kTimestamp;
  return exact ? std::map<std::string, std::string>()
               : std::map<std::string, std::string>{{"assay.type", type_name(type)}};
}

std::map<std::string, std::string> tag_map(const std::vector<std::string>& tags) {
  std::map<std::string, std::string> map;
  for (const std::string& tag : tags) {
    const std::size_t at = std::min(tag.find(':'), tag.find('='));
    map[tag.substr(0, at)] = at == std::string::npos ? "" : tag.substr(at + 1);
  }
  return map;
}

/// A Feast entity for each key column, by the column's name.
struct FeastEntity {
  std::string name;
  data::Field key;
  std::string description;
};

std::vector<FeastEntity> entities_of(const catalog::Project& project) {
  std::vector<FeastEntity> found;
  const auto of_key = [&](const std::string& key) {
    return std::any_of(found.begin(), found.end(), [&](const FeastEntity& known) {
      return known.key.name == key;
    });
  };
  for (const auto& [name, entity] : project.entities) {
    if (entity.keys.size() == 1 && !of_key(entity.keys.front().name)) {
      found.push_back({name, entity.keys.front(), entity.description});
    }
  }
  for (const auto& [name, entity] : project.entities) {
    for (const data::Field& key : entity.keys) {
      if (!of_key(key.name)) {
        const bool taken = project.entities.count(key.name) > 0;
        found.push_back({taken ? name + "__" + key.name : key.name, key, entity.description});
      }
    }
  }
  return found;
}

/// A view to be written down, stored or computed.
struct ViewParts {
  std::string name;
  std::vector<data::Field> keys;
  std::vector<data::Field> features;
  std::optional<Duration> ttl;
  std::string description;
  std::string owner;
  std::map<std::string, std::string> tags;
  std::optional<FeastMessage> source{};
  std::optional<FeastMessage> pushed{};  // where rows can be written into
};

/// feast.core.DataSource of a Delta table.
FeastMessage delta_source(const std::string& name,
                          const std::string& project,
                          const std::string& location) {
  constexpr int kBatchFile = 1;
  FeastMessage delta;
  FeastMessage format;
  format.child(2, "deltaFormat", delta);
  FeastMessage options;
  options.child(1, "fileFormat", format).text(2, "uri", location);
  FeastMessage source;
  return source.choice(1, "type", kBatchFile, "BATCH_FILE")
      .text(3, "timestampField", gold::kKnownTime)
      .child(11, "fileOptions", options)
      .text(17, "dataSourceClassType", "feast.infra.offline_stores.file_source.FileSource")
      .text(20, "name", name)
      .text(21, "project", project);
}

/// feast.core.DataSource of rows that are pushed: what the SDK's push() looks for by its name.
FeastMessage push_source(const std::string& name,
                         const std::string& project,
                         const FeastMessage& batch) {
  constexpr int kPushSource = 9;
  FeastMessage source;
  return source.choice(1, "type", kPushSource, "PUSH_SOURCE")
      .text(3, "timestampField", gold::kKnownTime)
      .text(17, "dataSourceClassType", "feast.data_source.PushSource")
      .text(20, "name", name)
      .text(21, "project", project)
      .child(26, "batchSource", batch);
}

class RegistryBuilder {
 public:
  explicit RegistryBuilder(const ServingState& state)
      : state_(state),
        definitions_(state.definitions == nullptr ? kNone : *state.definitions),
        entities_(entities_of(definitions_)) {}

  FeastRegistry build() {
    registry_.project = state_.project;
    FeastMessage spec;
    spec.text(1, "name", state_.project);
    registry_.project_message.child(1, "spec", spec).child(2, "meta", {});
    for (const FeastEntity& entity : entities_) {
      add_entity(entity);
    }
    add_entity({kDummyEntity, {kDummyKey, data::Type::kString}, ""});
    for (const auto& [name, view] : state_.views) {
      add_stored(*view);
    }
    for (const ViewParts& view : computed_views()) {
      add_view(view);
    }
    for (const auto& [name, service] : state_.services) {
      add_service(*service);
    }
    for (std::vector<FeastObject>* objects :
         {&registry_.entities, &registry_.feature_views, &registry_.features}) {
      std::stable_sort(
          objects->begin(), objects->end(), [](const FeastObject& a, const FeastObject& b) {
            return std::tie(a.view, a.name) < std::tie(b.view, b.name);
          });
    }
    return std::move(registry_);
  }

 private:
  void add_entity(const FeastEntity& entity) {
    const int number = data::feast_value_type(entity.key.type);
    FeastMessage spec;
    spec.text(1, "name", entity.name)
        .choice(2, "valueType", number, value_type_word(number))
        .text(3, "description", entity.description)
        .text(4, "joinKey", entity.key.name)
        .text(9, "project", state_.project);
    FeastMessage message;
    message.child(1, "spec", spec).child(2, "meta", {});
    registry_.entities.push_back(
        {"entity", entity.name, entity.description, {}, "", std::move(message)});
  }

  [[nodiscard]] std::string entity_name(const std::string& key) const {
    const auto known = std::find_if(entities_.begin(), entities_.end(), [&](const FeastEntity& e) {
      return e.key.name == key;
    });
    return known == entities_.end() ? key : known->name;
  }

  void add_stored(const gold::FeatureView& view) {
    ViewParts parts{view.name(), view.keys(), view.features(), view.ttl(), "", "", {}};
    const auto definition = definitions_.views.find(view.name());
    if (definition != definitions_.views.end()) {
      parts.description = definition->second.description;
      parts.owner = definition->second.owner;
      parts.tags = tag_map(definition->second.tags);
    }
    const auto table = state_.steps_tables.find(view.name());
    if (table != state_.steps_tables.end()) {
      const std::string name = view.name() + "_steps";
      parts.source = delta_source(name, state_.project, table->second);
      registry_.data_sources.push_back({"dataSource", name, "", {}, view.name(), *parts.source});
      const Result<WrittenView> written = find_written_view(definitions_, view.name());
      // One view a source: rows that were pushed to two would be there twice.
      if (written.ok() && pushed_.insert(written->source).second) {
        parts.pushed = push_source(written->source, state_.project, *parts.source);
        registry_.data_sources.push_back(
            {"dataSource", written->source, "", {}, view.name(), *parts.pushed});
      }
    }
    add_view(parts);
  }

  /// Derived and on-demand views, as services have them.
  [[nodiscard]] std::vector<ViewParts> computed_views() const {
    std::map<std::string, ViewParts> found;
    for (const auto& [name, service] : state_.services) {
      for (const gold::ServiceFeature& feature : service->features) {
        if (feature.view_index >= 0) {
          continue;
        }
        ViewParts& view = found[feature.view];
        view.name = feature.view;
        view.tags = {{"assay.computed", feature.derived_index >= 0 ? "derived" : "on_demand"}};
        const bool known =
            std::any_of(view.features.begin(), view.features.end(), [&](const data::Field& field) {
              return field.name == feature.name;
            });
        if (!known) {
          view.features.push_back({feature.name, feature.type});
        }
      }
    }
    std::vector<ViewParts> views;
    for (auto& [name, view] : found) {
      const auto derived = state_.derived.find(name);
      if (derived != state_.derived.end()) {
        view.description = derived->second.description;
        view.owner = derived->second.owner;
      }
      views.push_back(std::move(view));
    }
    return views;
  }

  [[nodiscard]] std::string feature_description(const std::string& view,
                                                const std::string& feature) const {
    const auto definition = definitions_.views.find(view);
    if (definition == definitions_.views.end()) {
      return "";
    }
    for (const catalog::FeatureDef& known : definition->second.features) {
      if (feature == known.name || (!known.over.empty() && feature.starts_with(known.name + "_"))) {
        return known.description;
      }
    }
    return "";
  }

  void add_view(const ViewParts& view) {
    std::vector<std::string> entities;
    std::vector<FeastMessage> keys;
    for (const data::Field& key : view.keys) {
      entities.push_back(entity_name(key.name));
      keys.push_back(field_message(key.name, key.type, "", {}));
    }
    if (view.keys.empty()) {
      entities.emplace_back(kDummyEntity);
      keys.push_back(field_message(kDummyKey, data::Type::kString, "", {}));
    }
    std::vector<FeastMessage> features;
    for (const data::Field& feature : view.features) {
      const std::string description = feature_description(view.name, feature.name);
      features.push_back(
          field_message(feature.name, feature.type, description, type_tags(feature.type)));
      add_feature(view.name, feature, description);
    }
    FeastMessage spec;
    spec.text(1, "name", view.name)
        .text(2, "project", state_.project)
        .texts(3, "entities", entities)
        .children(4, "features", features)
        .tags(5, "tags", view.tags)
        .seconds(6, "ttl", view.ttl.value_or(Duration{}));
    if (view.source.has_value()) {
      spec.child(7, "batchSource", *view.source);
    }
    spec.flag(8, "online", true);
    if (view.pushed.has_value()) {
      spec.child(9, "streamSource", *view.pushed);
    }
    spec.text(10, "description", view.description)
        .text(11, "owner", view.owner)
        .children(12, "entityColumns", keys);
    FeastMessage message;
    message.child(1, "spec", spec).child(2, "meta", {});
    registry_.feature_views.push_back(
        {"featureView", view.name, view.description, view.tags, "", std::move(message)});
  }

  void add_feature(const std::string& view,
                   const data::Field& feature,
                   const std::string& description) {
    const int number = data::feast_value_type(feature.type);
    FeastMessage message;
    message.text(1, "name", feature.name)
        .text(2, "featureView", view)
        .text(3, "type", value_type_word(number))
        .text(4, "description", description)
        .tags(8, "tags", type_tags(feature.type))
        .text(9, "kind", "feature");
    registry_.features.push_back(
        {"feature", feature.name, description, type_tags(feature.type), view, std::move(message)});
  }

  void add_service(const gold::Service& service) {
    std::vector<std::string> order;
    std::map<std::string, std::vector<FeastMessage>> columns;
    for (const gold::ServiceFeature& feature : service.features) {
      if (columns.count(feature.view) == 0) {
        order.push_back(feature.view);
      }
      columns[feature.view].push_back(
          field_message(feature.name, feature.type, "", type_tags(feature.type)));
    }
    std::vector<FeastMessage> projections;
    for (const std::string& view : order) {
      FeastMessage projection;
      projections.push_back(
          projection.text(1, "featureViewName", view).children(2, "featureColumns", columns[view]));
    }
    FeastMessage spec;
    spec.text(1, "name", service.name)
        .text(2, "project", state_.project)
        .children(3, "features", projections);
    FeastMessage message;
    message.child(1, "spec", spec).child(2, "meta", {});
    registry_.feature_services.push_back(
        {"featureService", service.name, "", {}, "", std::move(message)});
  }

  inline static const catalog::Project kNone;
  const ServingState& state_;
  const catalog::Project& definitions_;
  std::vector<FeastEntity> entities_;
  std::set<std::string> pushed_;  // sources that a view is written into
  FeastRegistry registry_;
};

std::vector<FeastMessage> messages_of(const std::vector<FeastObject>& objects) {
  std::vector<FeastMessage> messages;
  for (const FeastObject& object : objects) {
    messages.push_back(object.message);
  }
  return messages;
}

}  // namespace

std::string FeastRegistry::file() const {
  FeastMessage message;
  message.children(1, "entities", messages_of(entities))
      .children(6, "featureViews", messages_of(feature_views))
      .children(7, "featureServices", messages_of(feature_services))
      .children(12, "dataSources", messages_of(data_sources))
      .children(17, "projects", {project_message});
  const std::string version = hash_text(hash_bytes(message.proto()));
  message.text(3, "registrySchemaVersion", "1").text(4, "versionId", version);
  return message.proto();
}

FeastRegistry feast_registry(const ServingState& state) {
  return RegistryBuilder(state).build();
}

std::map<std::string, std::string> feast_entity_keys(const ServingState& state) {
  std::map<std::string, std::string> keys;
  if (state.definitions != nullptr) {
    for (const FeastEntity& entity : entities_of(*state.definitions)) {
      keys.emplace(entity.name, entity.key.name);
    }
  }
  return keys;
}

}  // namespace assay::serve

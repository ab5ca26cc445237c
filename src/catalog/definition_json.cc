// Canonical JSON of definitions: one way to write each, so that texts compare as definitions do.

#include "catalog/definition_json.h"

#include "base/json_writer.h"
#include "catalog/aggregates.h"
#include "catalog/definition_names.h"
#include "catalog/feature_schema.h"
#include "catalog/slide.h"

namespace assay::catalog {
namespace {

/// Writes one object; a value that says nothing is left out.
class ObjectWriter {
 public:
  ObjectWriter() : json_(text_) { json_.begin_object(); }

  JsonWriter& at(std::string_view key) {
    json_.key(key);
    return json_;
  }
  void text(std::string_view key, std::string_view value) {
    if (!value.empty()) {
      at(key).string(value);
    }
  }
  void flag(std::string_view key, bool value) {
    if (value) {
      at(key).boolean(true);
    }
  }
  void duration(std::string_view key, Duration value) { at(key).string(format_duration(value)); }
  void texts(std::string_view key, const std::vector<std::string>& values) {
    at(key).begin_array();
    for (const std::string& value : values) {
      json_.string(value);
    }
    json_.end_array();
  }
  void raw(std::string_view key, const std::string& value) { at(key).raw(value); }
  std::string finish() {
    json_.end_object();
    return std::move(text_);
  }

 private:
  std::string text_;
  JsonWriter json_;
};

std::string array_of(const std::vector<std::string>& items) {
  std::string text;
  JsonWriter json(text);
  json.begin_array();
  for (const std::string& item : items) {
    json.raw(item);
  }
  json.end_array();
  return text;
}

const char* format_name(Format format) {
  switch (format) {
    case Format::kCsv:
      return "csv";
    case Format::kJsonLines:
      return "json";
    case Format::kParquet:
      return "parquet";
    case Format::kDebezium:
      return "debezium";
    case Format::kAvro:
      return "avro";
    case Format::kProtobuf:
      return "protobuf";
    case Format::kJsonSchema:
      return "json_schema";
    case Format::kRaw:
      return "raw";
  }
  return "";
}

const char* unit_name(data::TimeUnit unit) {
  switch (unit) {
    case data::TimeUnit::kText:
      return "";
    case data::TimeUnit::kSeconds:
      return "s";
    case data::TimeUnit::kMillis:
      return "ms";
    case data::TimeUnit::kMicros:
      return "us";
  }
  return "";
}

const char* scrub_name(Scrub scrub) {
  switch (scrub) {
    case Scrub::kNone:
      return "";
    case Scrub::kHmac:
      return "hmac";
    case Scrub::kMask:
      return "mask";
    case Scrub::kTruncate:
      return "truncate";
    case Scrub::kRound:
      return "round";
    case Scrub::kDrop:
      return "drop";
  }
  return "";
}

std::string scalar_json(const data::Scalar& scalar) {
  std::string text;
  JsonWriter json(text);
  if (scalar.is_null()) {
    json.null();
  } else if (const bool* boolean = std::get_if<bool>(&scalar.value)) {
    json.boolean(*boolean);
  } else if (scalar.type == data::Type::kInt64 || scalar.type == data::Type::kInt32) {
    json.integer(std::get<int64_t>(scalar.value));
  } else if (const double* number = std::get_if<double>(&scalar.value)) {
    json.number(*number);
  } else {
    json.string(data::format_scalar(scalar));
  }
  return text;
}

std::string column_json(const ColumnDef& column) {
  ObjectWriter object;
  object.text("type", data::type_name(column.type));
  object.flag("required", column.required);
  object.text("unit", unit_name(column.unit));
  object.text("pii", column.pii);
  object.text("scrub", scrub_name(column.scrub));
  if (column.scrub == Scrub::kRound) {
    object.at("digits").integer(column.round_digits);
  }
  if (!column.null_texts.empty()) {
    object.texts("null_texts", column.null_texts);
  }
  if (column.default_value.has_value()) {
    object.text("default", data::format_scalar(*column.default_value));
  }
  object.text("from", column.from);
  return object.finish();
}

std::string check_json(const CheckDef& check) {
  ObjectWriter object;
  object.text("check", check_kind_name(check.kind));
  object.text("column", check.column);
  if (check.min.has_value()) {
    object.raw("min", scalar_json(*check.min));
  }
  if (check.max.has_value()) {
    object.raw("max", scalar_json(*check.max));
  }
  if (!check.set.empty()) {
    std::vector<std::string> items;
    for (const data::Scalar& item : check.set) {
      items.push_back(scalar_json(item));
    }
    object.raw("set", array_of(items));
  }
  object.text("pattern", check.pattern);
  object.text("expr", check.expression);
  if (check.type.has_value()) {
    object.text("type", data::type_name(*check.type));
  }
  if (check.kind == CheckKind::kFreshness) {
    object.duration("age_max", check.age_max);
  }
  object.text("on_fail", on_fail_name(check.on_fail));
  return object.finish();
}

std::string checks_json(const std::vector<CheckDef>& checks) {
  std::vector<std::string> items;
  for (const CheckDef& check : checks) {
    items.push_back(check_json(check));
  }
  return array_of(items);
}

std::string known_time_json(const KnownTimeDef& known) {
  ObjectWriter object;
  switch (known.kind) {
    case KnownTimeDef::Kind::kDelay:
      object.duration("delay", known.delay);
      break;
    case KnownTimeDef::Kind::kReceived:
      object.flag("received", true);
      break;
    case KnownTimeDef::Kind::kColumn:
      object.text("column", known.text);
      break;
    case KnownTimeDef::Kind::kExpr:
      object.text("expr", known.text);
      break;
  }
  return object.finish();
}

std::string enrich_json(const EnrichDef& enrich) {
  ObjectWriter object;
  object.text("lookup", enrich.lookup);
  object.texts("on", enrich.on);
  if (!enrich.lookup_on.empty()) {
    object.texts("lookup_on", enrich.lookup_on);
  }
  object.texts("columns", enrich.columns);
  object.text("prefix", enrich.prefix);
  object.flag("required", enrich.required);
  return object.finish();
}

std::string fields_json(const std::vector<data::Field>& fields) {
  ObjectWriter object;
  for (const data::Field& field : fields) {
    object.text(field.name, std::string(data::type_name(field.type)) + (field.nullable ? "" : "!"));
  }
  return object.finish();
}

std::vector<std::string> window_texts(const FeatureDef& feature) {
  std::vector<std::string> windows;
  for (const Duration& window : feature.over) {
    windows.push_back(format_duration(window));
  }
  return windows;
}

std::string session_json(const SessionDef& session) {
  ObjectWriter object;
  object.duration("gap", session.gap);
  if (session.max) {
    object.duration("max", *session.max);
  }
  object.duration("over", session.over);
  return object.finish();
}

std::string feature_json(const FeatureDef& feature) {
  ObjectWriter object;
  switch (feature.kind) {
    case FeatureDef::Kind::kLatest:
      object.text("latest", feature.column);
      break;
    case FeatureDef::Kind::kWindow:
      object.text("agg", aggregate_name(feature.aggregate));
      object.text("of", feature.of);
      if (feature.aggregate == Aggregate::kQuantile) {
        object.at("q").number(feature.q);
      }
      if (aggregate_info(feature.aggregate).parameter == AggregateParameter::kK) {
        object.text("k", std::to_string(feature.k));
      }
      object.text("where", feature.where);
      object.texts("over", window_texts(feature));
      break;
    case FeatureDef::Kind::kSince:
      object.text("since", feature.column);
      break;
    case FeatureDef::Kind::kSequence:
      if (is_of_session(feature.sequence)) {
        object.text("session", session_word(feature.sequence));
      }
      object.text(std::string(sequence_key(feature.sequence)), feature.of);
      if (feature.sequence == SequenceValue::kLag) {
        object.text("k", std::to_string(feature.k));
      }
      object.texts("over", window_texts(feature));
      break;
    case FeatureDef::Kind::kExpr:
      object.text("expr", feature.expression);
      break;
    case FeatureDef::Kind::kRatio:
      object.texts("ratio", {feature.above, feature.below});
      object.texts("over", window_texts(feature));
      break;
  }
  object.text("description", feature.description);
  object.text("unit", feature.unit);
  return object.finish();
}

template <typename Map>
void add_all(const char* kind,
             const Map& map,
             std::string (*json)(const typename Map::mapped_type&),
             std::vector<ObjectJson>* objects) {
  for (const auto& [name, definition] : map) {
    objects->push_back({kind, name, json(definition)});
  }
}

/// An entry of a service or derived view in one line.
std::string item_text(const ServiceItem& item) {
  std::string text = item.view;
  for (const std::string& feature : item.features) {
    text += (&feature == &item.features.front() ? ":" : ",") + feature;
  }
  for (const ComputedKey& key : item.by) {
    text += (&key == &item.by.front() ? " by " : ", ") + key.key + " = " + key.expression;
  }
  return text + (item.prefix.empty() ? "" : " prefix " + item.prefix);
}

/// Left out where nothing is said, so that a definition without it reads as it always did.
void write_storage(ObjectWriter& object, const StorageDef& storage) {
  if (storage.keep.has_value()) {
    object.duration("keep", *storage.keep);
  }
  if (storage.format.has_value()) {
    object.text("format", *storage.format == TableFormat::kParquet ? "parquet" : "delta");
  }
}

/// Brokers and options decide no record that is sent.
void write_publish(ObjectWriter& object, const std::optional<PublishDef>& publish) {
  if (publish.has_value()) {
    object.text("publish", "kafka topic " + publish->topic);
  }
}

}  // namespace

std::string source_json(const SourceDef& source) {
  ObjectWriter object;
  if (source.decimals == DecimalText::kString) {
    object.text("decimal_handling_mode", "string");
  }
  if (source.kafka.has_value()) {
    // Only what decides which records there are: other brokers of the same cluster have the same.
    object.texts("topics", source.kafka->topics);
    object.text("start", source.kafka->start == KafkaStart::kLatest ? "latest" : "earliest");
    object.text("format", format_name(source.format));
    object.at("record_bytes_max").integer(source.record_bytes_max);
    return object.finish();
  }
  object.text("path", source.path);
  object.text("format", format_name(source.format));
  if (source.format == Format::kCsv) {
    object.text("delimiter", std::string(1, source.delimiter));
  }
  object.at("record_bytes_max").integer(source.record_bytes_max);
  return object.finish();
}

std::string bronze_json(const BronzeDef& bronze) {
  ObjectWriter object;
  object.text("source", bronze.source);
  object.texts("key", bronze.key);
  object.text("on_same_key", bronze.of_changes ? "replace" : "");
  object.text("delete_when", bronze.delete_when);
  object.duration("dedup_for", bronze.dedup_for);
  object.text("event_time", bronze.event_time);
  object.raw("known_time", known_time_json(bronze.known_time));
  object.duration("future_max", bronze.future_max);
  ObjectWriter columns;
  for (const ColumnDef& column : bronze.columns) {
    columns.raw(column.name, column_json(column));
  }
  object.raw("columns", columns.finish());
  object.raw("checks", checks_json(bronze.checks));
  object.texts("partition_by", bronze.partition_by);
  write_storage(object, bronze.storage);
  return object.finish();
}

std::string silver_json(const SilverDef& silver) {
  ObjectWriter object;
  object.text("from", silver.from);
  object.text("sql", silver.sql);
  std::vector<std::string> enrich;
  for (const EnrichDef& item : silver.enrich) {
    enrich.push_back(enrich_json(item));
  }
  object.raw("enrich", array_of(enrich));
  object.raw("checks", checks_json(silver.checks));
  object.texts("partition_by", silver.partition_by);
  object.duration("allowed_lateness", silver.allowed_lateness);
  write_storage(object, silver.storage);
  return object.finish();
}

std::string entity_json(const EntityDef& entity) {
  ObjectWriter object;
  object.raw("keys", fields_json(entity.keys));
  object.text("description", entity.description);
  return object.finish();
}

std::string feature_view_json(const FeatureViewDef& view) {
  ObjectWriter object;
  object.text("entity", view.entity);
  object.text("from", view.from);
  if (view.ttl.has_value()) {
    object.duration("ttl", *view.ttl);
  }
  object.text("slide", slide_text(view.slide));
  if (view.session.has_value()) {
    object.raw("session", session_json(*view.session));
  }
  ObjectWriter features;
  for (const FeatureDef& feature : view.features) {
    features.raw(feature.name, feature_json(feature));
  }
  object.raw("features", features.finish());
  object.text("owner", view.owner);
  object.text("description", view.description);
  object.texts("tags", view.tags);
  write_storage(object, view.storage);
  write_publish(object, view.publish);
  return object.finish();
}

std::string on_demand_json(const OnDemandDef& view) {
  ObjectWriter object;
  object.raw("request", fields_json(view.request));
  ObjectWriter features;
  for (const OnDemandDef::Feature& feature : view.features) {
    features.text(feature.name, feature.expression);
  }
  object.raw("features", features.finish());
  return object.finish();
}

std::string derived_json(const DerivedDef& view) {
  ObjectWriter object;
  std::vector<std::string> inputs;
  for (const ServiceItem& item : view.inputs) {
    inputs.push_back(item_text(item));
  }
  object.texts("inputs", inputs);
  ObjectWriter features;
  for (const OnDemandDef::Feature& feature : view.features) {
    features.text(feature.name, feature.expression);
  }
  object.raw("features", features.finish());
  object.text("owner", view.owner);
  object.text("description", view.description);
  object.texts("tags", view.tags);
  return object.finish();
}

std::string service_json(const ServiceDef& service) {
  std::vector<std::string> items;
  for (const ServiceItem& item : service.items) {
    items.push_back(item_text(item));
  }
  ObjectWriter object;
  object.texts("features", items);
  return object.finish();
}

std::string model_json(const ModelDef& model) {
  ObjectWriter object;
  object.text("service", model.service);
  ObjectWriter labels;
  labels.text("from", model.labels_from);
  labels.text("column", model.label);
  labels.text("event_time", model.label_event_time);
  labels.text("where", model.where);
  object.raw("labels", labels.finish());
  object.text("algorithm", model.algorithm);
  object.at("split_by_time").number(model.split_by_time);
  ObjectWriter parameters;
  for (const auto& [name, value] : model.parameters) {
    parameters.at(name).number(value);
  }
  object.raw("parameters", parameters.finish());
  write_publish(object, model.publish);
  if (!model.challengers.empty()) {
    ObjectWriter challengers;
    for (const auto& [name, challenger] : model.challengers) {
      ObjectWriter one;
      one.at("share").number(challenger.share);
      one.flag("shadow", challenger.shadow);
      challengers.raw(name, one.finish());
    }
    object.raw("challengers", challengers.finish());
  }
  return object.finish();
}

std::vector<ObjectJson> project_objects(const Project& project) {
  std::vector<ObjectJson> objects;
  ObjectWriter settings;
  settings.text("serving_clock", project.serving_clock == ServingClock::kData ? "data" : "wall");
  objects.push_back({"project", project.name, settings.finish()});
  add_all("source", project.sources, source_json, &objects);
  add_all("bronze", project.bronze, bronze_json, &objects);
  add_all("silver", project.silver, silver_json, &objects);
  add_all("entity", project.entities, entity_json, &objects);
  add_all("feature_view", project.views, feature_view_json, &objects);
  add_all("derived", project.derived, derived_json, &objects);
  add_all("on_demand", project.on_demand, on_demand_json, &objects);
  add_all("service", project.services, service_json, &objects);
  add_all("model", project.models, model_json, &objects);
  return objects;
}

}  // namespace assay::catalog

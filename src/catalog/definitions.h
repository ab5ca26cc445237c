#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "catalog/challenger_definition.h"
#include "catalog/publish_definition.h"
#include "catalog/table_definitions.h"
#include "data/scalar.h"
#include "data/schema.h"

// The definitions of a project, as its YAML files say them, checked and with names resolved by
// name. catalog/parse.h makes them, catalog/validate.h checks them; every other room only reads
// them.

namespace assay::catalog {

/// `entities: user: {key: user_id, type: string}` or `{keys: {origin: string, destination:
/// string}}`.
struct EntityDef {
  std::string name;
  std::vector<data::Field> keys;
  std::string description;
  Span span;
};

/// What a window feature makes of its rows (catalog/aggregates.h). Hashed: append only.
enum class Aggregate {
  kCount,
  kSum,
  kMean,
  kMin,
  kMax,
  kVariance,
  kStddev,
  kSkewness,
  kFirst,
  kLast,
  kMode,
  kDistinct,
  kApproxDistinct,
  kQuantile,
  kAny,
  kAll,
  kLastN,
  kTopK,
  kTopKCounts,
  kHistogram
};

/// What a feature says of an entity's events in their order. Hashed: append only.
enum class SequenceValue {
  kSessionCount,
  kSessionEvents,
  kSessionDuration,
  kSessionMeanEvents,
  kSessionOpen,
  kSessionStart,
  kSessionFirst,
  kSessionLast,
  kChanges,
  kPrevious,
  kChangedAt,
  kLag
};

/// `session: {gap: 30m, max: 4h, over: 7d}`: runs of events less than `gap` apart.
struct SessionDef {
  Duration gap;
  std::optional<Duration> max;  // a session is cut where it would become this long
  Duration over{7 * kMicrosPerDay};
};

/// One line under `features:`; kWindow and kRatio give one feature per window, named name_1h,
/// name_24h.
struct FeatureDef {
  enum class Kind { kLatest, kWindow, kExpr, kSince, kSequence, kRatio } kind = Kind::kLatest;
  std::string name;
  Aggregate aggregate = Aggregate::kCount;
  std::string of;     // expression over the source; "" for count
  std::string where;  // boolean expression; "" for all rows
  SequenceValue sequence = SequenceValue::kSessionCount;
  int64_t k = 1;  // kLag: how many events ago; last_n, top_k: how many values
  double q = 0;   // quantile: the share of values at or below it
  std::vector<Duration> over;
  std::string expression;  // kExpr: over other features of the view
  std::string above;       // kRatio: two features of the same windows
  std::string below;
  std::string column;  // kLatest: source column; the feature's name when not said.
                       // kSince: last_event, session_start, or a source column with a time
  std::string description;
  std::string unit;
  Span span;
};

/// `entity: none`: one row of all rows of the table.
inline constexpr char kNoEntity[] = "none";

struct FeatureViewDef {
  std::string name;
  std::string entity;  // or kNoEntity
  std::string from;    // a silver or bronze table
  std::optional<Duration> ttl;
  Duration slide{10 * 60 * kMicrosPerSecond};
  std::optional<SessionDef> session;
  std::string tz = "UTC";  // whose wall clock `clock` shows; the expressions have it already
  std::vector<FeatureDef> features;
  std::string owner;
  std::string description;
  std::vector<std::string> tags;
  Span span;
  StorageDef storage;  // of the steps table
  std::optional<PublishDef> publish;
};

/// Features computed from the request alone, or from other features of the service.
struct OnDemandDef {
  std::string name;
  std::vector<data::Field> request;
  struct Feature {
    std::string name;
    std::string expression;
    Span span;
    std::string ratio_name{};  // derived: of which `ratio` it is one window; "" for an `expr`
  };
  std::vector<Feature> features;
  Span span;
};

/// `by: {country: home}`: a key that is computed, over features that stand before it and now().
struct ComputedKey {
  std::string key;
  std::string expression;
  Span span;
};

/// One entry of a service, or one input of a derived view: a whole view, or `view:feature,feature`.
struct ServiceItem {
  std::string view;                   // feature view, derived view or on-demand view
  std::vector<std::string> features;  // output feature names; empty: all of it
  Span span;
  std::string prefix{};           // put before the features' names
  std::vector<ComputedKey> by{};  // the other keys are asked with
};

/// Features computed from features of other views where those are read, stored nowhere.
struct DerivedDef {
  std::string name;
  std::vector<ServiceItem> inputs;
  std::vector<OnDemandDef::Feature> features;  // over the inputs, now() and those before it
  std::string owner, description;
  std::vector<std::string> tags;
  Span span;
};

struct ServiceDef {
  std::string name;
  std::vector<ServiceItem> items;
  Span span;
};

struct ModelDef {
  std::string name;
  std::string service;
  std::string labels_from;  // silver table with entity keys, request columns and times
  std::string label;        // boolean or numeric expression over it
  std::string label_event_time = "event_time";
  std::string where;  // which label rows; "" for all
  std::string algorithm = "gbdt";
  double split_by_time = 0.8;                // share of label rows, oldest first, that train
  std::map<std::string, double> parameters;  // trees, depth, learning_rate, ...
  Span span;
  std::optional<PublishDef> publish;
  std::map<std::string, ChallengerDef> challengers{};  // by model
};

enum class ServingClock { kWall, kData };

/// A whole project: assay.yaml and every other YAML file of its folder.
struct Project {
  std::string name;
  std::string folder;   // absolute
  std::string lake;     // absolute path of the lake's folder, or s3://bucket/prefix
  std::string catalog;  // absolute path of the SQLite file
  std::string online;   // absolute path of the embedded store's folder, or a URL of Redis
  ServingClock serving_clock = ServingClock::kWall;
  std::map<std::string, SourceDef> sources;
  std::map<std::string, BronzeDef> bronze;
  std::map<std::string, SilverDef> silver;
  std::map<std::string, EntityDef> entities;
  std::map<std::string, FeatureViewDef> views;
  std::map<std::string, OnDemandDef> on_demand;
  std::map<std::string, ServiceDef> services;
  std::map<std::string, ModelDef> models;
  std::map<std::string, DerivedDef> derived;
  bool has_lake = true;  // false for `lake: none`: no table is written
};

}  // namespace assay::catalog

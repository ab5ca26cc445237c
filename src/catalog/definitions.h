#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "catalog/kafka_definition.h"
#include "data/json_lines.h"
#include "data/scalar.h"
#include "data/schema.h"

// The definitions of a project, as its YAML files say them, checked and with names resolved by
// name. catalog/parse.h makes them, catalog/validate.h checks them; every other room only reads
// them.

namespace assay::catalog {

/// Where something was written: file as given, line and column from 1.
struct Span {
  std::string file;
  int line = 0;
  int column = 0;
};

enum class Format { kCsv, kJsonLines, kParquet };

/// `sources: name: {files: {path: ..., format: csv}}` or `{kafka: {...}}`
struct SourceDef {
  std::string name;
  std::string path;  // file, folder or glob; relative to the project folder
  Format format = Format::kCsv;
  char delimiter = ',';
  int64_t record_bytes_max = 8 << 20;
  Span span;
  std::optional<KafkaDef> kafka;  // then there is no path
};

enum class Scrub { kNone, kHmac, kMask, kTruncate, kRound, kDrop };

/// One declared column: `name: string!` or `name: {type: string, pii: email, scrub: hmac, unit:
/// ms}`.
struct ColumnDef {
  std::string name;
  data::Type type = data::Type::kString;
  bool required = false;
  data::TimeUnit unit = data::TimeUnit::kText;  // for timestamps
  std::string pii;                              // email, ip, phone, name, geo, ...; "" for none
  Scrub scrub = Scrub::kNone;
  int round_digits = 2;  // for kRound
  std::vector<std::string> null_texts;
  Span span;
};

enum class OnFail { kQuarantine, kDrop, kWarn, kFail };

enum class CheckKind {
  kNotNull,
  kRange,
  kInSet,
  kRegex,
  kUnique,
  kType,
  kFreshness,
  kRowCount,
  kExpr
};

/// `checks: - {column: delay, range: [-1440, 2880], on_fail: quarantine}`
struct CheckDef {
  CheckKind kind = CheckKind::kNotNull;
  std::string column;               // "" for row_count and expr
  std::optional<data::Scalar> min;  // range, inclusive; row_count
  std::optional<data::Scalar> max;
  std::vector<data::Scalar> set;   // in_set
  std::string pattern;             // regex, RE2, whole value
  std::string expression;          // expr: boolean; null counts as passed
  std::optional<data::Type> type;  // type: the text must read as it
  Duration age_max;                // freshness: newest event time against newest known time
  OnFail on_fail = OnFail::kQuarantine;
  Span span;
};

/// How known time is had: `received`, a column, `{expr: ...}` or `{delay: 2h}` after event time.
struct KnownTimeDef {
  enum class Kind { kDelay, kReceived, kColumn, kExpr } kind = Kind::kDelay;
  std::string text;  // column name or expression
  Duration delay;
};

enum class TableFormat { kDelta, kParquet };

/// How a table is kept: `keep: 400d`, `format: parquet`. None of it decides a row that the table
/// gets, so changing it makes no new table.
struct StorageDef {
  std::optional<Duration> keep;       // nothing: for ever
  std::optional<TableFormat> format;  // nothing: what the table has, Delta at first
};

struct BronzeDef {
  std::string name;
  std::string source;
  std::vector<std::string> key;  // empty: no deduplication
  Duration dedup_for{24 * 3600 * kMicrosPerSecond};
  std::string event_time;  // column name or expression; "" when it has no time (epoch)
  KnownTimeDef known_time;
  Duration future_max{5 * 60 *
                      kMicrosPerSecond};  // event time beyond known time by more: quarantine
  std::vector<ColumnDef> columns;
  std::vector<CheckDef> checks;
  std::vector<std::string> partition_by{"dt", "hr"};  // of dt (date) and hr (int32) of event time
  Span span;
  StorageDef storage;
  bool of_changes = false;  // rows are versions of their key: `on_same_key: replace`
  std::string delete_when;  // of_changes: boolean expression, true for a tombstone; "" for never
};

/// `enrich: - {lookup: airports, on: origin, as_of: event_time, columns: [...], prefix: origin_}`
struct EnrichDef {
  std::string lookup;                  // a bronze or silver table
  std::vector<std::string> on;         // columns of this table
  std::vector<std::string> lookup_on;  // columns of the lookup; the same names when empty
  std::vector<std::string> columns;
  std::string prefix;     // put before the added columns' names
  bool required = false;  // no match: quarantine
  Span span;
};

struct SilverDef {
  std::string name;
  std::string from;      // a bronze table
  std::string sql;       // row-wise SELECT over `from`
  std::string sql_file;  // where sql came from, if a file
  std::vector<EnrichDef> enrich;
  std::vector<CheckDef> checks;
  std::vector<std::string> partition_by{"event_date"};
  Duration allowed_lateness{3600 * kMicrosPerSecond};
  Span span;
  StorageDef storage;
};

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
  kTopKCounts
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
};

/// Features computed from the request alone, or from other features of the service.
struct OnDemandDef {
  std::string name;
  std::vector<data::Field> request;
  struct Feature {
    std::string name;
    std::string expression;
    Span span;
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
};

}  // namespace assay::catalog

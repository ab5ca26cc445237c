#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "catalog/kafka_definition.h"
#include "catalog/wire_definition.h"
#include "data/json_lines.h"
#include "data/scalar.h"
#include "data/schema.h"

// Definitions of sources and of the tables made from them: bronze and silver.

namespace assay::catalog {

/// Where something was written: file as given, line and column from 1.
struct Span {
  std::string file;
  int line = 0;
  int column = 0;
};

enum class Format { kCsv, kJsonLines, kParquet, kDebezium, kAvro, kProtobuf, kJsonSchema, kRaw };

/// `sources: name: {files: {path: ..., format: csv}}` or `{kafka: {...}}`
struct SourceDef {
  std::string name;
  std::string path;  // file, folder or glob; relative to the project folder
  Format format = Format::kCsv;
  char delimiter = ',';
  int64_t record_bytes_max = 8 << 20;
  Span span;
  std::optional<KafkaDef> kafka;                 // then there is no path
  DecimalText decimals = DecimalText::kPrecise;  // Debezium, where no schema says it
  std::optional<RegistryDef> registry;           // of schemas, for records that name theirs
  double rejects_max = 1;                        // of files: share of rejects that stops the source
};

enum class Scrub { kNone, kHmac, kMask, kTruncate, kRound, kDrop };

/// One declared column: `name: string!` or `name: {type: string, pii: email, scrub: hmac, unit:
/// ms}`, or of a field of another name: `conv_rate: {type: float64, from: Conv-Rate}`.
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
  std::optional<data::Scalar> default_value;  // where a record does not have it
  std::string from;                           // the field's name in the records; "": the column's

  /// What the records call it.
  [[nodiscard]] const std::string& field() const { return from.empty() ? name : from; }
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
  bool of_changes = false;     // rows are versions of their key: `on_same_key: replace`
  std::string delete_when;     // of_changes: boolean expression, true for a tombstone; "" for never
  bool says_same_key = false;  // whether `on_same_key` is written
  bool says_known_time = false;  // whether `known_time` is
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

}  // namespace assay::catalog

// Every key of every section of a project's YAML, once.

#include "catalog/definition_table.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace assay::catalog {
namespace {

using enum ValueKind;

// The formatter would put each member on a line of its own.
// clang-format off
constexpr std::array kSections{
    SectionDef{"project", "assay.yaml", kNone, "",
               "Where things live. Only in `assay.yaml`, at top level; a profile may override "
               "each key."},
    SectionDef{"serving", "serving", kNone, "", "How features are served."},
    SectionDef{"s3", "s3", kNone, "",
               "The service of a lake on S3. Credentials never stand here: they come from the "
               "environment, a credentials file or the machine's role."},
    SectionDef{"definitions", "any file", kNone, "",
               "What is declared. In `assay.yaml` and in every other YAML file of the folder."},
    SectionDef{"source", "sources.<name>", kNone, "", "Where records come from."},
    SectionDef{"files", "sources.<name>.files", kPath, "path",
               "Files in a folder; files that appear later are read by the next run."},
    SectionDef{"kafka", "sources.<name>.kafka", kNone, "",
               "Topics of a Kafka cluster, read from the tables' own positions; no consumer group keeps "
               "any."},
    SectionDef{"schema_registry", "sources.<name>.kafka.schema_registry", kText, "url",
               "Where records in Confluent's wire format have their schemas. A single text is the "
               "address."},
    SectionDef{"bronze", "bronze.<name>", kNone, "",
               "A table of typed, checked, deduplicated records of one source."},
    SectionDef{"column", "bronze.<name>.columns.<column>", kColumnType, "type",
               "A column; `name: string!` is short for `{type: string, required: true}`."},
    SectionDef{"event_time", "bronze.<name>.event_time", kColumn, "column",
               "When a record happened. A single word is the column."},
    SectionDef{"known_time", "bronze.<name>.known_time", kColumn, "column",
               "When a record could have been known. `received` is when it was read; another "
               "single word is "
               "the column."},
    SectionDef{"check", "checks[]", kNone, "",
               "A check of each row (`not_null`, `range`, `in_set`, `regex`, `unique`, `type`, "
               "`expr`) or of "
               "each commit (`freshness`, `row_count`)."},
    SectionDef{"row_count", "checks[].row_count", kNone, "",
               "Bounds of a commit's rows, both included."},
    SectionDef{"silver", "silver.<name>", kNone, "",
               "A table made from a bronze table, row by row, in SQL, with columns of lookup "
               "tables."},
    SectionDef{"enrich", "silver.<name>.enrich[]", kNone, "",
               "Columns of a lookup table as they were known at each row's time."},
    SectionDef{"entity", "entities.<name>", kNone, "",
               "What features describe, by its key columns."},
    SectionDef{"feature_view", "feature_views.<name>", kNone, "",
               "Features of one entity from one table."},
    SectionDef{"session", "feature_views.<name>.session", kNone, "",
               "What a session is: a run of an entity's events less than `gap` apart."},
    SectionDef{"feature", "feature_views.<name>.features.<feature>", kChoice, "",
               "A feature: the latest value of a column, an aggregate over windows, an "
               "expression over other features of the view, or another kind of "
               "docs/features_in_time.md. `age: latest` is short for `{latest: age}`."},
    SectionDef{"on_demand", "on_demand.<name>", kNone, "",
               "Features computed from the request and from features that stand before it in a "
               "service."},
    SectionDef{"on_demand_feature", "on_demand.<name>.features.<feature>", kExpression, "expr",
               "A feature of the request. A single text is the expression."},
    SectionDef{"derived", "derived.<name>", kNone, "",
               "Features computed from features of other views where those are read, and stored "
               "nowhere: see docs/composition.md."},
    SectionDef{"input", "derived.<name>.inputs[], services.<name>[]", kText, "view",
               "What is taken from a view. A single text is the view."},
    SectionDef{"input_key", "derived.<name>.inputs[].by.<key>", kExpression, "expr",
               "A key that is computed. A single text is the expression."},
    SectionDef{"derived_feature", "derived.<name>.features.<feature>", kExpression, "expr",
               "A derived feature. A single text is the expression."},
    SectionDef{"model", "models.<name>", kNone, "", "A model trained on a service's features."},
    SectionDef{"labels", "models.<name>.labels", kNone, "", "What the model learns to say."},
    SectionDef{"train", "models.<name>.train", kNone, "", "How the model is trained."},
    SectionDef{"split", "models.<name>.train.split", kNone, "", "Which rows train and which test."},
};

constexpr std::array kKeys{
    KeyDef{"project", "project", kName, true, "", "", "Name of the project.", "shop"},
    KeyDef{"project", "lake", kPath, false, "./lake", "",
           "Place of the Delta tables: a folder, or `s3://bucket/prefix`.", "./lake"},
    KeyDef{"project", "s3", kSection, false, "", "s3", "The service of a lake on S3.",
           "{endpoint: \"https://minio.example.com:9000\"}"},
    KeyDef{"project", "catalog", kPath, false, "./catalog.db", "",
           "SQLite file of definitions and runs.",
           "./catalog.db"},
    KeyDef{"project", "online", kPath, false, "embedded:./online", "",
           "The online store: a folder after `embedded:`, `lmdb:` or `hashlog:` (the two kinds of "
           "embedded store; `embedded:` is the kind that the folder holds, lmdb when it holds none), "
           "or a Redis server as "
           "redis://[user:password@]host[:port][/database] or redis+unix:///path/to.sock; then "
           "`?prefix=` begins its keys, `feast=PROJECT` writes values for Feast's clients beside them.",
           "embedded:./online"},
    KeyDef{"project", "engine", kChoice, false, "embedded", "embedded", "What runs the SQL.",
           "embedded"},
    KeyDef{"project", "serving", kSection, false, "", "serving", "How features are served.", ""},
    KeyDef{"project", "profiles", kProfiles, false, "", "project",
           "Other values of these keys, chosen by `--profile`.", "{prod: {lake: /data/lake}}"},
    KeyDef{"serving", "clock", kChoice, false, "wall", "wall|data",
           "`wall`: now is the machine's time; `data`: now is the newest known time in the "
           "store, so that "
           "historical data serves sensible values.",
           "data"},
    KeyDef{"s3", "endpoint", kText, false, "", "",
           "Scheme, host and port of the service; when not said AWS_ENDPOINT_URL_S3, "
           "AWS_ENDPOINT_URL, or Amazon's own.",
           "\"https://minio.example.com:9000\""},
    KeyDef{"s3", "region", kText, false, "", "",
           "The bucket's region; when not said AWS_REGION, AWS_DEFAULT_REGION, us-east-1.",
           "eu-central-1"},
    KeyDef{"s3", "path_style", kBoolean, false, "", "",
           "Whether the bucket stands in the path instead of the host's name; when not said, "
           "wherever an endpoint is given.",
           "true"},
    KeyDef{"s3", "ca_file", kPath, false, "", "",
           "Certificates (PEM) to trust instead of the machine's.", "certs/ca.pem"},
    KeyDef{"s3", "profile", kText, false, "", "", "Profile of the credentials file.", "analytics"},
    KeyDef{"definitions", "sources", kSectionMap, false, "", "source", "Where records come from.",
           ""},
    KeyDef{"definitions", "bronze", kSectionMap, false, "", "bronze",
           "Tables of records as they came.", ""},
    KeyDef{"definitions", "silver", kSectionMap, false, "", "silver", "Tables of cleaned events.",
           ""},
    KeyDef{"definitions", "entities", kSectionMap, false, "", "entity", "What features describe.",
           ""},
    KeyDef{"definitions", "feature_views", kSectionMap, false, "", "feature_view", "Features.", ""},
    KeyDef{"definitions", "on_demand", kSectionMap, false, "", "on_demand",
           "Features of the request.", ""},
    KeyDef{"definitions", "derived", kSectionMap, false, "", "derived",
           "Features of features, of one view or several.", ""},
    KeyDef{"definitions", "services", kServiceMap, false, "", "input",
           "Features served together: views, or `view:feature,feature`, or `{view: v, by: ...}`.",
           "{purchase_v1: [user_clicks, \"user_profile:age,tier\"]}"},
    KeyDef{"definitions", "models", kSectionMap, false, "", "model", "Models.", ""},

    KeyDef{"source", "files", kSection, false, "", "files", "Read files.", "data/clicks/*.jsonl"},
    KeyDef{"source", "kafka", kSection, false, "", "kafka", "Read Kafka topics.", ""},
    KeyDef{"source", "postgres", kLater, false, "", "", "Read a database's change log.", ""},
    KeyDef{"source", "http", kLater, false, "", "", "Poll an HTTP API.", ""},
    KeyDef{"source", "push", kLater, false, "", "", "Take events that are pushed.", ""},
    KeyDef{"files", "path", kPath, true, "", "", "A file, a folder or a pattern with `*`.",
           "data/clicks/*.jsonl"},
    KeyDef{"files", "format", kChoice, false, "", "csv|json|parquet|debezium|avro",
           "How records are written; from the file name's ending when not said. `json` is one "
           "object a line, `debezium` one change event a line, `avro` a container file.",
           "json"},
    KeyDef{"files", "delimiter", kText, false, ",", "", "CSV: what separates cells, one byte.",
           "\";\""},
    KeyDef{"files", "record_max", kBytes, false, "8MB", "",
           "Records longer than this go to quarantine.",
           "8MB"},
    KeyDef{"files", "rejects_max", kNumber, false, "1", "0..1",
           "Stop when more than this share of at least 1000 records is rejected: their form has changed. "
           "1 never stops.",
           "0.5"},
    KeyDef{"files", "decimal_handling_mode", kChoice, false, "precise", "precise|string|double",
           "What `decimal.handling.mode` of Debezium is, for events without a schema.", "string"},
    KeyDef{"kafka", "brokers", kText, true, "", "", "Addresses to begin with, cut by commas.",
           "\"localhost:9092\""},
    KeyDef{"kafka", "topics", kTexts, true, "", "", "The topics to read, all partitions of each.",
           "user_events"},
    KeyDef{"kafka", "format", kChoice, false, "json", "json|debezium|avro|protobuf|json_schema",
           "How a record's value is written: one JSON object; a change event of Debezium (in JSON, "
           "or in wire format with a `schema_registry`); or in Confluent's wire format with the "
           "number of its schema before it.",
           "json"},
    KeyDef{"kafka", "schema_registry", kSection, false, "", "schema_registry",
           "Where records have their schemas; `avro` and `protobuf` need it.",
           "\"http://localhost:8081\""},
    KeyDef{"kafka", "decimal_handling_mode", kChoice, false, "precise", "precise|string|double",
           "What `decimal.handling.mode` of Debezium is, for events without a schema.", "string"},
    KeyDef{"kafka", "start", kChoice, false, "earliest", "earliest|latest",
           "Where reading begins the very first time. Partitions that are added later are read from "
           "their beginning.",
           "earliest"},
    KeyDef{"kafka", "on_lost", kChoice, false, "fail", "fail|skip",
           "When records that were not read yet are gone from the broker: stop, or go on with what is "
           "there.",
           "fail"},
    KeyDef{"kafka", "record_max", kBytes, false, "8MB", "",
           "Values longer than this go to quarantine.", "8MB"},
    KeyDef{"kafka", "queue_max", kBytes, false, "64MB", "",
           "Bytes fetched ahead; when they are full, fetching pauses.", "64MB"},
    KeyDef{"kafka", "rejects_max", kNumber, false, "0.5", "0..1",
           "Stop when more than this share of at least 1000 records is rejected: their form has changed. "
           "1 never stops.",
           "0.5"},
    KeyDef{"kafka", "dead_letter", kText, false, "", "",
           "A topic of the same brokers that refused records are also sent to, under the headers of "
           "Kafka Connect.",
           "clicks.dlq"},
    KeyDef{"kafka", "options", kTextMap, false, "", "",
           "Settings of the client library librdkafka, such as those of TLS and SASL, by its own names.",
           "{security.protocol: SASL_SSL, sasl.mechanism: PLAIN, sasl.username: assay, "
           "sasl.password: \"${KAFKA_PASSWORD}\"}"},
    KeyDef{"schema_registry", "url", kText, true, "", "", "Scheme, host and port.",
           "\"http://localhost:8081\""},
    KeyDef{"schema_registry", "username", kText, false, "", "", "For basic authentication.",
           "assay"},
    KeyDef{"schema_registry", "password", kText, false, "", "", "The same.",
           "\"${REGISTRY_PASSWORD}\""},
    KeyDef{"schema_registry", "ca_file", kPath, false, "", "",
           "Certificates (PEM) to trust instead of the machine's.", "certs/ca.pem"},
    KeyDef{"schema_registry", "timeout", kDuration, false, "30s", "",
           "The source waits so long for a registry that does not answer, then it stops.", "30s"},
    KeyDef{"schema_registry", "keys", kChoice, false, "schema", "schema|bytes",
           "Whether keys of records may be in wire format too. Say `bytes` where they are numbers or "
           "UUIDs in binary, which may look like it.",
           "bytes"},

    KeyDef{"bronze", "source", kName, true, "", "", "The source to read.", "clicks"},
    KeyDef{"bronze", "columns", kSectionMap, true, "", "column",
           "The declared columns; others are ignored.",
           "{event_id: string!, price: float64, ts: timestamp!}"},
    KeyDef{"bronze", "key", kColumns, false, "", "",
           "Columns that say which records are the same one; without it nothing is a duplicate.",
           "[event_id]"},
    KeyDef{"bronze", "dedup_for", kDuration, false, "24h", "",
           "How far apart in event time two records of one key are still duplicates.", "24h"},
    KeyDef{"bronze", "on_same_key", kChoice, false, "drop", "drop|replace",
           "What becomes of a record whose key was there before: `drop` it as a duplicate, or let it "
           "`replace` what the key said, from its known time on.",
           "replace"},
    KeyDef{"bronze", "delete_when", kExpression, false, "", "",
           "With `on_same_key: replace`: which records say that their key is gone. They need only "
           "the key and a known time.",
           "op = 'd'"},
    KeyDef{"bronze", "event_time", kSection, false, "", "event_time",
           "When it happened. Without it every row happened at the epoch: for lookup tables.",
           "{column: ts, unit: ms}"},
    KeyDef{"bronze", "known_time", kSection, false, "", "known_time",
           "When it could have been known; the event time when not said.", "{delay: 2h}"},
    KeyDef{"bronze", "future_max", kDuration, false, "5m", "",
           "Rows whose event time is beyond their known time by more go to quarantine.", "5m"},
    KeyDef{"bronze", "checks", kSectionList, false, "", "check", "Checks of the rows.",
           "[{column: delay, range: [-1440, 2880], on_fail: quarantine}]"},
    KeyDef{"bronze", "partition_by", kColumns, false, "[dt, hr]", "",
           "Of `dt` (date) and `hr` (hour) of the event time.", "[dt]"},
    KeyDef{"bronze", "keep", kDuration, false, "", "",
           "Days older than the newest event time by more are dropped at the end of a run.",
           "400d"},
    KeyDef{"bronze", "format", kChoice, false, "", "delta|parquet",
           "`parquet` lists the files of each commit in a manifest and removes replaced ones, for "
           "readers of plain Parquet.",
           "parquet"},
    KeyDef{"column", "type", kColumnType, true, "", "required",
           "bool, int8, int16, int32, int64, float32, float64, string, bytes, date, timestamp, "
           "decimal(10,2), list<string>, float32[8], struct<a:int64,b:string>, "
           "map<string,int64>; `!` after it: required.",
           "int64!"},
    KeyDef{"column", "required", kBoolean, false, "false", "",
           "A record without it goes to quarantine.",
           "true"},
    KeyDef{"column", "unit", kChoice, false, "text", "text|s|ms|us",
           "Timestamps: text, or a number of seconds, milliseconds or microseconds since 1970.",
           "ms"},
    KeyDef{"column", "pii", kChoice, false, "",
           "email|ip|phone|name|geo|address|birth_date|id|other",
           "What personal data it holds.", "email"},
    KeyDef{"column", "scrub", kChoice, false, "none", "none|hmac|mask|truncate|round|drop",
           "What is done to it before anything is stored: keyed hash, stars, shortened IP, "
           "rounded number, "
           "not stored.",
           "hmac"},
    KeyDef{"column", "digits", kInteger, false, "2", "",
           "`round`: digits after the point that are kept.",
           "2"},
    KeyDef{"column", "default", kText, false, "", "",
           "The value where a record has no such field at all; a null stays null. Not of CSV and "
           "Parquet.",
           "0"},
    KeyDef{"column", "null_texts", kTexts, false, "", "",
           "CSV cells that mean null, besides the empty one.",
           "[NA, \"-\"]"},
    KeyDef{"event_time", "column", kColumn, false, "", "", "A timestamp column.", "ts"},
    KeyDef{"event_time", "unit", kChoice, false, "", "text|s|ms|us", "The unit of that column.",
           "ms"},
    KeyDef{"event_time", "expr", kExpression, false, "", "", "An expression over the columns.",
           "departure + to_minutes(delay)"},
    KeyDef{"known_time", "column", kColumn, false, "", "", "A timestamp column.", "seen_at"},
    KeyDef{"known_time", "unit", kChoice, false, "", "text|s|ms|us", "The unit of that column.",
           "ms"},
    KeyDef{"known_time", "expr", kExpression, false, "", "", "An expression over the columns.",
           "ts + to_minutes(delay)"},
    KeyDef{"known_time", "delay", kDuration, false, "", "", "This long after the event time.",
           "2h"},

    KeyDef{"check", "column", kColumn, false, "", "",
           "The column checked; not for `row_count` and `expr`.",
           "delay"},
    KeyDef{"check", "not_null", kBoolean, false, "", "", "The value must be there.", "true"},
    KeyDef{"check", "range", kRange, false, "", "",
           "Smallest and largest value, both included; null leaves an end open.", "[-1440, 2880]"},
    KeyDef{"check", "in_set", kScalars, false, "", "", "The values allowed.",
           "[view, cart, purchase]"},
    KeyDef{"check", "regex", kText, false, "", "",
           "A pattern (RE2) that the whole value must match.",
           "\"[A-Z]{3}\""},
    KeyDef{"check", "unique", kBoolean, false, "", "",
           "No two rows of a commit have the same value.", "true"},
    KeyDef{"check", "type", kColumnType, false, "", "", "The text must read as this type.",
           "int64"},
    KeyDef{"check", "freshness", kDuration, false, "", "",
           "The newest event time must be this close to the newest known time.", "2h"},
    KeyDef{"check", "row_count", kSection, false, "", "row_count", "Bounds of a commit's rows.",
           "{min: 1}"},
    KeyDef{"check", "expr", kExpression, false, "", "",
           "A boolean expression; null counts as passed.",
           "price >= 0"},
    KeyDef{"check", "on_fail", kChoice, false, "quarantine", "quarantine|drop|warn|fail",
           "What happens then: set aside, leave out and count as filtered, tell, or stop. "
           "`freshness` and "
           "`row_count` take `warn` (their default) or `fail`.",
           "quarantine"},
    KeyDef{"row_count", "min", kInteger, false, "", "", "At least.", "1"},
    KeyDef{"row_count", "max", kInteger, false, "", "", "At most.", "1000000"},

    KeyDef{"silver", "from", kName, true, "", "", "The bronze table.", "clicks"},
    KeyDef{"silver", "sql", kSql, false, "", "",
           "A row-wise SELECT over `from`: no aggregates, no windows. The name of a `.sql` file "
           "is read. All "
           "columns when not said.",
           "SELECT event_id, user_id, price FROM clicks"},
    KeyDef{"silver", "sql_file", kPath, false, "", "", "The file that holds the SQL.",
           "sql/events.sql"},
    KeyDef{"silver", "enrich", kSectionList, false, "", "enrich",
           "Columns of lookup tables to add.", ""},
    KeyDef{"silver", "checks", kSectionList, false, "", "check", "Checks of the rows made.", ""},
    KeyDef{"silver", "partition_by", kColumns, false, "[event_date]", "",
           "Columns that cut the table into folders.", "[event_date, event_type]"},
    KeyDef{"silver", "allowed_lateness", kDuration, false, "1h", "",
           "Rows older than the newest by more go to the late table.", "1h"},
    KeyDef{"silver", "keep", kDuration, false, "", "",
           "Days older than the newest event time by more are dropped at the end of a run.",
           "400d"},
    KeyDef{"silver", "format", kChoice, false, "", "delta|parquet",
           "`parquet` lists the files of each commit in a manifest and removes replaced ones, for "
           "readers of plain Parquet.",
           "parquet"},
    KeyDef{"enrich", "lookup", kName, true, "", "", "A bronze or silver table.", "items"},
    KeyDef{"enrich", "on", kColumns, true, "", "", "Columns of this table that find the row.",
           "item_id"},
    KeyDef{"enrich", "lookup_on", kColumns, false, "", "",
           "Their names in the lookup, when different.", "id"},
    KeyDef{"enrich", "as_of", kChoice, false, "event_time", "event_time",
           "The time at which the lookup's row must have been valid.", "event_time"},
    KeyDef{"enrich", "columns", kColumns, true, "", "", "Columns of the lookup to add.",
           "[category, brand]"},
    KeyDef{"enrich", "prefix", kText, false, "", "", "Put before the added columns' names.",
           "item_"},
    KeyDef{"enrich", "required", kBoolean, false, "false", "",
           "A row without a match goes to quarantine.",
           "true"},

    KeyDef{"entity", "key", kColumn, false, "", "", "The key column.", "user_id"},
    KeyDef{"entity", "type", kColumnType, false, "string", "", "Its type: whole numbers, text, bool, date or timestamp.",
           "string"},
    KeyDef{"entity", "keys", kTypeMap, false, "", "", "Several key columns with their types.",
           "{origin: string, destination: string}"},
    KeyDef{"entity", "description", kText, false, "", "", "For people.", ""},

    KeyDef{"feature_view", "entity", kName, true, "", "",
           "What the features describe; `none` for a view of the whole population, whose one row "
           "is of all rows of its table.",
           "user"},
    KeyDef{"feature_view", "from", kName, true, "", "", "A silver or bronze table.", "events"},
    KeyDef{"feature_view", "features", kSectionMap, true, "", "feature", "The features.",
           "{clicks: {agg: count, over: [1h, 24h]}}"},
    KeyDef{"feature_view", "ttl", kDuration, false, "", "",
           "Older values are not served. No bound when absent.",
           "24h"},
    KeyDef{"feature_view", "slide", kDuration, false, "10m", "continuous",
           "Windows end at multiples of this; each window must be a multiple of it. `continuous`: they "
           "end at the instant of the question.",
           "10m"},
    KeyDef{"feature_view", "session", kSection, false, "", "session",
           "What a session is, for `session` features.", "{gap: 30m, max: 4h}"},
    KeyDef{"feature_view", "keep", kDuration, false, "", "",
           "How far back the offline table answers: steps that matter to older instants only are "
           "dropped at the end of a run. Needs `ttl`.",
           "400d"},
    KeyDef{"feature_view", "format", kChoice, false, "", "delta|parquet",
           "`parquet` lists the files of each commit in a manifest and removes replaced ones, for "
           "readers of plain Parquet.",
           "parquet"},
    KeyDef{"feature_view", "tz", kText, false, "UTC", "",
           "Time zone of `clock` features, by its name in the tz database.", "Europe/Berlin"},
    KeyDef{"feature_view", "owner", kText, false, "", "", "Who answers for it.", ""},
    KeyDef{"feature_view", "description", kText, false, "", "", "For people.", ""},
    KeyDef{"feature_view", "tags", kTexts, false, "", "", "Words to find it by.", "[fraud, core]"},
    KeyDef{"session", "gap", kDuration, true, "", "",
           "Events this far apart are in different sessions.", "30m"},
    KeyDef{"session", "max", kDuration, false, "", "",
           "A session is cut where it would become this long.", "4h"},
    KeyDef{"session", "over", kDuration, false, "7d", "",
           "How far back sessions are looked at; a multiple of the slide.", "30d"},
    KeyDef{"feature", "latest", kColumn, false, "", "", "The newest value of this column.", "age"},
    KeyDef{"feature", "agg", kChoice, false, "",
           "count|sum|mean|min|max|variance|stddev|skewness|first|last|mode|distinct|"
           "approx_distinct|quantile|any|all|last_n|top_k|top_k_counts|histogram",
           "The aggregate.", "sum"},
    KeyDef{"feature", "of", kExpression, false, "", "", "What is aggregated; not for count.",
           "price"},
    KeyDef{"feature", "q", kNumber, false, "", "0..1",
           "Quantile: the share of values at or below it.", "0.95"},
    KeyDef{"feature", "where", kExpression, false, "", "", "Which rows count.",
           "event_type = 'purchase'"},
    KeyDef{"feature", "over", kDurations, false, "", "",
           "Windows: one feature each, `name_1h`, `name_24h`.",
           "[1h, 24h, 7d]"},
    KeyDef{"feature", "ratio", kColumns, false, "", "",
           "Two features of the view, without their windows: the first over the second, null where "
           "that is 0 or null.",
           "[carts, views]"},
    KeyDef{"feature", "expr", kExpression, false, "", "",
           "An expression over other features of the view.",
           "carts_1h / nullif(views_1h, 0)"},
    KeyDef{"feature", "since", kColumn, false, "", "",
           "Seconds from a time to the instant of the question: from `last_event`, `first_event` or "
           "`session_start`, or from the newest value of a timestamp or date column.",
           "last_event"},
    KeyDef{"feature", "clock", kChoice, false, "",
           "hour|minute|day_of_week|day_of_month|day_of_year|month|is_weekend",
           "What a wall clock shows at the instant of the question, in the view's `tz`. Days of "
           "the week are 1 (Monday) to 7.",
           "hour"},
    KeyDef{"feature", "rate", kColumn, false, "", "",
           "A window feature of the view per hour; `over` says which window.", "clicks"},
    KeyDef{"feature", "trend", kColumn, false, "", "",
           "The rate of a window feature over the first window of `over`, divided by that over "
           "the second.",
           "clicks"},
    KeyDef{"feature", "session", kChoice, false, "",
           "count|events|duration|mean_events|open|start|first|last",
           "Of the entity's sessions: how many, events in the open one, seconds from first to last "
           "event of the newest, events per session, whether one is open, when it began, the first "
           "and the last value of `of` in it.",
           "count"},
    KeyDef{"feature", "changes", kExpression, false, "", "",
           "How often the value differs from that of the event before, within `over`.", "tier"},
    KeyDef{"feature", "previous", kExpression, false, "", "",
           "The value before the present one: the last that differs, within `over`.", "tier"},
    KeyDef{"feature", "changed_at", kExpression, false, "", "",
           "When the value became what it is: the event time of its last change within `over`.",
           "tier"},
    KeyDef{"feature", "lag", kExpression, false, "", "",
           "The value `k` events before the newest, within `over`.", "price"},
    KeyDef{"feature", "k", kInteger, false, "1", "0..1000000", 
           "`lag`: how many events ago. `last_n`, `top_k` and `top_k_counts`: how many values, 1 to "
           "1000.",
           "5"},
    KeyDef{"feature", "description", kText, false, "", "", "For people.", ""},
    KeyDef{"feature", "unit", kText, false, "", "", "What its values are counted in, for people.",
           "EUR"},

    KeyDef{"on_demand", "request", kTypeMap, false, "", "",
           "Values that the request brings, with types.",
           "{departure: timestamp}"},
    KeyDef{"on_demand", "features", kSectionMap, true, "", "on_demand_feature", "The features.",
           "{hour: \"hour(departure)\"}"},
    KeyDef{"on_demand_feature", "expr", kExpression, true, "", "",
           "Over request values and features that stand before it.", "hour(departure)"},

    KeyDef{"derived", "inputs", kSectionList, true, "", "input",
           "The views whose features it sees, in order; names must differ.",
           "[user_spend, {view: everyone, prefix: all_}]"},
    KeyDef{"derived", "features", kSectionMap, true, "", "derived_feature", "The features.",
           "{share: \"spend_24h / nullif(all_spend_24h, 0)\"}"},
    KeyDef{"derived", "owner", kText, false, "", "", "Who answers for it.", ""},
    KeyDef{"derived", "description", kText, false, "", "", "For people.", ""},
    KeyDef{"derived", "tags", kTexts, false, "", "", "Words to find it by.", "[fraud, core]"},
    KeyDef{"derived_feature", "expr", kExpression, false, "", "",
           "Over the inputs, `now()` and features that stand before it.",
           "spend_24h / nullif(all_spend_24h, 0)"},
    KeyDef{"derived_feature", "ratio", kColumns, false, "", "",
           "Instead of `expr`: two inputs or features before it, without their windows when `over` names "
           "these: the first over the second, null where that is 0 or null.",
           "[spent, all_spent]"},
    KeyDef{"derived_feature", "over", kDurations, false, "", "",
           "Windows of a `ratio`: one feature each, `name_1h`, `name_24h`. Without it the two are "
           "named in full.",
           "[1h, 24h]"},
    KeyDef{"input", "view", kText, true, "", "",
           "A feature view, a derived view, or in a service an on-demand view; with `:` and names "
           "only these features of it.",
           "\"country_stats:mean_24h\""},
    KeyDef{"input", "by", kSectionMap, false, "", "input_key",
           "Keys of the view's entity that are computed, as of the same instant; the others are "
           "asked with.",
           "{country: home_country}"},
    KeyDef{"input", "prefix", kText, false, "", "", "Put before the names of its features.",
           "country_"},
    KeyDef{"input_key", "expr", kExpression, true, "", "",
           "Over the features that stand before it, and `now()`. Where it is null the view's "
           "features are NOT_FOUND.",
           "home_country"},

    KeyDef{"model", "service", kName, true, "", "", "The service whose features it sees.",
           "purchase_v1"},
    KeyDef{"model", "labels", kSection, true, "", "labels", "What it learns to say.",
           "{from: purchases, column: bought}"},
    KeyDef{"model", "train", kSection, false, "", "train", "How it is trained.", "{trees: 200}"},
    KeyDef{"labels", "from", kName, true, "", "",
           "A silver table with the entity keys, request values and times.", "purchases"},
    KeyDef{"labels", "column", kExpression, true, "", "",
           "The label: a boolean or numeric expression.",
           "delay > 15"},
    KeyDef{"labels", "event_time", kColumn, false, "event_time", "", "The instant of the question.",
           "event_time"},
    KeyDef{"labels", "where", kExpression, false, "", "", "Which rows are labels.",
           "delay IS NOT NULL"},
    KeyDef{"train", "algorithm", kChoice, false, "gbdt", "gbdt", "Gradient-boosted trees.", "gbdt"},
    KeyDef{"train", "split", kSection, false, "", "split", "Which rows train and which test.",
           "{by_time: 0.8}"},
    KeyDef{"train", "trees", kInteger, false, "100", "1..10000", "How many trees.", "200"},
    KeyDef{"train", "depth", kInteger, false, "6", "1..16", "How deep a tree may be.", "6"},
    KeyDef{"train", "learning_rate", kNumber, false, "0.1", "0..1",
           "Share of each tree that is added.",
           "0.1"},
    KeyDef{"train", "min_child_weight", kNumber, false, "1", "0..1000000000",
           "Smallest sum of weights in a leaf.", "5"},
    KeyDef{"train", "subsample", kNumber, false, "1", "0..1", "Share of rows that each tree sees.",
           "0.8"},
    KeyDef{"train", "column_sample", kNumber, false, "1", "0..1",
           "Share of features that each tree sees.",
           "0.8"},
    KeyDef{"train", "l2", kNumber, false, "1", "0..1000000000",
           "Weight of the squared leaf values.", "1"},
    KeyDef{"train", "bins", kInteger, false, "256", "2..65536", "Histogram bins of a feature.",
           "256"},
    KeyDef{"train", "seed", kInteger, false, "0", "0..2147483647", "Of the samples.", "7"},
    KeyDef{"split", "by_time", kNumber, false, "0.8", "0..1",
           "Share of label rows, oldest first, that train.",
           "0.8"},
};
// clang-format on

}  // namespace

std::span<const SectionDef> all_sections() {
  return kSections;
}
std::span<const KeyDef> all_keys() {
  return kKeys;
}

const SectionDef& section_def(std::string_view name) {
  const auto found = std::find_if(kSections.begin(),
                                  kSections.end(),
                                  [&](const SectionDef& section) { return section.name == name; });
  ASSAY_CHECK(found != kSections.end());
  return *found;
}

std::vector<const KeyDef*> keys_of(std::string_view section) {
  std::vector<const KeyDef*> keys;
  for (const KeyDef& key : kKeys) {
    if (key.section == section) {
      keys.push_back(&key);
    }
  }
  return keys;
}

const KeyDef* find_key(std::string_view section, std::string_view key) {
  for (const KeyDef& row : kKeys) {
    if (row.section == section && row.key == key) {
      return &row;
    }
  }
  return nullptr;
}

std::vector<std::string> choices_of(std::string_view detail) {
  std::vector<std::string> choices;
  std::size_t begin = 0;
  while (begin < detail.size()) {
    const std::size_t end = std::min(detail.find('|', begin), detail.size());
    choices.emplace_back(detail.substr(begin, end - begin));
    begin = end + 1;
  }
  return choices;
}

}  // namespace assay::catalog

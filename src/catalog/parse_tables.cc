// Sources, bronze and silver tables.

#include <algorithm>
#include <array>
#include <utility>

#include "catalog/parse_sections.h"

namespace assay::catalog {
namespace {

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::optional<Format> format_of_name(std::string_view path) {
  for (const std::string_view packed : {".gz", ".zst"}) {
    if (ends_with(path, packed)) {
      path.remove_suffix(packed.size());
    }
  }
  if (ends_with(path, ".csv")) {
    return Format::kCsv;
  }
  if (ends_with(path, ".jsonl") || ends_with(path, ".ndjson") || ends_with(path, ".json")) {
    return Format::kJsonLines;
  }
  if (ends_with(path, ".parquet")) {
    return Format::kParquet;
  }
  if (ends_with(path, ".avro")) {
    return Format::kAvro;
  }
  return std::nullopt;
}

/// What the table of keys allows as `format`.
Format format_of(const std::string& name) {
  constexpr std::array<std::pair<std::string_view, Format>, 8> kFormats{
      {{"csv", Format::kCsv},
       {"json", Format::kJsonLines},
       {"parquet", Format::kParquet},
       {"debezium", Format::kDebezium},
       {"avro", Format::kAvro},
       {"protobuf", Format::kProtobuf},
       {"json_schema", Format::kJsonSchema},
       {"raw", Format::kRaw}}};
  for (const auto& [known, format] : kFormats) {
    if (known == name) {
      return format;
    }
  }
  return Format::kJsonLines;
}

DecimalText decimals_of(const SectionReader& reader) {
  return reader.text("decimal_handling_mode") == "string" ? DecimalText::kString
                                                          : DecimalText::kPrecise;
}

data::TimeUnit time_unit(const std::string& text) {
  if (text == "s") {
    return data::TimeUnit::kSeconds;
  }
  if (text == "ms") {
    return data::TimeUnit::kMillis;
  }
  return text == "us" ? data::TimeUnit::kMicros : data::TimeUnit::kText;
}

Scrub scrub_of(const std::string& text) {
  constexpr std::array<std::pair<std::string_view, Scrub>, 5> kScrubs{
      {{"hmac", Scrub::kHmac},
       {"mask", Scrub::kMask},
       {"truncate", Scrub::kTruncate},
       {"round", Scrub::kRound},
       {"drop", Scrub::kDrop}}};
  for (const auto& [name, scrub] : kScrubs) {
    if (name == text) {
      return scrub;
    }
  }
  return Scrub::kNone;
}

void read_files(ParseContext& context, const YamlNode& node, SourceDef* source) {
  const SectionReader reader(
      context, node, {"files", "`files` of source `" + source->name + "`", false});
  source->path = reader.text("path");
  source->record_bytes_max = reader.bytes("record_max");
  const std::string delimiter = reader.text("delimiter") == "\\t" ? "\t" : reader.text("delimiter");
  if (delimiter.size() != 1 || delimiter == "\"" || delimiter == "\n") {
    context.error("E0201",
                  *reader.find("delimiter"),
                  "`delimiter` is not one byte",
                  "write `\",\"`, `\";\"`, `\"|\"` or `\"\\t\"`");
  } else {
    source->delimiter = delimiter[0];
  }
  source->decimals = decimals_of(reader);
  source->rejects_max = reader.number("rejects_max");
  const std::string format = reader.text("format");
  const std::optional<Format> guessed = format_of_name(source->path);
  if (!format.empty()) {
    source->format = format_of(format);
  } else if (guessed.has_value()) {
    source->format = *guessed;
  } else if (!source->path.empty() && node.find("format") == nullptr) {
    context.error("E0103",
                  node,
                  "the format of source `" + source->name + "` is not said",
                  "add `format: csv`, `json` or `parquet`");
  }
}

RegistryDef parse_registry(ParseContext& context, const YamlNode& node, const SourceDef& source) {
  const SectionReader reader(
      context,
      node,
      {"schema_registry", "`schema_registry` of source `" + source.name + "`", false});
  RegistryDef registry;
  registry.url = reader.text("url");
  registry.username = reader.text("username");
  registry.password = reader.text("password");
  registry.timeout = reader.duration("timeout").value_or(registry.timeout);
  registry.keys_have_schemas = reader.text("keys") != "bytes";
  if (reader.has("ca_file")) {
    registry.ca_file = join_path(context.folder, reader.text("ca_file"));
  }
  const bool is_http =
      registry.url.rfind("http://", 0) == 0 || registry.url.rfind("https://", 0) == 0;
  if (!is_http && !registry.url.empty()) {
    const YamlNode* url = reader.find("url");
    context.error("E0201",
                  url != nullptr ? *url : node,
                  "`" + registry.url + "` is no address of a schema registry",
                  "write `http://host:8081` or `https://...`");
  }
  if (is_http && registry.url.find('@') < registry.url.find('/', registry.url.find("//") + 2)) {
    context.error("E0201",
                  *reader.find("url"),
                  "the address of a schema registry holds a user's name: it would be seen in logs",
                  "write it as `username` and `password`");
  }
  return registry;
}

void read_kafka(ParseContext& context, const YamlNode& node, SourceDef* source) {
  const SectionReader reader(
      context, node, {"kafka", "`kafka` of source `" + source->name + "`", false});
  KafkaDef kafka;
  kafka.brokers = reader.text("brokers");
  kafka.topics = reader.texts("topics");
  kafka.start = reader.text("start") == "latest" ? KafkaStart::kLatest : KafkaStart::kEarliest;
  kafka.on_lost = reader.text("on_lost") == "skip" ? OnLost::kSkip : OnLost::kFail;
  kafka.queue_bytes_max = reader.bytes("queue_max");
  kafka.rejects_max = reader.number("rejects_max");
  kafka.idle_timeout = reader.duration("idle_timeout").value_or(kafka.idle_timeout);
  kafka.options = reader.text_map("options");
  kafka.dead_letter = reader.text("dead_letter");
  if (std::count(kafka.topics.begin(), kafka.topics.end(), kafka.dead_letter) != 0) {
    context.error("E0201",
                  *reader.find("dead_letter"),
                  "`" + kafka.dead_letter + "` is also read: refused records would come back",
                  "name another topic");
  }
  check_kafka_options(
      context, reader, "leave it out; `brokers`, `start` and `queue_max` are keys of `kafka`");
  for (std::size_t i = 0; i < kafka.topics.size(); ++i) {
    if (std::count(kafka.topics.begin(),
                   kafka.topics.begin() + static_cast<int64_t>(i),
                   kafka.topics[i]) != 0) {
      context.error("E0201", *reader.find("topics"), "topic `" + kafka.topics[i] + "` twice");
    }
  }
  source->format = format_of(reader.text("format"));
  source->decimals = decimals_of(reader);
  source->record_bytes_max = reader.bytes("record_max");
  source->kafka = std::move(kafka);
  if (const YamlNode* registry = reader.find("schema_registry")) {
    source->registry = parse_registry(context, *registry, *source);
  }
  const bool needs_registry =
      source->format == Format::kAvro || source->format == Format::kProtobuf;
  if (needs_registry && node.find("schema_registry") == nullptr) {
    context.error("E0103",
                  *reader.find("format"),
                  "`format: " + reader.text("format") + "` without `schema_registry`",
                  "add `schema_registry: \"http://host:8081\"`: records name their schemas there");
  }
  if (source->format == Format::kRaw && source->registry.has_value()) {
    context.error("E0203",
                  *reader.find("schema_registry"),
                  "`schema_registry` with `format: raw`, which reads no value",
                  "leave it out, or say what the values are: `avro`, `protobuf`, `json_schema`");
  }
}

ColumnDef parse_column(ParseContext& context, const YamlEntry& entry) {
  ColumnDef column;
  column.name = entry.key;
  column.span = context.span(entry.key_mark);
  const SectionReader reader(context, entry.value, {"column", "column `" + entry.key + "`", false});
  const ColumnType type = reader.column_type("type");
  column.type = type.type;
  column.required = type.required || reader.boolean("required");
  column.unit = time_unit(reader.text("unit"));
  column.pii = reader.text("pii");
  column.scrub = scrub_of(reader.text("scrub"));
  column.round_digits = static_cast<int>(std::clamp<int64_t>(reader.integer("digits"), 0, 15));
  column.null_texts = reader.texts("null_texts");
  if (const YamlNode* text = reader.find("default")) {
    const Result<data::Scalar> value = data::is_nested(column.type)
                                           ? Status(Code::kInvalidArgument, "")
                                           : data::parse_scalar(text->text, column.type);
    if (value.ok()) {
      column.default_value = *value;
    } else {
      context.error("E0201", *text, "`" + text->text + "` is no " + data::type_name(column.type));
    }
  }
  if (reader.has("from") && reader.text("from").empty()) {
    context.error("E0201",
                  *reader.find("from"),
                  "`from` of column `" + entry.key + "` is empty",
                  "write the field's name in the records, or leave it out");
  } else if (reader.text("from") != column.name) {
    column.from = reader.text("from");
  }
  if (reader.has("unit") && column.unit != data::TimeUnit::kText && reader.has("type") &&
      column.type != data::Type::kTimestamp) {
    context.error("E0203",
                  *reader.find("unit"),
                  "a unit on a column that is not a timestamp",
                  "declare `" + entry.key + "` as timestamp");
  }
  if (reader.has("digits") && column.scrub != Scrub::kRound) {
    context.error("E0203", *reader.find("digits"), "`digits` without `scrub: round`");
  }
  return column;
}

/// `unit` beside `column` of event_time and known_time is that column's unit.
void set_unit(ParseContext& context, const SectionReader& reader, std::vector<ColumnDef>* columns) {
  const YamlNode* unit = reader.find("unit");
  if (unit == nullptr) {
    return;
  }
  for (ColumnDef& column : *columns) {
    if (column.name == reader.text("column") && column.type == data::Type::kTimestamp) {
      column.unit = time_unit(unit->text);
      return;
    }
  }
  context.error("E0203",
                *unit,
                "`unit` without a timestamp column",
                "declare the column as timestamp under `columns`");
}

/// Whether exactly one of the keys is there; else an error.
bool exactly_one(ParseContext& context,
                 const SectionReader& reader,
                 const std::vector<std::string>& keys) {
  std::vector<std::string> present;
  std::string list;
  for (const std::string& key : keys) {
    if (reader.node().find(key) != nullptr) {
      present.push_back(key);
    }
    list += (list.empty() ? "`" : ", `") + key + "`";
  }
  if (present.size() == 1 || reader.node().kind == YamlNode::Kind::kScalar) {
    return true;
  }
  for (const YamlEntry& entry : reader.node().entries) {
    if (present.empty() && entry.key != "unit") {
      return false;  // a misspelt key, and reported as such
    }
  }
  context.error("E0203",
                reader.node(),
                present.empty()
                    ? reader.title() + " says nothing"
                    : reader.title() + " has both `" + present[0] + "` and `" + present[1] + "`",
                "write one of " + list);
  return false;
}

std::string parse_event_time(ParseContext& context,
                             const YamlNode& node,
                             const std::string& title,
                             std::vector<ColumnDef>* columns) {
  const SectionReader reader(context, node, {"event_time", "`event_time` of " + title, false});
  if (!exactly_one(context, reader, {"column", "expr"})) {
    return "";
  }
  set_unit(context, reader, columns);
  return reader.has("expr") ? reader.text("expr") : reader.text("column");
}

KnownTimeDef parse_known_time(ParseContext& context,
                              const YamlNode& node,
                              const std::string& title,
                              std::vector<ColumnDef>* columns) {
  KnownTimeDef known;
  if (node.kind == YamlNode::Kind::kScalar && node.text == "received") {
    known.kind = KnownTimeDef::Kind::kReceived;
    return known;
  }
  const SectionReader reader(context, node, {"known_time", "`known_time` of " + title, false});
  if (!exactly_one(context, reader, {"column", "expr", "delay"})) {
    return known;
  }
  set_unit(context, reader, columns);
  if (reader.has("column")) {
    known.kind = KnownTimeDef::Kind::kColumn;
    known.text = reader.text("column");
  } else if (reader.has("expr")) {
    known.kind = KnownTimeDef::Kind::kExpr;
    known.text = reader.text("expr");
  } else {
    known.delay = reader.duration("delay").value_or(Duration{});
  }
  return known;
}

EnrichDef parse_enrich(ParseContext& context, const YamlNode& node, const std::string& title) {
  const SectionReader reader(context, node, {"enrich", "`enrich` of " + title, false});
  EnrichDef enrich;
  enrich.span = context.span(node.mark);
  enrich.lookup = reader.text("lookup");
  enrich.on = reader.texts("on");
  enrich.lookup_on = reader.texts("lookup_on");
  enrich.columns = reader.texts("columns");
  enrich.prefix = reader.text("prefix");
  enrich.required = reader.boolean("required");
  if (reader.has("lookup_on") && enrich.lookup_on.size() != enrich.on.size()) {
    context.error(
        "E0203", *reader.find("lookup_on"), "`lookup_on` has another number of columns than `on`");
  }
  return enrich;
}

void read_sql(ParseContext& context, const SectionReader& reader, SilverDef* silver) {
  const YamlNode* inline_sql = reader.find("sql");
  const YamlNode* file = reader.find("sql_file");
  if (inline_sql != nullptr && file != nullptr) {
    context.error("E0203", *file, "both `sql` and `sql_file`", "keep one of them");
    return;
  }
  if (inline_sql != nullptr && ends_with(inline_sql->text, ".sql") &&
      inline_sql->text.find_first_of(" \t\n") == std::string::npos) {
    file = inline_sql;
  }
  if (file == nullptr) {
    silver->sql = inline_sql != nullptr ? inline_sql->text : "SELECT * FROM " + silver->from;
    return;
  }
  silver->sql_file = file->text;
  Result<std::string> text = context.world.files.read(join_path(context.folder, file->text));
  if (context.is_away(text.status())) {
    return;
  }
  if (!text.ok()) {
    context.error(
        "E0107",
        *file,
        "the SQL file `" + file->text + "` cannot be read: " + std::string(code_name(text.code())),
        "paths are relative to the project's folder");
    return;
  }
  silver->sql = std::move(text).value();
}

}  // namespace

SourceDef parse_source(ParseContext& context, const YamlEntry& entry) {
  SourceDef source;
  source.name = entry.key;
  source.span = context.span(entry.key_mark);
  const SectionReader reader(context, entry.value, {"source", "source `" + entry.key + "`", false});
  const YamlNode* files = reader.find("files");
  if (files != nullptr) {
    read_files(context, *files, &source);
  } else if (const YamlNode* kafka = reader.find("kafka")) {
    read_kafka(context, *kafka, &source);
  } else if (entry.value.entries.empty()) {
    context.error_at_key("E0103",
                         entry,
                         "source `" + entry.key + "` needs `files` or `kafka`",
                         "add `files: data/" + entry.key + "/*.csv`");
  }
  if (entry.value.entries.size() > 1 && (reader.has("files") || reader.has("kafka"))) {
    exactly_one(context, reader, {"files", "kafka", "postgres", "http", "push"});
  }
  return source;
}

StorageDef read_storage(const SectionReader& reader) {
  StorageDef storage;
  storage.keep = reader.duration("keep");
  if (reader.has("format")) {
    storage.format =
        reader.text("format") == "parquet" ? TableFormat::kParquet : TableFormat::kDelta;
  }
  return storage;
}

BronzeDef parse_bronze(ParseContext& context, const YamlEntry& entry) {
  BronzeDef bronze;
  bronze.name = entry.key;
  bronze.span = context.span(entry.key_mark);
  const std::string title = "bronze `" + entry.key + "`";
  const SectionReader reader(context, entry.value, {"bronze", title, false});
  bronze.source = reader.text("source");
  bronze.key = reader.texts("key");
  bronze.dedup_for = reader.duration("dedup_for").value_or(bronze.dedup_for);
  bronze.future_max = reader.duration("future_max").value_or(bronze.future_max);
  bronze.partition_by = reader.texts("partition_by");
  bronze.storage = read_storage(reader);
  bronze.of_changes = reader.text("on_same_key") == "replace";
  bronze.says_same_key = entry.value.find("on_same_key") != nullptr;
  bronze.says_known_time = entry.value.find("known_time") != nullptr;
  bronze.delete_when = reader.text("delete_when");
  if (const YamlNode* columns = reader.find("columns")) {
    for (const YamlEntry& column : columns->entries) {
      bronze.columns.push_back(parse_column(context, column));
    }
  }
  if (const YamlNode* event_time = reader.find("event_time")) {
    bronze.event_time = parse_event_time(context, *event_time, title, &bronze.columns);
  }
  if (const YamlNode* known_time = reader.find("known_time")) {
    bronze.known_time = parse_known_time(context, *known_time, title, &bronze.columns);
  }
  if (const YamlNode* checks = reader.find("checks")) {
    bronze.checks = parse_checks(context, *checks, title);
    type_checks(context, *checks, bronze.columns, &bronze.checks);
  }
  return bronze;
}

SilverDef parse_silver(ParseContext& context, const YamlEntry& entry) {
  SilverDef silver;
  silver.name = entry.key;
  silver.span = context.span(entry.key_mark);
  const std::string title = "silver `" + entry.key + "`";
  const SectionReader reader(context, entry.value, {"silver", title, false});
  silver.from = reader.text("from");
  silver.partition_by = reader.texts("partition_by");
  silver.storage = read_storage(reader);
  silver.allowed_lateness = reader.duration("allowed_lateness").value_or(silver.allowed_lateness);
  read_sql(context, reader, &silver);
  if (const YamlNode* enrich = reader.find("enrich")) {
    for (const YamlNode& item : enrich->items) {
      silver.enrich.push_back(parse_enrich(context, item, title));
    }
  }
  if (const YamlNode* checks = reader.find("checks")) {
    silver.checks = parse_checks(context, *checks, title);
  }
  return silver;
}

}  // namespace assay::catalog

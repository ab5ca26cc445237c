#include "ingest/schema_registry.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/pause.h"
#include "data/avro.h"
#include "data/json_lines.h"
#include "data/json_text.h"
#include "data/protobuf_records.h"

namespace assay::ingest {
namespace {

using data::Type;

constexpr Duration kMissingFor{30 * kMicrosPerSecond};
constexpr std::size_t kMissingMax = 200;  // numbers that are remembered as unknown
/// So many more of those that a read's records name often: a schema that is new is among them,
/// while records that are none of a registry's name others each.
constexpr std::size_t kNamedOftenMax = 200;
constexpr int64_t kOftenOf = 50;  // one in so many records
constexpr Duration kRequestMax{10 * kMicrosPerSecond};
constexpr int64_t kAnswerBytesMax = 16 << 20;
constexpr std::size_t kReferencesMax = 256;
constexpr int kReferenceDepthMax = 16;

/// The members of a JSON object as these columns; nothing when it is none, or has others.
std::optional<data::Batch> read_object(const std::string& json, std::vector<data::Field> fields) {
  data::DecodeOptions options;
  options.schema = data::make_schema(std::move(fields));
  data::Decoded decoded =
      data::JsonLinesDecoder(options).decode(std::vector<std::string_view>{json});
  return decoded.rows.rows() == 1 ? std::optional(std::move(decoded.rows)) : std::nullopt;
}

std::string text_of(const data::Batch& row, const char* column) {
  const data::Column& values = *row.find(column);
  return values.is_null(0) ? "" : std::string(values.text(0));
}

/// One part of a path, percent-encoded.
std::string encoded(const std::string& part) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (const char c : part) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (is_plain) {
      text += c;
    } else {
      text += '%';
      text += kDigits[static_cast<uint8_t>(c) >> 4];
      text += kDigits[static_cast<uint8_t>(c) & 15];
    }
  }
  return text;
}

Result<std::shared_ptr<const data::WireSchema>> parse(
    const std::string& type,
    const std::string& text,
    const std::vector<data::NamedSchema>& others) {
  if (type.empty() || type == "AVRO") {
    return data::parse_avro_schema(text, others);
  }
  if (type == "PROTOBUF") {
    return data::parse_protobuf_schema(text, others);
  }
  if (type == "JSON") {
    return data::json_text_schema();
  }
  return Status(Code::kInvalidArgument, "a schema of type `" + type + "`");
}

}  // namespace

/// What a registry says of a schema.
struct SchemaRegistry::Answer {
  bool is_missing = false;
  std::string type;
  std::string schema;
  std::vector<std::string> references;  // JSON objects
};

SchemaRegistry::SchemaRegistry(World& world,
                               catalog::RegistryDef definition,
                               std::shared_ptr<store::HttpClient> client)
    : world_(world), definition_(std::move(definition)), client_(std::move(client)) {
  while (definition_.url.ends_with('/')) {
    definition_.url.pop_back();
  }
}

Result<std::shared_ptr<const data::WireSchema>> SchemaRegistry::find(int32_t number) {
  return find(number, Share::kFew);
}

/// What is known without a question, that there is no such schema included; nothing: ask.
std::optional<std::shared_ptr<const data::WireSchema>> SchemaRegistry::known(int32_t number,
                                                                             Share share) {
  if (const auto found = known_.find(number); found != known_.end()) {
    return found->second;
  }
  if (!may_ask(number, share, world_.clock.monotonic())) {
    return std::shared_ptr<const data::WireSchema>();
  }
  return std::nullopt;
}

Result<std::shared_ptr<const data::WireSchema>> SchemaRegistry::find(int32_t number, Share share) {
  if (auto held = known(number, share)) {
    return *std::move(held);
  }
  const Duration now = world_.clock.monotonic();
  Result<std::shared_ptr<const data::WireSchema>> schema = fetch(number);
  if (!schema.ok()) {
    return std::move(schema).status().with_context("schema registry " + definition_.url +
                                                   ", schema " + std::to_string(number));
  }
  if (*schema == nullptr) {
    missing_[number] = now;
  } else {
    missing_.erase(number);
    known_[number] = *schema;
  }
  return schema;
}

/// Whether a number that is not known is worth a question; makes room to remember the answer.
bool SchemaRegistry::may_ask(int32_t number, Share share, Duration now) {
  const auto is_old = [&](const auto& entry) {
    return now.micros - entry.second.micros >= kMissingFor.micros;
  };
  if (const auto found = missing_.find(number); found != missing_.end()) {
    return is_old(*found);
  }
  if (number <= 0) {  // registries count from 1
    return false;
  }
  const std::size_t room = kMissingMax + (share == Share::kMany ? kNamedOftenMax : 0);
  if (missing_.size() >= kMissingMax) {
    std::erase_if(missing_, is_old);
  }
  const bool has_room = missing_.size() < room;
  if (!has_room && !is_flooded_) {
    world_.log.error(
        "records_name_many_unknown_schemas",
        {{"url", definition_.url}, {"unknown", static_cast<int64_t>(missing_.size())}});
  }
  is_flooded_ = !has_room;
  return has_room;
}

void SchemaAsker::ask(NamedSchemas named) {
  std::promise<Answer> promise;
  answer_ = promise.get_future();
  thread_ = std::jthread([this, named = std::move(named), promise = std::move(promise)](
                             const std::stop_token& stop) mutable {
    Answer answer;
    answer.status = registry_.find_all(named, &answer.schemas, stop);
    answer.asked = std::move(named);
    promise.set_value(std::move(answer));
  });
}

std::optional<SchemaAsker::Answer> SchemaAsker::answer(Duration wait) {
  if (answer_.wait_for(std::chrono::microseconds(wait.micros)) != std::future_status::ready) {
    return std::nullopt;
  }
  thread_.join();
  return answer_.get();
}

bool SchemaAsker::is_over() const {
  return !answer_.valid() ||
         answer_.wait_for(std::chrono::microseconds(0)) == std::future_status::ready;
}

void LeftAskers::add(std::unique_ptr<SchemaAsker> asker) {
  std::erase_if(askers_, [](const auto& left) { return left->is_over(); });
  asker->end();
  askers_.push_back(std::move(asker));
}

SchemaResolver::SchemaResolver(World& world,
                               const catalog::RegistryDef& definition,
                               std::shared_ptr<store::HttpClient> client,
                               LeftAskers* left)
    : world_(world), left_(left) {
  if (client == nullptr) {
    client = store::make_http_client({.ca_file = definition.ca_file});
  }
  asker_ = std::make_unique<SchemaAsker>(world, definition, std::move(client));
}

SchemaResolver::~SchemaResolver() {
  if (left_ != nullptr && !asker_->is_over()) {
    left_->add(std::move(asker_));
  }
}

void SchemaResolver::note_silent(const Status& why) {
  silent_since_ = silent_since_.value_or(asked_at_);
  if (!std::exchange(is_said_, true)) {
    world_.log.warn("schema_registry_silent",
                    {{"url", asker_->definition().url}, {"failure", why.message()}});
  }
}

Result<bool> SchemaResolver::find(const std::vector<std::string_view>& values,
                                  Duration wait,
                                  Patience patience) {
  constexpr Duration kPauseMax{200'000};
  constexpr Duration kAnswerWait{20'000};  // a registry that is well answers within this
  constexpr Duration kSilentAfter{1 * kMicrosPerSecond};
  schemas_.clear();
  const bool was_asked = asker_->is_asked();
  const NamedSchemas named = named_schemas(values);
  if (!was_asked) {
    if (asker_->registry().find_known(named, &schemas_)) {
      return true;
    }
    asked_at_ = world_.clock.monotonic();
    asker_->ask(named);
  }
  const Duration pause = std::min(wait, kPauseMax);
  std::optional<SchemaAsker::Answer> said =
      asker_->answer(was_asked ? pause : std::max(pause, kAnswerWait));
  if (!said.has_value()) {
    if (world_.clock.monotonic().micros - asked_at_.micros >= kSilentAfter.micros) {
      note_silent({Code::kUnavailable, "no answer yet"});
    }
    return false;
  }
  if (said->status.ok()) {
    if (std::exchange(is_said_, false)) {
      world_.log.warn("schema_registry_answers", {{"url", asker_->definition().url}});
    }
    silent_since_.reset();
    if (named.numbers == said->asked.numbers) {  // also what took so long that it is old by now
      schemas_ = std::move(said->schemas);
      return true;
    }
    return asker_->registry().find_known(named, &schemas_);
  }
  if (said->status.code() != Code::kUnavailable) {
    return said->status;
  }
  note_silent(said->status);
  if (patience == Patience::kTimeout && world_.clock.monotonic().micros - silent_since_->micros >=
                                            asker_->definition().timeout.micros) {
    return said->status;
  }
  pause_for(pause);
  return false;
}

NamedSchemas named_schemas(const std::vector<std::string_view>& values) {
  std::map<int32_t, int64_t> by_number;
  NamedSchemas named;
  for (const std::string_view value : values) {
    const std::optional<data::WireRecord> record = data::split_wire_record(value);
    if (record) {
      ++by_number[record->schema];
      ++named.records;
    }
  }
  named.numbers.assign(by_number.begin(), by_number.end());
  std::stable_sort(
      named.numbers.begin(), named.numbers.end(), [](const auto& left, const auto& right) {
        return left.second > right.second;
      });
  return named;
}

SchemaRegistry::Share SchemaRegistry::share_of(int64_t count, const NamedSchemas& named) {
  return count * kOftenOf >= named.records ? Share::kMany : Share::kFew;
}

Status SchemaRegistry::find_all(const NamedSchemas& named,
                                WireSchemas* schemas,
                                const std::stop_token& stop) {
  for (const auto& [number, count] : named.numbers) {
    if (stop.stop_requested()) {
      return {Code::kUnavailable, "stopped while schemas were asked for"};
    }
    ASSAY_ASSIGN_OR_RETURN((*schemas)[number], find(number, share_of(count, named)));
  }
  return {};
}

bool SchemaRegistry::find_known(const NamedSchemas& named, WireSchemas* schemas) {
  for (const auto& [number, count] : named.numbers) {
    const auto held = known(number, share_of(count, named));
    if (!held.has_value()) {
      schemas->clear();
      return false;
    }
    (*schemas)[number] = *held;
  }
  return true;
}

Result<std::shared_ptr<const data::WireSchema>> SchemaRegistry::fetch(int32_t number) {
  ASSAY_ASSIGN_OR_RETURN(const Answer answer, ask("/schemas/ids/" + std::to_string(number)));
  if (answer.is_missing) {
    return std::shared_ptr<const data::WireSchema>();
  }
  std::vector<data::NamedSchema> others;
  const Status followed = add_references(answer.references, 0, &others);
  if (!followed.ok() && followed.code() != Code::kInvalidArgument) {
    return followed;
  }
  Result<std::shared_ptr<const data::WireSchema>> schema =
      followed.ok() ? parse(answer.type, answer.schema, others) : followed;
  if (!schema.ok()) {
    // Waiting would not mend it, and only its own records cannot be read.
    world_.log.error("schema_cannot_be_read",
                     {{"url", definition_.url},
                      {"schema", int64_t{number}},
                      {"why", schema.status().message()}});
    return std::shared_ptr<const data::WireSchema>();
  }
  return schema;
}

/// The schemas that others refer to, each behind those that it refers to itself. kInvalidArgument:
/// they cannot be followed.
Status SchemaRegistry::add_references(const std::vector<std::string>& references,
                                      int depth,
                                      std::vector<data::NamedSchema>* schemas) {
  for (const std::string& json : references) {
    const std::optional<data::Batch> reference = read_object(json,
                                                             {{"name", Type::kString, false},
                                                              {"subject", Type::kString, false},
                                                              {"version", Type::kInt64, false}});
    if (!reference || depth > kReferenceDepthMax || schemas->size() >= kReferencesMax) {
      return {Code::kInvalidArgument, "it has references that cannot be followed"};
    }
    const std::string name = text_of(*reference, "name");
    const bool is_known =
        std::any_of(schemas->begin(), schemas->end(), [&](const data::NamedSchema& schema) {
          return schema.name == name;
        });
    if (is_known) {
      continue;
    }
    const int64_t version = reference->find("version")->values<int64_t>()[0];
    ASSAY_ASSIGN_OR_RETURN(const Answer answer,
                           ask("/subjects/" + encoded(text_of(*reference, "subject")) +
                               "/versions/" + std::to_string(version)));
    if (answer.is_missing) {
      return {Code::kInvalidArgument, "there is no schema `" + name + "` that it refers to"};
    }
    ASSAY_RETURN_IF_ERROR(add_references(answer.references, depth + 1, schemas));
    schemas->push_back({name, answer.schema});
  }
  return {};
}

Result<SchemaRegistry::Answer> SchemaRegistry::ask(const std::string& path) {
  store::HttpRequest request;
  request.url = definition_.url + path;
  request.headers.emplace_back("accept", "application/vnd.schemaregistry.v1+json");
  if (!definition_.username.empty() || !definition_.password.empty()) {
    request.headers.emplace_back(
        "authorization",
        "Basic " + data::to_base64(definition_.username + ":" + definition_.password));
  }
  request.timeout = std::min(definition_.timeout, kRequestMax);
  request.answer_bytes_max = kAnswerBytesMax;
  Result<store::HttpResponse> response = client_->send(request);
  if (!response.ok()) {
    // Asking changes nothing, so a lost answer is no more than none.
    const bool is_final = response.code() == Code::kFailedPrecondition;
    return is_final ? response.status() : Status(Code::kUnavailable, response.status().message());
  }
  const std::string said = "it answers HTTP " + std::to_string(response->status);
  if (response->status == 401 || response->status == 403) {
    return Status(response->status == 401 ? Code::kUnauthenticated : Code::kPermissionDenied,
                  said + "; see `username` and `password` of `schema_registry`");
  }
  Answer answer;
  if (response->status == 404) {
    // Only a registry numbers its errors: another server's 404 says that the address is wrong.
    answer.is_missing =
        read_object(response->body, {{"error_code", Type::kInt64, false}}).has_value();
    return answer.is_missing ? Result<Answer>(answer)
                             : Status(Code::kUnavailable, said + ", but not as a registry does");
  }
  if (response->status != 200) {
    return Status(Code::kUnavailable, said);
  }
  const std::optional<data::Batch> row =
      read_object(response->body,
                  {{"schema", Type::kString, false},
                   {"schemaType", Type::kString, true},
                   {"references", Type::list(Type::kString), true}});
  if (!row) {
    return Status(Code::kUnavailable, said + ", but not with a schema");
  }
  answer.schema = text_of(*row, "schema");
  answer.type = text_of(*row, "schemaType");
  const data::Column& references = *row->find("references");
  if (references.is_valid(0)) {
    const data::ElementRange range = references.elements(0);
    for (int64_t i = range.begin; i < range.end; ++i) {
      answer.references.emplace_back(references.child(0).text(i));
    }
  }
  return answer;
}

}  // namespace assay::ingest

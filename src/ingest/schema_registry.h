#pragma once

#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/world.h"
#include "catalog/wire_definition.h"
#include "data/wire_schema.h"
#include "store/http_client.h"

namespace assay::ingest {

/// By number; a null one is not known to the registry.
using WireSchemas = std::map<int32_t, std::shared_ptr<const data::WireSchema>>;

/// The schemas that records in wire format name: by number, how many records name it; and how many
/// do at all.
struct NamedSchemas {
  std::vector<std::pair<int32_t, int64_t>> numbers;  // those that most name first
  int64_t records = 0;
};
NamedSchemas named_schemas(const std::vector<std::string_view>& values);

/// The schemas of a registry with Confluent's REST interface. A schema never changes, so it is
/// asked for once; that there is none, or one that cannot be read, is asked again after 30 s.
///
/// Bounds  of numbers that it does not know, 200 are asked for in 30 s, and 200 more that one in 50
///         records of a read names, those that most name first; others meanwhile count as unknown,
///         so that records which only look as if they named schemas do not hold a line.
/// Threads one thread at a time.
/// Source  https://docs.confluent.io/platform/current/schema-registry/develop/api.html
class SchemaRegistry {
 public:
  /// The world must outlive the registry.
  SchemaRegistry(World& world,
                 catalog::RegistryDef definition,
                 std::shared_ptr<store::HttpClient> client);

  /// The schema of a number; null when the registry says that it has none, or gives one that cannot
  /// be read (which is logged). Asks once at most.
  ///
  /// Errors  kUnavailable: no answer, or one that is none of a registry: what a later question may
  ///         find otherwise. kUnauthenticated, kPermissionDenied: it refuses us.
  ///         kFailedPrecondition: its certificate is not trusted.
  Result<std::shared_ptr<const data::WireSchema>> find(int32_t number);

  /// The schemas of all that is named, into `schemas`.
  ///
  /// Errors  as find(); kUnavailable: `stop`, which is looked at between questions.
  Status find_all(const NamedSchemas& named,
                  WireSchemas* schemas,
                  const std::stop_token& stop = {});
  /// The same without a question; false where that takes one.
  bool find_known(const NamedSchemas& named, WireSchemas* schemas);

  [[nodiscard]] const catalog::RegistryDef& definition() const { return definition_; }

 private:
  struct Answer;
  /// How many records of a read name a number.
  enum class Share { kFew, kMany };
  static Share share_of(int64_t count, const NamedSchemas& named);
  std::optional<std::shared_ptr<const data::WireSchema>> known(int32_t number, Share share);
  Result<std::shared_ptr<const data::WireSchema>> find(int32_t number, Share share);
  Result<Answer> ask(const std::string& path);
  Result<std::shared_ptr<const data::WireSchema>> fetch(int32_t number);
  [[nodiscard]] bool may_ask(int32_t number, Share share, Duration now);
  Status add_references(const std::vector<std::string>& references,
                        int depth,
                        std::vector<data::NamedSchema>* schemas);

  World& world_;
  catalog::RegistryDef definition_;
  std::shared_ptr<store::HttpClient> client_;
  std::map<int32_t, std::shared_ptr<const data::WireSchema>> known_;
  std::map<int32_t, Duration> missing_;  // when the registry said so
  bool is_flooded_ = false;              // it was said that too many are missing
};

/// Asks a registry in a thread of its own, one question at a time.
///
/// Threads one thread at a time. The destructor waits for the request that is on its way.
class SchemaAsker {
 public:
  SchemaAsker(World& world,
              catalog::RegistryDef definition,
              std::shared_ptr<store::HttpClient> client)
      : registry_(world, std::move(definition), std::move(client)) {}

  struct Answer {
    NamedSchemas asked;
    Status status;
    WireSchemas schemas;
  };
  /// Only while no question is on its way.
  void ask(NamedSchemas named);
  /// Whether there is a question whose answer was not taken.
  [[nodiscard]] bool is_asked() const { return answer_.valid(); }
  /// The answer, waited for no longer than this; nothing while the question is on its way.
  std::optional<Answer> answer(Duration wait);
  /// What is known of schemas; only while no question is on its way.
  [[nodiscard]] SchemaRegistry& registry() { return registry_; }
  [[nodiscard]] const catalog::RegistryDef& definition() const { return registry_.definition(); }
  /// Have the thread make no further request.
  void end() { thread_.request_stop(); }
  [[nodiscard]] bool is_over() const;

 private:
  SchemaRegistry registry_;  // the thread's while a question is on its way
  std::future<Answer> answer_;
  std::jthread thread_;  // the last member: it uses the others
};

/// Askers whose sources have ended while their registry did not answer: nobody waits for them but
/// the destructor.
///
/// Threads one thread at a time.
class LeftAskers {
 public:
  void add(std::unique_ptr<SchemaAsker> asker);

 private:
  std::vector<std::unique_ptr<SchemaAsker>> askers_;
};

/// The schemas that a source's records name, waiting for a registry that does not answer.
///
/// It is asked in a thread beside, so that who asks never waits longer than it said.
/// Threads one thread at a time.
class SchemaResolver {
 public:
  /// `client`: for tests; nullptr for one of the machine's own. `left`: must outlive the resolver;
  /// has the question that is on its way at the end, which the destructor waits for where it is
  /// null.
  SchemaResolver(World& world,
                 const catalog::RegistryDef& definition,
                 std::shared_ptr<store::HttpClient> client,
                 LeftAskers* left = nullptr);
  ~SchemaResolver();
  SchemaResolver(const SchemaResolver&) = delete;
  SchemaResolver& operator=(const SchemaResolver&) = delete;

  /// What becomes of a registry that has not answered for the definition's `timeout`.
  enum class Patience { kTimeout, kEndless };
  /// Have the schemas of all records in wire format among `values` in schemas(). False when the
  /// registry did not answer this time; then `wait`, or a fiftieth of a second, was waited at most,
  /// and the caller comes again with these values, or others.
  ///
  /// Errors  kUnavailable: it has not answered for the definition's `timeout`, unless patience is
  ///         endless; others of SchemaRegistry::find at once.
  Result<bool> find(const std::vector<std::string_view>& values,
                    Duration wait,
                    Patience patience = Patience::kTimeout);
  [[nodiscard]] const WireSchemas& schemas() const { return schemas_; }
  /// Whether the registry does not answer.
  [[nodiscard]] bool is_silent() const { return is_said_; }

 private:
  void note_silent(const Status& why);

  World& world_;
  LeftAskers* left_;
  std::unique_ptr<SchemaAsker> asker_;
  WireSchemas schemas_;  // of the values of the last find()
  Duration asked_at_;
  std::optional<Duration> silent_since_;
  bool is_said_ = false;  // in the log, that it is silent
};

}  // namespace assay::ingest

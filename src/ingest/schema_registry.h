#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/world.h"
#include "catalog/wire_definition.h"
#include "data/wire_schema.h"
#include "store/http_client.h"

namespace assay::ingest {

/// By number; a null one is not known to the registry.
using WireSchemas = std::map<int32_t, std::shared_ptr<const data::WireSchema>>;

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

  /// The schemas of all records in wire format among `values`, into `schemas`.
  ///
  /// Errors  as find().
  Status find_all(const std::vector<std::string_view>& values, WireSchemas* schemas);

  [[nodiscard]] const catalog::RegistryDef& definition() const { return definition_; }

 private:
  struct Answer;
  /// How many records of a read name a number.
  enum class Share { kFew, kMany };
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

/// The schemas that a source's records name, waiting for a registry that does not answer.
///
/// Threads one thread at a time.
class SchemaResolver {
 public:
  /// `client`: for tests; nullptr for one of the machine's own.
  SchemaResolver(World& world,
                 const catalog::RegistryDef& definition,
                 std::shared_ptr<store::HttpClient> client);

  /// Have the schemas of all records in wire format among `values` in schemas(). False when the
  /// registry did not answer this time; then at most `wait` was waited, and the caller comes again
  /// with the same values.
  ///
  /// Errors  kUnavailable: it has not answered for the definition's `timeout`; others of
  ///         SchemaRegistry::find at once.
  Result<bool> find(const std::vector<std::string_view>& values, Duration wait);
  [[nodiscard]] const WireSchemas& schemas() const { return schemas_; }

 private:
  World& world_;
  SchemaRegistry registry_;
  WireSchemas schemas_;  // of the values of the last find()
  std::optional<Duration> silent_since_;
};

}  // namespace assay::ingest

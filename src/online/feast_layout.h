#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/entity_key.h"
#include "gold/contract.h"

namespace assay::online {

/// Names of the fields that a view has in the hash of an entity, as Feast's Redis store has them.
///
///   key     entity key, serialization version 3 | project
///   field   murmur3_x86_32("view:feature"), 4 bytes     value: feast.types.Value, "" for null
///   field   "_ts:view"                                  value: google.protobuf.Timestamp
class FeastLayout {
 public:
  FeastLayout(const gold::FeatureView& view, std::string project);
  /// What text() said; nothing when it is no such text.
  static std::optional<FeastLayout> of_text(std::string_view text);
  [[nodiscard]] std::string text() const;

  /// Errors  kInvalidArgument: a key of a type that Feast does not have.
  [[nodiscard]] Result<std::string> hash_key(const data::EntityKey& key) const;
  /// The command that makes an entity's hash say `values`; those that are not found are taken out.
  [[nodiscard]] std::vector<std::string> put(const std::string& hash_key,
                                             const gold::FeatureValues& values) const;
  /// The command that asks for an entity's values: those of the features, in their order, then the
  /// time.
  [[nodiscard]] std::vector<std::string> get(const std::string& hash_key) const;
  /// The command that takes an entity's values out. Only when has_fields().
  [[nodiscard]] std::vector<std::string> erase(const std::string& hash_key) const;
  /// Leave those fields to `other` that both have: its view is of the same name.
  void leave_to(const FeastLayout& other);
  [[nodiscard]] bool has_fields() const { return !fields_.empty() || !time_field_.empty(); }

 private:
  FeastLayout() = default;

  std::vector<data::Field> keys_;
  bool of_nobody_ = false;  // a view without an entity
  std::string project_;
  std::string time_field_;           // "": left to another
  std::vector<std::string> fields_;  // by feature
};

}  // namespace assay::online

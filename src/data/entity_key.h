#pragma once

#include <compare>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/scalar.h"

namespace assay::data {

/// The values of an entity's key columns as bytes: injective, so (1, 23) and (12, 3) differ, and
/// the same bytes in every process. Layout in docs/formats/entity_key.md: per value one type byte,
/// then 8 bytes big-endian with the sign bit flipped (integers, dates, timestamps, bool) or a
/// 4-byte big-endian length and the bytes (text). Floating-point key columns are refused when the
/// definition is validated.
class EntityKey {
 public:
  EntityKey() = default;
  /// From encoded bytes, unchecked.
  explicit EntityKey(std::string bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  auto operator<=>(const EntityKey&) const = default;

 private:
  std::string bytes_;
};

/// The key of scalar values; nothing when one of them is null. kInt32 and kInt64 encode alike.
std::optional<EntityKey> encode_key(std::span<const Scalar> values);
/// The key of one row of the given columns; nothing when one of them is null.
std::optional<EntityKey> encode_key(std::span<const Column* const> columns, int64_t row);
/// The key of one integer, date, time or flag, as Column::integer gives it, of a column of that
/// type.
EntityKey encode_integer_key(TypeId type, int64_t value);
/// The values inside a key. kCorrupt when the bytes are no key.
Result<std::vector<Scalar>> decode_key(const EntityKey& key);

/// Rows of a batch by entity: `ids[row]` is a dense id in order of first appearance, -1 for a null
/// key.
struct EntityIndex {
  std::vector<int32_t> ids;
  std::vector<EntityKey> keys;
};
/// Give every row of the columns its entity id.
EntityIndex index_entities(std::span<const Column* const> columns, int64_t rows);

}  // namespace assay::data

#include "serve/key_share.h"

#include "base/hash.h"
#include "data/entity_key.h"

namespace assay::serve {

std::vector<data::Scalar> keys_of(const gold::Service& service,
                                  const RequestRows& rows,
                                  int64_t row) {
  std::vector<data::Scalar> keys;
  for (const data::Field& key : service.entity_keys) {
    const RequestColumn* column = rows.find(key.name);
    if (column == nullptr) {
      return {};
    }
    keys.push_back(column->values[static_cast<std::size_t>(row)]);
  }
  return keys;
}

std::optional<double> place_of(const std::vector<data::Scalar>& keys, uint64_t seed) {
  const std::optional<data::EntityKey> key = data::encode_key(keys);
  if (keys.empty() || !key) {
    return std::nullopt;
  }
  // 53 bits of the hash.
  return static_cast<double>(hash_bytes(key->bytes(), seed) >> 11) * 0x1p-53;
}

}  // namespace assay::serve

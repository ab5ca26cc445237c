#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "data/entity_key.h"

namespace assay::data {

/// Keys of which each is looked up once, however often it stands there.
struct RepeatedKeys {
  std::vector<EntityKey> keys;   // in order of first appearance
  std::vector<uint32_t> key_of;  // for each of those given, which of them
};

/// As many keys as this are not looked through.
inline constexpr std::size_t kUnlookedKeysMax = 256;

/// Which of some keys are the same; they are taken then. Nothing, and they are left, where that
/// would not pay: there are few, or none of a sixteenth of them stands there twice.
///
/// A key may be among `keys` twice, when very many others have nearly its hash.
/// Cost    where none repeats, a hundredth of what it takes to read an entity's row, for each key.
std::optional<RepeatedKeys> take_repeated(std::vector<EntityKey>* keys);

}  // namespace assay::data

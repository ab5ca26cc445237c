#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay::online {

/// Whose an entity is: of several names the one for which the hash of its key and the name is
/// largest, whatever else there is (rendezvous hashing). So the order of names does not matter, and
/// with one more of them only what is its own moves.
///
/// Threads immutable.
class Rendezvous {
 public:
  /// At least one name.
  explicit Rendezvous(const std::vector<std::string>& names);
  /// Index into the names, as they were given; `key` as EntityKey has it.
  [[nodiscard]] std::size_t owner(std::string_view key) const;

 private:
  std::vector<uint64_t> seeds_;
};

}  // namespace assay::online

#include "online/rendezvous.h"

#include "base/hash.h"

namespace assay::online {

Rendezvous::Rendezvous(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    seeds_.push_back(hash_bytes(name));
  }
}

std::size_t Rendezvous::owner(std::string_view key) const {
  std::size_t best = 0;
  uint64_t largest = 0;
  for (std::size_t i = 0; i < seeds_.size(); ++i) {
    const uint64_t hash = hash_bytes(key, seeds_[i]);
    if (i == 0 || hash > largest) {
      best = i;
      largest = hash;
    }
  }
  return best;
}

}  // namespace assay::online

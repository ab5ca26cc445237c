#pragma once

#include <atomic>
#include <utility>

namespace assay::serve {

/// One of the connections that a server may have, from its beginning to its end.
class ConnectionSlot {
 public:
  explicit ConnectionSlot(std::atomic<int>& taken) : taken_(&taken) { ++taken; }
  ConnectionSlot(ConnectionSlot&& other) noexcept : taken_(std::exchange(other.taken_, nullptr)) {}
  ConnectionSlot& operator=(ConnectionSlot&&) = delete;
  ~ConnectionSlot() {
    if (taken_ != nullptr) {
      --*taken_;
    }
  }

 private:
  std::atomic<int>* taken_;
};

}  // namespace assay::serve

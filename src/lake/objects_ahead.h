#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "store/object_store.h"

namespace assay::lake {

/// Beginnings of many objects, one after the other. Where each takes a round trip, some are fetched
/// ahead by threads of their own; a folder's are read when they are asked for.
///
/// Threads one thread at a time.
/// Cost    memory: kAhead objects.
class ObjectsAhead {
 public:
  struct Object {
    std::string key;
    int64_t bytes = 0;  // at most so many are read
  };
  static constexpr std::size_t kAhead = 8;

  ObjectsAhead(store::ObjectStore& store, std::vector<Object> objects);
  /// Waits for what is on its way.
  ~ObjectsAhead();
  ObjectsAhead(const ObjectsAhead&) = delete;
  ObjectsAhead& operator=(const ObjectsAhead&) = delete;

  /// Bytes of the next object; there is one. Errors are those of ObjectStore::get_range.
  Result<std::string> next();

 private:
  Result<std::string> fetch(const Object& object);
  void work();

  store::ObjectStore& store_;
  const std::vector<Object> objects_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t begun_ = 0;  // objects that somebody fetches, or has
  std::size_t taken_ = 0;
  std::vector<std::optional<Result<std::string>>> fetched_;  // of object i at i % kAhead
  std::vector<std::jthread> workers_;                        // none for a folder
};

}  // namespace assay::lake

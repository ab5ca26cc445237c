#include "lake/objects_ahead.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "base/check.h"

namespace assay::lake {

ObjectsAhead::ObjectsAhead(store::ObjectStore& store, std::vector<Object> objects)
    : store_(store), objects_(std::move(objects)) {
  if (objects_.empty() || store.read_path(objects_.front().key).find("://") == std::string::npos) {
    return;  // a folder
  }
  fetched_.resize(kAhead);
  workers_.reserve(kAhead);
  for (std::size_t i = 0; i < std::min(kAhead, objects_.size()); ++i) {
    try {
      workers_.emplace_back([this] { work(); });
    } catch (const std::exception&) {  // the machine gives no more threads, or memory
      break;
    }
  }
}

ObjectsAhead::~ObjectsAhead() {
  {
    const std::lock_guard lock(mutex_);
    begun_ = objects_.size();
  }
  changed_.notify_all();
}

Result<std::string> ObjectsAhead::next() {
  ASSAY_CHECK(taken_ < objects_.size());
  if (workers_.empty()) {
    return fetch(objects_[taken_++]);
  }
  std::unique_lock lock(mutex_);
  std::optional<Result<std::string>>& slot = fetched_[taken_ % kAhead];
  changed_.wait(lock, [&] { return slot.has_value(); });
  Result<std::string> bytes = *std::exchange(slot, std::nullopt);
  ++taken_;
  lock.unlock();
  changed_.notify_all();
  return bytes;
}

Result<std::string> ObjectsAhead::fetch(const Object& object) {
  try {
    return store_.get_range(object.key, 0, object.bytes);
  } catch (const std::bad_alloc&) {  // would end the process on a thread of its own
    return Status(Code::kResourceExhausted, "no memory to read object " + object.key);
  }
}

/// Fetch what comes next, never more than kAhead objects before the one that next() gives.
void ObjectsAhead::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return begun_ == objects_.size() || begun_ < taken_ + kAhead; });
    if (begun_ == objects_.size()) {
      return;
    }
    const std::size_t mine = begun_++;
    lock.unlock();
    Result<std::string> bytes = fetch(objects_[mine]);
    lock.lock();
    fetched_[mine % kAhead].emplace(std::move(bytes));
    changed_.notify_all();
  }
}

}  // namespace assay::lake

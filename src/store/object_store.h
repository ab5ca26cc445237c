#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/world.h"

namespace assay::store {

struct ObjectInfo {
  std::string key;  // relative to the store's root, '/' between parts
  int64_t size_bytes = 0;
  EventTime modified;
};

/// Named immutable bytes under a root: a local folder now, S3 and others behind the same interface.
///
/// Keys are parts joined by '/': no empty part, no "." or "..", no control characters, no part that
/// begins with ".tmp.", at most 1024 bytes. Anything else is kInvalidArgument, before the disk is
/// touched.
///
/// Errors  kNotFound, kAlreadyExists, kPermissionDenied, kResourceExhausted, kUnavailable;
///         kCommitUnknown: put_if_absent may or may not have landed.
/// Threads thread-safe.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  virtual Result<std::string> get(const std::string& key) = 0;
  virtual Result<std::string> get_range(const std::string& key, int64_t offset, int64_t size) = 0;
  /// Create or replace, durable at return.
  virtual Status put(const std::string& key, std::string_view bytes) = 0;
  /// Create, durable at return; kAlreadyExists when the key is taken. Exactly one of many racers
  /// wins.
  virtual Status put_if_absent(const std::string& key, std::string_view bytes) = 0;
  /// Objects whose key starts with `prefix` and is greater than `start_after`, sorted by key.
  virtual Result<std::vector<ObjectInfo>> list(const std::string& prefix,
                                               const std::string& start_after = "") = 0;
  /// Names of the folders directly below the folder `key` ("" is the root), sorted; none when it is
  /// missing. The cheap way to find one's way around: no object below them is looked at.
  virtual Result<std::vector<std::string>> list_folders(const std::string& key) = 0;
  /// Fine when there is no such object.
  virtual Status remove(const std::string& key) = 0;
  /// Take over a file that a library wrote at local_path(key): make it and its folders durable.
  virtual Status adopt(const std::string& key) = 0;
  /// Path that DuckDB reads and writes for this key.
  [[nodiscard]] virtual std::string local_path(const std::string& key) const = 0;
};

/// Check that `key` can name an object in every store; the message says what is wrong with it.
Status validate_key(const std::string& key);

/// A folder of this machine; `root` is made when missing. Other programs' folders below it are
/// fine.
Result<std::unique_ptr<ObjectStore>> open_local_store(World& world, const std::string& root);

}  // namespace assay::store

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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

/// How the SQL engine reaches the objects of a store that are no files of this machine.
struct SqlAccess {
  std::string scope;     // URL before every key: "s3://bucket/prefix/"
  std::string endpoint;  // host[:port]
  std::string region;
  bool path_style = false;
  bool tls = true;
  std::string ca_file;  // "" for the machine's own
  std::string access_key;
  std::string secret_key;
  std::string session_token;
  bool operator==(const SqlAccess&) const = default;
};

/// Named immutable bytes under a root: a folder of this machine, or a bucket of an S3 service.
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
  /// Size and time of one object.
  virtual Result<ObjectInfo> stat(const std::string& key) = 0;
  /// Fine when there is no such object.
  virtual Status remove(const std::string& key) = 0;
  /// Remove many; what is not there is fine. Stops at the first failure, in no particular order.
  virtual Status remove_all(const std::vector<std::string>& keys) {
    for (const std::string& key : keys) {
      ASSAY_RETURN_IF_ERROR(remove(key));
    }
    return {};
  }
  /// Take over a file that a library wrote at write_path(key): durable under its key at return, and
  /// no longer anywhere else. An object that is there already is made durable as it is.
  virtual Status adopt(const std::string& key) = 0;
  /// Where the SQL engine reads this object: a path, or a URL for which it needs sql_access().
  [[nodiscard]] virtual std::string read_path(const std::string& key) const = 0;
  /// Path on this machine for the bytes of this key until adopt(key); the folder of it must be made
  /// first.
  [[nodiscard]] virtual std::string write_path(const std::string& key) const = 0;
  /// What the SQL engine has to know before it reads from read_path(); nothing for plain files.
  /// Credentials that end soon are fetched anew.
  virtual Result<std::optional<SqlAccess>> sql_access() { return std::optional<SqlAccess>(); }
};

/// Check that `key` can name an object in every store; the message says what is wrong with it.
Status validate_key(const std::string& key);

/// A folder of this machine; `root` is made when missing. Other programs' folders below it are
/// fine.
Result<std::unique_ptr<ObjectStore>> open_local_store(World& world, const std::string& root);

}  // namespace assay::store

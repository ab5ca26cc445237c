#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "base/world.h"

namespace assay::privacy {

inline constexpr char kKeyFile[] = ".assay/privacy.key";

/// The secret of a project that pseudonyms are made with: 32 bytes. Never logged, never in a table.
class PrivacyKey {
 public:
  /// Errors  kInvalidArgument: not 32 bytes.
  static Result<PrivacyKey> from_bytes(std::string bytes);
  /// Read 64 hexadecimal digits with white space around them.
  ///
  /// Errors  kCorrupt: anything else.
  static Result<PrivacyKey> from_hex(std::string_view text);

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::string to_hex() const;
  /// 8 hexadecimal digits that name the key without telling it; written to table metadata, so that
  /// pseudonyms of different keys are never compared.
  [[nodiscard]] std::string id() const;

 private:
  explicit PrivacyKey(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string bytes_;
};

/// Read <project_folder>/.assay/privacy.key.
///
/// Errors  kNotFound: no key yet; kCorrupt: not a key; kPermissionDenied.
Result<PrivacyKey> load_key(World& world, const std::string& project_folder);

/// Read the key, or make one of random bytes when there is none; the file is readable by its owner
/// only. Two processes that race end up with the same key.
Result<PrivacyKey> load_or_create_key(World& world, const std::string& project_folder);

}  // namespace assay::privacy

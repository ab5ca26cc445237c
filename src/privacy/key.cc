#include "privacy/key.h"

#include <utility>

#include "base/random.h"
#include "privacy/hmac.h"

namespace assay::privacy {
namespace {

constexpr std::size_t kKeyBytes = 32;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string random_key(Random& random) {
  std::string bytes;
  while (bytes.size() < kKeyBytes) {
    uint64_t word = random.next();
    for (int index = 0; index < 8; ++index) {
      bytes.push_back(static_cast<char>(word & 0xff));
      word >>= 8;
    }
  }
  return bytes;
}

}  // namespace

Result<PrivacyKey> PrivacyKey::from_bytes(std::string bytes) {
  if (bytes.size() != kKeyBytes) {
    return Status(Code::kInvalidArgument,
                  "a privacy key has 32 bytes, not " + std::to_string(bytes.size()));
  }
  return PrivacyKey(std::move(bytes));
}

Result<PrivacyKey> PrivacyKey::from_hex(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  const std::size_t last = text.find_last_not_of(kSpace);
  const Status bad(Code::kCorrupt, "a privacy key is 64 hexadecimal digits");
  if (first == std::string_view::npos || last - first + 1 != kKeyBytes * 2) {
    return bad;
  }
  std::string bytes;
  for (std::size_t at = first; at < last; at += 2) {
    const int high = hex_digit(text[at]);
    const int low = hex_digit(text[at + 1]);
    if (high < 0 || low < 0) {
      return bad;
    }
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  return PrivacyKey(std::move(bytes));
}

std::string PrivacyKey::to_hex() const {
  return privacy::to_hex(bytes_);
}

std::string PrivacyKey::id() const {
  return HmacSha256(bytes_).hex("v1|key id").substr(0, 8);
}

Result<PrivacyKey> load_key(World& world, const std::string& project_folder) {
  const std::string path = join_path(project_folder, kKeyFile);
  ASSAY_ASSIGN_OR_RETURN(const std::string text, world.files.read(path));
  Result<PrivacyKey> key = PrivacyKey::from_hex(text);
  if (!key.ok()) {
    return key.status().with_context(path +
                                     "; bring the file back from a backup: pseudonyms made "
                                     "with another key do not match those in the lake");
  }
  return key;
}

Result<PrivacyKey> load_or_create_key(World& world, const std::string& project_folder) {
  Result<PrivacyKey> key = load_key(world, project_folder);
  if (key.ok() || key.code() != Code::kNotFound) {
    return key;
  }
  const std::string path = join_path(project_folder, kKeyFile);
  ASSAY_RETURN_IF_ERROR(world.files.make_directories(parent_path(path)));
  const std::string text = to_hex(random_key(world.random)) + "\n";
  const Status created = world.files.put_secret_if_absent(path, text);
  if (!created.ok() && created.code() != Code::kAlreadyExists) {
    return created;
  }
  return load_key(world, project_folder);
}

}  // namespace assay::privacy

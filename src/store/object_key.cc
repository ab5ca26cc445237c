#include "store/object_store.h"

namespace assay::store {
namespace {

constexpr std::size_t kKeyBytesMax = 1024;  // what S3 takes
constexpr std::string_view kTemporaryPrefix = ".tmp.";

Status refuse(const std::string& key, std::string_view why) {
  return {Code::kInvalidArgument, "object key " + std::string(why) + ": `" + key + "`"};
}

}  // namespace

Status validate_key(const std::string& key) {
  if (key.empty() || key.size() > kKeyBytesMax) {
    return refuse(key.substr(0, 80), "is empty or longer than 1024 bytes");
  }
  for (const char c : key) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return refuse(key, "holds a control character");
    }
  }
  std::string_view rest = key;
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty()) {
      return refuse(key, "begins or ends with '/' or holds \"//\"");
    }
    if (part == "." || part == "..") {
      return refuse(key, "holds the part \".\" or \"..\"");
    }
    if (part.starts_with(kTemporaryPrefix)) {
      return refuse(key, "holds a part that begins with \".tmp.\"");
    }
    if (slash == std::string_view::npos) {
      return {};
    }
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace assay::store

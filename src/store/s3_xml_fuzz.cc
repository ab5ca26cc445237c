#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "store/s3_xml.h"

namespace {

std::size_t size_of(const assay::store::XmlNode& node) {
  std::size_t size = node.name.size() + node.text.size();
  for (const assay::store::XmlNode& child : node.children) {
    size += size_of(child);
  }
  return size;
}

}  // namespace

/// Whatever a server answers: no crash, and never more text than was sent.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const assay::Result<assay::store::XmlNode> root = assay::store::parse_xml(text);
  if (root.ok() && size_of(*root) > size) {
    std::abort();
  }
  static_cast<void>(assay::store::parse_list_page(text));
  static_cast<void>(assay::store::parse_s3_error(text));
  return 0;
}

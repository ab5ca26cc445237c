#include <cstddef>
#include <cstdint>
#include <string_view>

#include "learn/json_view.h"

namespace {

/// Ask every view for everything.
void walk(const assay::learn::JsonView& view) {
  static_cast<void>(view.text());
  static_cast<void>(view.number());
  static_cast<void>(view.number32());
  static_cast<void>(view.integer());
  if (const auto members = view.members()) {
    for (const auto& [name, value] : *members) {
      walk(value);
    }
  }
  if (const auto items = view.items()) {
    for (const auto& item : *items) {
      walk(item);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto view = assay::learn::JsonView::parse(text);
  if (view.ok()) {
    walk(*view);
  }
  return 0;
}

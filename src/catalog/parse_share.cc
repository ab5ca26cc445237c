#include <algorithm>

#include "catalog/share_definition.h"
#include "catalog/value_reading.h"

namespace assay::catalog {
namespace {

constexpr std::string_view kSharePrefix = "share:";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  return text;
}

bool is_share_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

}  // namespace

std::optional<ShareDef> parse_share(std::string_view text) {
  constexpr std::string_view kOf = " of ";
  constexpr std::string_view kBy = " by ";
  const std::size_t of = text.find(kOf);
  const std::size_t by = text.rfind(kBy);
  if (of == std::string_view::npos || by == std::string_view::npos || by < of + kOf.size()) {
    return std::nullopt;
  }
  ShareDef share;
  share.name = trimmed(text.substr(0, of));
  share.key = trimmed(text.substr(by + kBy.size()));
  std::string_view names = text.substr(of + kOf.size(), by - of - kOf.size());
  while (true) {
    const std::size_t end = std::min(names.find(','), names.size());
    const std::string_view name = trimmed(names.substr(0, end));
    if (!is_share_name(name)) {
      return std::nullopt;
    }
    share.names.emplace_back(name);
    if (end == names.size()) {
      break;
    }
    names.remove_prefix(end + 1);
  }
  std::sort(share.names.begin(), share.names.end());
  const bool is_twice =
      std::adjacent_find(share.names.begin(), share.names.end()) != share.names.end();
  const bool is_one = std::binary_search(share.names.begin(), share.names.end(), share.name);
  return is_twice || !is_one || !is_column_name(share.key) ? std::nullopt
                                                           : std::optional(std::move(share));
}

std::string place_of_share(std::string_view text, std::string_view place) {
  return std::string(kSharePrefix).append(text).append(":").append(place);
}

std::optional<SharePlace> share_in_place(std::string_view place) {
  if (!place.starts_with(kSharePrefix)) {
    return std::nullopt;
  }
  place.remove_prefix(kSharePrefix.size());
  const std::size_t end = std::min(place.find(':'), place.size());
  std::optional<ShareDef> share = parse_share(place.substr(0, end));
  if (!share.has_value() || end == place.size()) {
    return std::nullopt;
  }
  return SharePlace{*std::move(share), std::string(place.substr(end + 1))};
}

}  // namespace assay::catalog

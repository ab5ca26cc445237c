#include "privacy/ip_address.h"

#include <vector>

namespace assay::privacy {
namespace {

constexpr int kGroups = 8;
constexpr int kBitsKeptV4 = 96 + 24;
constexpr int kBitsKeptV6 = 48;

std::optional<std::array<uint8_t, 4>> parse_v4(std::string_view text) {
  std::array<uint8_t, 4> octets{};
  std::size_t at = 0;
  for (std::size_t index = 0; index < 4; ++index) {
    if (index != 0) {
      if (at >= text.size() || text[at] != '.') {
        return std::nullopt;
      }
      ++at;
    }
    const std::size_t begin = at;
    unsigned value = 0;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9' && at - begin < 3) {
      value = value * 10 + static_cast<unsigned>(text[at] - '0');
      ++at;
    }
    const bool leading_zero = at - begin > 1 && text[begin] == '0';
    if (at == begin || leading_zero || value > 255) {
      return std::nullopt;
    }
    octets[index] = static_cast<uint8_t>(value);
  }
  if (at != text.size()) {
    return std::nullopt;
  }
  return octets;
}

std::optional<uint16_t> parse_group(std::string_view text) {
  if (text.empty() || text.size() > 4) {
    return std::nullopt;
  }
  unsigned value = 0;
  for (const char c : text) {
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<unsigned>(c - 'A') + 10;
    } else {
      return std::nullopt;
    }
    value = value * 16 + digit;
  }
  return static_cast<uint16_t>(value);
}

/// Groups of one side of "::"; the last may be a dotted IPv4 address when `v4_allowed`.
std::optional<std::vector<uint16_t>> parse_groups(std::string_view text, bool v4_allowed) {
  std::vector<uint16_t> groups;
  if (text.empty()) {
    return groups;
  }
  while (true) {
    const std::size_t colon = text.find(':');
    const std::string_view part = text.substr(0, colon);
    const bool last = colon == std::string_view::npos;
    if (last && v4_allowed && part.find('.') != std::string_view::npos) {
      const auto octets = parse_v4(part);
      if (!octets) {
        return std::nullopt;
      }
      groups.push_back(static_cast<uint16_t>((*octets)[0] << 8 | (*octets)[1]));
      groups.push_back(static_cast<uint16_t>((*octets)[2] << 8 | (*octets)[3]));
      return groups;
    }
    const auto group = parse_group(part);
    if (!group || groups.size() >= kGroups) {
      return std::nullopt;
    }
    groups.push_back(*group);
    if (last) {
      return groups;
    }
    text.remove_prefix(colon + 1);
  }
}

std::optional<IpAddress> parse_v6(std::string_view text) {
  const std::size_t gap = text.find("::");
  const bool has_gap = gap != std::string_view::npos;
  const auto head = parse_groups(text.substr(0, gap), !has_gap);
  if (!head) {
    return std::nullopt;
  }
  std::vector<uint16_t> groups = *head;
  if (has_gap) {
    const auto tail = parse_groups(text.substr(gap + 2), true);
    if (!tail || groups.size() + tail->size() >= kGroups) {
      return std::nullopt;
    }
    groups.resize(kGroups - tail->size(), 0);
    groups.insert(groups.end(), tail->begin(), tail->end());
  }
  if (groups.size() != kGroups) {
    return std::nullopt;
  }
  IpAddress address;
  for (std::size_t index = 0; index < kGroups; ++index) {
    address.bytes[index * 2] = static_cast<uint8_t>(groups[index] >> 8);
    address.bytes[index * 2 + 1] = static_cast<uint8_t>(groups[index] & 0xff);
  }
  return address;
}

}  // namespace

bool IpAddress::is_v4() const {
  for (std::size_t index = 0; index < 10; ++index) {
    if (bytes[index] != 0) {
      return false;
    }
  }
  return bytes[10] == 0xff && bytes[11] == 0xff;
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  if (text.find(':') != std::string_view::npos) {
    return parse_v6(text.substr(0, text.find('%')));
  }
  const auto octets = parse_v4(text);
  if (!octets) {
    return std::nullopt;
  }
  IpAddress address;
  address.bytes[10] = 0xff;
  address.bytes[11] = 0xff;
  for (std::size_t index = 0; index < 4; ++index) {
    address.bytes[12 + index] = (*octets)[index];
  }
  return address;
}

std::string format_ip(const IpAddress& address) {
  std::string text;
  if (address.is_v4()) {
    for (std::size_t index = 12; index < 16; ++index) {
      text += (index == 12 ? "" : ".") + std::to_string(address.bytes[index]);
    }
    return text;
  }
  std::array<unsigned, kGroups> groups{};
  for (std::size_t index = 0; index < kGroups; ++index) {
    groups[index] =
        static_cast<unsigned>(address.bytes[index * 2] << 8 | address.bytes[index * 2 + 1]);
  }
  std::size_t gap_begin = kGroups;
  std::size_t gap_length = 1;  // a run of one zero group is written out
  for (std::size_t begin = 0; begin < kGroups; ++begin) {
    std::size_t end = begin;
    while (end < kGroups && groups[end] == 0) {
      ++end;
    }
    if (end - begin > gap_length) {
      gap_begin = begin;
      gap_length = end - begin;
    }
  }
  constexpr char kDigits[] = "0123456789abcdef";
  for (std::size_t index = 0; index < kGroups; ++index) {
    if (index == gap_begin) {
      text += "::";
      index += gap_length - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') {
      text.push_back(':');
    }
    bool started = false;
    for (int shift = 12; shift >= 0; shift -= 4) {
      const unsigned digit = groups[index] >> shift & 15;
      started = started || digit != 0 || shift == 0;
      if (started) {
        text.push_back(kDigits[digit]);
      }
    }
  }
  return text;
}

IpAddress keep_prefix(const IpAddress& address, int bits) {
  IpAddress kept;
  for (int index = 0; index < 16; ++index) {
    const int remaining = bits - index * 8;
    if (remaining <= 0) {
      break;
    }
    const unsigned mask = remaining >= 8 ? 0xffU : (0xffU << (8 - remaining)) & 0xffU;
    const auto at = static_cast<std::size_t>(index);
    kept.bytes[at] = static_cast<uint8_t>(address.bytes[at] & mask);
  }
  return kept;
}

bool truncate_ip(std::string_view text, std::string* truncated) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    return false;
  }
  text = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
  const auto address = parse_ip(text);
  if (!address) {
    return false;
  }
  *truncated = format_ip(keep_prefix(*address, address->is_v4() ? kBitsKeptV4 : kBitsKeptV6));
  return true;
}

}  // namespace assay::privacy

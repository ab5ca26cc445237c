#include "lake/table_properties.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace assay::lake {
namespace {

constexpr Duration kLogRetention{30 * kMicrosPerDay};
constexpr Duration kDeletedFileRetention{7 * kMicrosPerDay};
constexpr int64_t kCountMax = 1'000'000;

struct Unit {
  std::string_view name;
  int64_t micros;
};
constexpr std::array<Unit, 7> kUnits = {{{"microsecond", 1},
                                         {"millisecond", 1'000},
                                         {"second", kMicrosPerSecond},
                                         {"minute", 60 * kMicrosPerSecond},
                                         {"hour", 3'600 * kMicrosPerSecond},
                                         {"day", kMicrosPerDay},
                                         {"week", 7 * kMicrosPerDay}}};

Status check_boolean(const std::string& value) {
  return value == "true" || value == "false"
             ? Status()
             : Status(Code::kInvalidArgument, "it takes true or false");
}

std::optional<int64_t> count_of(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc() && end == text.data() + text.size();
  return good && value > 0 && value <= kCountMax ? std::optional(value) : std::nullopt;
}

Status check_count(const std::string& value) {
  return count_of(value) ? Status()
                         : Status(Code::kInvalidArgument, "it takes a number from 1 to 1000000");
}

Status check_interval(const std::string& value) {
  return parse_interval(value).status();
}

Status check_name(const std::string& value) {
  return value.empty() ? Status(Code::kInvalidArgument, "it takes a name") : Status();
}

/// What we know of a property: how to check it, or, with no check, that it needs a table feature.
struct Known {
  std::string_view name;
  Status (*check)(const std::string& value);
};
constexpr std::array<Known, 15> kKnown = {{{"delta.appendOnly", check_boolean},
                                           {"delta.checkpointInterval", check_count},
                                           {"delta.logRetentionDuration", check_interval},
                                           {"delta.deletedFileRetentionDuration", check_interval},
                                           {kWriterProperty, check_name},
                                           {kSortProperty, check_name},
                                           {"assay.manifest", check_boolean},
                                           {"delta.columnMapping.mode", nullptr},
                                           {"delta.enableChangeDataFeed", nullptr},
                                           {"delta.enableDeletionVectors", nullptr},
                                           {"delta.enableInCommitTimestamps", nullptr},
                                           {"delta.enableRowTracking", nullptr},
                                           {"delta.enableTypeWidening", nullptr},
                                           {"delta.minReaderVersion", nullptr},
                                           {"delta.minWriterVersion", nullptr}}};

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) {
      words.push_back(text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

Duration duration_of(const TableProperties& properties, const char* name, Duration fallback) {
  const auto found = properties.find(name);
  if (found == properties.end()) {
    return fallback;
  }
  const Result<Duration> duration = parse_interval(found->second);
  return duration.ok() ? *duration : fallback;
}

}  // namespace

Result<Duration> parse_interval(std::string_view text) {
  std::vector<std::string_view> words = words_of(text);
  if (!words.empty() && words.front() == "interval") {
    words.erase(words.begin());
  }
  int64_t micros = 0;
  bool good = !words.empty() && words.size() % 2 == 0;
  for (std::size_t i = 0; good && i < words.size(); i += 2) {
    std::string_view unit = words[i + 1];
    unit.remove_suffix(unit.ends_with('s') ? 1 : 0);
    const auto* known = std::find_if(
        kUnits.begin(), kUnits.end(), [&](const Unit& each) { return each.name == unit; });
    const std::optional<int64_t> count = words[i] == "0" ? 0 : count_of(words[i]);
    int64_t part = 0;
    good = known != kUnits.end() && count.has_value() &&
           !__builtin_mul_overflow(*count, known->micros, &part) &&
           !__builtin_add_overflow(micros, part, &micros);
  }
  if (!good) {
    return Status(Code::kInvalidArgument,
                  "not a time span such as `interval 7 days`: `" + std::string(text) + "`");
  }
  return Duration{micros};
}

Status validate_property(const std::string& name, const std::string& value) {
  for (const Known& known : kKnown) {
    if (known.name != name) {
      continue;
    }
    if (known.check == nullptr) {
      return {Code::kUnimplemented,
              "property " + name + " asks for a table feature that is not supported"};
    }
    return known.check(value).with_context("property " + name + " = `" + value + "`");
  }
  if (name.empty() || name.starts_with("delta.") || name.starts_with("assay.")) {
    std::string names;
    for (const Known& known : kKnown) {
      names += known.check == nullptr ? "" : (names.empty() ? "" : ", ") + std::string(known.name);
    }
    return {Code::kInvalidArgument, "unknown property `" + name + "`; known are " + names};
  }
  return {};
}

std::optional<int64_t> checkpoint_interval(const TableProperties& properties) {
  const auto found = properties.find("delta.checkpointInterval");
  return found == properties.end() ? std::nullopt : count_of(found->second);
}

Duration log_retention(const TableProperties& properties) {
  return duration_of(properties, "delta.logRetentionDuration", kLogRetention);
}

Duration deleted_file_retention(const TableProperties& properties) {
  return duration_of(properties, "delta.deletedFileRetentionDuration", kDeletedFileRetention);
}

}  // namespace assay::lake

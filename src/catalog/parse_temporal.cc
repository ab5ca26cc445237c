// Features that are short for an expression over the instant of the question or over windows.

#include "catalog/parse_temporal.h"

#include <utility>

namespace assay::catalog {
namespace {

/// What a wall clock shows, by the word of `clock`.
std::string clock_expression(const std::string& word, const std::string& tz) {
  const std::string wall = tz == "UTC" ? "now()" : "timezone('" + tz + "', now())";
  if (word == "day_of_week") {
    return "isodow(" + wall + ")";
  }
  if (word == "day_of_month") {
    return "day(" + wall + ")";
  }
  if (word == "day_of_year") {
    return "dayofyear(" + wall + ")";
  }
  if (word == "is_weekend") {
    return "isodow(" + wall + ") >= 6";
  }
  return word + "(" + wall + ")";  // hour, minute, month
}

/// A window feature of the view as a number per hour.
std::string per_hour(const std::string& feature, Duration window) {
  constexpr int64_t kHour = 3600 * kMicrosPerSecond;
  const std::string name = feature + "_" + format_duration(window);
  return "(" + name + " * " + std::to_string(kHour) + ".0 / " + std::to_string(window.micros) +
         ".0)";
}

void read_rate(ParseContext& context, const SectionReader& reader, FeatureDef* feature) {
  const bool trend = reader.node().find("trend") != nullptr;
  const std::string key = trend ? "trend" : "rate";
  const std::vector<Duration> over = reader.durations("over");
  const std::size_t wanted = trend ? 2 : 1;
  if (reader.has(key.c_str()) && over.size() != wanted) {
    context.error("E0203",
                  reader.find("over") != nullptr ? *reader.find("over") : reader.node(),
                  "`" + key + "` takes " + (trend ? "two windows" : "one window") + " in `over`",
                  trend ? "write the short one first, such as `over: [1h, 24h]`"
                        : "write such as `over: 24h`");
    return;
  }
  for (const Duration& window : over) {
    if (window.micros <= 0) {
      return;  // the window's own feature reports it
    }
  }
  const std::string of = reader.text(key.c_str());
  feature->expression = over.empty() ? "" : per_hour(of, over[0]);
  if (trend && !over.empty()) {
    feature->expression += " / nullif" + per_hour(of, over[1]);
    feature->expression.insert(feature->expression.size() - 1, ", 0.0");
  }
}

}  // namespace

bool read_temporal(ParseContext& context,
                   const SectionReader& reader,
                   const std::string& tz,
                   FeatureDef* feature) {
  feature->kind = FeatureDef::Kind::kExpr;
  if (reader.node().find("clock") != nullptr) {
    feature->expression = clock_expression(reader.text("clock"), tz);
    return true;
  }
  if (reader.node().find("rate") != nullptr || reader.node().find("trend") != nullptr) {
    read_rate(context, reader, feature);
    return true;
  }
  return false;
}

}  // namespace assay::catalog

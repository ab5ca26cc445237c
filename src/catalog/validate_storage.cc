// How long tables keep their rows: a table may drop only what nothing needs any more.

#include <algorithm>

#include "catalog/feature_schema.h"
#include "catalog/table_schema.h"
#include "catalog/validation.h"

namespace assay::catalog {
namespace {

constexpr Duration kKeepMin{kMicrosPerDay};  // what is dropped are whole days

/// The longest stretch of rows before an instant that the view's values there depend on; zero for
/// a view of latest values.
Duration reach_of(const FeatureViewDef& view) {
  int64_t longest = 0;
  for (const FeatureDef& feature : view.features) {
    for (const Duration window : feature.over) {
      longest = std::max(longest, window.micros);
    }
    if (feature.kind == FeatureDef::Kind::kSequence && view.session.has_value()) {
      longest = std::max(longest, view.session->over.micros);
    }
  }
  return {longest == 0 ? 0 : longest + view.slide.micros};
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Report at `keep` unless it is at least `least`, which `why` asks for.
void check_at_least(
    Validation& v, const std::string& path, Duration keep, Duration least, const std::string& why) {
  if (keep < least) {
    v.error("E0311",
            path + "/keep",
            "keeps " + format_duration(keep) + " only, where " + why + " needs " +
                format_duration(least),
            "keep at least " + format_duration(least));
  }
}

/// Rows of a lookup are needed for ever: any event may come that happened when they were valid.
void check_not_looked_up(Validation& v, const std::string& path, const std::string& table) {
  for (const auto& [name, silver] : v.project().silver) {
    for (const EnrichDef& enrich : silver.enrich) {
      if (enrich.lookup == table) {
        v.error(
            "E0311",
            path + "/keep",
            "silver `" + name + "` looks up `" + table + "` as of its events, in rows of any age",
            "leave `keep` out");
        return;
      }
    }
  }
}

/// An old version tells what a newer one replaced: without the newer one the older would count
/// again.
void check_not_of_changes(Validation& v, const std::string& path, const std::string& table) {
  if (is_of_changes(v.project(), table)) {
    v.error("E0311",
            path + "/keep",
            "rows of `" + table + "` are versions of their key, which stand or fall together",
            "leave `keep` out");
  }
}

bool counts_from_first_event(const FeatureViewDef& view) {
  return std::any_of(view.features.begin(), view.features.end(), [](const FeatureDef& feature) {
    return feature.kind == FeatureDef::Kind::kSince && feature.column == kFirstEvent;
  });
}

void check_bronze(Validation& v, const BronzeDef& bronze) {
  const std::string path = "bronze/" + bronze.name;
  const Duration keep = *bronze.storage.keep;
  check_not_of_changes(v, path, bronze.name);
  if (bronze.event_time.empty()) {
    v.error("E0311",
            path + "/keep",
            "rows of `" + bronze.name + "` have no event time that could grow old",
            "declare `event_time`, or leave `keep` out");
  } else if (!contains(bronze.partition_by, "dt")) {
    v.error("E0311",
            path + "/keep",
            "`" + bronze.name + "` is not partitioned by `dt`, and rows are dropped by whole days",
            "put `dt` into `partition_by`, or leave `keep` out");
  }
  check_at_least(v, path, keep, kKeepMin, "dropping whole days");
  if (!bronze.key.empty()) {
    check_at_least(
        v, path, keep, bronze.dedup_for, "`dedup_for`, which looks for the same record,");
  }
  check_not_looked_up(v, path, bronze.name);
  for (const auto& [name, view] : v.project().views) {
    if (view.from == bronze.name && v.project().silver.count(view.from) == 0) {
      v.error("E0311",
              path + "/keep",
              "feature view `" + name + "` is made anew from all rows of `" + bronze.name +
                  "` by each run",
              "let `" + name + "` read a silver table, or leave `keep` out");
      return;
    }
  }
}

void check_silver(Validation& v, const SilverDef& silver) {
  const std::string path = "silver/" + silver.name;
  const Duration keep = *silver.storage.keep;
  check_not_of_changes(v, path, silver.name);
  if (!contains(silver.partition_by, "event_date")) {
    v.error("E0311",
            path + "/keep",
            "`" + silver.name +
                "` is not partitioned by `event_date`, and rows are dropped by whole days",
            "put `event_date` into `partition_by`, or leave `keep` out");
  }
  check_at_least(v, path, keep, kKeepMin, "dropping whole days");
  check_at_least(v, path, keep, silver.allowed_lateness, "`allowed_lateness`");
  check_not_looked_up(v, path, silver.name);
  for (const auto& [name, view] : v.project().views) {
    if (view.from == silver.name && counts_from_first_event(view)) {
      v.error("E0311",
              path + "/keep",
              "feature view `" + name + "` counts from the first event, however old",
              "leave `keep` out");
    } else if (view.from == silver.name) {
      check_at_least(v,
                     path,
                     keep,
                     {reach_of(view).micros + silver.allowed_lateness.micros},
                     "feature view `" + name + "` (longest window, slide and `allowed_lateness`)");
    }
  }
}

void check_view(Validation& v, const FeatureViewDef& view) {
  const std::string path = "feature_views/" + view.name;
  if (counts_from_first_event(view)) {
    v.error("E0311",
            path + "/keep",
            "`" + view.name + "` counts from the first event, which its oldest steps hold",
            "leave `keep` out");
  }
  if (!view.ttl.has_value()) {
    v.error("E0311",
            path + "/keep",
            "without `ttl` a value of `" + view.name + "` counts for ever, and its step with it",
            "add `ttl`, or leave `keep` out");
  }
  check_at_least(v, path, *view.storage.keep, kKeepMin, "dropping whole days");
  if (v.project().silver.count(view.from) == 0 && v.project().bronze.count(view.from) != 0) {
    v.error(
        "E0311",
        path + "/keep",
        "`" + view.name + "` is made anew from all rows of bronze `" + view.from + "` by each run",
        "let it read a silver table, or leave `keep` out");
  }
}

}  // namespace

void validate_storage(Validation& validation) {
  const Project& project = validation.project();
  for (const auto& [name, bronze] : project.bronze) {
    if (bronze.storage.keep.has_value()) {
      check_bronze(validation, bronze);
    }
  }
  for (const auto& [name, silver] : project.silver) {
    if (silver.storage.keep.has_value()) {
      check_silver(validation, silver);
    }
  }
  for (const auto& [name, view] : project.views) {
    if (view.storage.keep.has_value()) {
      check_view(validation, view);
    }
  }
}

}  // namespace assay::catalog

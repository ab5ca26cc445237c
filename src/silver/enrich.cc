#include "silver/enrich.h"

#include <algorithm>
#include <utility>

#include "base/suggest.h"
#include "data/asof_join.h"
#include "silver/contract.h"
#include "silver/newest_spans.h"

namespace assay::silver {
namespace {

Status bad(const catalog::EnrichDef& def, const std::string& why) {
  return {Code::kInvalidArgument, "enrich from `" + def.lookup + "`: " + why};
}

Result<data::Field> find(const catalog::EnrichDef& def,
                         const std::string& name,
                         const data::Schema& schema,
                         std::string_view whose) {
  const auto index = schema.find(name);
  if (!index) {
    return bad(
        def,
        "no column `" + name + "` in " + std::string(whose) + did_you_mean(name, schema.names()));
  }
  return schema.field(*index);
}

Result<std::vector<const data::Column*>> columns_of(const data::Batch& batch,
                                                    const std::vector<std::string>& names) {
  std::vector<const data::Column*> columns;
  for (const std::string& name : names) {
    columns.push_back(batch.find(name));
    if (columns.back() == nullptr) {
      return Status(Code::kInvalidArgument, "enrichment needs column `" + name + "`");
    }
  }
  return columns;
}

}  // namespace

Result<Enrichment> Enrichment::compile(const catalog::EnrichDef& def,
                                       const data::Schema& rows,
                                       const data::Schema& lookup) {
  Enrichment enrichment;
  enrichment.def_ = def;
  enrichment.lookup_keys_ = def.lookup_on.empty() ? def.on : def.lookup_on;
  if (def.on.empty() || enrichment.lookup_keys_.size() != def.on.size()) {
    return bad(def, "`on` and `lookup_on` must name equally many columns, at least one");
  }
  for (std::size_t index = 0; index < def.on.size(); ++index) {
    ASSAY_ASSIGN_OR_RETURN(const data::Field ours,
                           find(def, def.on[index], rows, "the SQL's result"));
    ASSAY_ASSIGN_OR_RETURN(const data::Field theirs,
                           find(def, enrichment.lookup_keys_[index], lookup, "the lookup table"));
    if (ours.type != theirs.type) {
      return bad(def,
                 "`" + ours.name + "` is " + std::string(data::type_name(ours.type)) + " and `" +
                     theirs.name + "` of the lookup is " +
                     std::string(data::type_name(theirs.type)) + "; CAST one in the SQL");
    }
  }
  for (const char* name : {kEventTime, kKnownTime, kSequence}) {
    ASSAY_RETURN_IF_ERROR(find(def, name, lookup, "the lookup table").status());
  }
  for (const std::string& name : def.columns) {
    ASSAY_ASSIGN_OR_RETURN(data::Field field, find(def, name, lookup, "the lookup table"));
    field.name = def.prefix + field.name;
    field.nullable = true;
    if (rows.find(field.name)) {
      return bad(def, "column `" + field.name + "` is there already; set `prefix`");
    }
    enrichment.added_.push_back(std::move(field));
  }
  return enrichment;
}

std::vector<std::string> Enrichment::lookup_columns() const {
  std::vector<std::string> names = lookup_keys_;
  names.insert(names.end(), def_.columns.begin(), def_.columns.end());
  names.insert(names.end(), {kEventTime, kKnownTime, kSequence});
  std::vector<std::string> once;
  for (std::string& name : names) {
    if (std::count(once.begin(), once.end(), name) == 0) {
      once.push_back(std::move(name));
    }
  }
  return once;
}

/// The newest lookup row that is visible at each label's time.
Result<data::AsofMatch> Enrichment::match_newest(const data::AsofLabels& labels,
                                                 const data::Batch& lookup) const {
  data::AsofRows candidates;
  ASSAY_ASSIGN_OR_RETURN(candidates.keys, columns_of(lookup, lookup_keys_));
  ASSAY_ASSIGN_OR_RETURN(const auto system,
                         columns_of(lookup, {kEventTime, kKnownTime, kSequence}));
  candidates.event_time = system[0];
  candidates.known_time = system[1];
  candidates.sequence = system[2];
  const data::Column* replaced = lookup.find(kReplacedTime);
  if (replaced == nullptr || replaced->null_count() == replaced->size()) {
    return data::asof_join(labels, candidates, {});
  }
  // Versions come and go: join with the instants at which another one is the newest.
  const NewestSpans spans = newest_spans(candidates, *replaced);
  std::vector<data::ColumnPtr> keys;
  data::AsofRows instants;
  for (const data::Column* key : candidates.keys) {
    keys.push_back(data::take(*key, spans.key_row));
    instants.keys.push_back(keys.back().get());
  }
  data::ColumnBuilder builder(data::Type::kTimestamp);
  builder.append_block(spans.begin.data(), static_cast<int64_t>(spans.begin.size()));
  const data::ColumnPtr begin = builder.finish();
  instants.event_time = begin.get();
  instants.known_time = begin.get();
  ASSAY_ASSIGN_OR_RETURN(data::AsofMatch match, data::asof_join(labels, instants, {}));
  for (int64_t& row : match.rows) {
    row = row < 0 ? row : spans.row[static_cast<std::size_t>(row)];
  }
  return match;
}

Result<Enrichment::Enriched> Enrichment::apply(const data::Batch& rows,
                                               const data::Batch& lookup) const {
  data::AsofLabels labels;
  ASSAY_ASSIGN_OR_RETURN(labels.keys, columns_of(rows, def_.on));
  ASSAY_ASSIGN_OR_RETURN(const auto times, columns_of(rows, {kEventTime}));
  labels.time = times[0];
  ASSAY_ASSIGN_OR_RETURN(const data::AsofMatch match, match_newest(labels, lookup));

  Enriched enriched;
  enriched.rows = rows;
  ASSAY_ASSIGN_OR_RETURN(const auto sources, columns_of(lookup, def_.columns));
  for (std::size_t index = 0; index < sources.size(); ++index) {
    enriched.rows =
        enriched.rows.with_column(added_[index], data::take(*sources[index], match.rows));
  }
  for (std::size_t row = 0; row < match.rows.size(); ++row) {
    if (match.rows[row] < 0) {
      enriched.unmatched.push_back(static_cast<int64_t>(row));
    }
  }
  return enriched;
}

}  // namespace assay::silver

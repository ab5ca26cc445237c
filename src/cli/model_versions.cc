#include "cli/model_versions.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "learn/model_card.h"
#include "learn/scorer.h"

namespace assay::cli {
namespace {

/// How many versions are tried: each may have definitions of its own, which are read.
constexpr std::size_t kVersionsTried = 5;

/// Neither these definitions nor those that it was trained under are of use.
bool fits_not(const Status& status) {
  return status.code() == Code::kFailedPrecondition || status.code() == Code::kNotFound;
}

/// Models of which this is equal see the same features in the same places.
uint64_t hash_of(const gold::Service& service, const std::map<std::string, uint64_t>& made_of) {
  std::string text = service.name;
  for (const auto& [name, fingerprint] : made_of) {
    text += "\n" + name + " " + std::to_string(fingerprint);
  }
  for (int i = 0; i < static_cast<int>(service.features.size()); ++i) {
    text += "\n" + service.output_name(i, true);
  }
  return hash_bytes(text);
}

/// A name whose definition is another one than the model knows; nothing: it knows all.
std::optional<std::string> not_as_trained(const std::map<std::string, uint64_t>& now,
                                          const learn::ModelCard& card) {
  for (const auto& [name, fingerprint] : now) {
    const auto trained = card.fingerprints.find(name);
    if (trained == card.fingerprints.end() || trained->second != fingerprint) {
      return name;
    }
  }
  const std::string lookups = "service/" + card.service;
  return card.fingerprints.contains(lookups) && !now.contains(lookups) ? std::optional(lookups)
                                                                       : std::nullopt;
}

/// The versions of a model that were to be served before this one, newest first.
Result<std::vector<int64_t>> versions_before(catalog::CatalogStore& catalog,
                                             const std::string& model,
                                             int64_t wanted) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<catalog::ServedTime> times, catalog.served_times(model));
  std::vector<int64_t> versions;
  for (auto time = times.rbegin(); time != times.rend(); ++time) {
    if (time->version != wanted && std::ranges::count(versions, time->version) == 0) {
      versions.push_back(time->version);
    }
  }
  return versions;
}

/// The instant from which a version was to be served, as serving counts time.
std::optional<EventTime> began(const catalog::ServedTime& time, catalog::ServingClock clock) {
  return clock == catalog::ServingClock::kWall ? std::optional(time.since) : time.as_of;
}

std::string text_of(const catalog::ServedTime& time, catalog::ServingClock clock) {
  const std::optional<EventTime> instant = began(time, clock);
  return "version " + std::to_string(time.version) + " since " +
         (instant.has_value() ? format_time(*instant) : "an instant that is not known");
}

/// The versions that were to be served at `at` and before, newest first.
Result<std::vector<int64_t>> versions_at(const std::vector<catalog::ServedTime>& times,
                                         catalog::ServingClock clock,
                                         const std::string& model,
                                         EventTime at) {
  std::vector<int64_t> versions;
  for (auto time = times.rbegin(); time != times.rend(); ++time) {
    const std::optional<EventTime> instant = began(*time, clock);
    if (!instant.has_value() && versions.empty()) {
      // It may have been this one or the one before.
      return Status(Code::kOutOfRange,
                    "which version of model " + model + " answered at " + format_time(at) +
                        " is not known: " + text_of(*time, clock));
    }
    const bool is_known = std::ranges::count(versions, time->version) > 0;
    if (!is_known && (!versions.empty() || *instant <= at)) {
      versions.push_back(time->version);
    }
  }
  if (versions.empty()) {
    return Status(
        Code::kOutOfRange,
        "no version of model " + model + " answered at " + format_time(at) +
            (times.empty() ? std::string(", and none is known to have before or since")
                           : "; the first one that is known is " + text_of(times.front(), clock)));
  }
  return versions;
}

}  // namespace

std::string not_served(const std::string& model, const ServedModel& served) {
  return "model " + model + " version " + std::to_string(served.wanted) +
         " cannot be served: " + served.why_not.message() + "; " +
         (served.model.has_value() ? "version " + served.model->version
                                   : std::string("no version")) +
         " is served in its place";
}

bool is_of_the_model(const Status& status) {
  return fits_not(status) || status.code() == Code::kCorrupt ||
         status.code() == Code::kUnimplemented;
}

Result<ServedModel> ModelVersions::served(const std::string& model) {
  catalog::CatalogStore& catalog = workspace_.catalog();
  ASSAY_ASSIGN_OR_RETURN(const catalog::ModelRow wanted, catalog.model(model));
  ServedModel served;
  served.wanted = wanted.version;
  Result<serve::ServingModel> made = make(wanted, Rows::kOnline);
  if (made.ok()) {
    served.model = *std::move(made);
    return served;
  }
  if (!is_of_the_model(made.status())) {
    return std::move(made).status().with_context("model " + model);
  }
  served.why_not = made.status();
  ASSAY_ASSIGN_OR_RETURN(std::vector<int64_t> before,
                         versions_before(catalog, model, wanted.version));
  before.resize(std::min(before.size(), kVersionsTried - 1));
  for (const int64_t version : before) {
    const Result<catalog::ModelRow> row = catalog.model(model, version);
    if (row.code() == Code::kNotFound) {  // somebody took it out
      continue;
    }
    ASSAY_RETURN_IF_ERROR(row.status());
    Result<serve::ServingModel> other = make(*row, Rows::kOnline);
    if (other.ok()) {
      served.model = *std::move(other);
      served.model->instead_of = std::to_string(wanted.version);
      return served;
    }
    if (!is_of_the_model(other.status())) {
      return std::move(other).status().with_context("model " + model);
    }
  }
  return served;
}

Result<serve::ServingModel> ModelVersions::served_at(const std::string& model, EventTime at) {
  ASSAY_ASSIGN_OR_RETURN(serve::ServingModel then, alone_at(model, at));
  const auto known = workspace_.project().models.find(model);
  if (known == workspace_.project().models.end()) {
    return then;
  }
  for (const auto& [name, wanted] : known->second.challengers) {
    Result<serve::ServingModel> other = alone_at(name, at);
    if (!other.ok() && other.code() != Code::kOutOfRange && !is_of_the_model(other.status())) {
      return std::move(other).status();
    }
    const bool sees_the_same = other.ok() && other->definitions == then.definitions;
    then.challengers.push_back(
        {sees_the_same ? std::make_shared<const serve::ServingModel>(*std::move(other)) : nullptr,
         wanted.share,
         wanted.shadow});
  }
  return then;
}

/// The same without challengers.
Result<serve::ServingModel> ModelVersions::alone_at(const std::string& model, EventTime at) {
  catalog::CatalogStore& catalog = workspace_.catalog();
  ASSAY_ASSIGN_OR_RETURN(const std::vector<catalog::ServedTime> times, catalog.served_times(model));
  ASSAY_ASSIGN_OR_RETURN(std::vector<int64_t> versions,
                         versions_at(times, workspace_.project().serving_clock, model, at));
  versions.resize(std::min(versions.size(), kVersionsTried));
  Status failure;
  for (const int64_t version : versions) {
    const Result<catalog::ModelRow> row = catalog.model(model, version);
    Result<serve::ServingModel> made =
        row.ok() ? make(*row, Rows::kAny) : Result<serve::ServingModel>(row.status());
    if (made.ok() || !is_of_the_model(made.status())) {
      return made;
    }
    failure = failure.ok() ? std::move(made).status() : failure;
  }
  return Status(Code::kFailedPrecondition,
                "model " + model + " version " + std::to_string(versions.front()) +
                    ", which was to answer then, cannot be asked any more: " + failure.message());
}

Result<serve::ServingModel> ModelVersions::make(const catalog::ModelRow& row, Rows rows) {
  Result<serve::ServingModel> model = under(workspace_, row);
  if (model.code() != Code::kFailedPrecondition) {
    return model;
  }
  const Result<flow::Workspace*> definitions = definitions_of(row);
  Result<serve::ServingModel> pinned = definitions.ok()
                                           ? under(**definitions, row)
                                           : Result<serve::ServingModel>(definitions.status());
  if (!pinned.ok()) {
    return fits_not(pinned.status()) ? model : pinned;
  }
  if (rows == Rows::kOnline) {
    ASSAY_ASSIGN_OR_RETURN(const bool has_rows, this->has_rows(*pinned->service));
    if (!has_rows) {
      return model;
    }
  }
  pinned->is_pinned = true;
  pinned->is_of_before = is_of_before(*pinned->service);
  return pinned;
}

/// The model with its service as a workspace defines it.
Result<serve::ServingModel> ModelVersions::under(flow::Workspace& definitions,
                                                 const catalog::ModelRow& row) {
  ASSAY_ASSIGN_OR_RETURN(const learn::ModelCard card, learn::parse_model_card(row.card_json));
  Result<std::shared_ptr<const gold::Service>> service = definitions.service(card.service);
  if (service.code() == Code::kNotFound) {  // not there any more
    return Status(Code::kFailedPrecondition, service.status().message());
  }
  ASSAY_RETURN_IF_ERROR(service.status());
  const std::map<std::string, uint64_t> made_of = definitions.service_fingerprints(**service);
  if (const std::optional<std::string> other = not_as_trained(made_of, card)) {
    return Status(Code::kFailedPrecondition,
                  *other + " is not defined, or made, as it was when model " + row.name +
                      " version " + std::to_string(row.version) +
                      " was trained; run `assay train " + row.name + "`");
  }
  ASSAY_ASSIGN_OR_RETURN(const auto scorer, learn::Scorer::load(row.bytes));
  ASSAY_ASSIGN_OR_RETURN(
      serve::ServingModel model,
      serve::ServingModel::make(
          row.name, std::to_string(row.version), *service, scorer, card.features));
  model.definitions = hash_of(**service, made_of);
  return model;
}

/// The definitions that a model was trained under; of one that is older than their keeping those
/// before the workspace's.
///
/// Errors  kFailedPrecondition: there are none, or this program does not understand them.
Result<flow::Workspace*> ModelVersions::definitions_of(const catalog::ModelRow& row) {
  catalog::CatalogStore& catalog = workspace_.catalog();
  ASSAY_ASSIGN_OR_RETURN(catalog::DefinitionTexts texts,
                         catalog.model_definitions(row.name, row.version));
  if (texts.empty()) {
    ASSAY_ASSIGN_OR_RETURN(std::vector<catalog::CompleteProject> complete,
                           catalog.complete_projects(workspace_.profile(), 2));
    if (complete.size() < 2) {
      return Status(Code::kFailedPrecondition, "no definitions were served before these");
    }
    texts = std::move(complete.back().texts);
  }
  auto& opened = opened_[texts];
  if (opened == nullptr) {
    Result<std::unique_ptr<flow::Workspace>> workspace =
        flow::Workspace::open_with(workspace_, texts, "spill_models");
    if (workspace.code() == Code::kInvalidArgument) {
      workspace_.world().log.warn("definitions_of_model_not_read",
                                  {{"model", row.name},
                                   {"version", row.version},
                                   {"reason", workspace.status().message()}});
      return Status(Code::kFailedPrecondition, workspace.status().message());
    }
    ASSAY_ASSIGN_OR_RETURN(opened, std::move(workspace));
  }
  return opened.get();
}

/// Whether the online store keeps the rows of all views.
Result<bool> ModelVersions::has_rows(const gold::Service& service) {
  ASSAY_ASSIGN_OR_RETURN(const std::set<std::string> kept, workspace_.catalog().complete_views(2));
  return std::ranges::all_of(service.views, [&](const gold::FeatureViewPtr& view) {
    return kept.contains(view->storage_name());
  });
}

/// Whether some of the rows are of definitions before the workspace's, and get no more.
bool ModelVersions::is_of_before(const gold::Service& service) {
  return std::ranges::any_of(service.views, [&](const gold::FeatureViewPtr& view) {
    const bool is_there = workspace_.project().views.contains(view->name());
    const Result<gold::FeatureViewPtr> now =
        is_there ? workspace_.view(view->name()) : Result<gold::FeatureViewPtr>(nullptr);
    return !now.ok() || *now == nullptr || (*now)->storage_name() != view->storage_name();
  });
}

}  // namespace assay::cli

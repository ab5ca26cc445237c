#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog_store.h"
#include "flow/workspace.h"
#include "serve/serving_state.h"

namespace assay::cli {

/// What servers answer with for a model.
struct ServedModel {
  int64_t wanted = 0;  // the version in production, else the newest
  Status why_not;      // that one cannot be served
  /// The wanted one; when it cannot be served, the newest of those served before it that can be.
  std::optional<serve::ServingModel> model;
};

/// "version 3 cannot be served: WHY; version 2 is served in its place", of one whose `why_not` says
/// something.
std::string not_served(const std::string& model, const ServedModel& served);

/// The registered models of a project, ready to be asked: each with the definitions that it was
/// trained under, those of the workspace when they mean the same.
///
/// Threads one thread at a time.
class ModelVersions {
 public:
  /// `workspace`, with the definitions that are served, must outlive this object.
  explicit ModelVersions(flow::Workspace& workspace) : workspace_(workspace) {}

  /// The version of a model to answer with, without its challengers.
  ///
  /// Errors  kNotFound: not trained yet; others may pass: they say nothing of the model.
  Result<ServedModel> served(const std::string& model);
  /// The version that was to be served at an instant that is past, whatever became of its rows,
  /// with the challengers that the project names today in the versions of then.
  ///
  /// Errors  kOutOfRange: none was, or it is not known which; kFailedPrecondition: it cannot be
  ///         asked any more.
  Result<serve::ServingModel> served_at(const std::string& model, EventTime at);

 private:
  /// A version for which there need not be rows in the online store, or must be.
  enum class Rows { kAny, kOnline };
  Result<serve::ServingModel> make(const catalog::ModelRow& row, Rows rows);
  Result<serve::ServingModel> alone_at(const std::string& model, EventTime at);
  Result<serve::ServingModel> under(flow::Workspace& definitions, const catalog::ModelRow& row);
  Result<flow::Workspace*> definitions_of(const catalog::ModelRow& row);
  Result<bool> has_rows(const gold::Service& service);
  bool is_of_before(const gold::Service& service);

  flow::Workspace& workspace_;
  std::map<catalog::DefinitionTexts, std::unique_ptr<flow::Workspace>> opened_;
};

/// Nothing but another definition or version of the model mends that: others are served
/// nevertheless. Any other failure may pass.
bool is_of_the_model(const Status& status);

}  // namespace assay::cli

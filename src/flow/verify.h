#pragma once

#include <functional>
#include <string>
#include <vector>

#include "flow/offline_answers.h"
#include "flow/run_options.h"
#include "flow/status.h"
#include "flow/workspace.h"

namespace assay::flow {

struct VerifyOptions {
  int64_t values_min = 100'000;  // sampled values to compare, at least
  int64_t instants = 200;        // instants over the whole history
  uint64_t seed = 1;             // of the sample; printed in the report
  int threads = 2;
};

/// One value that differs, with all that is needed to look at it.
struct Difference {
  std::string view;
  std::string feature;
  std::string entity;  // "origin=ORD, destination=LAX"
  EventTime at;
  std::string online;  // value and status
  std::string offline;
  std::vector<data::Scalar> key{};  // of the entity, for explain_feature
  bool operator==(const Difference&) const = default;
};

struct VerifyReport {
  std::string service;
  int64_t values = 0;           // compared, in all
  int64_t replayed_values = 0;  // of them: online rows replayed to sampled instants
  int64_t live_values = 0;      // of them: the online store as it stands
  int64_t present = 0;          // of them: with a value, not null or missing
  int64_t differ = 0;
  int64_t entities = 0;
  int64_t instants = 0;
  EventTime first;  // of the sampled instants
  EventTime last;
  uint64_t seed = 0;
  std::vector<Difference> differences;  // at most 100, each once
  int64_t served_answers = 0;           // logged answers compared (flow/served.h)
  int64_t behind_values = 0;  // of them: served before rows came that the offline answer has
  /// Not compared: a view was ahead of the lake by rows that it does not have yet, or by so many
  /// that it cannot be told which ones were there.
  int64_t undecided_values = 0;
  /// Views whose online rows are not compared as they stand, with why: "clicks (3 reads ahead of
  /// the lake)".
  std::vector<std::string> not_level;
};

/// What the places of a view before and after an answer say against comparing its online rows with
/// its steps table; "" for nothing.
std::string why_not_level(const ViewPlace& before, const ViewPlace& after);

/// Count one comparison; true when both are the same to the bit. What differs is noted, while there
/// is room, as `where` says it without the values.
bool compare_values(const OfflineValue& online,
                    const OfflineValue& offline,
                    const std::function<Difference()>& where,
                    VerifyReport* report);

/// The same of one value of a question's online answer.
bool compare_value(const gold::FeatureView& view,
                   const Question& question,
                   int feature,
                   const OfflineValue& offline,
                   VerifyReport* report);

/// Compare what serving answers with what training sets hold, bit for bit.
///
/// (1) Instants are sampled over the whole history. The source rows are replayed in the order in
/// which they became visible into a scratch online store; at each instant sampled entities are read
/// from it, by the function that serving uses, and compared with the steps table's answer as of
/// that instant. (2) Every sampled entity is read from the project's own online store at its
/// present instant and compared in the same way, where it has the rows that the steps table has: a
/// view may be ahead of the lake, and a line at work moves both.
///
/// Errors  kNotFound: no such service, or nothing run yet. Differences are no error: see the
/// report. Cost    all source rows of the service's views in memory, keys and read columns only.
Result<VerifyReport> verify_service(Workspace& workspace,
                                    const std::string& service,
                                    const VerifyOptions& options);

}  // namespace assay::flow

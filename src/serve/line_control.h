#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "catalog/definitions.h"
#include "data/entity_key.h"
#include "gold/contract.h"
#include "gold/service.h"
#include "serve/json_request.h"
#include "serve/serving_state.h"

namespace assay::serve {

/// What the line will make of a row that was pushed.
struct RowVerdict {
  std::string verdict;  // "accepted", "quarantined" or "dropped"
  std::string table;    // that does not take it; "": it is accepted
  std::string reason;   // of quarantine: "wrong_type"
  std::string column;   // or check; may be empty
};

/// A question for what stands behind one number, as the server understood it, and as its caller may
/// have the answer.
struct ExplainQuestion {
  std::string feature;             // "SERVICE:feature" or "VIEW:feature"
  std::vector<JsonColumn> inputs;  // what it is asked with, each one value
  EventTime at;
  std::shared_ptr<const gold::Service> service;  // by which it is read
  std::string view;  // whose rows are shown; "": none, it is computed from others
  std::shared_ptr<const catalog::Project> definitions;  // that are served
  std::size_t bytes_max = 0;                            // of the answer
};

/// What clients may ask of the line behind a server. Whoever starts the server knows the line.
///
/// Threads thread-safe.
class LineControl {
 public:
  virtual ~LineControl() = default;
  /// Take rows, one JSON object a line, into a source. When this returns they are durable; the line
  /// reads them as it reads all else. `once`: hexadecimal digits that name this push, or "": the
  /// same rows under them are taken once, however often they are sent.
  ///
  /// Errors  kNotFound: there is no such source. kUnimplemented: rows cannot be pushed there, and
  ///         why. kAlreadyExists: other rows were pushed as `once`.
  virtual Status push(const std::string& source,
                      const std::string& json_lines,
                      const std::string& once) = 0;
  /// What the line would make of these rows: one verdict a line. Nothing is taken.
  virtual Result<std::vector<RowVerdict>> judge(const std::string& source,
                                                const std::string& json_lines) = 0;
  /// Those of the views whose online rows do not hold all that the tables hold.
  virtual Result<std::vector<std::string>> behind(const std::vector<std::string>& views) = 0;
  /// What a view answered to each key at an instant that is past, from the tables.
  ///
  /// Errors  kFailedPrecondition: the tables are not so far, or not those of that view;
  ///         kOutOfRange: what is so old is dropped.
  virtual Result<std::vector<gold::FeatureValues>> past(const gold::FeatureView& view,
                                                        std::span<const data::EntityKey> keys,
                                                        EventTime at) = 0;
  /// The version of a model that answered at an instant that is past, with the definitions that it
  /// was trained under and its challengers.
  ///
  /// Errors  kOutOfRange: none did, or none is known to have; kFailedPrecondition: it cannot be
  ///         asked any more.
  virtual Result<std::shared_ptr<const ServingModel>> model_at(const std::string& model,
                                                               EventTime at) = 0;
  /// The rows, tables and definition behind one number, as `assay explain --output json` prints
  /// them.
  ///
  /// Errors  kNotFound: nothing was run yet; kInvalidArgument: the inputs are not its;
  ///         kResourceExhausted: the answer would be larger than it may be;
  ///         kFailedPrecondition: the tables are not so far, or what the question names is not
  ///         defined any more as it was understood.
  virtual Result<std::string> explain(const ExplainQuestion& question) = 0;
  /// The server stops: what is being asked ends soon with kUnavailable, and so does all that is
  /// asked from now on. May be called again and again.
  virtual void interrupt() {}
};

}  // namespace assay::serve

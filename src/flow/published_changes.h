#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flow/published_position.h"
#include "flow/workspace.h"

namespace assay::flow {

/// An entity's present values as JSON, or none where it has none any more.
struct PublishedRecord {
  std::string key;
  std::optional<std::string> value;
};

/// The records of a round, in the order of the entities' keys, the same each time it is made.
///
/// Threads one thread at a time. It may hold the workspace's SQL engine until its end.
class ChangeReader {
 public:
  virtual ~ChangeReader() = default;
  /// At most `records_max`; none at the end.
  virtual Result<std::vector<PublishedRecord>> next(int64_t records_max) = 0;
};

/// What a topic gets: the values of a feature view, or the predictions of a model.
///
/// Threads one thread at a time.
class PublishedValues {
 public:
  virtual ~PublishedValues() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;
  /// What there is to publish by now; nothing as long as there is none.
  virtual Result<std::optional<PublishedState>> present() = 0;
  /// The entities whose values differ between two states of the same tables and model.
  ///
  /// Errors  kOutOfRange: a state is gone.
  virtual Result<std::unique_ptr<ChangeReader>> changes(const PublishedState& before,
                                                        const PublishedState& now) = 0;
  /// All entities that have values; and those that have none now and had some in earlier states,
  /// of whatever definition.
  virtual Result<std::unique_ptr<ChangeReader>> all(const std::vector<PublishedState>& had,
                                                    const PublishedState& now) = 0;
  /// Headers of every record that is made from a state.
  virtual Result<std::vector<std::pair<std::string, std::string>>> headers(
      const PublishedState& state) = 0;
};

/// Those of a feature view that has `publish`.
Result<std::unique_ptr<PublishedValues>> published_view(Workspace& workspace,
                                                        const std::string& view);

/// Those of a model that has `publish`. Entities are scored when a view that has all of their keys
/// has changed for them; what those are looked up in counts as it is then.
///
/// Errors  kInvalidArgument: its service has no such view.
Result<std::unique_ptr<PublishedValues>> published_model(Workspace& workspace,
                                                         const std::string& model);

/// Key and newest version of a view's steps table; nothing as long as it is made in part.
Result<std::optional<std::pair<std::string, lake::Version>>> whole_steps_table(
    Workspace& workspace, const gold::FeatureView& view);

/// PublishedState::files of these tables.
///
/// Errors  kOutOfRange: a version, or some of its files, cannot be read any more.
Result<int64_t> published_files(Workspace& workspace, const std::map<std::string, int64_t>& tables);

/// Whether a state can be made again, from the same rows as before.
///
/// Errors  kOutOfRange: it cannot; the message says why.
Status check_published(Workspace& workspace, const PublishedState& state);

/// `{"user_id": "u1"}`: the first `count` columns of a row.
std::string key_json(const data::Batch& rows, const std::vector<data::Field>& keys, int64_t row);

}  // namespace assay::flow

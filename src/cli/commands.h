#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "flow/accounts.h"
#include "flow/explain.h"
#include "flow/workspace.h"

// The commands by what they are about; command_table.cc puts them in order.

namespace assay::cli {

std::vector<Command> project_commands();      // init, validate, plan, apply
std::vector<Command> run_commands();          // run, status, backfill, materialize
std::vector<Command> up_commands();           // up
std::vector<Command> feature_commands();      // get, training-set, verify
std::vector<Command> explain_commands();      // explain, feature list | show
std::vector<Command> model_commands();        // train, predict, model list | show | promote
std::vector<Command> serve_commands();        // serve
std::vector<Command> proxy_commands();        // proxy
std::vector<Command> lake_commands();         // lake list | show | history | hash | checkpoint
std::vector<Command> sql_commands();          // sql, lake explain
std::vector<Command> lake_upkeep_commands();  // lake compact | vacuum | doctor | set | ...
std::vector<Command> quarantine_commands();   // quarantine list | show | replay
std::vector<Command> generate_commands();     // generate users | events
std::vector<Command> registry_commands();     // registry export | serve, import feast
std::vector<Command> reference_commands();    // reference

/// The workspace of --project, with its definitions checked.
Result<std::unique_ptr<flow::Workspace>> open_workspace(
    Invocation& invocation, catalog::Diagnostics* diagnostics = nullptr);
/// The same, and the definitions are those that were applied.
Result<std::unique_ptr<flow::Workspace>> open_applied_workspace(Invocation& invocation);
/// The workspace with the definitions that are served: the newest for which everything was made.
Result<std::unique_ptr<flow::Workspace>> open_served_workspace(Invocation& invocation);

/// The one name among `names` when the user gave none; else what to choose from.
///
/// `kind` is what it is, for messages: "service".
Result<std::string> only_or_given(const std::string& given,
                                  const std::vector<std::string>& names,
                                  const std::string& kind);

/// Key of the existing table that the user means: "silver/events", "silver.events" and
/// "lake.silver.events" are one.
Result<std::string> existing_table(flow::Workspace& workspace, const std::string& name);

/// The flag of that form.
Flag entity_flag();

/// `--entity a=1 --entity b=2,c=3`: names and texts in order. A value that begins with `[`, `{` or
/// `"` is JSON, whose commas part nothing; a text in quotes is what stands between them.
///
/// Errors  kInvalidArgument: a word without `=`, a name given twice, or JSON that does not end.
Result<std::vector<std::pair<std::string, std::string>>> parse_pairs(
    const std::vector<std::string>& words);

/// One row of the given fields from name=text pairs. Text "null" is null.
///
/// Errors  kInvalidArgument: a field that is not given, a name that is none of the fields (with the
///         nearest), a text that is not of the field's type.
Result<data::Batch> row_from_pairs(const std::vector<std::pair<std::string, std::string>>& pairs,
                                   const std::vector<data::Field>& fields);

/// The row account of every stage, as `run`, `up` and `status` print it.
data::Batch account_table(const std::vector<flow::StageAccount>& stages, bool with_seconds);

/// Write a batch to a file by its suffix: .parquet or .csv. kInvalidArgument: another suffix.
Status write_table(data::SqlEngine& sql, const data::Batch& rows, const std::string& path);

/// Entity keys and request values of a service, each once.
std::vector<data::Field> service_inputs(const gold::Service& service);

/// Say what stands behind a number, and show its rows.
void say_explanation(Output& output, const flow::Explanation& explanation);

/// Names of a map of definitions.
template <typename Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& entry : map) {
    names.push_back(entry.first);
  }
  return names;
}

}  // namespace assay::cli

#include "cli/line_beside.h"

#include <algorithm>

#include "base/file_system.h"
#include "catalog/definition_json.h"
#include "cli/commands.h"
#include "cli/explanation.h"
#include "cli/model_versions.h"
#include "cli/pushed_rows.h"
#include "flow/past_answers.h"
#include "flow/push_verdicts.h"
#include "flow/status.h"
#include "serve/json_value.h"

namespace assay::cli {
namespace {

/// Why rows cannot be pushed into a source; "" when they can.
std::string why_not(const catalog::SourceDef& source, FileSystem& files, const std::string& path) {
  const std::string name = "source " + source.name;
  if (source.kafka.has_value()) {
    return name + " is a Kafka topic; produce the rows there";
  }
  if (source.format != catalog::Format::kJsonLines) {
    return name + " has no JSON files; rows are pushed into sources of `format: json`";
  }
  const Result<FileInfo> info = files.stat(path);
  if (!info.ok() || !info->is_directory) {
    return name + " is no folder; rows are pushed into sources whose `path` is one that exists";
  }
  return "";
}

/// Of a row as JSON: the names alone of what each has are longer.
constexpr std::size_t kRowTextMin = 100;

Status stopped() {
  return {Code::kUnavailable, "the server is stopping"};
}

/// What a question came to; one that interrupt() ended is no failure of its own.
template <typename T>
Result<T> unless_interrupted(Result<T> result) {
  return result.code() == Code::kCancelled ? Result<T>(stopped()) : std::move(result);
}

/// One row of these fields from columns of one value each.
Result<data::Batch> row_of(const std::vector<serve::JsonColumn>& inputs,
                           const std::vector<data::Field>& fields) {
  data::BatchBuilder row(data::make_schema(fields));
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto input = std::find_if(inputs.begin(), inputs.end(), [&](const auto& one) {
      return one.name == fields[i].name && one.values.size() == 1;
    });
    if (input == inputs.end()) {
      return Status(Code::kInvalidArgument, "one value is needed of `" + fields[i].name + "`");
    }
    Result<data::Scalar> value = serve::to_scalar(input->values.front(), fields[i].type);
    if (!value.ok()) {
      return std::move(value).status().with_context(fields[i].name);
    }
    value->is_null() ? row.column(static_cast<int>(i)).append_null()
                     : row.column(static_cast<int>(i)).append_scalar(*value);
  }
  return row.finish();
}

Status being_replaced(const std::string& name) {
  return {Code::kFailedPrecondition, "the definitions are being replaced; ask again: " + name};
}

/// What names of services mean, and what is computed from the features of views.
std::vector<catalog::ObjectJson> computing_objects(const catalog::Project& project) {
  std::vector<catalog::ObjectJson> objects = catalog::project_objects(project);
  std::erase_if(objects, [](const catalog::ObjectJson& object) {
    return object.kind != "service" && object.kind != "derived" && object.kind != "on_demand";
  });
  return objects;
}

/// Of rows alike: defined, and made, in the same way.
bool is_same(const gold::FeatureView& one, const gold::FeatureView& other) {
  return one.fingerprint() == other.fingerprint() && one.storage_name() == other.storage_name();
}

/// The view as a workspace defines it; nullptr when that is another one.
Result<gold::FeatureViewPtr> same_view(flow::Workspace& workspace, const gold::FeatureView& view) {
  if (!workspace.project().views.contains(view.name())) {
    return gold::FeatureViewPtr();
  }
  ASSAY_ASSIGN_OR_RETURN(gold::FeatureViewPtr defined, workspace.view(view.name()));
  return is_same(*defined, view) ? defined : gold::FeatureViewPtr();
}

/// Whether a question means the same by these definitions as by those that it was permitted by.
Result<bool> means_the_same(flow::Workspace& workspace, const serve::ExplainQuestion& question) {
  const catalog::Project& project = workspace.project();
  for (const gold::FeatureViewPtr& served : question.service->views) {
    if (project.views.count(served->name()) == 0) {
      return false;
    }
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr view, workspace.view(served->name()));
    if (!is_same(*view, *served)) {
      return false;
    }
  }
  return question.definitions != nullptr &&
         computing_objects(project) == computing_objects(*question.definitions);
}

/// The word of an answer.
std::string fate_word(flow::PushFate fate) {
  switch (fate) {
    case flow::PushFate::kAccepted:
      return "accepted";
    case flow::PushFate::kDropped:
      return "dropped";
    case flow::PushFate::kQuarantined:
      return "quarantined";
  }
  return "";
}

}  // namespace

LineBeside::Opened::Opened(LineBeside& line, std::unique_ptr<flow::Workspace> workspace)
    : line_(line), workspace_(std::move(workspace)) {
  const std::lock_guard lock(line_.mutex_);
  line_.running_.insert(workspace_.get());
}

LineBeside::Opened::Opened(Opened&& other) noexcept = default;

LineBeside::Opened::~Opened() {
  if (workspace_ != nullptr) {
    const std::lock_guard lock(line_.mutex_);
    line_.running_.erase(workspace_.get());
  }
}

Result<LineBeside::Opened> LineBeside::open() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return stopped();
    }
  }
  Invocation own{invocation_.arguments, invocation_.world, invocation_.output};  // of this thread
  Result<std::unique_ptr<flow::Workspace>> workspace = open_served_workspace(own);
  // Whatever it is, it is no fault of the question.
  return workspace.ok() ? Result<Opened>(Opened(*this, *std::move(workspace)))
                        : Status(Code::kUnavailable,
                                 "the project cannot be opened: " + workspace.status().message());
}

void LineBeside::interrupt() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (flow::Workspace* const workspace : running_) {
    workspace->sql().interrupt();
  }
}

/// The folder that takes rows for a source.
Result<std::string> LineBeside::folder_of(const catalog::Project& project,
                                          const std::string& source) {
  const auto known = project.sources.find(source);
  if (known == project.sources.end()) {
    return Status(Code::kNotFound, "no source " + source);
  }
  if (!takes_rows_) {
    return Status(Code::kUnimplemented, "this server takes no rows; start it with --push");
  }
  std::string folder = join_path(project.folder, known->second.path);
  const std::string why = why_not(known->second, invocation_.world.files, folder);
  return why.empty() ? Result<std::string>(std::move(folder)) : Status(Code::kUnimplemented, why);
}

Status LineBeside::push(const std::string& source,
                        const std::string& json_lines,
                        const std::string& once) {
  ASSAY_ASSIGN_OR_RETURN(const auto workspace, open());
  ASSAY_ASSIGN_OR_RETURN(const std::string folder, folder_of(workspace->project(), source));
  return json_lines.empty() ? Status()
                            : put_pushed_rows(invocation_.world, folder, json_lines, once);
}

Result<std::vector<serve::RowVerdict>> LineBeside::judge(const std::string& source,
                                                         const std::string& json_lines) {
  const auto ask = [&]() -> Result<std::vector<serve::RowVerdict>> {
    ASSAY_ASSIGN_OR_RETURN(const auto workspace, open());
    ASSAY_RETURN_IF_ERROR(folder_of(workspace->project(), source).status());
    ASSAY_ASSIGN_OR_RETURN(std::vector<flow::PushVerdict> found,
                           flow::judge_push(*workspace, source, json_lines));
    std::vector<serve::RowVerdict> verdicts;
    for (flow::PushVerdict& one : found) {
      verdicts.push_back({fate_word(one.fate),
                          std::move(one.table),
                          std::move(one.reason),
                          std::move(one.column)});
    }
    return verdicts;
  };
  return unless_interrupted(ask());
}

/// The project with the definitions that a view is of: the newest that were served with it.
Result<LineBeside::Opened> LineBeside::open_of(flow::Workspace& now,
                                               const gold::FeatureView& view) {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<catalog::CompleteProject> then,
                         now.catalog().complete_project_of(now.profile(), view.storage_name()));
  if (!then.has_value()) {
    return Status(Code::kFailedPrecondition,
                  "no definitions that were served have " + view.name() + " as it is asked about");
  }
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<flow::Workspace> workspace,
                         flow::Workspace::open_with(now, then->texts, "spill_past"));
  return Opened(*this, std::move(workspace));
}

Result<std::vector<gold::FeatureValues>> LineBeside::past(const gold::FeatureView& view,
                                                          std::span<const data::EntityKey> keys,
                                                          EventTime at) {
  const auto ask = [&]() -> Result<std::vector<gold::FeatureValues>> {
    ASSAY_ASSIGN_OR_RETURN(const auto workspace, open());
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr now, same_view(*workspace, view));
    if (now != nullptr) {
      return flow::past_answers(*workspace, *now, keys, at);
    }
    ASSAY_ASSIGN_OR_RETURN(const auto before, open_of(*workspace, view));
    ASSAY_ASSIGN_OR_RETURN(const gold::FeatureViewPtr then, same_view(*before, view));
    const auto answers = then != nullptr ? flow::past_answers(*before, *then, keys, at)
                                         : Status(Code::kNotFound, "it is made in another way");
    if (answers.code() != Code::kNotFound && answers.code() != Code::kFailedPrecondition) {
      return answers;
    }
    return Status(Code::kFailedPrecondition,
                  view.name() +
                      " is of definitions before those that are served, and its tables "
                      "do not say what it answered then: " +
                      answers.status().message());
  };
  return unless_interrupted(ask());
}

Result<std::shared_ptr<const serve::ServingModel>> LineBeside::model_at(const std::string& model,
                                                                        EventTime at) {
  const auto ask = [&]() -> Result<std::shared_ptr<const serve::ServingModel>> {
    ASSAY_ASSIGN_OR_RETURN(const auto workspace, open());
    ASSAY_ASSIGN_OR_RETURN(serve::ServingModel then,
                           ModelVersions(*workspace).served_at(model, at));
    return std::make_shared<const serve::ServingModel>(std::move(then));
  };
  return unless_interrupted(ask());
}

Result<std::string> LineBeside::explain(const serve::ExplainQuestion& question) {
  const auto ask = [&]() -> Result<std::string> {
    ASSAY_ASSIGN_OR_RETURN(const auto workspace, open());
    ASSAY_ASSIGN_OR_RETURN(const bool unchanged, means_the_same(*workspace, question));
    if (!unchanged) {
      return being_replaced(question.feature);
    }
    ASSAY_ASSIGN_OR_RETURN(const ExplainAsked asked,
                           parse_explain_asked(*workspace, question.feature));
    if ((asked.computed ? "" : asked.view) != question.view) {
      return being_replaced(question.feature);
    }
    const EventTime at = question.at;
    const flow::ExplainBound bound{static_cast<int64_t>(question.bytes_max / kRowTextMin),
                                   question.bytes_max};
    if (asked.computed) {
      ASSAY_ASSIGN_OR_RETURN(const data::Batch row,
                             row_of(question.inputs, service_inputs(*asked.service)));
      ASSAY_ASSIGN_OR_RETURN(const auto values, computed_values(*workspace, asked, row, at));
      return values_json(values);
    }
    ASSAY_ASSIGN_OR_RETURN(const auto view, workspace->view(asked.view));
    ASSAY_ASSIGN_OR_RETURN(const data::Batch row, row_of(question.inputs, view->keys()));
    ASSAY_ASSIGN_OR_RETURN(const flow::Explanation explanation,
                           explain_row(*workspace, *view, asked.feature, row, at, bound));
    return explanation_json(explanation);
  };
  return unless_interrupted(ask());
}

Result<std::vector<std::string>> LineBeside::behind(const std::vector<std::string>& views) {
  const auto ask = [&]() -> Result<std::vector<std::string>> {
    ASSAY_ASSIGN_OR_RETURN(const auto workspace, open());
    std::vector<std::string> late;
    for (const std::string& view : views) {
      if (workspace->project().views.count(view) == 0) {
        return being_replaced(view);
      }
      ASSAY_ASSIGN_OR_RETURN(const int64_t lag, flow::online_lag(*workspace, view, store_));
      if (lag > 0) {
        late.push_back(view);
      }
    }
    return late;
  };
  return unless_interrupted(ask());
}

}  // namespace assay::cli

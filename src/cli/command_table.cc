#include <algorithm>
#include <cstring>

#include "base/suggest.h"
#include "cli/commands.h"
#include "data/json_text.h"
#include "data/parquet.h"

namespace assay::cli {

const std::vector<Command>& all_commands() {
  static const std::vector<Command> commands = [] {
    std::vector<Command> all;
    for (std::vector<Command> (*group)() : {project_commands,
                                            run_commands,
                                            up_commands,
                                            feature_commands,
                                            explain_commands,
                                            model_commands,
                                            serve_commands,
                                            proxy_commands,
                                            sql_commands,
                                            lake_commands,
                                            lake_upkeep_commands,
                                            quarantine_commands,
                                            generate_commands,
                                            registry_commands,
                                            reference_commands}) {
      for (Command& command : group()) {
        all.push_back(std::move(command));
      }
    }
    return all;
  }();
  return commands;
}

namespace {

Result<std::unique_ptr<flow::Workspace>> open_workspace(Invocation& invocation,
                                                        flow::Definitions definitions,
                                                        catalog::Diagnostics* diagnostics) {
  flow::WorkspaceOptions options;
  options.profile = invocation.arguments.get("profile");
  options.definitions = definitions;
  ASSAY_ASSIGN_OR_RETURN(
      std::unique_ptr<flow::Workspace> workspace,
      flow::Workspace::open(
          invocation.world, invocation.arguments.get("project"), options, diagnostics));
  invocation.lake_path = workspace->store().read_path("");
  return workspace;
}

}  // namespace

Result<std::unique_ptr<flow::Workspace>> open_workspace(Invocation& invocation,
                                                        catalog::Diagnostics* diagnostics) {
  return open_workspace(invocation, flow::Definitions::kFiles, diagnostics);
}

Result<std::unique_ptr<flow::Workspace>> open_applied_workspace(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<flow::Workspace> workspace, open_workspace(invocation));
  ASSAY_RETURN_IF_ERROR(workspace->require_applied());
  return workspace;
}

Result<std::unique_ptr<flow::Workspace>> open_served_workspace(Invocation& invocation) {
  ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<flow::Workspace> workspace,
                         open_workspace(invocation, flow::Definitions::kServed, nullptr));
  if (!workspace->served_version().has_value()) {
    ASSAY_RETURN_IF_ERROR(workspace->require_applied());
  } else if (workspace->serves_older()) {
    invocation.output.say(
        "the definitions in the files are not complete yet; answering from those before them "
        "(`assay apply`, then `assay run` brings the new ones)");
  }
  return workspace;
}

Result<std::string> only_or_given(const std::string& given,
                                  const std::vector<std::string>& names,
                                  const std::string& kind) {
  std::string list;
  for (const std::string& name : names) {
    list += (list.empty() ? "" : ", ") + name;
  }
  if (!given.empty()) {
    if (std::find(names.begin(), names.end(), given) != names.end()) {
      return given;
    }
    return Status(Code::kNotFound,
                  "there is no " + kind + " `" + given + "`" + did_you_mean(given, names) +
                      (list.empty() ? "" : " (there are: " + list + ")"));
  }
  if (names.size() == 1) {
    return names.front();
  }
  return Status(
      Code::kInvalidArgument,
      names.empty() ? "the project defines no " + kind : "say which " + kind + ": " + list);
}

Flag entity_flag() {
  return {
      "entity",
      "NAME=VALUE",
      "an entity key or request value; several by repeating or with commas, texts with commas in "
      "double quotes",
      "",
      true,
      false};
}

namespace {

/// Where the value that begins there ends: at a comma, or of JSON behind its last bracket or quote;
/// npos when that is missing.
std::size_t end_of_value(const std::string& word, std::size_t begin) {
  const bool is_json = begin < word.size() && std::strchr("[{\"", word[begin]) != nullptr;
  if (!is_json) {
    return std::min(word.find(',', begin), word.size());
  }
  int depth = 0;
  bool in_text = false;
  for (std::size_t at = begin; at < word.size(); ++at) {
    const char c = word[at];
    if (in_text && c == '\\') {
      ++at;
    } else if (c == '"') {
      in_text = !in_text;
    } else if (!in_text && (c == '[' || c == '{')) {
      ++depth;
    } else if (!in_text && (c == ']' || c == '}')) {
      --depth;
    }
    if (!in_text && depth == 0 && at < word.size()) {
      return at + 1;
    }
  }
  return std::string::npos;
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> parse_pairs(
    const std::vector<std::string>& words) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& word : words) {
    std::size_t begin = 0;
    while (begin <= word.size()) {
      const std::size_t equals = word.find_first_of("=,", begin);
      if (equals == std::string::npos || equals == begin || word[equals] == ',') {
        const std::string part = word.substr(begin, word.find(',', begin) - begin);
        return Status(Code::kInvalidArgument,
                      "`" + part +
                          "` is not NAME=VALUE, as in --entity user_id=u1; a value with commas "
                          "stands in double quotes, as in --entity 'user_id=\"a,b\"'");
      }
      const std::string name = word.substr(begin, equals - begin);
      if (std::any_of(
              pairs.begin(), pairs.end(), [&](const auto& pair) { return pair.first == name; })) {
        return Status(Code::kInvalidArgument, "`" + name + "` is given twice");
      }
      const std::size_t end = end_of_value(word, equals + 1);
      std::string value = word.substr(equals + 1, end - equals - 1);
      if (end == std::string::npos || (end < word.size() && word[end] != ',')) {
        return Status(Code::kInvalidArgument,
                      "`" + word.substr(equals + 1) + "` begins as JSON and does not end as such");
      }
      if (!value.empty() && value.front() == '"') {
        ASSAY_ASSIGN_OR_RETURN(const data::Scalar text,
                               data::parse_json(value, data::Type::kString));
        value = std::get<std::string>(text.value);
      }
      pairs.emplace_back(name, std::move(value));
      begin = end + 1;
    }
  }
  return pairs;
}

Result<data::Batch> row_from_pairs(const std::vector<std::pair<std::string, std::string>>& pairs,
                                   const std::vector<data::Field>& fields) {
  std::vector<std::string> names;
  for (const data::Field& field : fields) {
    names.push_back(field.name);
  }
  for (const auto& [name, text] : pairs) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return Status(Code::kInvalidArgument,
                    "nothing here is called `" + name + "`" + did_you_mean(name, names));
    }
  }
  data::BatchBuilder row(data::make_schema(fields));
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto pair = std::find_if(
        pairs.begin(), pairs.end(), [&](const auto& p) { return p.first == fields[i].name; });
    if (pair == pairs.end()) {
      return Status(Code::kInvalidArgument,
                    "missing --entity " + fields[i].name + "=VALUE (" +
                        std::string(data::type_name(fields[i].type)) + ")");
    }
    if (pair->second == "null") {
      row.column(static_cast<int>(i)).append_null();
      continue;
    }
    Result<data::Scalar> value = data::parse_scalar(pair->second, fields[i].type);
    if (!value.ok()) {
      return value.status().with_context(fields[i].name);
    }
    row.column(static_cast<int>(i)).append_scalar(*value);
  }
  return row.finish();
}

Status write_table(data::SqlEngine& sql, const data::Batch& rows, const std::string& path) {
  const auto ends_with = [&](std::string_view suffix) {
    return path.size() > suffix.size() &&
           path.compare(path.size() - suffix.size(), suffix.size(), suffix) == 0;
  };
  if (ends_with(".parquet")) {
    return data::write_parquet(sql, rows, path);
  }
  if (ends_with(".csv")) {
    return data::write_csv(sql, rows, path);
  }
  return {Code::kInvalidArgument, path + ": the file's name must end in .parquet or .csv"};
}

std::vector<data::Field> service_inputs(const gold::Service& service) {
  std::vector<data::Field> fields = service.entity_keys;
  for (const data::Field& value : service.request) {
    if (std::none_of(fields.begin(), fields.end(), [&](const data::Field& f) {
          return f.name == value.name;
        })) {
      fields.push_back(value);
    }
  }
  return fields;
}

}  // namespace assay::cli

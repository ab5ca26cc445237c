#include "base/fail_point.h"
#include "catalog/definition_table.h"
#include "catalog/diagnostics.h"
#include "catalog/json_schema.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "data/expression_functions.h"

namespace assay::cli {
namespace {

std::string exit_code_reference() {
  std::string text =
      "# Exit codes\n\nMade by `make docs` from the table in `src/base/error_table.cc`; a test "
      "compares.\n\n"
      "| outcome | exit code | HTTP | gRPC | worth trying again |\n|---|---|---|---|---|\n";
  for (int code = 0; code <= static_cast<int>(Code::kCommitUnknown); ++code) {
    const auto outcome = static_cast<Code>(code);
    text += "| " + std::string(code_name(outcome)) + " | " + std::to_string(exit_code(outcome)) +
            " | " + std::to_string(http_status(outcome)) + " | " +
            std::to_string(grpc_status(outcome)) + " | " + (retryable(outcome) ? "yes" : "no") +
            " |\n";
  }
  return text;
}

struct Page {
  std::string file;
  std::string text;
};

std::vector<Page> pages() {
  return {{"cli.md", command_reference(all_commands())},
          {"exit_codes.md", exit_code_reference()},
          {"yaml.md", catalog::yaml_reference()},
          {"diagnostics.md", catalog::diagnostics_reference()},
          {"expressions.md", data::expression_reference()},
          {"project.schema.json", catalog::json_schema() + "\n"}};
}

Status run_reference(Invocation& invocation) {
  const std::string& write = invocation.arguments.get("write");
  const std::string& check = invocation.arguments.get("check");
  if (write.empty() && check.empty()) {
    for (const Page& page : pages()) {
      invocation.output.raw(page.file + "\n");
    }
    return {};
  }
  for (const Page& page : pages()) {
    if (!write.empty()) {
      ASSAY_RETURN_IF_ERROR(invocation.world.files.make_directories(write));
      ASSAY_RETURN_IF_ERROR(invocation.world.files.write(join_path(write, page.file), page.text));
      continue;
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string stored,
                           invocation.world.files.read(join_path(check, page.file)));
    if (stored != page.text) {
      return {Code::kFailedPrecondition,
              join_path(check, page.file) + " is not what the program says; run `make docs`"};
    }
  }
  return {};
}

}  // namespace

std::vector<Command> reference_commands() {
  return {{{"reference"},
           "write the reference pages and the JSON Schema for editors, which come from the "
           "program's own tables",
           "Without flags it lists the pages.",
           {},
           {{"write", "DIR", "write the pages into this folder", "", false, false},
            {"check", "DIR", "fail unless the pages in this folder are current", "", false, false}},
           run_reference}};
}

}  // namespace assay::cli

// Any bytes as assay.yaml, through parsing, checking, planning and printing.

#include <cstdint>
#include <string>

#include "base/check.h"
#include "catalog/json_leaves.h"
#include "catalog/plan.h"
#include "catalog/testing.h"
#include "catalog/validate.h"

namespace assay::catalog {
namespace {

void read_project(const std::string& text) {
  MemoryWorld world(
      std::map<std::string, std::string>{{"/p/assay.yaml", text}, {"/p/q.sql", "SELECT 1"}});
  const Result<ParsedProject> parsed = load_project(world.world(), "/p");
  ASSAY_CHECK(parsed.ok());
  ASSAY_CHECK(format_diagnostics(parsed->diagnostics).empty() == parsed->diagnostics.items.empty());
  ASSAY_CHECK(json_leaves(diagnostics_json(parsed->diagnostics)).ok());
  for (const ObjectJson& object : project_objects(parsed->project)) {
    ASSAY_CHECK(json_leaves(object.json).ok());
  }
  const Result<Plan> plan = make_plan({}, parsed->project, output_types(parsed->project));
  ASSAY_CHECK(plan.ok() && json_leaves(plan_json(*plan)).ok());
  static_cast<void>(json_leaves(text));
}

}  // namespace
}  // namespace assay::catalog

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  assay::catalog::read_project(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}

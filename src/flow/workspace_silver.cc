#include "catalog/definition_json.h"
#include "catalog/table_schema.h"
#include "flow/workspace.h"

// The operators of silver tables. To compile one costs the SQL engine some milliseconds, and each
// command asks for it when it checks the definitions, when it compares them with what was applied,
// and when rows come.

namespace assay::flow {
namespace {

/// A table's name and all that its operator is made from, in words: definitions that are served may
/// be others than those in the files.
std::string words_of(const catalog::Project& project, const std::string& name) {
  const catalog::SilverDef& definition = project.silver.at(name);
  std::string words = name + '\n' + catalog::silver_json(definition) + '\n' +
                      catalog::bronze_json(project.bronze.at(definition.from));
  for (const catalog::EnrichDef& enrich : definition.enrich) {
    words += '\n' + (catalog::layer_of(project, enrich.lookup) == catalog::TableLayer::kSilver
                         ? words_of(project, enrich.lookup)
                         : catalog::bronze_json(project.bronze.at(enrich.lookup)));
  }
  return words;
}

}  // namespace

Result<std::unique_ptr<silver::SilverOperator>> Workspace::make_silver_operator(
    const catalog::Project& project, const std::string& name) {
  const catalog::SilverDef& definition = project.silver.at(name);
  ASSAY_ASSIGN_OR_RETURN(const data::SchemaPtr input,
                         catalog::bronze_schema(project.bronze.at(definition.from)));
  std::map<std::string, data::SchemaPtr> lookups;
  for (const catalog::EnrichDef& enrich : definition.enrich) {
    if (catalog::layer_of(project, enrich.lookup) == catalog::TableLayer::kSilver) {
      ASSAY_ASSIGN_OR_RETURN(lookups[enrich.lookup], silver_schema(project, enrich.lookup));
    } else {
      ASSAY_ASSIGN_OR_RETURN(lookups[enrich.lookup],
                             catalog::bronze_schema(project.bronze.at(enrich.lookup)));
    }
  }
  return silver::SilverOperator::create(definition, *input, lookups, *sql_);
}

Result<data::SchemaPtr> Workspace::silver_schema(const catalog::Project& project,
                                                 const std::string& name) {
  auto& slot = silver_operators_[words_of(project, name)];
  if (slot == nullptr) {
    ASSAY_ASSIGN_OR_RETURN(slot, make_silver_operator(project, name));
  }
  return slot->output_schema();
}

Result<silver::SilverOperator*> Workspace::silver_operator(const std::string& name) {
  ASSAY_RETURN_IF_ERROR(silver_schema(project_, name).status());
  return silver_operators_.at(words_of(project_, name)).get();
}

}  // namespace assay::flow

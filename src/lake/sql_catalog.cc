#include "lake/sql_catalog.h"

#include <algorithm>

#include "data/sql_engine.h"
#include "lake/delta_table.h"

namespace assay::lake {
namespace {

/// A name in quotes unless SQL reads it as it stands.
std::string quoted_if_needed(const std::string& name) {
  const bool plain = !name.empty() && (name[0] < '0' || name[0] > '9') &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
                     });
  return plain ? name : data::SqlEngine::identifier(name);
}

}  // namespace

Result<std::vector<SqlTable>> sql_tables(store::ObjectStore& store) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<std::string> keys, list_tables(store));
  std::vector<SqlTable> tables;
  for (const std::string& key : keys) {
    const std::size_t slash = key.find('/');
    if (slash == std::string::npos) {
      tables.push_back({"main", key, key});
    } else {
      tables.push_back({key.substr(0, slash), key.substr(slash + 1), key});
    }
  }
  return tables;
}

std::string sql_name(const SqlTable& table) {
  return "lake." + quoted_if_needed(table.schema) + "." + quoted_if_needed(table.name);
}

}  // namespace assay::lake

#include "catalog/debezium_tables.h"

#include <algorithm>

namespace assay::catalog {
namespace {

constexpr char kOp[] = "__op";
constexpr char kTime[] = "__ts_ms";
constexpr char kIsDelete[] = "__op = 'd'";

void add_column(const char* name, data::Type type, data::TimeUnit unit, BronzeDef* bronze) {
  const auto found = std::find_if(bronze->columns.begin(),
                                  bronze->columns.end(),
                                  [&](const ColumnDef& column) { return column.name == name; });
  if (found != bronze->columns.end()) {
    return;
  }
  ColumnDef column;
  column.name = name;
  column.type = type;
  column.unit = unit;
  column.span = bronze->span;
  bronze->columns.push_back(std::move(column));
}

void complete(BronzeDef* bronze) {
  if (bronze->says_same_key && !bronze->of_changes) {
    return;
  }
  bronze->of_changes = true;
  add_column(kOp, data::Type::kString, data::TimeUnit::kText, bronze);
  bronze->delete_when = bronze->delete_when.empty()
                            ? std::string(kIsDelete)
                            : std::string(kIsDelete) + " or (" + bronze->delete_when + ")";
  if (!bronze->says_known_time) {
    add_column(kTime, data::Type::kTimestamp, data::TimeUnit::kMillis, bronze);
    bronze->known_time.kind = KnownTimeDef::Kind::kColumn;
    bronze->known_time.text = kTime;
  }
}

}  // namespace

void complete_debezium_tables(Project* project) {
  for (auto& [name, bronze] : project->bronze) {
    const auto source = project->sources.find(bronze.source);
    if (source != project->sources.end() && source->second.format == Format::kDebezium) {
      complete(&bronze);
    }
  }
}

}  // namespace assay::catalog

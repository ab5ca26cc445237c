#include "catalog/table_schema.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/ascii.h"

namespace assay::catalog {
namespace {

constexpr std::array<std::string_view, 9> kReserved{"event_time",
                                                    "known_time",
                                                    "sequence",
                                                    "dt",
                                                    "hr",
                                                    "event_date",
                                                    "feature_date",
                                                    kRowKey,
                                                    kReplacedTime};

/// The column as it is stored.
data::Field stored_field(const BronzeDef& bronze, const ColumnDef& column) {
  const bool becomes_text = column.scrub == Scrub::kHmac || column.scrub == Scrub::kMask ||
                            column.scrub == Scrub::kTruncate;
  return {column.name,
          becomes_text ? data::Type(data::Type::kString) : column.type,
          !is_always_there(bronze, column) || column.scrub != Scrub::kNone};
}

}  // namespace

std::optional<TableLayer> layer_of(const Project& project, std::string_view table) {
  const std::string name(table);
  if (project.silver.count(name) > 0) {
    return TableLayer::kSilver;
  }
  if (project.bronze.count(name) > 0) {
    return TableLayer::kBronze;
  }
  return std::nullopt;
}

bool is_of_changes(const Project& project, std::string_view table) {
  const auto silver = project.silver.find(std::string(table));
  const auto bronze = project.bronze.find(silver == project.silver.end() ? std::string(table)
                                                                         : silver->second.from);
  return bronze != project.bronze.end() && bronze->second.of_changes;
}

bool is_always_there(const BronzeDef& bronze, const ColumnDef& column) {
  const bool in_key =
      std::find(bronze.key.begin(), bronze.key.end(), column.name) != bronze.key.end();
  return bronze.of_changes ? in_key || (column.required && bronze.delete_when.empty())
                           : column.required;
}

data::SchemaPtr bronze_input_schema(const BronzeDef& bronze) {
  std::vector<data::Field> fields;
  for (const ColumnDef& column : bronze.columns) {
    fields.push_back({column.name, column.type, !column.required});
  }
  return data::make_schema(std::move(fields));
}

Result<data::SchemaPtr> bronze_schema(const BronzeDef& bronze) {
  std::vector<data::Field> fields;
  std::set<std::string> names;
  for (const ColumnDef& column : bronze.columns) {
    if (!names.insert(lower_ascii(column.name)).second) {
      return Status(Code::kInvalidArgument,
                    "two columns of one name, case ignored: " + column.name);
    }
    const bool is_event_time = column.name == "event_time" && bronze.event_time == "event_time";
    if (is_reserved_column(column.name) && !is_event_time) {
      return Status(Code::kInvalidArgument, "the column's name is reserved: " + column.name);
    }
    if (column.scrub != Scrub::kDrop && !is_event_time) {
      fields.push_back(stored_field(bronze, column));
    }
  }
  fields.push_back({"event_time", data::Type::kTimestamp, false});
  fields.push_back({"known_time", data::Type::kTimestamp, false});
  fields.push_back({"sequence", data::Type::kInt64, false});
  if (bronze.of_changes) {
    fields.push_back({kRowKey, data::Type::kBytes, false});
    fields.push_back({kIsDeleted, data::Type::kBool, false});
  }
  fields.push_back({"dt", data::Type::kDate, false});
  fields.push_back({"hr", data::Type::kInt32, false});
  return data::make_schema(std::move(fields));
}

bool is_reserved_column(std::string_view name) {
  const std::string folded = lower_ascii(name);
  return std::find(kReserved.begin(), kReserved.end(), folded) != kReserved.end();
}

}  // namespace assay::catalog

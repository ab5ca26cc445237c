// Writes Delta tables for the tests of other engines: what the stages do, on rows of any SQL
// statement.
//
//   table_writer LAKE KEY create PARTITION_COLUMNS SELECT   a new table (columns joined by commas,
//   or "") table_writer LAKE KEY append SELECT                     one more commit table_writer
//   LAKE KEY add-column NAME TYPE              one more column, nullable

#include <cstdio>
#include <string>
#include <vector>

#include "base/world.h"
#include "data/sql_engine.h"
#include "lake/delta_table.h"
#include "store/object_store.h"

namespace assay {
namespace {

struct Tables {
  World& world;
  store::ObjectStore& store;
  data::SqlEngine& sql;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  std::size_t begin = 0;
  while (!text.empty() && begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

Status append(Tables& tables, lake::DeltaTable& table, const std::string& select) {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows, tables.sql.query(select));
  lake::CommitRequest request;
  ASSAY_ASSIGN_OR_RETURN(request.adds, table.write_files(rows));
  return table.commit(request).status();
}

Status create(Tables& tables,
              const std::string& key,
              const std::string& partitions,
              const std::string& select) {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch rows,
                         tables.sql.query("SELECT * FROM (" + select + ") LIMIT 0"));
  ASSAY_ASSIGN_OR_RETURN(
      const std::unique_ptr<lake::DeltaTable> table,
      lake::DeltaTable::open_or_create(tables.world,
                                       tables.store,
                                       tables.sql,
                                       key,
                                       {key, rows.schema_ptr(), split(partitions)}));
  return append(tables, *table, select);
}

Status add_column(lake::DeltaTable& table, const std::string& name, const std::string& type) {
  ASSAY_ASSIGN_OR_RETURN(const auto snapshot, table.snapshot());
  std::vector<data::Field> fields(snapshot->schema->fields().begin(),
                                  snapshot->schema->fields().end());
  const auto parsed = data::type_from_name(type);
  if (!parsed) {
    return {Code::kInvalidArgument, "no type " + type};
  }
  fields.push_back({name, *parsed, true});
  lake::CommitRequest request;
  request.operation = "ADD COLUMNS";
  request.schema = data::make_schema(std::move(fields));
  return table.commit(request).status();
}

Status run(const std::vector<std::string>& words) {
  SystemWorld world(LogLevel::kWarn);
  ASSAY_ASSIGN_OR_RETURN(const auto store, store::open_local_store(world.world(), words[0]));
  ASSAY_ASSIGN_OR_RETURN(const auto sql, data::SqlEngine::open({}));
  Tables tables{world.world(), *store, *sql};
  if (words[2] == "create" && words.size() == 5) {
    return create(tables, words[1], words[3], words[4]);
  }
  ASSAY_ASSIGN_OR_RETURN(const auto table,
                         lake::DeltaTable::open(world.world(), *store, *sql, words[1]));
  if (words[2] == "append" && words.size() == 4) {
    return append(tables, *table, words[3]);
  }
  if (words[2] == "add-column" && words.size() == 5) {
    return add_column(*table, words[3], words[4]);
  }
  return {Code::kInvalidArgument, "no such command"};
}

}  // namespace
}  // namespace assay

int main(int count, char** words) {
  if (count < 5) {
    std::fprintf(stderr, "usage: table_writer LAKE KEY create|append|add-column ...\n");
    return 2;
  }
  const assay::Status status = assay::run(std::vector<std::string>(words + 1, words + count));
  if (!status.ok()) {
    std::fprintf(stderr, "table_writer: %s\n", status.to_string().c_str());
  }
  return status.ok() ? 0 : 1;
}

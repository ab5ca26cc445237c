#include "lake/sql_query.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>

#include "base/check.h"
#include "base/suggest.h"
#include "base/time.h"
#include "data/sql_row_source.h"
#include "lake/plan_filters.h"
#include "lake/pruning.h"
#include "lake/small_file_scan.h"
#include "lake/sql_names.h"
#include "lake/table_columns.h"

// Which files can matter to a statement?
//
//   1. Find the lake's names in the text; put the schema of a version in place of the clause that
//      asks for it: lake.silver.x VERSION AS OF 12 -> lake."silver@12".x and blanks, so that every
//      other byte stays where it was and the engine's pointers into the text are right.
//   2. Make each such name a view of an empty table, and have the engine explain the statement. Its
//      optimizer moves conditions to the scans: through joins, views, CTEs and windows, with
//      constants folded. Of its rules only those run that hold for every content of the tables: the
//      empty ones must not teach it anything.
//   3. A scan's conditions say which rows of the table can matter, and partition values and
//      statistics which files may have such rows. Scanned twice, a table needs what either needs.
//   4. Make the names views of those files, of which many small ones are read by ourselves.

namespace assay::lake {
namespace {

using data::SqlEngine;

constexpr std::string_view kStub = "assay_stub";

/// What runs of the optimizer while a statement is explained: rules that look at the statement
/// only.
constexpr std::string_view kRules[] = {"expression_rewriter",
                                       "filter_pullup",
                                       "filter_pushdown",
                                       "cte_filter_pusher",
                                       "cte_inlining",
                                       "regex_range",
                                       "in_clause",
                                       "deliminator",
                                       "unnest_rewriter",
                                       "unused_columns"};

std::string lower(std::string text) {
  for (char& c : text) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  }
  return text;
}

/// A table at one version that the statement names.
struct NamedTable {
  SqlTable table;  // schema "silver@12" for a version asked for
  std::unique_ptr<DeltaTable> delta;
  std::shared_ptr<const Snapshot> snapshot;
};

std::vector<std::string> column_names(const Snapshot& snapshot) {
  std::vector<std::string> names;
  for (const TableColumn& column : *snapshot.columns) {
    names.push_back(column.name);
  }
  return names;
}

/// True when statements with this word look at all tables: SHOW, information_schema and the like.
bool lists_tables(const SqlName& name) {
  const std::string& word = name.parts[0];
  return word == "show" || word == "information_schema" || word == "pragma" ||
         word.rfind("duckdb_", 0) == 0;
}

/// True for the first words of statements that the engine can explain.
bool has_plan(std::string_view word) {
  constexpr std::string_view kWords[] = {
      "select", "with", "from", "values", "table", "copy", "create", "insert"};
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

class Planner {
 public:
  Planner(World& world,
          store::ObjectStore& store,
          SqlEngine& sql,
          const std::vector<SqlTable>& tables,
          const std::string& statement)
      : world_(world), store_(store), sql_(sql), tables_(tables), planned_{statement, {}, {}} {}

  Result<PlannedSql> plan() {
    ASSAY_RETURN_IF_ERROR(find_tables());
    ASSAY_RETURN_IF_ERROR(
        sql_.execute("DETACH DATABASE IF EXISTS lake; ATTACH ':memory:' AS lake"));
    data::drop_row_sources(sql_);
    ASSAY_RETURN_IF_ERROR(make_stubs());
    ASSAY_ASSIGN_OR_RETURN(const std::optional<std::string> explained, explain());
    for (std::size_t i = 0; i < named_.size(); ++i) {
      ASSAY_RETURN_IF_ERROR(use_table(i, explained));
    }
    ASSAY_RETURN_IF_ERROR(sql_.execute("DETACH DATABASE " + std::string(kStub)));
    return std::move(planned_);
  }

 private:
  // ---- Step 1: names.

  Status find_tables() {
    bool all = false;
    const std::string statement = planned_.text;
    const std::vector<SqlName> names = names_in_sql(statement);
    is_planned_ = !names.empty() && has_plan(names.front().parts[0]);
    for (const SqlName& name : names) {
      all = all || lists_tables(name);
      const SqlTable* table = find_table(name);
      if (table != nullptr) {
        ASSAY_RETURN_IF_ERROR(find_version(statement, name, *table));
      } else if (name.travel && name.parts[0] != "at") {
        return no_table(name, statement);
      } else if (name.parts[0] == "lake" && name.parts.size() > 1) {
        unknown_.push_back(name);
      }
    }
    return all ? add_all() : Status();
  }

  const SqlTable* find_table(const SqlName& name) const {
    if (name.parts[0] != "lake" || name.parts.size() < 2) {
      return nullptr;
    }
    const bool has_schema = name.parts.size() > 2;
    const std::string schema = has_schema ? name.parts[1] : "main";
    const std::string& wanted = name.parts[has_schema ? 2 : 1];
    for (const SqlTable& table : tables_) {
      if (lower(table.schema) == schema && lower(table.name) == wanted) {
        return &table;
      }
    }
    return nullptr;
  }

  Status no_table(const SqlName& name, const std::string& statement) const {
    std::string written = statement.substr(name.begin, name.end - name.begin);
    std::vector<std::string> known;
    for (const SqlTable& table : tables_) {
      known.push_back(sql_name(table));
    }
    const std::string where = position_in_sql(statement, name.begin);
    if (name.parts[0] != "lake") {
      return {Code::kInvalidArgument,
              where +
                  ": a version can be asked of a table of the lake only, written as "
                  "lake.<zone>.<table> VERSION AS OF 12, an alias behind it; this is " +
                  written};
    }
    return {Code::kInvalidArgument,
            where + ": the lake has no table " + written + did_you_mean(lower(written), known)};
  }

  Status find_version(const std::string& statement, const SqlName& name, const SqlTable& table) {
    if (!name.travel) {
      return add(table, {}).with_context(sql_name(table));
    }
    ASSAY_ASSIGN_OR_RETURN(std::unique_ptr<DeltaTable> delta,
                           DeltaTable::open(world_, store_, sql_, table.key));
    Result<Version> version = version_of(*delta, *name.travel);
    if (!version.ok()) {
      return std::move(version).status().with_context(
          position_in_sql(statement, name.travel->begin) + ", " + sql_name(table));
    }
    SqlTable old = table;
    old.schema = table.schema + "@" + std::to_string(*version);
    ASSAY_RETURN_IF_ERROR(
        add(old, *version)
            .with_context(position_in_sql(statement, name.travel->begin) + ", " + sql_name(table)));
    put(name,
        "lake." + SqlEngine::identifier(old.schema) + "." + SqlEngine::identifier(table.name));
    return {};
  }

  /// Put `text` over a name and its clause, which are longer, and blanks over the rest.
  void put(const SqlName& name, const std::string& text) {
    ASSAY_CHECK(text.size() <= name.travel->end - name.begin);
    for (std::size_t at = name.begin; at < name.travel->end; ++at) {
      char& c = planned_.text[at];
      c = at - name.begin < text.size() ? text[at - name.begin] : c == '\n' ? c : ' ';
    }
  }

  Result<Version> version_of(DeltaTable& delta, const TimeTravel& travel) const {
    if (travel.version) {
      Version version = 0;
      const char* end = travel.version->data() + travel.version->size();
      const auto parsed = std::from_chars(travel.version->data(), end, version);
      if (parsed.ec != std::errc() || parsed.ptr != end || version < 0) {
        return Status(Code::kInvalidArgument,
                      "VERSION AS OF takes a version of the table, a whole number from 0 on as "
                      "`assay lake history` shows it, not " +
                          *travel.version);
      }
      return version;
    }
    const Result<EventTime> time = parse_time(*travel.time);
    if (!time.ok()) {
      return std::move(time).status().with_context("TIMESTAMP AS OF");
    }
    return delta.version_at(*time);
  }

  Status add(const SqlTable& table, std::optional<Version> version) {
    const bool there = std::any_of(named_.begin(), named_.end(), [&](const NamedTable& other) {
      return other.table.schema == table.schema && other.table.name == table.name;
    });
    if (there) {
      return {};
    }
    NamedTable named;
    named.table = table;
    ASSAY_ASSIGN_OR_RETURN(named.delta, DeltaTable::open(world_, store_, sql_, table.key));
    ASSAY_ASSIGN_OR_RETURN(named.snapshot, named.delta->snapshot(version));
    named_.push_back(std::move(named));
    return {};
  }

  Status add_all() {
    for (const SqlTable& table : tables_) {
      const Status added = add(table, {});
      if (!added.ok()) {
        planned_.warnings.push_back(sql_name(table) + " cannot be read: " + added.message());
      }
    }
    return {};
  }

  // ---- Step 2: the engine's plan over empty tables.

  Status make_stubs() {
    std::sort(named_.begin(), named_.end(), [](const NamedTable& a, const NamedTable& b) {
      return std::tie(a.table.schema, a.table.name) < std::tie(b.table.schema, b.table.name);
    });
    const std::string stub(kStub);
    std::string script =
        "DETACH DATABASE IF EXISTS " + stub + "; ATTACH ':memory:' AS " + stub + ";";
    for (std::size_t i = 0; i < named_.size(); ++i) {
      const std::string name = stub + ".main.t" + std::to_string(i);
      std::string columns;
      std::string selected;
      int count = 0;
      for (const TableColumn& field : *named_[i].snapshot->columns) {
        const std::string column = "c" + std::to_string(count++);
        columns += (columns.empty() ? "" : ", ") + column + " " +
                   sql_type_of(field.type, NameKind::kLogical);
        selected +=
            (selected.empty() ? "" : ", ") + column + " AS " + SqlEngine::identifier(field.name);
      }
      script += "CREATE TABLE " + name + " (" + columns + ");" +
                create_view(named_[i].table, "SELECT " + selected + " FROM " + name);
    }
    return sql_.execute(script);
  }

  static std::string create_view(const SqlTable& table, const std::string& select) {
    const std::string schema = "lake." + SqlEngine::identifier(table.schema);
    return "CREATE SCHEMA IF NOT EXISTS " + schema + "; CREATE OR REPLACE VIEW " + schema + "." +
           SqlEngine::identifier(table.name) + " AS " + select + ";";
  }

  /// The plan, or nothing for statements that have none, such as SHOW. A mistake in the others
  /// shows here, before any file is touched.
  Result<std::optional<std::string>> explain() {
    ASSAY_RETURN_IF_ERROR(disable_other_rules());
    Result<data::Batch> plan = sql_.query("EXPLAIN (FORMAT JSON)\n" + planned_.text);
    ASSAY_RETURN_IF_ERROR(sql_.execute("SET disabled_optimizers = ''"));
    if (!plan.ok()) {
      if (!is_planned_) {
        return std::optional<std::string>();
      }
      return unknown_.empty() ? without_first_line(std::move(plan).status())
                              : no_table(unknown_.front(), planned_.text);
    }
    return std::optional(std::string(plan->column(1).text(0)));
  }

  Status disable_other_rules() {
    std::string disabled;
    ASSAY_ASSIGN_OR_RETURN(const data::Batch rules,
                           sql_.query("SELECT name FROM duckdb_optimizers()"));
    for (int64_t row = 0; row < rules.rows(); ++row) {
      const std::string rule(rules.column(0).text(row));
      if (std::find(std::begin(kRules), std::end(kRules), rule) == std::end(kRules)) {
        disabled += (disabled.empty() ? "" : ",") + rule;
      }
    }
    return sql_.execute("SET disabled_optimizers = " + SqlEngine::literal(disabled));
  }

  /// The engine's pointer "LINE 3: ..." is one too far for the line with EXPLAIN.
  static Status without_first_line(const Status& status) {
    constexpr std::string_view kLine = "\nLINE ";
    std::string message = status.message();
    const std::size_t at = message.rfind(kLine);
    int64_t line = 0;
    if (at != std::string::npos) {
      const char* digits = message.data() + at + kLine.size();
      const auto parsed = std::from_chars(digits, message.data() + message.size(), line);
      const auto size = static_cast<std::size_t>(parsed.ptr - digits);
      std::string number = std::to_string(line - 1);
      number.insert(0, size - std::min(size, number.size()), ' ');  // the mark below stays in place
      message.replace(at + kLine.size(), size, number);
    }
    return {status.code(), message};
  }

  // ---- Steps 3 and 4: files.

  Status use_table(std::size_t index, const std::optional<std::string>& explained) {
    const NamedTable& named = named_[index];
    const Snapshot& snapshot = *named.snapshot;
    TableUse use{sql_name(named.table), named.table.key, snapshot.version, 0, 0, 0, 0, ""};
    std::vector<DataFile> files;
    ASSAY_ASSIGN_OR_RETURN(const auto scans, scans_of(index, explained));
    if (!scans) {
      use.why = "all: the statement has no plan to look at";
    }
    const std::set<const DataFile*> needed =
        scans ? needed_files(snapshot, *scans, use.why) : std::set<const DataFile*>();
    for (const auto& [path, file] : snapshot.files) {
      ++use.files_total;
      use.bytes_total += file.size_bytes;
      if (!scans || needed.count(&file) > 0) {
        ++use.files_opened;
        use.bytes_opened += file.size_bytes;
        files.push_back(file);
      }
    }
    ASSAY_ASSIGN_OR_RETURN(
        const std::string relation,
        scan_relation({world_, store_, sql_}, *named.delta, named.snapshot, files));
    planned_.tables.push_back(std::move(use));
    return sql_.execute(create_view(named.table, "SELECT * FROM " + relation));
  }

  Result<std::optional<std::vector<ScanFilters>>> scans_of(
      std::size_t index, const std::optional<std::string>& explained) {
    if (!explained) {
      return std::optional<std::vector<ScanFilters>>();
    }
    std::vector<std::vector<std::string>> names;
    names.reserve(named_.size());
    for (const NamedTable& named : named_) {
      names.push_back(column_names(*named.snapshot));
    }
    ASSAY_ASSIGN_OR_RETURN(auto scans, filters_in_plan(*explained, kStub, names));
    return std::optional(std::move(scans[index]));
  }

  /// Files that any of the scans needs, and the reason in words.
  static std::set<const DataFile*> needed_files(const Snapshot& snapshot,
                                                const std::vector<ScanFilters>& scans,
                                                std::string& why) {
    std::set<const DataFile*> needed;
    if (scans.empty()) {
      why = "none: no row of it can matter";
    }
    for (const ScanFilters& filters : scans) {
      std::string conditions;
      for (const std::string& filter : filters) {
        conditions += (conditions.empty() ? "" : " AND ") + filter;
      }
      why += why.empty() ? "" : "; and ";
      why += conditions.empty() ? "all: no condition reaches it" : conditions;
      for (const DataFile* file : files_of_scan(snapshot, filters)) {
        needed.insert(file);
      }
    }
    return needed;
  }

  static std::vector<const DataFile*> files_of_scan(const Snapshot& snapshot,
                                                    const ScanFilters& filters) {
    std::string together;
    std::vector<std::vector<std::string>> alternatives;
    for (const std::string& filter : filters) {
      std::vector<std::string> members = split_or(filter);
      if (members.size() > 1) {
        alternatives.push_back(std::move(members));
      } else {
        together += (together.empty() ? "(" : " AND (") + filter + ")";
      }
    }
    std::vector<const DataFile*> files = prune_files(snapshot, together);
    for (const std::vector<std::string>& members : alternatives) {
      std::set<const DataFile*> either;
      for (const std::string& member : members) {
        for (const DataFile* file : prune_files(snapshot, member)) {
          either.insert(file);
        }
      }
      files.erase(std::remove_if(files.begin(),
                                 files.end(),
                                 [&](const DataFile* file) { return either.count(file) == 0; }),
                  files.end());
    }
    return files;
  }

  World& world_;
  store::ObjectStore& store_;
  SqlEngine& sql_;
  const std::vector<SqlTable>& tables_;
  PlannedSql planned_;
  std::vector<NamedTable> named_;
  bool is_planned_ = false;       // the statement is of a kind that has a plan
  std::vector<SqlName> unknown_;  // begin with `lake.` and are no table; perhaps columns
};

}  // namespace

Result<PlannedSql> plan_sql(World& world,
                            store::ObjectStore& store,
                            data::SqlEngine& sql,
                            const std::vector<SqlTable>& tables,
                            const std::string& statement) {
  return Planner(world, store, sql, tables, statement).plan();
}

}  // namespace assay::lake

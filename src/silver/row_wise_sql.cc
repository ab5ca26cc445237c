#include "silver/row_wise_sql.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <optional>
#include <utility>

#include "base/ascii.h"
#include "silver/row_wise_check.h"
#include "silver/sql_syntax.h"

namespace assay::silver {
namespace {

constexpr char kRowNumber[] = "__assay_row";
constexpr std::string_view kSelect = "select";

/// Where the word SELECT ends, after white space and comments; nothing when it does not come first.
std::optional<std::size_t> end_of_select(std::string_view sql) {
  std::size_t at = 0;
  while (at < sql.size()) {
    if (std::isspace(static_cast<unsigned char>(sql[at])) != 0) {
      ++at;
    } else if (sql.substr(at, 2) == "--") {
      at = std::min(sql.find('\n', at), sql.size());
    } else if (sql.substr(at, 2) == "/*") {
      const std::size_t end = sql.find("*/", at + 2);
      at = end == std::string_view::npos ? sql.size() : end + 2;
    } else {
      break;
    }
  }
  for (std::size_t index = 0; index < kSelect.size(); ++index) {
    if (at + index >= sql.size() ||
        std::tolower(static_cast<unsigned char>(sql[at + index])) != kSelect[index]) {
      return std::nullopt;
    }
  }
  const std::size_t end = at + kSelect.size();
  const bool is_word = end < sql.size() &&
                       (std::isalnum(static_cast<unsigned char>(sql[end])) != 0 || sql[end] == '_');
  return is_word ? std::nullopt : std::optional<std::size_t>(end);
}

/// Names of result columns that are computed, not columns of the table.
std::vector<std::string> computed_names(const SqlSyntax& syntax) {
  std::vector<std::string> names;
  const std::string list = "$.statements[0].node.select_list[";
  for (int index = 0; syntax.has(list + std::to_string(index) + "].class"); ++index) {
    const std::string item = list + std::to_string(index) + "]";
    const std::string alias = syntax.leaf(item + ".alias");
    const std::string last = syntax.has(item + ".column_names[1]")
                                 ? syntax.leaf(item + ".column_names[1]")
                                 : syntax.leaf(item + ".column_names[0]");
    const bool is_column = syntax.leaf(item + ".class") == "COLUMN_REF";
    if (!alias.empty() && !(is_column && alias == last)) {
      names.push_back(alias);
    }
    // SELECT * REPLACE (x AS a) RENAME (b AS c)
    for (const auto& [part, leaf] : {std::pair<const char*, const char*>{".replace_list[", "].key"},
                                     {".rename_list[", "].value"}}) {
      for (int at = 0; syntax.has(item + part + std::to_string(at) + leaf); ++at) {
        names.push_back(syntax.leaf(item + part + std::to_string(at) + leaf));
      }
    }
  }
  return names;
}

/// Columns of the table that the SELECT gives as they are, all rows; nothing when it does more.
std::optional<std::vector<int>> plain_columns(const SqlSyntax& syntax,
                                              const data::Schema& input,
                                              const data::Schema& result) {
  const std::string node = "$.statements[0].node";
  if (syntax.has(node + ".where_clause.class")) {
    return std::nullopt;
  }
  std::vector<int> columns;
  for (int index = 0; index < static_cast<int>(result.fields().size()); ++index) {
    const std::string item = node + ".select_list[" + std::to_string(index) + "]";
    const std::string name = lower_ascii(syntax.leaf(item + ".column_names[0]"));
    // Two names are a table's and a column's, or a struct's and a field's.
    if (syntax.leaf(item + ".class") != "COLUMN_REF" || syntax.has(item + ".column_names[1]")) {
      return std::nullopt;
    }
    const auto found =
        std::find_if(input.fields().begin(), input.fields().end(), [&](const data::Field& field) {
          return lower_ascii(field.name) == name;
        });
    const auto& given = result.fields()[static_cast<std::size_t>(index)];
    if (found == input.fields().end() || !(found->type == given.type)) {
      return std::nullopt;
    }
    columns.push_back(static_cast<int>(found - input.fields().begin()));
  }
  return columns;
}

/// Refuses result columns of types that tables do not have, each with the CAST to write.
Status check_types(data::SqlEngine& engine, const std::string& sql) {
  ASSAY_ASSIGN_OR_RETURN(const data::Batch columns,
                         engine.query("DESCRIBE " + sql, data::SqlUnknownTypes::kAsText));
  const auto starts_with = [](std::string_view text, std::string_view prefix) {
    return text.substr(0, prefix.size()) == prefix;
  };
  for (int64_t row = 0; row < columns.rows(); ++row) {
    const std::string name(columns.column(0).text(row));
    const std::string_view type = columns.column(1).text(row);
    std::string cast;
    if (type == "HUGEINT" || type == "UHUGEINT" || type == "UINTEGER" || type == "UBIGINT") {
      cast = "BIGINT";
    } else if (starts_with(type, "UNION") || type == "UUID" || starts_with(type, "ENUM") ||
               type == "TIME" || type == "INTERVAL" || type == "BIT" || type == "JSON" ||
               type == "TIME WITH TIME ZONE") {
      cast = "VARCHAR";
    }
    if (!cast.empty()) {
      return {Code::kInvalidArgument,
              "column `" + name + "` is " + std::string(type) +
                  ", which tables do not hold; write CAST(... AS " + cast + ") AS " + name};
    }
  }
  return {};
}

/// The column that DuckDB's message names, if it does: "... when casting from source column price".
std::string column_in_message(const std::string& message) {
  constexpr std::string_view kMark = "source column ";
  const std::size_t at = message.find(kMark);
  if (at == std::string::npos) {
    return "";
  }
  const std::size_t begin = at + kMark.size();
  std::size_t end = begin;
  while (end < message.size() &&
         (std::isalnum(static_cast<unsigned char>(message[end])) != 0 || message[end] == '_')) {
    ++end;
  }
  return message.substr(begin, end - begin);
}

data::SchemaPtr without_row_number(const data::Schema& schema) {
  std::vector<data::Field> fields(schema.fields().begin() + 1, schema.fields().end());
  for (data::Field& field : fields) {
    field.nullable = true;
  }
  return data::make_schema(std::move(fields));
}

}  // namespace

Result<RowWiseSql> RowWiseSql::compile(data::SqlEngine& engine,
                                       const std::string& sql,
                                       const std::string& from,
                                       const data::Schema& input) {
  for (const std::string& name : input.names()) {
    if (name == "rowid" || name == kRowNumber) {
      return Status(Code::kInvalidArgument,
                    "column `" + name + "` of `" + from +
                        "` hides the row numbers that silver needs; rename it");
    }
  }
  ASSAY_ASSIGN_OR_RETURN(const SqlSyntax syntax, SqlSyntax::parse(engine, sql));
  ASSAY_RETURN_IF_ERROR(check_row_wise(engine, syntax, from, input));
  const auto select_end = end_of_select(sql);
  if (!select_end) {
    return Status(Code::kInvalidArgument, "the SQL must begin with the word SELECT");
  }
  RowWiseSql compiled;
  compiled.from_ = from;
  compiled.computed_ = computed_names(syntax);
  compiled.sql_ = sql.substr(0, *select_end) + " rowid AS " +
                  data::SqlEngine::identifier(kRowNumber) + ", " + sql.substr(*select_end);
  const data::SchemaPtr input_schema = data::make_schema(input.fields());
  ASSAY_RETURN_IF_ERROR(engine.create_table(from, data::Batch::empty(input_schema)));
  const Status types = check_types(engine, compiled.sql_);
  Result<data::Batch> empty = types.ok() ? engine.query(compiled.sql_) : types;
  if (empty.ok()) {
    compiled.failing_rows_ = FailingRows::compile(engine, sql, syntax, from);
  }
  ASSAY_RETURN_IF_ERROR(engine.drop_table(from));
  ASSAY_RETURN_IF_ERROR(types);
  ASSAY_RETURN_IF_ERROR(empty.status());
  compiled.schema_ = without_row_number(empty->schema());
  compiled.plain_columns_ = plain_columns(syntax, input, *compiled.schema_);
  return compiled;
}

bool RowWiseSql::is_plain_column(std::string_view name) const {
  return std::count(computed_.begin(), computed_.end(), name) == 0;
}

Result<data::Batch> RowWiseSql::query(data::SqlEngine& engine, const data::Batch& input) const {
  ASSAY_RETURN_IF_ERROR(engine.create_table(from_, input));
  Result<data::Batch> rows = engine.query(sql_);
  ASSAY_RETURN_IF_ERROR(engine.drop_table(from_));
  return rows;
}

/// One run over the rows of `input`: `numbers` are their row numbers in the batch it was cut from.
struct RowWiseSql::Run {
  data::SqlEngine& engine;
  data::Batch input;
  std::vector<int64_t> numbers;
  std::vector<data::Batch> parts;
  Output output;
};

Result<data::Rejects> RowWiseSql::find_failing(data::SqlEngine& engine,
                                               const data::Batch& input) const {
  ASSAY_RETURN_IF_ERROR(engine.create_table(from_, input));
  Result<data::Rejects> rejects = failing_rows_->find(engine);
  ASSAY_RETURN_IF_ERROR(engine.drop_table(from_));
  return rejects;
}

Status RowWiseSql::run_slice(Run* run, int64_t begin, int64_t end) const {
  if (begin == end) {
    return {};
  }
  Result<data::Batch> rows = query(run->engine, run->input.slice(begin, end));
  if (rows.ok()) {
    return take_rows(run, begin, end, *rows);
  }
  if (rows.code() != Code::kInvalidArgument) {
    return rows.status();
  }
  if (end - begin == 1) {
    run->output.rejects.push_back({run->numbers[static_cast<std::size_t>(begin)],
                                   data::RejectReason::kWrongType,
                                   column_in_message(rows.status().message())});
    return {};
  }
  const int64_t middle = begin + (end - begin) / 2;
  ASSAY_RETURN_IF_ERROR(run_slice(run, begin, middle));
  return run_slice(run, middle, end);
}

/// Result rows of input rows [begin, end), put in the order of the input.
Status RowWiseSql::take_rows(Run* run, int64_t begin, int64_t end, const data::Batch& rows) const {
  const auto numbers = rows.column(0).values<int64_t>();
  std::vector<int64_t> order(numbers.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto number_of = [&](int64_t row) { return numbers[static_cast<std::size_t>(row)]; };
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return number_of(a) < number_of(b);
  });
  for (std::size_t index = 0; index < order.size(); ++index) {
    const int64_t number = number_of(order[index]);
    const bool is_twice = index > 0 && number_of(order[index - 1]) == number;
    if (number < 0 || number >= end - begin || is_twice) {
      return {Code::kInternal, "the SQL gave a row twice or one that was not there"};
    }
    run->output.input_rows.push_back(run->numbers[static_cast<std::size_t>(begin + number)]);
  }
  std::vector<data::ColumnPtr> columns;
  for (int index = 1; index < rows.column_count(); ++index) {
    columns.push_back(rows.column_ptr(index));
  }
  const data::Batch part(schema_, std::move(columns), rows.rows());
  run->parts.push_back(std::is_sorted(order.begin(), order.end()) ? part : part.take(order));
  return {};
}

/// What the engine would give, without it: a query costs as much as thousands of rows.
RowWiseSql::Output RowWiseSql::run_plain(const data::Batch& input) const {
  Output output;
  std::vector<data::ColumnPtr> columns;
  for (const int column : *plain_columns_) {
    columns.push_back(input.column_ptr(column));
  }
  output.rows = data::Batch(schema_, std::move(columns), input.rows());
  output.input_rows.resize(static_cast<std::size_t>(input.rows()));
  std::iota(output.input_rows.begin(), output.input_rows.end(), int64_t{0});
  return output;
}

Result<RowWiseSql::Output> RowWiseSql::run(data::SqlEngine& engine,
                                           const data::Batch& input) const {
  if (plain_columns_) {
    return run_plain(input);
  }
  Run run{engine, input, std::vector<int64_t>(static_cast<std::size_t>(input.rows())), {}, {}};
  std::iota(run.numbers.begin(), run.numbers.end(), int64_t{0});
  if (input.rows() > 0) {
    const Result<data::Batch> rows = query(engine, input);
    if (rows.ok()) {
      ASSAY_RETURN_IF_ERROR(take_rows(&run, 0, input.rows(), *rows));
    } else if (rows.code() != Code::kInvalidArgument) {
      return rows.status();
    } else {
      if (failing_rows_) {
        ASSAY_ASSIGN_OR_RETURN(run.output.rejects, find_failing(engine, input));
      }
      auto failing = run.output.rejects.begin();
      const auto is_failing = [&](int64_t row) {
        const bool found = failing != run.output.rejects.end() && failing->row == row;
        failing += found ? 1 : 0;
        return found;
      };
      run.numbers.erase(std::remove_if(run.numbers.begin(), run.numbers.end(), is_failing),
                        run.numbers.end());
      run.input = input.take(run.numbers);
      ASSAY_RETURN_IF_ERROR(run_slice(&run, 0, run.input.rows()));
    }
  }
  std::sort(run.output.rejects.begin(),
            run.output.rejects.end(),
            [](const data::Reject& a, const data::Reject& b) { return a.row < b.row; });
  ASSAY_ASSIGN_OR_RETURN(run.output.rows, data::concat(schema_, run.parts));
  return std::move(run.output);
}

}  // namespace assay::silver

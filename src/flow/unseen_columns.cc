#include "flow/unseen_columns.h"

#include <algorithm>

#include "base/suggest.h"
#include "catalog/value_reading.h"

namespace assay::flow {
namespace {

/// Of records whose members have names without end.
constexpr std::size_t kNamesMax = 1000;
constexpr std::size_t kRecordBytesMax = 64 << 10;

bool has_value(const data::Column& column) {
  for (int64_t row = 0; row < column.size(); ++row) {
    if (column.is_valid(row)) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<std::string> member_names(std::string_view json) {
  std::vector<std::string> names;
  int depth = 0;
  std::size_t text_begin = std::string_view::npos;  // within a text
  std::string_view last;                            // text of the object itself
  for (std::size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (text_begin != std::string_view::npos) {
      if (c == '\\') {
        ++at;
      } else if (c == '"') {
        last = json.substr(text_begin, at - text_begin);
        text_begin = std::string_view::npos;
      }
    } else if (c == '"') {
      text_begin = at + 1;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    } else if (c == ':' && depth == 1 && last.find('\\') == std::string_view::npos) {
      names.emplace_back(last);
    }
  }
  return names;
}

UnseenColumns::UnseenColumns(const catalog::BronzeDef& bronze) : bronze_(bronze) {
  for (const catalog::ColumnDef& column : bronze.columns) {
    if (!column.required && !column.default_value.has_value()) {
      unseen_.push_back(&column);
    }
  }
}

void UnseenColumns::note(const ingest::RecordBatch& records, const data::Batch& rows) {
  if (unseen_.empty() || records.size() == 0) {
    return;
  }
  is_noted_ = true;
  if (records.format == catalog::Format::kCsv || records.format == catalog::Format::kParquet) {
    const std::vector<std::string> names =
        records.format == catalog::Format::kCsv ? records.header : records.rows.schema().names();
    names_.insert(names.begin(), names.end());
    std::erase_if(unseen_, [&](const catalog::ColumnDef* column) {
      return names_.contains(column->field());
    });
    return;
  }
  must_be_near_ = true;
  for (std::string& name : member_names(records.records.front().substr(0, kRecordBytesMax))) {
    if (names_.size() < kNamesMax) {
      names_.insert(std::move(name));
    }
  }
  std::erase_if(unseen_, [&](const catalog::ColumnDef* column) {
    const data::Column* const values = rows.find(column->name);
    return names_.contains(column->field()) || values == nullptr || has_value(*values);
  });
}

std::vector<UnseenColumns::Unseen> UnseenColumns::found() const {
  std::vector<std::string> others(names_.begin(), names_.end());
  std::erase_if(others, [&](const std::string& name) {
    return std::any_of(bronze_.columns.begin(),
                       bronze_.columns.end(),
                       [&](const catalog::ColumnDef& column) { return column.field() == name; });
  });
  std::vector<Unseen> found;
  if (!is_noted_) {
    return found;
  }
  for (const catalog::ColumnDef* column : unseen_) {
    const std::string near = suggest(column->field(), others).value_or("");
    if (!must_be_near_ || !near.empty()) {
      found.push_back({column->field(), near});
    }
  }
  return found;
}

void UnseenColumns::warn(Log& log) const {
  for (const Unseen& unseen : found()) {
    log.warn("column_in_no_file",
             {{"table", bronze_.name},
              {"column", unseen.column},
              {"next",
               unseen.near.empty()
                   ? std::string("it is null in every row; correct its name, or leave it out")
               : catalog::is_column_name(unseen.near)
                   ? "did you mean `" + unseen.near + "`?"
                   : "did you mean `from: \"" + unseen.near + "\"`?"}});
  }
}

}  // namespace assay::flow

#include "serve/request_rows.h"

#include <algorithm>

#include "serve/error_response.h"
#include "serve/json_value.h"

namespace assay::serve {
namespace {

const data::Field* find_field(const std::vector<data::Field>& fields, const std::string& name) {
  const auto found = std::find_if(
      fields.begin(), fields.end(), [&](const data::Field& field) { return field.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

/// Names of fields that `entities` lacks, as Python prints a list.
std::string missing_names(const std::vector<data::Field>& fields,
                          const std::vector<JsonColumn>& entities) {
  std::string names;
  for (const data::Field& field : fields) {
    const bool given = std::any_of(entities.begin(), entities.end(), [&](const JsonColumn& column) {
      return column.name == field.name;
    });
    if (!given) {
      names += (names.empty() ? "'" : ", '") + field.name + "'";
    }
  }
  return names.empty() ? "" : "[" + names + "]";
}

std::optional<Response> check_cells(const gold::Service& service, int64_t rows) {
  return rows * static_cast<int64_t>(service.features.size()) <= kCellsMax
             ? std::optional<Response>()
             : feast_error(413,
                           "FeastError",
                           "one request may ask for at most 1000000 values; ask for fewer entities "
                           "at once");
}

std::optional<Response> add_column(const data::Field& field,
                                   const JsonColumn& column,
                                   RequestRows* rows) {
  RequestColumn typed{field.name, {}};
  typed.values.reserve(column.values.size());
  for (std::size_t row = 0; row < column.values.size(); ++row) {
    Result<data::Scalar> value = to_scalar(column.values[row], field.type);
    if (!value.ok()) {
      return feast_error(
          422,
          "FeastError",
          "entities." + field.name + "[" + std::to_string(row) + "]: " + value.status().message());
    }
    typed.values.push_back(std::move(value).value());
  }
  rows->columns.push_back(std::move(typed));
  return std::nullopt;
}

}  // namespace

TypedRows type_rows(const gold::Service& service, const std::vector<JsonColumn>& entities) {
  TypedRows typed;
  if (const std::string missing = missing_names(service.entity_keys, entities); !missing.empty()) {
    typed.refusal = feast_error(422, "FeastError", "Missing join key values for keys: " + missing);
    return typed;
  }
  if (const std::string missing = missing_names(service.request, entities); !missing.empty()) {
    typed.refusal =
        feast_error(404,
                    "RequestDataNotFoundInEntityRowsException",
                    "Required request data source features " + missing +
                        " not found in the entity rows, but required by on demand feature view");
    return typed;
  }
  bool first = true;
  for (const JsonColumn& column : entities) {
    const data::Field* key = find_field(service.entity_keys, column.name);
    const data::Field* field = key != nullptr ? key : find_field(service.request, column.name);
    if (field == nullptr) {
      continue;
    }
    const auto rows = static_cast<int64_t>(column.values.size());
    if (!first && rows != typed.rows.rows) {
      typed.refusal = feast_error(422, "FeastError", "All entity rows must have the same columns.");
      return typed;
    }
    first = false;
    typed.rows.rows = rows;
    if (std::optional<Response> refusal = check_cells(service, rows)) {
      typed.refusal = std::move(refusal);
      return typed;
    }
    if (std::optional<Response> refusal = add_column(*field, column, &typed.rows)) {
      typed.refusal = std::move(refusal);
      return typed;
    }
    if (key != nullptr) {
      typed.entity_names.push_back(column.name);
    }
  }
  if (first) {  // nothing is asked with: one answer of the whole population for each row given
    typed.rows.rows = entities.empty() ? 1 : static_cast<int64_t>(entities.front().values.size());
    typed.refusal = check_cells(service, typed.rows.rows);
  }
  return typed;
}

}  // namespace assay::serve

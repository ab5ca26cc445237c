// What a repository of Feast's defines, from its registry. The numbers of fields are those of
// feast.core, as in feast_registry.cc, which writes what is read here.

#include "serve/feast_repository.h"

#include <optional>
#include <utility>

#include "catalog/value_reading.h"
#include "catalog/yaml_document.h"
#include "data/feast_value.h"
#include "data/protobuf.h"
#include "serve/grpc_columns.h"

namespace assay::serve {
namespace {

using data::ProtoField;

constexpr uint64_t kJson = 32;
constexpr uint64_t kStruct = 34;

/// The type of a definition that Feast's number stands for. Its Json is text in files.
std::string type_word(uint64_t number) {
  const std::optional<data::Type> type = data::type_of_feast_value(number);
  return type.has_value()  ? type_name(*type)
         : number == kJson ? type_name(data::TypeId::kString)
                           : "";
}

/// What Feast calls a type for which definitions have none.
std::string feast_type_word(uint64_t number) {
  static const std::map<uint64_t, std::string> kWords = {{20, "Map"},
                                                         {21, "Array(Map)"},
                                                         {33, "Array(Json)"},
                                                         {34, "Struct"},
                                                         {35, "Array(Struct)"},
                                                         {36, "Uuid"},
                                                         {37, "TimeUuid"},
                                                         {38, "Array(Uuid)"},
                                                         {39, "Array(TimeUuid)"},
                                                         {42, "Array(Array)"},
                                                         {44, "Decimal"},
                                                         {45, "Array(Decimal)"},
                                                         {47, "ScalarMap"},
                                                         {48, "ZonedTimestamp"}};
  const auto found = kWords.find(number);
  const bool is_set = (number >= 22 && number <= 29) || (number >= 40 && number <= 46);
  return found != kWords.end() ? found->second
         : is_set              ? "Set"
                               : "of number " + std::to_string(number);
}

/// An entry of a map of texts.
Result<std::pair<std::string, std::string>> read_entry(std::string_view message) {
  std::pair<std::string, std::string> entry;
  ASSAY_RETURN_IF_ERROR(for_fields(message, [&](const ProtoField& field) -> Status {
    (field.number == 1 ? entry.first : entry.second) = field.bytes;
    return {};
  }));
  return entry;
}

/// The tag in which Feast keeps the fields of a Struct: JSON, `{"name": "STRING"}`.
constexpr char kStructTag[] = "feast:struct_schema";

/// The type that such a tag says; "" where a field is no plain value, or has no name of a column.
std::string struct_word(const std::string& schema) {
  static const std::map<std::string, std::string, std::less<>> kTypes = {
      {"BYTES", "bytes"},
      {"STRING", "string"},
      {"INT32", "int32"},
      {"INT64", "int64"},
      {"FLOAT32", "float32"},
      {"FLOAT64", "float64"},
      {"BOOL", "bool"},
      {"UNIX_TIMESTAMP", "timestamp"}};
  const catalog::YamlDocument document = catalog::parse_yaml(schema, kStructTag);  // JSON is YAML
  std::string fields;
  for (const catalog::YamlEntry& entry : document.root.entries) {
    const auto type = kTypes.find(entry.value.text);
    if (type == kTypes.end() || !catalog::is_column_name(entry.key)) {
      return "";
    }
    fields += (fields.empty() ? "" : ",") + entry.key + ":" + type->second;
  }
  return fields.empty() || document.diagnostics.errors() > 0 ? "" : "struct<" + fields + ">";
}

Result<FeastColumn> read_column(std::string_view message) {
  FeastColumn column;
  std::string schema;
  ASSAY_RETURN_IF_ERROR(for_fields(message, [&](const ProtoField& field) -> Status {
    if (field.number == 1) {
      column.name = field.bytes;
    } else if (field.number == 2) {
      column.type = type_word(field.bits);
      column.feast_type = column.type.empty() ? feast_type_word(field.bits) : "";
      column.is_json = field.bits == kJson;
    } else if (field.number == 3) {
      ASSAY_ASSIGN_OR_RETURN(const auto tag, read_entry(field.bytes));
      column.has_more = column.has_more || tag.first != kStructTag;
      schema = tag.first == kStructTag ? tag.second : schema;
    } else if (field.number == 4) {
      column.description = field.bytes;
    } else if (field.number == 5) {
      column.has_more = column.has_more || field.bits != 0;
    }
    return {};
  }));
  if (column.feast_type == feast_type_word(kStruct) && !schema.empty()) {
    column.type = struct_word(schema);
  }
  return column;
}

/// feast.core.DataSource, as far as it is one of files.
Status read_source(std::string_view message, FeastView* view) {
  return for_fields(message, [&](const ProtoField& field) -> Status {
    if (field.number == 2) {
      ASSAY_ASSIGN_OR_RETURN(const auto renamed, read_entry(field.bytes));
      view->columns[renamed.second] = renamed.first;
    } else if (field.number == 3) {
      view->event_time = field.bytes;
    } else if (field.number == 5) {
      view->known_time = field.bytes;
    } else if (field.number == 20) {
      view->source = field.bytes;
    } else if (field.number == 11) {
      return for_fields(field.bytes, [&](const ProtoField& option) -> Status {
        if (option.number == 1) {
          return for_fields(option.bytes, [&](const ProtoField& format) -> Status {
            view->is_delta = view->is_delta || format.number == 2;
            return {};
          });
        }
        if (option.number == 2) {
          view->path = option.bytes;
        }
        return {};
      });
    }
    return {};
  });
}

}  // namespace

/// feast.core.FeatureViewSpec.
Result<FeastView> read_feast_view(std::string_view message) {
  FeastView view;
  ASSAY_RETURN_IF_ERROR(for_fields(message, [&](const ProtoField& field) -> Status {
    switch (field.number) {
      case 1:
        view.name = field.bytes;
        return {};
      case 2:
        view.project = field.bytes;
        return {};
      case 3:
        view.entities.emplace_back(field.bytes);
        return {};
      case 4:
      case 12: {
        ASSAY_ASSIGN_OR_RETURN(FeastColumn column, read_column(field.bytes));
        view.features_have_more = view.features_have_more || (field.number == 4 && column.has_more);
        (field.number == 4 ? view.features : view.keys).push_back(std::move(column));
        return {};
      }
      case 5: {
        ASSAY_ASSIGN_OR_RETURN(const auto tag, read_entry(field.bytes));
        view.tags.push_back(tag.second.empty() ? tag.first : tag.first + "=" + tag.second);
        return {};
      }
      case 6:
        return for_fields(field.bytes, [&](const ProtoField& part) -> Status {
          view.ttl_seconds = part.number == 1 ? static_cast<int64_t>(part.bits) : view.ttl_seconds;
          return {};
        });
      case 7:
        return read_source(field.bytes, &view);
      case 8:
        view.is_online = field.bits != 0;
        return {};
      case 9:
        view.has_stream = true;
        return for_fields(field.bytes, [&](const ProtoField& part) -> Status {
          view.stream = part.number == 20 ? std::string(part.bytes) : view.stream;
          return {};
        });
      case 10:
        view.description = field.bytes;
        return {};
      case 11:
        view.owner = field.bytes;
        return {};
      case 15:
        view.is_transformed = !field.bytes.empty();
        return {};
      case 17:
        view.is_validated = field.bits != 0;
        return {};
      case 20:
        view.is_disabled = field.bits != 0;
        return {};
      default:
        return {};
    }
  }));
  return view;
}

/// feast.core.FeatureServiceSpec.
Result<FeastService> read_feast_service(std::string_view message) {
  FeastService service;
  ASSAY_RETURN_IF_ERROR(for_fields(message, [&](const ProtoField& field) -> Status {
    if (field.number == 1) {
      service.name = field.bytes;
    } else if (field.number >= 4 && field.number <= 6) {
      service.has_more = service.has_more || !field.bytes.empty();
    } else if (field.number == 7) {
      service.is_logged = !field.bytes.empty();
    } else if (field.number == 3) {
      FeastPart& part = service.parts.emplace_back();
      return for_fields(field.bytes, [&](const ProtoField& of) -> Status {
        if (of.number == 1) {
          part.view = of.bytes;
        } else if (of.number == 2) {
          ASSAY_ASSIGN_OR_RETURN(const FeastColumn column, read_column(of.bytes));
          part.features.push_back(column.name);
        } else if (of.number == 3) {
          part.alias = of.bytes;
        } else if (of.number == 4) {
          part.renames_keys = true;
        }
        return {};
      });
    }
    return {};
  }));
  return service;
}

/// feast.core.EntitySpecV2.
Result<FeastEntity> read_feast_entity(std::string_view message) {
  FeastEntity entity;
  ASSAY_RETURN_IF_ERROR(for_fields(message, [&](const ProtoField& field) -> Status {
    if (field.number == 1) {
      entity.name = field.bytes;
    } else if (field.number == 3) {
      entity.description = field.bytes;
    } else if (field.number == 8 || field.number == 10) {
      entity.has_more = entity.has_more || !field.bytes.empty();
    }
    return {};
  }));
  return entity;
}

Result<FeastSource> read_feast_source(std::string_view message) {
  FeastSource source;
  ASSAY_RETURN_IF_ERROR(for_fields(message, [&](const ProtoField& field) -> Status {
    if (field.number == 20) {
      source.name = field.bytes;
    } else if (field.number >= 23 && field.number <= 25) {
      source.has_more = source.has_more || !field.bytes.empty();
    }
    return {};
  }));
  return source;
}

}  // namespace assay::serve

// Definitions from Feast's registry file (message feast.core.Registry). The numbers of fields are
// those of feast.core, as in feast_registry.cc, which writes what is read here.

#include "serve/feast_import.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "base/file_system.h"
#include "base/json_writer.h"
#include "data/feast_value.h"
#include "data/protobuf.h"

namespace assay::serve {
namespace {

using data::ProtoField;
using data::ProtoReader;

using Visit = std::function<Status(const ProtoField& field)>;

Status for_fields(std::string_view message, const Visit& visit) {
  ProtoReader reader(message);
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<ProtoField> field, reader.next());
    if (!field.has_value()) {
      return {};
    }
    ASSAY_RETURN_IF_ERROR(visit(*field));
  }
}

/// A column: feast.core.FeatureSpecV2.
struct Column {
  std::string name;
  std::string type;  // of a definition; "" when there is none for it
};

struct View {
  std::string name;
  std::vector<std::string> entities;
  std::vector<Column> features;
  std::vector<Column> keys;
  int64_t ttl_seconds = 0;
  std::string description;
  std::string owner;
  std::string path;  // of its files
  bool is_delta = false;
  std::string event_time;
  std::string known_time;
};

struct Service {
  std::string name;
  std::vector<std::pair<std::string, std::vector<std::string>>> items;  // view, its features
};

/// The type of a definition that Feast's number stands for.
std::string type_word(uint64_t number) {
  const std::optional<data::Type> type = data::type_of_feast_value(number);
  return type.has_value() ? type_name(*type) : "";
}

Result<Column> read_column(std::string_view message) {
  Column column;
  ASSAY_RETURN_IF_ERROR(for_fields(message, [&](const ProtoField& field) -> Status {
    if (field.number == 1) {
      column.name = field.bytes;
    } else if (field.number == 2) {
      column.type = type_word(field.bits);
    }
    return {};
  }));
  return column;
}

/// feast.core.DataSource, as far as it is one of files.
Status read_source(std::string_view message, View* view) {
  return for_fields(message, [&](const ProtoField& field) -> Status {
    if (field.number == 3) {
      view->event_time = field.bytes;
    } else if (field.number == 5) {
      view->known_time = field.bytes;
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

/// feast.core.FeatureViewSpec.
Result<View> read_view(std::string_view message) {
  View view;
  ASSAY_RETURN_IF_ERROR(for_fields(message, [&](const ProtoField& field) -> Status {
    switch (field.number) {
      case 1:
        view.name = field.bytes;
        return {};
      case 3:
        view.entities.emplace_back(field.bytes);
        return {};
      case 4:
      case 12: {
        ASSAY_ASSIGN_OR_RETURN(Column column, read_column(field.bytes));
        (field.number == 4 ? view.features : view.keys).push_back(std::move(column));
        return {};
      }
      case 6:
        return for_fields(field.bytes, [&](const ProtoField& part) -> Status {
          view.ttl_seconds = part.number == 1 ? static_cast<int64_t>(part.bits) : view.ttl_seconds;
          return {};
        });
      case 7:
        return read_source(field.bytes, &view);
      case 10:
        view.description = field.bytes;
        return {};
      case 11:
        view.owner = field.bytes;
        return {};
      default:
        return {};
    }
  }));
  return view;
}

/// feast.core.FeatureServiceSpec.
Result<Service> read_service(std::string_view message) {
  Service service;
  ASSAY_RETURN_IF_ERROR(for_fields(message, [&](const ProtoField& field) -> Status {
    if (field.number == 1) {
      service.name = field.bytes;
    } else if (field.number == 3) {
      auto& item = service.items.emplace_back();
      return for_fields(field.bytes, [&](const ProtoField& part) -> Status {
        if (part.number == 1) {
          item.first = part.bytes;
        } else if (part.number == 2) {
          ASSAY_ASSIGN_OR_RETURN(const Column column, read_column(part.bytes));
          item.second.push_back(column.name);
        }
        return {};
      });
    }
    return {};
  }));
  return service;
}

/// A name as definitions take it: letters, digits and _, no digit first.
std::string plain(const std::string& name) {
  std::string made;
  for (const char c : name) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    made += fits ? c : '_';
  }
  return made.empty() || (made[0] >= '0' && made[0] <= '9') ? "_" + made : made;
}

/// Text in double quotes, as YAML reads JSON's.
std::string quoted(const std::string& text) {
  std::string json;
  append_json_string(json, text);
  return json;
}

/// The name of a column as it is; in quotes when YAML could read something else into it.
std::string column_text(const std::string& name) {
  return plain(name) == name ? name : quoted(name);
}

class Importer {
 public:
  explicit Importer(std::string folder) : folder_(std::move(folder)) {}

  Result<FeastImport> run(std::string_view registry) {
    ASSAY_RETURN_IF_ERROR(
        for_fields(registry, [&](const ProtoField& field) -> Status { return for_spec(field); }));
    choose_views();
    if (kept_.empty()) {
      return Status(Code::kInvalidArgument,
                    "the registry has no feature view over a source of files");
    }
    write_sources();
    write_entities();
    write_views();
    write_services();
    return std::move(made_);
  }

 private:
  /// One object of the registry; most hold what they are in a message `spec`, their field 1.
  Status for_spec(const ProtoField& object) {
    if (object.wire != ProtoField::Wire::kBytes) {
      return {};
    }
    const auto of_spec = [&](const Visit& visit) {
      return for_fields(object.bytes, [&](const ProtoField& field) -> Status {
        return field.number == 1 ? visit(field) : Status();
      });
    };
    switch (object.number) {
      case 6:
        return of_spec([&](const ProtoField& spec) -> Status {
          ASSAY_ASSIGN_OR_RETURN(View view, read_view(spec.bytes));
          views_.emplace(view.name, std::move(view));
          return {};
        });
      case 7:
        return of_spec([&](const ProtoField& spec) -> Status {
          ASSAY_ASSIGN_OR_RETURN(Service service, read_service(spec.bytes));
          services_.emplace(service.name, std::move(service));
          return {};
        });
      case 8:
      case 14:
        return of_spec([&](const ProtoField& spec) -> Status {
          ASSAY_ASSIGN_OR_RETURN(const View view, read_view(spec.bytes));
          note(view.name + (object.number == 8
                                ? ": an on-demand view is Python; write it as `on_demand`"
                                : ": a stream view; write its windows as `agg` and `over`"));
          return {};
        });
      case 17:
        return of_spec([&](const ProtoField& spec) -> Status {
          return for_fields(spec.bytes, [&](const ProtoField& field) -> Status {
            made_.project = field.number == 1 ? plain(std::string(field.bytes)) : made_.project;
            return {};
          });
        });
      default:
        return {};
    }
  }

  void note(std::string text) { made_.notes.push_back(std::move(text)); }
  void line(const std::string& text) { made_.yaml += text + "\n"; }

  /// The views that can be kept, with the columns that have a type here.
  void choose_views() {
    for (auto& [name, view] : views_) {
      if (view.path.empty() || view.event_time.empty()) {
        note(name + ": its source is none of files with a timestamp; write one by hand");
        continue;
      }
      if (view.is_delta) {  // among its files are those whose rows its log removed
        note(name + ": its source is a Delta table; sources are files of rows, not tables");
        continue;
      }
      const auto untyped = [&, &view_name = name](const Column& column) {
        if (column.type.empty()) {
          note(view_name + "." + column.name + ": its type has no counterpart; left out");
        }
        return column.type.empty();
      };
      std::erase_if(view.features, untyped);
      std::erase_if(view.keys, [](const Column& key) { return key.name == "__dummy_id"; });
      const std::vector<Column> keys = view.keys;
      std::erase_if(view.features, [&](const Column& feature) {
        return std::any_of(
            keys.begin(), keys.end(), [&](const Column& key) { return key.name == feature.name; });
      });
      if (!view.features.empty()) {
        kept_.push_back(&view);
      }
    }
  }

  void write_sources() {
    line("sources:");
    for (const View* view : kept_) {
      line("  " + plain(view->name) + ": {files: {path: " + quoted(place_of(*view)) +
           ", format: parquet}}");
    }
    line("\nbronze:");
    for (const View* view : kept_) {
      line("  " + plain(view->name) + ":");
      line("    source: " + plain(view->name));
      line("    event_time: {column: " + column_text(view->event_time) + "}");
      if (!view->known_time.empty()) {
        line("    known_time: {column: " + column_text(view->known_time) + "}");
      }
      line("    columns:");
      std::set<std::string> told;
      const auto column = [&](const std::string& name, const std::string& type) {
        if (told.insert(name).second) {
          line("      " + column_text(name) + ": " + type);
        }
      };
      for (const Column& key : view->keys) {
        column(key.name, key.type + "!");
      }
      for (const Column& feature : view->features) {
        column(feature.name, feature.type);
      }
      column(view->event_time, "timestamp!");
      if (!view->known_time.empty()) {
        column(view->known_time, "timestamp!");
      }
    }
  }

  /// The name of a view's entity: that of its Feast entities, put together.
  static std::string entity_of(const View& view) {
    std::string name;
    for (const std::string& entity : view.entities) {
      name += entity == "__dummy" ? "" : (name.empty() ? "" : "_") + plain(entity);
    }
    return name.empty() ? "none" : name;
  }

  void write_entities() {
    std::map<std::string, const View*> entities;
    for (const View* view : kept_) {
      if (!view->keys.empty()) {
        entities.emplace(entity_of(*view), view);
      }
    }
    line(entities.empty() ? "" : "\nentities:");
    for (const auto& [name, view] : entities) {
      std::string keys;
      for (const Column& key : view->keys) {
        keys += (keys.empty() ? "" : ", ") + column_text(key.name) + ": " + key.type;
      }
      line("  " + name + ": {keys: {" + keys + "}}");
    }
  }

  void write_views() {
    line("\nfeature_views:");
    for (const View* view : kept_) {
      line("  " + plain(view->name) + ":");
      line("    entity: " + entity_of(*view));
      line("    from: " + plain(view->name));
      for (const auto& [key, text] :
           {std::pair{"description", &view->description}, std::pair{"owner", &view->owner}}) {
        if (!text->empty()) {
          line("    " + std::string(key) + ": " + quoted(*text));
        }
      }
      if (view->ttl_seconds > 0) {
        line("    ttl: " + std::to_string(view->ttl_seconds) + "s");
      }
      line("    features:");
      for (const Column& feature : view->features) {
        line("      " + column_text(feature.name) + ": latest");
      }
    }
  }

  void write_services() {
    std::string text;
    for (const auto& [name, service] : services_) {
      std::string items;
      for (const auto& [view, features] : service.items) {
        const bool kept = std::any_of(kept_.begin(), kept_.end(), [&, of = view](const View* one) {
          return one->name == of;
        });
        if (!kept) {
          note(name + ": its features of " + view + " are left out");
          continue;
        }
        std::string names;
        for (const std::string& feature : features) {
          names += (names.empty() ? "" : ",") + feature;
        }
        items += (items.empty() ? "" : ", ") + quoted(plain(view) + ":" + names);
      }
      if (!items.empty()) {
        text += "  " + plain(name) + ": [" + items + "]\n";
      }
    }
    if (!text.empty()) {
      line("\nservices:");
      made_.yaml += text;
    }
  }

  [[nodiscard]] std::string place_of(const View& view) const {
    const bool whole = view.path.starts_with('/') || view.path.find("://") != std::string::npos;
    return whole || folder_.empty() ? view.path : join_path(folder_, view.path);
  }

  const std::string folder_;
  FeastImport made_;
  std::map<std::string, View> views_;
  std::map<std::string, Service> services_;
  std::vector<const View*> kept_;
};

}  // namespace

Result<FeastImport> import_feast(std::string_view registry, const std::string& folder) {
  return Importer(folder).run(registry);
}

}  // namespace assay::serve

// Definitions from Feast's registry file (message feast.core.Registry).

#include "serve/feast_import.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "base/ascii.h"
#include "base/file_system.h"
#include "base/json_writer.h"
#include "catalog/table_schema.h"
#include "catalog/value_reading.h"
#include "data/expression_parser.h"
#include "data/protobuf.h"
#include "serve/feast_left_out.h"
#include "serve/feast_repository.h"
#include "serve/grpc_columns.h"

namespace assay::serve {
namespace {

using data::ProtoField;
using Column = FeastColumn;
using Part = FeastPart;
using Entity = FeastEntity;
using View = FeastView;
using Service = FeastService;
using Source = FeastSource;
using Visit = std::function<Status(const ProtoField& field)>;

/// A name as definitions take it: lower-case letters, digits and _, a letter first.
std::string plain(const std::string& name) {
  std::string made = lower_ascii(name);
  std::replace_if(
      made.begin(),
      made.end(),
      [](char c) {
        return !catalog::is_name(std::string{'a', c});
      },
      '_');
  return catalog::is_name(made) ? made : "x" + made;
}

/// The same, none of `taken`, which it joins, and of columns and features none that tables keep for
/// themselves.
std::string new_name(const std::string& name,
                     std::set<std::string>* taken,
                     bool is_of_tables = false) {
  const std::string begin = plain(name);
  std::string made = begin;
  for (int number = 2;
       (is_of_tables && catalog::is_reserved_column(made)) || !taken->insert(made).second;
       ++number) {
    made = begin + "_" + std::to_string(number);
  }
  return made;
}

/// Text in double quotes, as YAML reads JSON's.
std::string quoted(const std::string& text) {
  std::string json;
  append_json_string(json, text);
  return json;
}

/// Whether a table can have a column of this name.
bool is_column(const std::string& name) {
  return catalog::is_column_name(name) && !catalog::is_reserved_column(name);
}

/// Names of a table's columns by those in the files: the same where they can be, and others where
/// not, or where another column has it, upper and lower case alike.
class ColumnNames {
 public:
  /// Call a column of the files so. False: another one is, or it has a name.
  bool take(const std::string& in_files, const std::string& name) {
    return names_.count(in_files) == 0 && taken_.insert(lower_ascii(name)).second &&
           names_.emplace(in_files, name).second;
  }
  /// Give it a name, if it has none.
  void name(const std::string& in_files) {
    if (names_.count(in_files) == 0) {
      names_.emplace(in_files, new_name(in_files, &taken_, true));
    }
  }
  [[nodiscard]] const std::string& of(const std::string& in_files) const {
    return names_.at(in_files);
  }

 private:
  std::map<std::string, std::string> names_;
  std::set<std::string> taken_;  // in lower case
};

ColumnNames columns_of(const View& view) {
  ColumnNames names;
  for (const Column& key : view.keys) {
    names.take(key.column, key.made);
  }
  std::vector<std::string> columns{view.event_time};
  if (!view.known_time.empty()) {
    columns.push_back(view.known_time);
  }
  for (const Column& feature : view.features) {
    columns.push_back(feature.column);
  }
  for (const std::string& column : columns) {
    if (is_column(column) || (column == "event_time" && column == view.event_time)) {
      names.take(column, column);
    }
  }
  for (const std::string& column : columns) {
    names.name(column);
  }
  return names;
}

/// The column that a time is in: by itself, or as an expression where it is a word of SQL's.
std::string time_of(const std::string& column) {
  const auto parsed = data::parse_expression(column);
  return parsed.ok() && parsed->kind == data::SyntaxKind::kColumn
             ? "{column: " + column + "}"
             : "{expr: " + quoted("\"" + column + "\"") + "}";
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
    note_what_nobody_reads();
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
      case 1:
        return of_spec([&](const ProtoField& spec) -> Status { return take_entity(spec.bytes); });
      case 6:
        return of_spec([&](const ProtoField& spec) -> Status {
          ASSAY_ASSIGN_OR_RETURN(View view, read_feast_view(spec.bytes));
          const std::string name = view.name;
          if (!views_.emplace(name, std::move(view)).second) {
            note(name + ": left out where it stands a second time, as a view of another project");
          }
          return {};
        });
      case 7:
        return of_spec([&](const ProtoField& spec) -> Status {
          ASSAY_ASSIGN_OR_RETURN(Service service, read_feast_service(spec.bytes));
          const std::string name = service.name;
          if (!services_.emplace(name, std::move(service)).second) {
            note(name +
                 ": left out where it stands a second time, as a service of another project");
          }
          return {};
        });
      case 8:
      case 14:
        return of_spec([&](const ProtoField& spec) -> Status {
          ASSAY_ASSIGN_OR_RETURN(const View view, read_feast_view(spec.bytes));
          note(view.name + (object.number == 8
                                ? ": an on-demand view is Python; write it as `on_demand`"
                                : ": a stream view; write its windows as `agg` and `over`"));
          return {};
        });
      case 12: {
        ASSAY_ASSIGN_OR_RETURN(Source source, read_feast_source(object.bytes));
        sources_.emplace(source.name, std::move(source));
        return {};
      }
      case 17:
        return of_spec([&](const ProtoField& spec) -> Status { return take_project(spec.bytes); });
      default: {
        ASSAY_ASSIGN_OR_RETURN(std::string left_out, note_of_object(object));
        if (!left_out.empty()) {
          note(std::move(left_out));
        }
        return {};
      }
    }
  }

  Status take_project(std::string_view message) {
    std::string name;
    ASSAY_RETURN_IF_ERROR(for_fields(message, [&](const ProtoField& field) -> Status {
      name = field.number == 1 ? std::string(field.bytes) : name;
      return {};
    }));
    if (!made_.project.empty()) {
      note("project " + name + ": its objects are in the project `" + made_.project +
           "` here; the registry has several");
      return {};
    }
    made_.project = plain(name);
    if (name != made_.project) {
      note("project " + name + ": called `" + made_.project +
           "` here; clients that read the registry `assay registry export` writes say `project: " +
           made_.project + "`, in the places of Redis (`?feast=`, `?from_feast=`) it stays " +
           name);
    }
    return {};
  }

  void note(std::string text) { made_.notes.push_back(std::move(text)); }
  void line(const std::string& text) { made_.yaml += text + "\n"; }
  void line_if(bool is_there, const std::string& text) {
    if (is_there) {
      line(text);
    }
  }

  Status take_entity(std::string_view message) {
    ASSAY_ASSIGN_OR_RETURN(FeastEntity entity, read_feast_entity(message));
    if (entity.has_more) {
      note("entity " + entity.name + ": its tags and owner are left out; entities have none");
    }
    described_.emplace(entity.name, std::move(entity));
    return {};
  }

  void note_name(const std::string& name, const std::string& made) {
    if (name != made) {
      note(name + ": called `" + made + "` here; names are lower-case letters, digits and _");
    }
  }

  /// Why a view cannot be kept; "" when it can.
  static std::string why_not(const View& view) {
    if (view.path.empty() || view.event_time.empty()) {
      return "its source is none of files with a timestamp; write one by hand";
    }
    if (view.is_delta) {  // among its files are those whose rows its log removed
      return "its source is a Delta table; sources are files of rows, not tables";
    }
    return "";
  }

  /// The views that can be kept, with the columns that can.
  void choose_views() {
    for (auto& [name, view] : views_) {
      view.event_time = view.column_of(view.event_time);
      view.known_time = view.column_of(view.known_time);
      std::erase_if(view.keys, [](const Column& key) { return key.name == "__dummy_id"; });
      std::set<std::string> taken;
      for (Column& key : view.keys) {
        key.column = view.column_of(key.name);
        taken.insert(is_column(key.name) ? lower_ascii(key.name) : "");
      }
      for (Column& key : view.keys) {  // others give way to those that keep their names
        key.made = is_column(key.name) ? key.name : new_name(key.name, &taken, true);
      }
      if (const std::string why = why_not(view); !why.empty()) {
        note(name + ": " + why);
        continue;
      }
      choose_features(&view);
      if (view.features.empty()) {
        note(name + ": left out; none of its features is kept");
        continue;
      }
      view.made = new_name(name, &taken_);
      for (const Column& key : view.keys) {
        if (key.made != key.name && noted_keys_.insert(key.name).second) {
          note("key " + key.name + ": called `" + key.made +
               "` here, and clients ask by that; keys are letters, digits and _");
        }
      }
      note_name(name, view.made);
      if (view.has_stream) {
        note(name + ": of its source " + view.stream +
             " the files are read; to push rows, or to read a topic, write a source of its own");
      }
      for (const std::string& more : notes_of_view(view)) {
        note(name + ": " + more);
      }
      kept_.push_back(&view);
    }
  }

  void choose_features(View* view) {
    std::set<std::string> taken;
    std::vector<Column> chosen;
    for (Column& feature : view->features) {
      const auto is_key = [&](const Column& key) { return key.name == feature.name; };
      if (std::any_of(view->keys.begin(), view->keys.end(), is_key)) {
        continue;
      }
      const std::string name = view->name + "." + feature.name;
      feature.column = view->column_of(feature.name);
      if (feature.type.empty()) {
        note(name + ": left out; its type " + feature.feast_type +
             " has no counterpart; where files have a struct or a map, write `" + feature.column +
             "` with its type in `bronze`, and `latest`");
      } else {
        feature.made = new_name(feature.name, &taken, true);
        if (feature.made != feature.name) {
          note_name(name, feature.made);
        }
        if (feature.is_json) {
          note(name + ": Json is text here, the same characters");
        }
        chosen.push_back(feature);
      }
    }
    view->features = std::move(chosen);
  }

  void write_sources() {
    line("sources:");
    for (const View* view : kept_) {
      line("  " + view->made + ": {files: {path: " + quoted(place_of(*view)) +
           ", format: parquet}}");
    }
    line("\nbronze:");
    for (const View* view : kept_) {
      line("  " + view->made + ":");
      line("    source: " + view->made);
      const ColumnNames names = columns_of(*view);
      line("    event_time: " + time_of(names.of(view->event_time)));
      if (!view->known_time.empty()) {
        line("    known_time: " + time_of(names.of(view->known_time)));
      }
      line("    columns:");
      std::set<std::string> told;
      const auto column = [&](const std::string& in_files, const std::string& type) {
        const std::string& name = names.of(in_files);
        if (told.insert(name).second) {
          line("      " + name + ": " +
               (name == in_files ? type
                                 : "{type: " + quoted(type) + ", from: " + quoted(in_files) + "}"));
        }
      };
      for (const Column& key : view->keys) {
        column(key.column, key.type + "!");
      }
      column(view->event_time, "timestamp!");
      if (!view->known_time.empty()) {
        column(view->known_time, "timestamp!");
      }
      for (const Column& feature : view->features) {
        column(feature.column, feature.type);
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
      if (!view->keys.empty() && entities.emplace(entity_of(*view), view).second &&
          view->entities.size() == 1) {
        note_name(view->entities.front(), entity_of(*view));
      }
    }
    line(entities.empty() ? "" : "\nentities:");
    for (const auto& [name, view] : entities) {
      std::string keys;
      for (const Column& key : view->keys) {
        keys += (keys.empty() ? "" : ", ") + key.made + ": " + key.type;
      }
      const auto described = described_.find(view->entities.front());
      const bool is_described = view->entities.size() == 1 && described != described_.end() &&
                                !described->second.description.empty();
      line("  " + name + ": {keys: {" + keys + "}" +
           (is_described ? ", description: " + quoted(described->second.description) : "") + "}");
    }
  }

  void write_views() {
    line("\nfeature_views:");
    for (const View* view : kept_) {
      line("  " + view->made + ":");
      line("    entity: " + entity_of(*view));
      line("    from: " + view->made);
      for (const auto& [key, text] :
           {std::pair{"description", &view->description}, std::pair{"owner", &view->owner}}) {
        if (!text->empty()) {
          line("    " + std::string(key) + ": " + quoted(*text));
        }
      }
      std::string tags;
      for (const std::string& tag : view->tags) {
        tags += (tags.empty() ? "" : ", ") + quoted(tag);
      }
      line_if(!tags.empty(), "    tags: [" + tags + "]");
      line_if(view->ttl_seconds > 0, "    ttl: " + std::to_string(view->ttl_seconds) + "s");
      line("    features:");
      const ColumnNames names = columns_of(*view);
      for (const Column& feature : view->features) {
        const std::string& column = names.of(feature.column);
        const bool is_short = column == feature.made && feature.description.empty();
        line("      " + feature.made + ": " +
             (is_short ? "latest"
                       : "{latest: " + column +
                             (feature.description.empty()
                                  ? ""
                                  : ", description: " + quoted(feature.description)) +
                             "}"));
      }
    }
  }

  void write_services() {
    std::string text;
    std::set<std::string> taken;
    for (const auto& [name, service] : services_) {
      const std::string items = items_of(service);
      if (items.empty()) {
        note(name + ": left out; none of its features is kept");
        continue;
      }
      const std::string made = new_name(name, &taken);
      note_name(name, made);
      if (service.has_more) {
        note(name + ": its description, tags and owner are left out; services have none");
      }
      if (service.is_logged) {
        note(name + ": its logging is left out; `assay serve --log-share` writes what is answered");
      }
      text += "  " + made + ": [" + items + "]\n";
    }
    if (!text.empty()) {
      line("\nservices:");
      made_.yaml += text;
    }
  }

  /// What a service is made of; notes say what is missing or otherwise.
  std::string items_of(const Service& service) {
    std::string items;
    std::set<std::string> names;  // of features
    for (const Part& part : service.parts) {
      const auto kept = std::find_if(
          kept_.begin(), kept_.end(), [&](const View* view) { return view->name == part.view; });
      if (kept == kept_.end()) {
        note(service.name + ": its features of " + part.view + " are left out");
        continue;
      }
      const View& view = **kept;
      std::vector<std::string> features;
      bool is_new = true;
      for (const std::string& wanted : part.features) {
        const auto feature =
            std::find_if(view.features.begin(), view.features.end(), [&](const Column& known) {
              return known.name == wanted;
            });
        if (feature != view.features.end()) {
          features.push_back(feature->made);
          is_new = names.insert(feature->made).second && is_new;
        }
      }
      if (features.empty()) {
        continue;
      }
      const std::string called = plain(part.alias.empty() ? part.view : part.alias);
      if (part.renames_keys) {
        note(service.name + ": " + part.view +
             " is asked by keys of other names there, and by its own here; write `by`");
      }
      if (!is_new) {
        note(service.name + ": features of " + part.view +
             " have names that others have, too; they begin with `" + called + "__`");
      } else if (!part.alias.empty()) {
        note(service.name + ": " + part.view + " is called " + part.alias +
             " there, where clients ask for full feature names; here it keeps its name");
      }
      items += (items.empty() ? "" : ", ") + item_of(view, features, is_new ? "" : called + "__");
    }
    return items;
  }

  /// Entities and sources that stand in the registry and are read by no view.
  void note_what_nobody_reads() {
    const auto is_read = [&](const auto& is_of) {
      return std::any_of(
          views_.begin(), views_.end(), [&](const auto& view) { return is_of(view.second); });
    };
    for (const auto& [name, entity] : described_) {
      if (name != "__dummy" && !is_read([&](const View& view) {
            return std::count(view.entities.begin(), view.entities.end(), name) > 0;
          })) {
        note("entity " + name + ": left out; no feature view has it");
      }
    }
    for (const auto& [name, source] : sources_) {
      if (!is_read([&](const View& view) { return view.source == name || view.stream == name; })) {
        note("source " + name + ": left out; no feature view reads it");
      } else if (source.has_more) {
        note("source " + name +
             ": its description, tags and owner are left out; sources have none");
      }
    }
  }

  static std::string item_of(const View& view,
                             const std::vector<std::string>& features,
                             const std::string& prefix) {
    std::string names;
    for (const std::string& feature : features) {
      names += (names.empty() ? "" : ",") + feature;
    }
    const std::string reference = quoted(view.made + ":" + names);
    return prefix.empty() ? reference : "{view: " + reference + ", prefix: " + prefix + "}";
  }

  [[nodiscard]] std::string place_of(const View& view) const {
    const bool whole = view.path.starts_with('/') || view.path.find("://") != std::string::npos;
    return whole || folder_.empty() ? view.path : join_path(folder_, view.path);
  }

  const std::string folder_;
  FeastImport made_;
  std::set<std::string> taken_{"none"};  // names of views and tables
  std::set<std::string> noted_keys_;
  std::map<std::string, Entity> described_;
  std::map<std::string, Source> sources_;
  std::map<std::string, View> views_;
  std::map<std::string, Service> services_;
  std::vector<const View*> kept_;
};

}  // namespace

Result<FeastImport> import_feast(std::string_view registry, const std::string& folder) {
  return Importer(folder).run(registry);
}

}  // namespace assay::serve

// A plan as text for people and as JSON.

#include "base/json_writer.h"
#include "catalog/plan.h"

namespace assay::catalog {
namespace {

const char* change_name(ChangeKind change) {
  switch (change) {
    case ChangeKind::kAdd:
      return "add";
    case ChangeKind::kChange:
      return "change";
    case ChangeKind::kRemove:
      return "remove";
    case ChangeKind::kRename:
      return "rename";
  }
  return "";
}

int count(const Plan& plan, ChangeKind change) {
  int count = 0;
  for (const ObjectChange& object : plan.changes) {
    count += object.change == change ? 1 : 0;
  }
  return count;
}

/// A value on one line, cut when it is long.
std::string shown(const std::string& json) {
  constexpr std::size_t kBytesMax = 100;
  if (json.empty()) {
    return "(absent)";
  }
  if (json.size() <= kBytesMax) {
    return json;
  }
  std::size_t end = kBytesMax;
  while (end > 0 && (static_cast<unsigned char>(json[end]) & 0xc0U) == 0x80U) {
    --end;
  }
  return json.substr(0, end) + "...";
}

void format_change(const ObjectChange& change, std::string* out) {
  const std::string object = change.kind + " `" + change.name + "`\n";
  switch (change.change) {
    case ChangeKind::kAdd:
      *out += "+ " + object;
      break;
    case ChangeKind::kRemove:
      *out += "- " + object;
      break;
    case ChangeKind::kRename:
      *out +=
          "> " + change.kind + " `" + change.old_name + "` is renamed to `" + change.name + "`\n";
      break;
    case ChangeKind::kChange:
      *out += "~ " + object;
      for (const KeyChange& key : change.keys) {
        const char* mark = key.before.empty() ? "+" : key.after.empty() ? "-" : "~";
        *out += "    " + std::string(mark) + " " + key.key + ": ";
        if (key.before.empty() || key.after.empty()) {
          *out += shown(key.before.empty() ? key.after : key.before) + "\n";
        } else {
          *out += shown(key.before) + " -> " + shown(key.after) + "\n";
        }
      }
      break;
  }
}

void format_incompatible(const Incompatibility& item, std::string* out) {
  *out += "! " + item.kind + " `" + item.name + "`: " + item.message + "\n";
  if (!item.breaks.empty()) {
    *out += "    breaks";
    for (const std::string& broken : item.breaks) {
      *out += (&broken == &item.breaks.front() ? " " : ", ") + broken;
    }
    *out += "\n";
  }
  if (!item.help.empty()) {
    *out += "    help: " + item.help + "\n";
  }
}

void write_change(const ObjectChange& change, JsonWriter* json) {
  json->begin_object();
  json->key("change");
  json->string(change_name(change.change));
  json->key("kind");
  json->string(change.kind);
  json->key("name");
  json->string(change.name);
  if (change.change == ChangeKind::kRename) {
    json->key("old_name");
    json->string(change.old_name);
  }
  json->key("keys");
  json->begin_array();
  for (const KeyChange& key : change.keys) {
    json->begin_object();
    json->key("key");
    json->string(key.key);
    json->key("before");
    json->raw(key.before.empty() ? "null" : key.before);
    json->key("after");
    json->raw(key.after.empty() ? "null" : key.after);
    json->end_object();
  }
  json->end_array();
  json->end_object();
}

void write_incompatible(const Incompatibility& item, JsonWriter* json) {
  json->begin_object();
  json->key("kind");
  json->string(item.kind);
  json->key("name");
  json->string(item.name);
  json->key("message");
  json->string(item.message);
  json->key("breaks");
  json->begin_array();
  for (const std::string& broken : item.breaks) {
    json->string(broken);
  }
  json->end_array();
  json->key("help");
  json->string(item.help);
  json->end_object();
}

}  // namespace

std::string format_plan(const Plan& plan) {
  if (plan.empty() && plan.incompatible.empty()) {
    return "nothing to do: the project is as it was applied\n";
  }
  std::string out;
  for (const ObjectChange& change : plan.changes) {
    format_change(change, &out);
  }
  if (!plan.incompatible.empty()) {
    out += "\nnot compatible with what is applied:\n";
    for (const Incompatibility& item : plan.incompatible) {
      format_incompatible(item, &out);
    }
  }
  out += "\nplan: " + std::to_string(count(plan, ChangeKind::kAdd)) + " to add, " +
         std::to_string(count(plan, ChangeKind::kChange)) + " to change, " +
         std::to_string(count(plan, ChangeKind::kRemove)) + " to remove";
  if (count(plan, ChangeKind::kRename) > 0) {
    out += ", " + std::to_string(count(plan, ChangeKind::kRename)) + " to rename";
  }
  if (!plan.incompatible.empty()) {
    out += "; " + std::to_string(plan.incompatible.size()) + " not compatible";
  }
  return out + "\n";
}

std::string plan_json(const Plan& plan) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  for (const ChangeKind kind :
       {ChangeKind::kAdd, ChangeKind::kChange, ChangeKind::kRemove, ChangeKind::kRename}) {
    json.key(change_name(kind));
    json.integer(count(plan, kind));
  }
  json.key("changes");
  json.begin_array();
  for (const ObjectChange& change : plan.changes) {
    write_change(change, &json);
  }
  json.end_array();
  json.key("incompatible");
  json.begin_array();
  for (const Incompatibility& item : plan.incompatible) {
    write_incompatible(item, &json);
  }
  json.end_array();
  json.end_object();
  return out;
}

}  // namespace assay::catalog

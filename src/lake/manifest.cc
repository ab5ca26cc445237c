#include "lake/manifest.h"

#include "base/fail_point.h"
#include "base/json_writer.h"
#include "lake/json_value.h"
#include "lake/log_entry.h"

namespace assay::lake {
namespace {

constexpr Version kManifestsKept = 10;

std::string manifest_json(const Snapshot& snapshot) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("version");
  json.integer(snapshot.version);
  json.key("files");
  json.begin_array();
  for (const auto& [path, file] : snapshot.files) {
    json.begin_object();
    json.key("path");
    json.string(path);
    json.key("bytes");
    json.integer(file.size_bytes);
    if (file.rows >= 0) {
      json.key("rows");
      json.integer(file.rows);
    }
    json.key("partition");
    json.begin_object();
    for (const auto& [column, value] : file.partition_values) {
      json.key(column);
      if (value) {
        json.string(*value);
      } else {
        json.null();
      }
    }
    json.end_object();
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return out + "\n";
}

}  // namespace

bool wants_manifest(const Snapshot& snapshot) {
  const auto found = snapshot.configuration.find(kManifestProperty);
  return found != snapshot.configuration.end() && found->second == "true";
}

Status write_manifest(store::ObjectStore& store, const std::string& key, const Snapshot& snapshot) {
  const std::string folder = key + "/_manifest/";
  const std::string bytes = manifest_json(snapshot);
  ASSAY_RETURN_IF_ERROR(store.put(folder + log_file_name(snapshot.version), bytes));
  fail_point("lake.manifest.before_latest");
  ASSAY_RETURN_IF_ERROR(store.put(folder + "latest.json", bytes));
  const Version old = snapshot.version - kManifestsKept;
  return old < 0 ? Status() : store.remove(folder + log_file_name(old));
}

Version manifest_version(store::ObjectStore& store, const std::string& key) {
  const Result<std::string> bytes = store.get(key + "/_manifest/latest.json");
  if (!bytes.ok()) {
    return -1;
  }
  JsonReader json;
  const Result<JsonValue> manifest = json.read(*bytes);
  const JsonValue* version = manifest.ok() ? manifest->find("version") : nullptr;
  return version != nullptr && version->integer() != nullptr ? *version->integer() : -1;
}

}  // namespace assay::lake

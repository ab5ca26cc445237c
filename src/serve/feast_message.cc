#include "serve/feast_message.h"

#include "base/json_writer.h"
#include "data/protobuf.h"

namespace assay::serve {

void FeastMessage::key(std::string_view name) {
  if (!json_.empty()) {
    json_ += ',';
  }
  append_json_string(json_, name);
  json_ += ':';
}

FeastMessage& FeastMessage::text(int field, std::string_view name, std::string_view value) {
  if (!value.empty()) {
    data::ProtoWriter(proto_).bytes(field, value);
    key(name);
    append_json_string(json_, value);
  }
  return *this;
}

FeastMessage& FeastMessage::flag(int field, std::string_view name, bool value) {
  if (value) {
    data::ProtoWriter(proto_).boolean(field, true);
    key(name);
    json_ += "true";
  }
  return *this;
}

FeastMessage& FeastMessage::number(int field, std::string_view name, int64_t value) {
  if (value != 0) {
    data::ProtoWriter(proto_).integer(field, value);
    key(name);
    json_ += std::to_string(value);
  }
  return *this;
}

FeastMessage& FeastMessage::choice(int field,
                                   std::string_view name,
                                   int value,
                                   std::string_view word) {
  if (value != 0) {
    data::ProtoWriter(proto_).integer(field, value);
    key(name);
    append_json_string(json_, word);
  }
  return *this;
}

FeastMessage& FeastMessage::seconds(int field, std::string_view name, Duration value) {
  if (value.micros == 0) {
    return *this;
  }
  data::ProtoWriter(proto_).bytes(field, data::proto_seconds(value.micros));
  key(name);
  std::string fraction = std::to_string(kMicrosPerSecond + value.micros % kMicrosPerSecond);
  fraction[0] = '.';
  json_ += '"' + std::to_string(value.micros / kMicrosPerSecond) +
           (value.micros % kMicrosPerSecond == 0 ? "" : fraction) + "s\"";
  return *this;
}

FeastMessage& FeastMessage::texts(int field,
                                  std::string_view name,
                                  const std::vector<std::string>& values) {
  if (values.empty()) {
    return *this;
  }
  key(name);
  JsonWriter json(json_);
  json.begin_array();
  for (const std::string& value : values) {
    data::ProtoWriter(proto_).bytes(field, value);
    json.string(value);
  }
  json.end_array();
  return *this;
}

FeastMessage& FeastMessage::tags(int field,
                                 std::string_view name,
                                 const std::map<std::string, std::string>& values) {
  if (values.empty()) {
    return *this;
  }
  key(name);
  JsonWriter json(json_);
  json.begin_object();
  for (const auto& [tag, value] : values) {
    std::string entry;
    data::ProtoWriter writer(entry);
    writer.bytes(1, tag);
    writer.bytes(2, value);
    data::ProtoWriter(proto_).bytes(field, entry);
    json.key(tag);
    json.string(value);
  }
  json.end_object();
  return *this;
}

FeastMessage& FeastMessage::child(int field, std::string_view name, const FeastMessage& value) {
  data::ProtoWriter(proto_).bytes(field, value.proto_);
  key(name);
  json_ += value.json();
  return *this;
}

FeastMessage& FeastMessage::children(int field,
                                     std::string_view name,
                                     const std::vector<FeastMessage>& values) {
  if (values.empty()) {
    return *this;
  }
  key(name);
  JsonWriter json(json_);
  json.begin_array();
  for (const FeastMessage& value : values) {
    data::ProtoWriter(proto_).bytes(field, value.proto_);
    json.raw(value.json());
  }
  json.end_array();
  return *this;
}

}  // namespace assay::serve

// Server reflection without generated code: the files that we speak, declared in tables, as
// google.protobuf.FileDescriptorProto. Messages hold the fields that we know of.

#include "serve/grpc_reflection.h"

#include <array>
#include <optional>
#include <vector>

#include "data/protobuf.h"

namespace assay::serve {
namespace {

using data::ProtoField;
using data::ProtoReader;
using data::ProtoWriter;

// google.protobuf.FieldDescriptorProto.Type.
enum Kind {
  kDouble = 1,
  kFloat = 2,
  kInt64 = 3,
  kInt32 = 5,
  kBool = 8,
  kString = 9,
  kMessage = 11,
  kBytes = 12,
  kEnum = 14
};

struct Field {
  const char* name;
  int number;
  Kind kind;
  const char* type = "";  // of messages and enums, ".package.Name"
  bool repeated = false;
  bool of_oneof = false;  // of the message's only oneof
};

struct Message {
  const char* name;
  std::vector<Field> fields;
  const char* oneof = "";
  std::vector<Message> nested = {};
  bool is_map_entry = false;
};

struct Method {
  const char* name;
  const char* input;
  const char* output;
  bool streams = false;  // the answers
};

struct File {
  const char* name;
  const char* package;
  std::vector<const char*> imports;
  std::vector<Message> messages;
  const char* enum_name = "";
  std::vector<const char*> enumerators = {};
  const char* service = "";
  std::vector<Method> methods = {};
};

constexpr char kValueList[] = ".feast.types.RepeatedValue";

Message list_of(const char* name, Kind kind) {
  return {name, {{"val", 1, kind, "", true}}};
}

Message entries(const char* name) {
  return {name, {{"key", 1, kString}, {"value", 2, kMessage, kValueList}}, "", {}, true};
}

File value_file() {
  Message value{"Value",
                {{"bytes_val", 1, kBytes, "", false, true},
                 {"string_val", 2, kString, "", false, true},
                 {"int32_val", 3, kInt32, "", false, true},
                 {"int64_val", 4, kInt64, "", false, true},
                 {"double_val", 5, kDouble, "", false, true},
                 {"float_val", 6, kFloat, "", false, true},
                 {"bool_val", 7, kBool, "", false, true},
                 {"unix_timestamp_val", 8, kInt64, "", false, true},
                 {"bytes_list_val", 11, kMessage, ".feast.types.BytesList", false, true},
                 {"string_list_val", 12, kMessage, ".feast.types.StringList", false, true},
                 {"int32_list_val", 13, kMessage, ".feast.types.Int32List", false, true},
                 {"int64_list_val", 14, kMessage, ".feast.types.Int64List", false, true},
                 {"double_list_val", 15, kMessage, ".feast.types.DoubleList", false, true},
                 {"float_list_val", 16, kMessage, ".feast.types.FloatList", false, true},
                 {"bool_list_val", 17, kMessage, ".feast.types.BoolList", false, true},
                 {"unix_timestamp_list_val", 18, kMessage, ".feast.types.Int64List", false, true},
                 {"json_val", 32, kString, "", false, true},
                 {"decimal_val", 44, kString, "", false, true}},
                "val"};
  return {"feast/types/Value.proto",
          "feast.types",
          {},
          {value,
           {"RepeatedValue", {{"val", 1, kMessage, ".feast.types.Value", true}}},
           list_of("BytesList", kBytes),
           list_of("StringList", kString),
           list_of("Int32List", kInt32),
           list_of("Int64List", kInt64),
           list_of("DoubleList", kDouble),
           list_of("FloatList", kFloat),
           list_of("BoolList", kBool)}};
}

File serving_file() {
  const char* const kEntities = ".feast.serving.GetOnlineFeaturesRequest.EntitiesEntry";
  const char* const kContext = ".feast.serving.GetOnlineFeaturesRequest.RequestContextEntry";
  const char* const kVector = ".feast.serving.GetOnlineFeaturesResponse.FeatureVector";
  return {"feast/serving/ServingService.proto",
          "feast.serving",
          {"feast/types/Value.proto", "google/protobuf/timestamp.proto"},
          {{"GetFeastServingInfoRequest", {}},
           {"GetFeastServingInfoResponse", {{"version", 1, kString}}},
           {"FeatureList", {{"val", 1, kString, "", true}}},
           {"GetOnlineFeaturesRequest",
            {{"feature_service", 1, kString, "", false, true},
             {"features", 2, kMessage, ".feast.serving.FeatureList", false, true},
             {"entities", 3, kMessage, kEntities, true},
             {"full_feature_names", 4, kBool},
             {"request_context", 5, kMessage, kContext, true},
             {"include_feature_view_version_metadata", 6, kBool}},
            "kind",
            {entries("EntitiesEntry"), entries("RequestContextEntry")}},
           {"GetOnlineFeaturesResponse",
            {{"metadata", 1, kMessage, ".feast.serving.GetOnlineFeaturesResponseMetadata"},
             {"results", 2, kMessage, kVector, true},
             {"status", 3, kBool}},
            "",
            {{"FeatureVector",
              {{"values", 1, kMessage, ".feast.types.Value", true},
               {"statuses", 2, kEnum, ".feast.serving.FieldStatus", true},
               {"event_timestamps", 3, kMessage, ".google.protobuf.Timestamp", true}}}}},
           {"FeatureViewMetadata", {{"name", 1, kString}, {"version", 2, kInt32}}},
           {"GetOnlineFeaturesResponseMetadata",
            {{"feature_names", 1, kMessage, ".feast.serving.FeatureList"},
             {"feature_view_metadata", 2, kMessage, ".feast.serving.FeatureViewMetadata", true}}}},
          "FieldStatus",
          {"INVALID", "PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"},
          "ServingService",
          {{"GetFeastServingInfo",
            ".feast.serving.GetFeastServingInfoRequest",
            ".feast.serving.GetFeastServingInfoResponse"},
           {"GetOnlineFeatures",
            ".feast.serving.GetOnlineFeaturesRequest",
            ".feast.serving.GetOnlineFeaturesResponse"}}};
}

File prediction_file() {
  return {"assay/serving/PredictionService.proto",
          "assay.serving",
          {"feast/types/Value.proto", "feast/serving/ServingService.proto"},
          {{"PredictRequest",
            {{"model", 1, kString},
             {"entities", 2, kMessage, ".assay.serving.PredictRequest.EntitiesEntry", true}},
            "",
            {entries("EntitiesEntry")}},
           {"Prediction",
            {{"score", 1, kFloat},
             {"status", 2, kEnum, ".feast.serving.FieldStatus"},
             {"model", 3, kString},
             {"version", 4, kString}}},
           {"PredictResponse",
            {{"predictions", 1, kMessage, ".assay.serving.Prediction", true},
             {"model", 2, kString},
             {"version", 3, kString}}}},
          "",
          {},
          "PredictionService",
          {{"Predict", ".assay.serving.PredictRequest", ".assay.serving.PredictResponse"}}};
}

File push_file() {
  return {"assay/serving/PushService.proto",
          "assay.serving",
          {"feast/types/Value.proto"},
          {{"PushRequest",
            {{"source", 1, kString},
             {"rows", 2, kMessage, ".assay.serving.PushRequest.RowsEntry", true},
             {"verdicts", 3, kBool},
             {"idempotency_key", 4, kString}},
            "",
            {entries("RowsEntry")}},
           {"RowVerdict",
            {{"verdict", 1, kEnum, ".assay.serving.RowFate"},
             {"table", 2, kString},
             {"reason", 3, kString},
             {"column", 4, kString}}},
           {"PushResponse",
            {{"accepted", 1, kInt64},
             {"quarantined", 2, kInt64},
             {"dropped", 3, kInt64},
             {"rows", 4, kMessage, ".assay.serving.RowVerdict", true}}}},
          "RowFate",
          {"UNSAID", "ACCEPTED", "QUARANTINED", "DROPPED"},
          "PushService",
          {{"Push", ".assay.serving.PushRequest", ".assay.serving.PushResponse"}}};
}

File health_file() {
  return {"grpc/health/v1/health.proto",
          "grpc.health.v1",
          {},
          {{"HealthCheckRequest", {{"service", 1, kString}}},
           {"HealthCheckResponse", {{"status", 1, kEnum, ".grpc.health.v1.ServingStatus"}}}},
          "ServingStatus",
          {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"},
          "Health",
          {{"Check", ".grpc.health.v1.HealthCheckRequest", ".grpc.health.v1.HealthCheckResponse"},
           {"Watch",
            ".grpc.health.v1.HealthCheckRequest",
            ".grpc.health.v1.HealthCheckResponse",
            true}}};
}

File timestamp_file() {
  return {"google/protobuf/timestamp.proto",
          "google.protobuf",
          {},
          {{"Timestamp", {{"seconds", 1, kInt64}, {"nanos", 2, kInt32}}}}};
}

const std::vector<File>& files() {
  static const std::vector<File> kFiles = {serving_file(),
                                           prediction_file(),
                                           push_file(),
                                           health_file(),
                                           value_file(),
                                           timestamp_file()};
  return kFiles;
}

std::string full_name(const File& file, const char* name) {
  return std::string(file.package) + "." + name;
}

/// google.protobuf.FieldDescriptorProto.
std::string field_descriptor(const Field& field) {
  constexpr int kOptional = 1;
  constexpr int kRepeated = 3;
  std::string bytes;
  ProtoWriter writer(bytes);
  writer.bytes(1, field.name);
  writer.integer(3, field.number);
  writer.integer(4, field.repeated ? kRepeated : kOptional);
  writer.integer(5, field.kind);
  if (*field.type != '\0') {
    writer.bytes(6, field.type);
  }
  if (field.of_oneof) {
    writer.integer(9, 0);
  }
  return bytes;
}

/// google.protobuf.DescriptorProto.
std::string message_descriptor(const Message& message) {
  std::string bytes;
  ProtoWriter writer(bytes);
  writer.bytes(1, message.name);
  for (const Field& field : message.fields) {
    writer.bytes(2, field_descriptor(field));
  }
  for (const Message& nested : message.nested) {
    writer.bytes(3, message_descriptor(nested));
  }
  if (message.is_map_entry) {
    std::string options;
    ProtoWriter(options).boolean(7, true);
    writer.bytes(7, options);
  }
  if (*message.oneof != '\0') {
    std::string oneof;
    ProtoWriter(oneof).bytes(1, message.oneof);
    writer.bytes(8, oneof);
  }
  return bytes;
}

std::string enum_descriptor(const File& file) {
  std::string bytes;
  ProtoWriter writer(bytes);
  writer.bytes(1, file.enum_name);
  for (std::size_t i = 0; i < file.enumerators.size(); ++i) {
    std::string value;
    ProtoWriter one(value);
    one.bytes(1, file.enumerators[i]);
    one.integer(2, static_cast<int64_t>(i));
    writer.bytes(2, value);
  }
  return bytes;
}

std::string service_descriptor(const File& file) {
  std::string bytes;
  ProtoWriter writer(bytes);
  writer.bytes(1, file.service);
  for (const Method& method : file.methods) {
    std::string one;
    ProtoWriter fields(one);
    fields.bytes(1, method.name);
    fields.bytes(2, method.input);
    fields.bytes(3, method.output);
    if (method.streams) {
      fields.boolean(6, true);
    }
    writer.bytes(2, one);
  }
  return bytes;
}

/// google.protobuf.FileDescriptorProto.
std::string file_descriptor(const File& file) {
  std::string bytes;
  ProtoWriter writer(bytes);
  writer.bytes(1, file.name);
  writer.bytes(2, file.package);
  for (const char* import : file.imports) {
    writer.bytes(3, import);
  }
  for (const Message& message : file.messages) {
    writer.bytes(4, message_descriptor(message));
  }
  if (*file.enum_name != '\0') {
    writer.bytes(5, enum_descriptor(file));
  }
  if (*file.service != '\0') {
    writer.bytes(6, service_descriptor(file));
  }
  writer.bytes(12, "proto3");
  return bytes;
}

/// The file that declares a service, message or method of this full name.
const File* file_of_symbol(std::string_view symbol) {
  for (const File& file : files()) {
    const std::string_view package = file.package;
    if (!symbol.starts_with(package) || symbol.size() <= package.size() + 1) {
      continue;
    }
    const std::string_view rest = symbol.substr(package.size() + 1);
    const std::string_view first = rest.substr(0, rest.find('.'));
    bool declared = first == file.service || first == file.enum_name;
    for (const Message& message : file.messages) {
      declared = declared || first == message.name;
    }
    if (declared) {
      return &file;
    }
  }
  return nullptr;
}

const File* file_of_name(std::string_view name) {
  for (const File& file : files()) {
    if (name == file.name) {
      return &file;
    }
  }
  return nullptr;
}

std::string services_message(std::span<const std::string_view> services) {
  std::string list;
  ProtoWriter writer(list);
  const auto add = [&](std::string_view name) {
    std::string service;
    ProtoWriter(service).bytes(1, name);
    writer.bytes(1, service);
  };
  for (const std::string_view name : services) {
    add(name);
  }
  for (const File& file : files()) {
    if (services.empty() && *file.service != '\0') {
      add(full_name(file, file.service));
    }
  }
  return list;
}

void write_file_or_error(ProtoWriter& writer, const File* file, std::string_view asked) {
  std::string body;
  ProtoWriter fields(body);
  if (file != nullptr) {
    fields.bytes(1, file_descriptor(*file));
    writer.bytes(4, body);
    return;
  }
  fields.integer(1, grpc_status(Code::kNotFound));
  fields.bytes(2, "not known here: " + std::string(asked));
  writer.bytes(7, body);
}

}  // namespace

bool is_reflection(std::string_view method) {
  return method == "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo" ||
         method == "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
}

Result<std::string> answer_reflection(std::string_view request,
                                      std::span<const std::string_view> services) {
  std::string answer;
  ProtoWriter writer(answer);
  writer.bytes(2, request);
  ProtoReader reader(request);
  // What is asked is a oneof, of which the last counts: one answer, however often it is asked.
  std::optional<ProtoField> asked;
  while (true) {
    ASSAY_ASSIGN_OR_RETURN(const std::optional<ProtoField> field, reader.next());
    if (!field.has_value()) {
      break;
    }
    if (field->number == 1) {
      writer.bytes(1, field->bytes);
    } else {
      asked = field;
    }
  }
  if (!asked.has_value()) {
    return answer;
  }
  switch (asked->number) {
    case 3:
      write_file_or_error(writer, file_of_name(asked->bytes), asked->bytes);
      break;
    case 4:
      write_file_or_error(writer, file_of_symbol(asked->bytes), asked->bytes);
      break;
    case 7:
      writer.bytes(6, services_message(services));
      break;
    default:
      write_file_or_error(writer, nullptr, "extensions");
      break;
  }
  return answer;
}

}  // namespace assay::serve

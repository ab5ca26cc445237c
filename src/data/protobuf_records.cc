#include "data/protobuf_records.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/wrappers.pb.h>

#include "base/json_writer.h"
#include "base/time.h"
#include "data/json_text.h"
#include "data/wire_json.h"

// The one adapter of libprotobuf.

namespace assay::data {
namespace {

namespace proto = google::protobuf;

constexpr char kMainFile[] = "assay_schema.proto";
constexpr int kDepthMax = 64;
constexpr int64_t kPathMax = 64;

/// The first error of parsing or of linking.
class FirstError : public proto::io::ErrorCollector, public proto::DescriptorPool::ErrorCollector {
 public:
  using proto::DescriptorPool::ErrorCollector::AddWarning;
  using proto::io::ErrorCollector::AddWarning;
  void AddError(int line, proto::io::ColumnNumber column, const std::string& message) override {
    note("line " + std::to_string(line + 1) + ", column " + std::to_string(column + 1) + ": " +
         message);
  }
  void AddError(const std::string& file,
                const std::string& element,
                const proto::Message* /*descriptor*/,
                ErrorLocation /*location*/,
                const std::string& message) override {
    note((file == kMainFile ? "" : file + ": ") + element + ": " + message);
  }
  [[nodiscard]] Status status() const {
    return {Code::kInvalidArgument, "no Protobuf schema: " + text_};
  }

 private:
  void note(const std::string& text) {
    if (text_.empty()) {
      text_ = text;
    }
  }
  std::string text_;
};

Status parse_file(std::string_view text,
                  const std::string& name,
                  proto::FileDescriptorProto* file) {
  FirstError error;
  proto::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  proto::io::Tokenizer tokens(&stream, &error);
  proto::compiler::Parser parser;
  parser.RecordErrorsTo(&error);
  file->set_name(name);
  return parser.Parse(&tokens, file) ? Status() : error.status();
}

/// Files that serializers take for known and register nowhere.
constexpr std::pair<std::string_view, std::string_view> kKnownFiles[] = {
    {"confluent/type/decimal.proto",
     "syntax = 'proto3'; package confluent.type; message Decimal { bytes value = 1; uint32 "
     "precision "
     "= 2; int32 scale = 3; }"},
    {"confluent/meta.proto",
     "syntax = 'proto3'; package confluent; import 'google/protobuf/descriptor.proto'; message "
     "Meta { "
     "string doc = 1; map<string, string> params = 2; repeated string tags = 3; } extend "
     "google.protobuf.FileOptions { Meta file_meta = 1088; } extend google.protobuf.MessageOptions "
     "{ "
     "Meta message_meta = 1088; } extend google.protobuf.FieldOptions { Meta field_meta = 1088; } "
     "extend google.protobuf.EnumOptions { Meta enum_meta = 1088; } extend "
     "google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }"},
    {"google/type/date.proto",
     "syntax = 'proto3'; package google.type; message Date { int32 year = 1; int32 month = 2; "
     "int32 "
     "day = 3; }"},
    {"google/type/timeofday.proto",
     "syntax = 'proto3'; package google.type; message TimeOfDay { int32 hours = 1; int32 minutes = "
     "2; "
     "int32 seconds = 3; int32 nanos = 4; }"}};

/// The files of a schema, each after those it imports.
class FileBuilder {
 public:
  FileBuilder(const std::vector<NamedSchema>& references, proto::DescriptorPool* pool)
      : references_(references), pool_(pool) {}

  Result<const proto::FileDescriptor*> build(std::string_view text, const std::string& name) {
    proto::FileDescriptorProto file;
    ASSAY_RETURN_IF_ERROR(parse_file(text, name, &file));
    return link(file);
  }

 private:
  Result<const proto::FileDescriptor*> link(const proto::FileDescriptorProto& file) {
    if (!begun_.insert(file.name()).second) {
      return Status(Code::kInvalidArgument,
                    "no Protobuf schema: " + file.name() + " imports itself");
    }
    for (const std::string& name : file.dependency()) {
      if (pool_->FindFileByName(name) == nullptr) {
        ASSAY_RETURN_IF_ERROR(import(name));
      }
    }
    FirstError error;
    const proto::FileDescriptor* linked = pool_->BuildFileCollectingErrors(file, &error);
    return linked == nullptr ? Result<const proto::FileDescriptor*>(error.status())
                             : Result<const proto::FileDescriptor*>(linked);
  }

  /// A file that another imports: a reference of the registry, or one that comes with the library.
  Status import(const std::string& name) {
    for (const NamedSchema& reference : references_) {
      if (reference.name == name) {
        return build(reference.text, name).status();
      }
    }
    for (const auto& [file, text] : kKnownFiles) {
      if (file == name) {
        return build(text, name).status();
      }
    }
    const proto::FileDescriptor* known =
        proto::DescriptorPool::generated_pool()->FindFileByName(name);
    if (known == nullptr) {
      return {Code::kInvalidArgument,
              "no Protobuf schema: it imports " + name + ", which is missing"};
    }
    proto::FileDescriptorProto file;
    known->CopyTo(&file);
    return link(file).status();
  }

  const std::vector<NamedSchema>& references_;
  proto::DescriptorPool* pool_;
  std::set<std::string> begun_;
};

/// Writes messages as JSON by their descriptors.
class MessageWriter {
 public:
  explicit MessageWriter(std::string* json) : json_(*json) {}

  bool write(const proto::Message& message, int depth) {
    if (depth > kDepthMax) {
      return false;
    }
    const proto::Descriptor& type = *message.GetDescriptor();
    if (write_known(message, type)) {
      return true;
    }
    json_.begin_object();
    for (int i = 0; i < type.field_count(); ++i) {
      const proto::FieldDescriptor& field = *type.field(i);
      const proto::Reflection& values = *message.GetReflection();
      if (!field.is_repeated() && field.has_presence() && !values.HasField(message, &field)) {
        continue;
      }
      json_.key(field.name());
      if (!write_field(message, field, depth)) {
        return false;
      }
    }
    json_.end_object();
    return true;
  }

 private:
  bool write_field(const proto::Message& message, const proto::FieldDescriptor& field, int depth) {
    const proto::Reflection& values = *message.GetReflection();
    if (field.is_map()) {
      return write_map(message, field, depth);
    }
    if (!field.is_repeated()) {
      return write_value(message, field, -1, depth);
    }
    json_.begin_array();
    for (int i = 0; i < values.FieldSize(message, &field); ++i) {
      if (!write_value(message, field, i, depth)) {
        return false;
      }
    }
    json_.end_array();
    return true;
  }

  bool write_map(const proto::Message& message, const proto::FieldDescriptor& field, int depth) {
    const proto::Reflection& values = *message.GetReflection();
    const proto::FieldDescriptor& key = *field.message_type()->map_key();
    const proto::FieldDescriptor& value = *field.message_type()->map_value();
    json_.begin_object();
    for (int i = 0; i < values.FieldSize(message, &field); ++i) {
      const proto::Message& entry = values.GetRepeatedMessage(message, &field, i);
      json_.key(key_text(entry, key));
      if (!write_value(entry, value, -1, depth)) {
        return false;
      }
    }
    json_.end_object();
    return true;
  }

  static std::string key_text(const proto::Message& entry, const proto::FieldDescriptor& key) {
    const proto::Reflection& values = *entry.GetReflection();
    switch (key.cpp_type()) {
      case proto::FieldDescriptor::CPPTYPE_STRING:
        return values.GetString(entry, &key);
      case proto::FieldDescriptor::CPPTYPE_BOOL:
        return values.GetBool(entry, &key) ? "true" : "false";
      case proto::FieldDescriptor::CPPTYPE_INT32:
        return std::to_string(values.GetInt32(entry, &key));
      case proto::FieldDescriptor::CPPTYPE_INT64:
        return std::to_string(values.GetInt64(entry, &key));
      case proto::FieldDescriptor::CPPTYPE_UINT32:
        return std::to_string(values.GetUInt32(entry, &key));
      default:
        return std::to_string(values.GetUInt64(entry, &key));
    }
  }

  /// One value: of a field, or the i-th of a repeated one.
  // NOLINTNEXTLINE(readability-function-size): one case a type
  bool write_value(const proto::Message& message,
                   const proto::FieldDescriptor& field,
                   int i,
                   int depth) {
    const proto::Reflection& values = *message.GetReflection();
    const auto pick = [&](auto one, auto repeated) {
      return i < 0 ? (values.*one)(message, &field) : (values.*repeated)(message, &field, i);
    };
    using R = proto::Reflection;
    switch (field.cpp_type()) {
      case proto::FieldDescriptor::CPPTYPE_INT32:
        json_.integer(pick(&R::GetInt32, &R::GetRepeatedInt32));
        return true;
      case proto::FieldDescriptor::CPPTYPE_INT64:
        json_.integer(pick(&R::GetInt64, &R::GetRepeatedInt64));
        return true;
      case proto::FieldDescriptor::CPPTYPE_UINT32:
        json_.integer(pick(&R::GetUInt32, &R::GetRepeatedUInt32));
        return true;
      case proto::FieldDescriptor::CPPTYPE_UINT64:
        json_.raw(std::to_string(pick(&R::GetUInt64, &R::GetRepeatedUInt64)));
        return true;
      case proto::FieldDescriptor::CPPTYPE_FLOAT:
        write_real(pick(&R::GetFloat, &R::GetRepeatedFloat), &json_);
        return true;
      case proto::FieldDescriptor::CPPTYPE_DOUBLE:
        write_real(pick(&R::GetDouble, &R::GetRepeatedDouble), &json_);
        return true;
      case proto::FieldDescriptor::CPPTYPE_BOOL:
        json_.boolean(pick(&R::GetBool, &R::GetRepeatedBool));
        return true;
      case proto::FieldDescriptor::CPPTYPE_ENUM:
        return write_enum(field, pick(&R::GetEnumValue, &R::GetRepeatedEnumValue));
      case proto::FieldDescriptor::CPPTYPE_STRING: {
        const std::string text = pick(&R::GetString, &R::GetRepeatedString);
        json_.string(field.type() == proto::FieldDescriptor::TYPE_BYTES ? to_base64(text) : text);
        return true;
      }
      case proto::FieldDescriptor::CPPTYPE_MESSAGE:
        return write(i < 0 ? values.GetMessage(message, &field)
                           : values.GetRepeatedMessage(message, &field, i),
                     depth + 1);
    }
    return false;
  }

  bool write_enum(const proto::FieldDescriptor& field, int number) {
    const proto::EnumValueDescriptor* value = field.enum_type()->FindValueByNumber(number);
    if (value == nullptr) {
      json_.integer(number);
    } else {
      json_.string(value->name());
    }
    return true;
  }

  /// Messages that stand for one value.
  bool write_known(const proto::Message& message, const proto::Descriptor& type) {
    const std::string& name = type.full_name();
    if (name == "google.protobuf.Timestamp") {
      return write_timestamp(message, type);
    }
    if (name == "google.type.Date") {
      return write_date(message, type);
    }
    if (name == "confluent.type.Decimal") {
      return write_decimal(message, type);
    }
    const bool is_wrapper = name.starts_with("google.protobuf.") && name.ends_with("Value") &&
                            type.field_count() == 1 && type.field(0)->name() == "value" &&
                            type.file()->name() == "google/protobuf/wrappers.proto";
    return is_wrapper && write_value(message, *type.field(0), -1, 0);
  }

  static std::optional<int64_t> integer(const proto::Message& message,
                                        const proto::Descriptor& type,
                                        const char* name) {
    const proto::FieldDescriptor* field = type.FindFieldByName(name);
    if (field == nullptr || field->is_repeated()) {
      return std::nullopt;
    }
    const proto::Reflection& values = *message.GetReflection();
    switch (field->cpp_type()) {
      case proto::FieldDescriptor::CPPTYPE_INT32:
        return values.GetInt32(message, field);
      case proto::FieldDescriptor::CPPTYPE_INT64:
        return values.GetInt64(message, field);
      case proto::FieldDescriptor::CPPTYPE_UINT32:
        return values.GetUInt32(message, field);
      default:
        return std::nullopt;
    }
  }

  bool write_timestamp(const proto::Message& message, const proto::Descriptor& type) {
    const std::optional<int64_t> seconds = integer(message, type, "seconds");
    const std::optional<int64_t> nanos = integer(message, type, "nanos");
    int64_t micros = 0;
    if (!seconds || !nanos || __builtin_mul_overflow(*seconds, kMicrosPerSecond, &micros) ||
        __builtin_add_overflow(micros, floor_to(*nanos, 1'000) / 1'000, &micros)) {
      return false;
    }
    write_instant(micros, 1, &json_);
    return true;
  }

  bool write_date(const proto::Message& message, const proto::Descriptor& type) {
    const std::optional<int64_t> year = integer(message, type, "year");
    const std::optional<int64_t> month = integer(message, type, "month");
    const std::optional<int64_t> day = integer(message, type, "day");
    const auto in = [](const std::optional<int64_t>& value, int64_t first, int64_t last) {
      return value && *value >= first && *value <= last;
    };
    if (!in(year, 1, 9999) || !in(month, 1, 12) || !in(day, 1, 31)) {
      return false;
    }
    const auto digits = [](int64_t value, int count) {
      const std::string text = std::to_string(value);
      return std::string(static_cast<std::size_t>(count) - text.size(), '0') + text;
    };
    json_.string(digits(*year, 4) + "-" + digits(*month, 2) + "-" + digits(*day, 2));
    return true;
  }

  bool write_decimal(const proto::Message& message, const proto::Descriptor& type) {
    const proto::FieldDescriptor* value = type.FindFieldByName("value");
    const std::optional<int64_t> scale = integer(message, type, "scale");
    if (value == nullptr || value->is_repeated() || !scale ||
        value->cpp_type() != proto::FieldDescriptor::CPPTYPE_STRING) {
      return false;
    }
    const std::optional<std::string> text =
        unscaled_decimal(message.GetReflection()->GetString(message, value), *scale);
    if (text) {
      json_.string(*text);
    }
    return text.has_value();
  }

  JsonWriter json_;
};

class ProtobufSchema : public WireSchema {
 public:
  bool append_json(std::string_view payload, std::string* json) const override {
    const proto::Descriptor* type = take_type(&payload);
    if (type == nullptr) {
      return false;
    }
    const std::unique_ptr<proto::Message> message(factory.GetPrototype(type)->New());
    return message->ParseFromArray(payload.data(), static_cast<int>(payload.size())) &&
           MessageWriter(json).write(*message, 0);
  }

  proto::DescriptorPool pool;
  const proto::FileDescriptor* file = nullptr;
  mutable proto::DynamicMessageFactory factory;  // thread-safe

 private:
  [[nodiscard]] const proto::Descriptor* top_type(int64_t index) const {
    const bool is_there = index >= 0 && index < file->message_type_count();
    return is_there ? file->message_type(static_cast<int>(index)) : nullptr;
  }

  /// As the registry's own clients count them: the entries of maps, which no text names, do not
  /// count.
  static const proto::Descriptor* nested_type(const proto::Descriptor& type, int64_t index) {
    for (int i = 0; i < type.nested_type_count(); ++i) {
      if (!type.nested_type(i)->options().map_entry() && index-- == 0) {
        return type.nested_type(i);
      }
    }
    return nullptr;
  }

  /// The message type that the path before the message names; nullptr when there is none.
  [[nodiscard]] const proto::Descriptor* take_type(std::string_view* payload) const {
    int64_t count = 0;
    if (!take_zigzag(payload, &count) || count < 0 || count > kPathMax) {
      return nullptr;
    }
    const proto::Descriptor* type = nullptr;
    for (int64_t i = 0; i < std::max<int64_t>(count, 1); ++i) {
      int64_t index = 0;
      if (count > 0 && !take_zigzag(payload, &index)) {
        return nullptr;
      }
      type = type == nullptr ? top_type(index) : nested_type(*type, index);
      if (type == nullptr) {
        return nullptr;
      }
    }
    return type;
  }
};

}  // namespace

Result<std::shared_ptr<const WireSchema>> parse_protobuf_schema(
    std::string_view text, const std::vector<NamedSchema>& references) {
  proto::SetLogHandler(nullptr);  // it would write what it does not like to standard error
  // Files that come with the library are known once something of them is.
  proto::Timestamp::descriptor();
  proto::StringValue::descriptor();
  auto schema = std::make_shared<ProtobufSchema>();
  FileBuilder builder(references, &schema->pool);
  ASSAY_ASSIGN_OR_RETURN(schema->file, builder.build(text, kMainFile));
  return std::shared_ptr<const WireSchema>(std::move(schema));
}

}  // namespace assay::data

#include "serve/grpc_calls.h"

#include <cstring>
#include <utility>

#include "data/feast_value.h"
#include "data/json_text.h"
#include "data/protobuf.h"
#include "serve/error_response.h"
#include "serve/grpc_columns.h"
#include "serve/grpc_health.h"
#include "serve/grpc_push.h"
#include "serve/grpc_reflection.h"
#include "serve/grpc_registry.h"
#include "serve/json_value.h"

namespace assay::serve {
namespace {

using data::ProtoField;
using data::ProtoReader;
using data::ProtoWriter;
using Wire = ProtoField::Wire;

Status not_the_message() {
  return {Code::kInvalidArgument, "not the message that this method takes"};
}

/// An empty one for an instant.
RequestBody body_at(std::string_view as_of) {
  RequestBody body;
  if (!as_of.empty()) {
    body.at = JsonValue(std::string(as_of));
  }
  return body;
}

/// feast.serving.GetOnlineFeaturesRequest.
Result<RequestBody> read_features_request(std::string_view message, std::string_view as_of) {
  RequestBody body = body_at(as_of);
  ColumnsReader entities;
  ASSAY_RETURN_IF_ERROR(for_fields(message, [&](const ProtoField& field) -> Status {
    const bool is_bytes = field.wire == Wire::kBytes;
    if (field.number == 1 && is_bytes) {
      body.feature_service = std::string(field.bytes);
    } else if (field.number == 2 && is_bytes) {
      body.features.emplace();
      return for_fields(field.bytes, [&](const ProtoField& name) -> Status {
        if (name.number == 1 && name.wire == Wire::kBytes) {
          body.features->emplace_back(name.bytes);
        }
        return {};
      });
    } else if ((field.number == 3 || field.number == 5) && is_bytes) {
      return entities.add(field.bytes);
    } else if (field.number == 4 && field.wire == Wire::kVarint) {
      body.full_feature_names = field.bits != 0;
    } else if (field.number == 6 && field.wire == Wire::kVarint) {
      body.with_view_versions = field.bits != 0;
    } else if (field.number <= 6) {
      return not_the_message();
    }
    return {};
  }));
  body.entities = std::move(entities).columns();
  return body;
}

/// assay.serving.PredictRequest: model 1, entities 2.
Result<RequestBody> read_predict_request(std::string_view message, std::string_view as_of) {
  RequestBody body = body_at(as_of);
  ColumnsReader entities;
  ASSAY_RETURN_IF_ERROR(for_fields(message, [&](const ProtoField& field) -> Status {
    if (field.number <= 2 && field.wire != Wire::kBytes) {
      return not_the_message();
    }
    if (field.number == 1 && !field.bytes.empty()) {
      body.model = std::string(field.bytes);
    } else if (field.number == 2) {
      return entities.add(field.bytes);
    }
    return {};
  }));
  body.entities = std::move(entities).columns();
  return body;
}

/// Feast's FieldStatus. It has none for a sum that does not fit: INVALID.
int field_status(data::FeatureStatus status) {
  switch (status) {
    case data::FeatureStatus::kPresent:
      return 1;
    case data::FeatureStatus::kNullValue:
      return 2;
    case data::FeatureStatus::kNotFound:
      return 3;
    case data::FeatureStatus::kOutsideMaxAge:
      return 4;
    default:
      return 0;
  }
}

/// feast.serving.GetOnlineFeaturesResponse.FeatureVector of one column.
template <typename ValueOf, typename StatusOf, typename TimeOf>
std::string vector_message(int64_t rows, ValueOf value, StatusOf status, TimeOf time) {
  std::string message;
  ProtoWriter writer(message);
  std::string statuses;
  for (int64_t row = 0; row < rows; ++row) {
    writer.bytes(1, value(row));
    data::append_varint(&statuses, static_cast<uint64_t>(field_status(status(row))));
  }
  if (rows > 0) {
    writer.bytes(2, statuses);
  }
  for (int64_t row = 0; row < rows; ++row) {
    writer.bytes(3, data::proto_seconds(time(row).micros));
  }
  return message;
}

std::string metadata_message(const FeaturesAsked& asked, bool with_views) {
  std::string names;
  ProtoWriter list(names);
  for (const std::string& name : asked.typed.entity_names) {
    list.bytes(1, name);
  }
  names.append(asked.selection->names_message);
  std::string metadata;
  ProtoWriter writer(metadata);
  writer.bytes(1, names);
  std::string before;
  for (const gold::ServiceFeature& feature : asked.selection->service->features) {
    if (with_views && feature.view != before) {
      std::string view;
      ProtoWriter(view).bytes(1, feature.view);
      writer.bytes(2, view);
      before = feature.view;
    }
  }
  return metadata;
}

/// Writes vectors of values as they were read. The times of a view's features are the same, and
/// made once.
class FlatVectors {
 public:
  explicit FlatVectors(const FlatAnswer& answer) : answer_(answer), times_(answer.views.size()) {}

  const std::string& message(const gold::ServiceFeature& feature) {
    if (feature.type == data::TypeId::kFloat64) {
      write_reals(feature);
    } else if (data::is_integer(feature.type)) {
      write_integers(feature);
    } else {
      write_others(feature);
    }
    if (answer_.rows > 0) {
      write_statuses(feature);
    }
    return message_.append(times(feature.view_index));
  }

 private:
  static constexpr std::size_t kNumberBytesMax = 3 + data::kVarintBytesMax;
  static constexpr char kValueTag = 1 << 3 | static_cast<char>(Wire::kBytes);
  static char tag_of(int field, Wire wire) {
    return static_cast<char>(field << 3 | static_cast<int>(wire));
  }

  void write_reals(const gold::ServiceFeature& feature) {
    const char tag = tag_of(data::feast_value_type(feature.type), Wire::kFixed64);
    write_numbers(feature, [this, tag](std::size_t at, char* out) {
      const double value = answer_.values.real(at);
      *out++ = tag;
      std::memcpy(out, &value, sizeof(value));  // little-endian, as the machine
      return out + sizeof(value);
    });
  }
  void write_integers(const gold::ServiceFeature& feature) {
    const char tag = tag_of(data::feast_value_type(feature.type), Wire::kVarint);
    write_numbers(feature, [this, tag](std::size_t at, char* out) {
      *out++ = tag;
      return data::write_varint(out, static_cast<uint64_t>(answer_.values.integer(at)));
    });
  }
  /// Values of few bytes, written in their places. `write`: what stands in the Value.
  template <typename Write>
  void write_numbers(const gold::ServiceFeature& feature, const Write& write) {
    message_.resize(static_cast<std::size_t>(answer_.rows) * kNumberBytesMax);
    char* end = message_.data();
    for (int64_t row = 0; row < answer_.rows; ++row) {
      const std::size_t at = answer_.at(feature, row);
      *end++ = kValueTag;
      char* const size = end++;
      if (answer_.values.status(at) == data::FeatureStatus::kPresent) {
        end = write(at, end);
      }
      *size = static_cast<char>(end - size - 1);
    }
    message_.resize(static_cast<std::size_t>(end - message_.data()));
  }
  void write_others(const gold::ServiceFeature& feature) {
    message_.clear();
    ProtoWriter writer(message_);
    for (int64_t row = 0; row < answer_.rows; ++row) {
      const std::size_t at = answer_.at(feature, row);
      writer.bytes(1,
                   answer_.values.status(at) == data::FeatureStatus::kPresent
                       ? data::to_feast_value(answer_.values.scalar(at, feature.type))
                       : std::string());
    }
  }
  void write_statuses(const gold::ServiceFeature& feature) {
    statuses_.clear();
    for (int64_t row = 0; row < answer_.rows; ++row) {
      const data::FeatureStatus status = answer_.values.status(answer_.at(feature, row));
      statuses_ += static_cast<char>(field_status(status));  // a varint of one byte
    }
    ProtoWriter(message_).bytes(2, statuses_);
  }
  const std::string& times(int view) {
    std::string& times = times_[static_cast<std::size_t>(view)];
    if (times.empty()) {
      times.resize(static_cast<std::size_t>(answer_.rows) * (2 + data::kProtoSecondsBytesMax));
      char* end = times.data();
      for (int64_t row = 0; row < answer_.rows; ++row) {
        *end++ = tag_of(3, Wire::kBytes);
        char* const size = end++;
        end = data::write_proto_seconds(end, answer_.event_time(view, row).micros);
        *size = static_cast<char>(end - size - 1);
      }
      times.resize(static_cast<std::size_t>(end - times.data()));
    }
    return times;
  }

  const FlatAnswer& answer_;
  std::vector<std::string> times_;  // by view; empty: not made yet
  std::string message_;
  std::string statuses_;
};

void write_features(const FeaturesAsked& asked, const FlatAnswer& answer, ProtoWriter* writer) {
  FlatVectors vectors(answer);
  for (const gold::ServiceFeature& feature : asked.selection->service->features) {
    writer->bytes(2, vectors.message(feature));
  }
}

void write_features(const FeaturesAsked& asked, const FeatureAnswer& answer, ProtoWriter* writer) {
  for (int feature = 0; feature < static_cast<int>(asked.selection->names.size()); ++feature) {
    writer->bytes(2,
                  vector_message(
                      answer.rows(),
                      [&](int64_t row) { return data::to_feast_value(answer.value(feature, row)); },
                      [&](int64_t row) { return answer.status(feature, row); },
                      [&](int64_t row) { return answer.event_time(feature, row); }));
  }
}

std::string features_response(const FeaturesAsked& asked, bool with_views) {
  using data::FeatureStatus;
  std::string message;
  ProtoWriter writer(message);
  writer.bytes(1, metadata_message(asked, with_views));
  for (const std::string& name : asked.typed.entity_names) {
    const std::vector<data::Scalar>& values = asked.typed.rows.find(name)->values;
    const auto value = [&](int64_t row) -> const data::Scalar& {
      return values[static_cast<std::size_t>(row)];
    };
    writer.bytes(2,
                 vector_message(
                     asked.typed.rows.rows,
                     [&](int64_t row) { return data::to_feast_value(value(row)); },
                     [&](int64_t row) {
                       return value(row).is_null() ? FeatureStatus::kNullValue
                                                   : FeatureStatus::kPresent;
                     },
                     [](int64_t) { return EventTime{}; }));
  }
  if (asked.flat.has_value()) {
    write_features(asked, *asked.flat, &writer);
  } else {
    write_features(asked, *asked.answer, &writer);
  }
  return message;
}

/// assay.serving.PredictResponse: predictions 1 {score 1, status 2, model 3, version 4}, model 2,
/// version 3.
std::string predict_response(const PredictionsAsked& asked) {
  std::string message;
  ProtoWriter writer(message);
  for (const Prediction& prediction : asked.predictions->rows) {
    std::string one;
    ProtoWriter fields(one);
    fields.real32(1, prediction.score);
    fields.integer(2, field_status(prediction.status));
    if (prediction.by != nullptr) {
      fields.bytes(3, prediction.by->name);
      fields.bytes(4, prediction.by->version);
    }
    writer.bytes(1, one);
  }
  writer.bytes(2, asked.model->name);
  writer.bytes(3, asked.model->version);
  return message;
}

/// What a refusal over HTTP is here. Feast's error is a JSON string that holds JSON; its gRPC has
/// the inner one as the details.
Status refusal_status(const Response& refusal) {
  const Code code = refusal.status == 403                            ? Code::kPermissionDenied
                    : refusal.status == 404                          ? Code::kNotFound
                    : refusal.status == 413 || refusal.status == 507 ? Code::kResourceExhausted
                    : refusal.status == 501                          ? Code::kUnimplemented
                    : refusal.status == 422                          ? Code::kInvalidArgument
                    : refusal.status == 503                          ? Code::kUnavailable
                                                                     : Code::kInternal;
  const Result<data::Scalar> inner = data::parse_json(refusal.body, data::Type::kString);
  return {code, inner.ok() ? std::get<std::string>(inner->value) : refusal.body};
}

/// Whether a service can answer: those that read the store are asked for it, all others can until
/// the server stops; health and reflection, as long as anything is answered.
std::optional<bool> health_of(FeatureServer& server, std::string_view service) {
  if (service.empty() || service == "feast.serving.ServingService" ||
      service == "assay.serving.PredictionService") {
    return server.is_ready();
  }
  if (service == "assay.serving.PushService" || service == "feast.registry.RegistryServer") {
    return !server.is_draining();
  }
  return service == "grpc.health.v1.Health" ||
                 is_reflection("/" + std::string(service) + "/ServerReflectionInfo")
             ? std::optional(true)
             : std::nullopt;
}

}  // namespace

Result<std::string> answer_grpc(FeatureServer& server,
                                std::string_view method,
                                std::string_view request,
                                const Credentials& credentials,
                                std::string_view as_of) {
  if (method == kHealthCheck || method == kHealthWatch) {
    return answer_health(
        method, request, [&](std::string_view service) { return health_of(server, service); });
  }
  if (is_reflection(method)) {
    return answer_reflection(request);
  }
  ASSAY_ASSIGN_OR_RETURN(const std::shared_ptr<const Caller> caller,
                         server.gate().who(credentials));
  if (method == "/feast.serving.ServingService/GetOnlineFeatures") {
    ASSAY_ASSIGN_OR_RETURN(RequestBody body, read_features_request(request, as_of));
    const bool with_view_versions = body.with_view_versions;
    const FeaturesAsked asked = server.ask_features(std::move(body), *caller);
    return asked.flat.has_value() || asked.answer.has_value()
               ? features_response(asked, with_view_versions)
               : Result<std::string>(refusal_status(asked.refusal));
  }
  if (method == "/feast.serving.ServingService/GetFeastServingInfo") {
    std::string message;
    ProtoWriter(message).bytes(1, "assay " ASSAY_VERSION);
    return message;
  }
  if (method == "/assay.serving.PredictionService/Predict") {
    ASSAY_ASSIGN_OR_RETURN(const RequestBody body, read_predict_request(request, as_of));
    const PredictionsAsked asked = server.ask_predictions(body, *caller);
    return asked.predictions.has_value() ? predict_response(asked)
                                         : Result<std::string>(refusal_status(asked.refusal));
  }
  if (method == kPushMethod) {
    ASSAY_ASSIGN_OR_RETURN(GrpcPushed pushed, answer_push(server, request, *caller));
    return pushed.refusal.has_value() ? Result<std::string>(refusal_status(*pushed.refusal))
                                      : std::move(pushed.message);
  }
  if (method.starts_with(kRegistryService)) {
    if (!caller->may("registry")) {
      return refusal_status(not_permitted(*caller, "registry", ""));
    }
    return answer_registry(*server.registry(), method, request);
  }
  return Status(Code::kUnimplemented, "no such method: " + std::string(method));
}

}  // namespace assay::serve

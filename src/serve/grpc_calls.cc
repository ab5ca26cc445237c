#include "serve/grpc_calls.h"

#include <cstring>
#include <utility>

#include "data/feast_value.h"
#include "data/json_text.h"
#include "data/protobuf.h"
#include "serve/error_response.h"
#include "serve/feature_response.h"
#include "serve/grpc_columns.h"
#include "serve/grpc_features.h"
#include "serve/grpc_health.h"
#include "serve/grpc_push.h"
#include "serve/grpc_reflection.h"
#include "serve/grpc_registry.h"
#include "serve/http_head.h"
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

/// As of when it is answered, and how far the store had applied, as HTTP's headers have it.
template <typename Answer>
std::vector<std::pair<std::string, std::string>> instants_of(const Answer& answer) {
  return own_headers(answered("", answer.now, answer.known_until));
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

/// Whether a service can answer: those that read the store are asked for it, and predictions for a
/// model too; all others can until the server stops; health and reflection, as long as anything is
/// answered.
std::optional<bool> health_of(FeatureServer& server, std::string_view service) {
  if (service.empty() || service == "feast.serving.ServingService") {
    return server.is_ready();
  }
  if (service == "assay.serving.PredictionService") {
    return server.is_ready() && server.can_predict();
  }
  if (service == "assay.serving.PushService") {
    return !server.is_draining();
  }
  return is_reflection("/" + std::string(service) + "/ServerReflectionInfo")
             ? std::optional(true)
             : health_without_rows(service, server.is_draining());
}

}  // namespace

Result<std::string> answer_grpc(FeatureServer& server,
                                std::string_view method,
                                std::string_view request,
                                const Credentials& credentials,
                                std::string_view as_of) {
  Result<GrpcReply> reply = *answer_grpc_in_time(server, method, request, credentials, as_of, {});
  return reply.ok() ? Result<std::string>(std::move(reply->message))
                    : Result<std::string>(reply.status());
}

std::optional<Result<GrpcReply>> answer_grpc_in_time(FeatureServer& server,
                                                     std::string_view method,
                                                     std::string_view request,
                                                     const Credentials& credentials,
                                                     std::string_view as_of,
                                                     const Pace& pace) {
  if (method == kHealthCheck || method == kHealthWatch) {
    return plain_reply(answer_health(
        method, request, [&](std::string_view service) { return health_of(server, service); }));
  }
  if (is_reflection(method)) {
    return plain_reply(answer_reflection(request));
  }
  ASSAY_ASSIGN_OR_RETURN(const std::shared_ptr<const Caller> caller,
                         server.gate().who(credentials));
  if (method == "/feast.serving.ServingService/GetOnlineFeatures") {
    ASSAY_ASSIGN_OR_RETURN(RequestBody body, read_features_request(request, as_of));
    const bool with_view_versions = body.with_view_versions;
    FeaturesAsked asked = server.ask_features(std::move(body), *caller, pace);
    if (asked.is_large) {
      return std::nullopt;
    }
    if (!asked.flat.has_value() && !asked.answer.has_value()) {
      return refusal_status(asked.refusal);
    }
    GrpcReply reply{features_response(asked, with_view_versions),
                    asked.flat.has_value() ? instants_of(*asked.flat) : instants_of(*asked.answer)};
    if (asked.flat.has_value()) {
      keep_memory_of(*std::move(asked.flat));
    }
    return reply;
  }
  if (method == "/feast.serving.ServingService/GetFeastServingInfo") {
    std::string message;
    ProtoWriter(message).bytes(1, "assay " ASSAY_VERSION);
    return GrpcReply{std::move(message)};
  }
  if (method == "/assay.serving.PredictionService/Predict") {
    ASSAY_ASSIGN_OR_RETURN(const RequestBody body, read_predict_request(request, as_of));
    const PredictionsAsked asked = server.ask_predictions(body, *caller, pace);
    if (asked.is_large) {
      return std::nullopt;
    }
    if (!asked.predictions.has_value()) {
      return refusal_status(asked.refusal);
    }
    return GrpcReply{predict_response(asked), instants_of(asked.predictions->features)};
  }
  if (method == kPushMethod) {
    ASSAY_ASSIGN_OR_RETURN(GrpcPushed pushed, answer_push(server, request, *caller));
    return pushed.refusal.has_value() ? Result<GrpcReply>(refusal_status(*pushed.refusal))
                                      : GrpcReply{std::move(pushed.message)};
  }
  if (method.starts_with(kRegistryService)) {
    if (!caller->may("registry")) {
      return refusal_status(not_permitted(*caller, "registry", ""));
    }
    return plain_reply(answer_registry(*server.registry(), method, request));
  }
  return Status(Code::kUnimplemented, "no such method: " + std::string(method));
}

}  // namespace assay::serve

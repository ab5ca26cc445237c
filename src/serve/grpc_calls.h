#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "serve/feature_server.h"
#include "serve/grpc_reply.h"

namespace assay::serve {

/// Answer one message of a gRPC call: Feast's `feast.serving.ServingService`, our
/// `assay.serving.PredictionService` and `PushService`, the reading half of
/// `feast.registry.RegistryServer`, `grpc.health.v1.Health` and both versions of `grpc.reflection`.
/// The messages are in docs/reference/grpc.md.
///
/// Errors  kUnauthenticated, kPermissionDenied: as the server is protected; health and reflection
/// are open. kInvalidArgument: not the message; kUnimplemented: no such method; and what an answer
/// over
///         HTTP would say, with the text that Feast's clients take apart.
/// `as_of`: the instant that features and predictions are asked for, as HTTP's header has it; "" is
/// now.
Result<std::string> answer_grpc(FeatureServer& server,
                                std::string_view method,
                                std::string_view request,
                                const Credentials& credentials = {},
                                std::string_view as_of = {});
/// The same, with the metadata `x-assay-as-of` and `x-assay-known-until` of features and
/// predictions, as HTTP's headers; nothing when it is hurried and would take long.
std::optional<Result<GrpcReply>> answer_grpc_in_time(FeatureServer& server,
                                                     std::string_view method,
                                                     std::string_view request,
                                                     const Credentials& credentials,
                                                     std::string_view as_of,
                                                     const Pace& pace);

}  // namespace assay::serve

#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "serve/feature_server.h"

namespace assay::serve {

/// `assay.serving.PushService/Push`, which waits for a disk: a GrpcOptions::is_slow.
inline constexpr std::string_view kPushMethod = "/assay.serving.PushService/Push";

/// Rows for a source, as POST /push takes them: PushRequest in, PushResponse out.
///
/// Errors  kInvalidArgument: not the message. `refusal`, when nothing was taken, is what HTTP says.
struct GrpcPushed {
  std::optional<Response> refusal;
  std::string message;
};
Result<GrpcPushed> answer_push(FeatureServer& server,
                               std::string_view request,
                               const Caller& caller);

}  // namespace assay::serve

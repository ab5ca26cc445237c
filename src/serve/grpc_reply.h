#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace assay::serve {

/// What one message of a gRPC call is answered: a message, and the metadata that a call begins its
/// answer with, of the first message that it sent.
struct GrpcReply {
  std::string message;
  std::vector<std::pair<std::string, std::string>> metadata{};
};

/// One without metadata.
inline Result<GrpcReply> plain_reply(Result<std::string> message) {
  return message.ok() ? Result<GrpcReply>(GrpcReply{*std::move(message)})
                      : Result<GrpcReply>(message.status());
}

}  // namespace assay::serve

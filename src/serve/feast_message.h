#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace assay::serve {

/// One message of Feast's, in both of its forms at once: protobuf for the registry file, and the
/// JSON that protobuf makes of it for the registry's HTTP interface. Values that are the default
/// (empty, false, 0) are left out of both, as proto3 does.
///
/// Threads one thread at a time.
class FeastMessage {
 public:
  FeastMessage& text(int field, std::string_view name, std::string_view value);
  FeastMessage& flag(int field, std::string_view name, bool value);
  FeastMessage& number(int field, std::string_view name, int64_t value);
  /// An enumerator: a number in protobuf, its word in JSON.
  FeastMessage& choice(int field, std::string_view name, int value, std::string_view word);
  FeastMessage& seconds(int field, std::string_view name, Duration value);
  FeastMessage& texts(int field, std::string_view name, const std::vector<std::string>& values);
  FeastMessage& tags(int field,
                     std::string_view name,
                     const std::map<std::string, std::string>& values);
  /// A message that is there also when it is empty.
  FeastMessage& child(int field, std::string_view name, const FeastMessage& value);
  FeastMessage& children(int field, std::string_view name, const std::vector<FeastMessage>& values);

  [[nodiscard]] const std::string& proto() const { return proto_; }
  [[nodiscard]] std::string json() const { return "{" + json_ + "}"; }

 private:
  void key(std::string_view name);

  std::string proto_;
  std::string json_;
};

}  // namespace assay::serve

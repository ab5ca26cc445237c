#pragma once

#include <map>
#include <string>

namespace assay::catalog {

/// `publish: {kafka: {brokers: ..., topic: ...}}` of a feature view or a model: the topic that its
/// values go to as they change. It decides no value.
struct PublishDef {
  std::string brokers;                         // "host:port", several cut by commas
  std::string topic;                           // of this one alone
  std::map<std::string, std::string> options;  // for the client library, by its own names
};

}  // namespace assay::catalog

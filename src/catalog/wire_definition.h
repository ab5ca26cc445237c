#pragma once

#include <string>

#include "base/time.h"

namespace assay::catalog {

/// How Debezium writes decimals: its `decimal.handling.mode`. Numbers (`double`) are told by
/// themselves.
enum class DecimalText {
  kPrecise,  // base64 of the unscaled bytes
  kString,
};

/// `schema_registry: {url: ..., username: ..., password: ...}`: where records in Confluent's wire
/// format have their schemas.
struct RegistryDef {
  std::string url;  // scheme, host, port, and a path if there is one
  std::string username;
  std::string password;
  std::string ca_file;                      // "" for the machine's
  Duration timeout{30 * kMicrosPerSecond};  // without an answer for so long: stop
  bool keys_have_schemas = true;            // keys may be in wire format too
};

}  // namespace assay::catalog

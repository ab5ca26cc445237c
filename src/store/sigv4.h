#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace assay::store {

/// Percent-encode every byte but A-Z a-z 0-9 - . _ ~, and '/' only when `keep_slash`.
std::string uri_encode(std::string_view text, bool keep_slash);

struct S3Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;             // "" for none
  EventTime expires = EventTime::max();  // when they end
};

/// What of a request goes into its signature. Texts are as they mean, not encoded.
struct SigningInput {
  std::string method;
  std::string path;  // "/bucket/key"
  std::vector<std::pair<std::string, std::string>> query;
  std::vector<std::pair<std::string, std::string>> headers;  // all that are signed, host too
  std::string payload_sha256;                                // hexadecimal, or UNSIGNED-PAYLOAD
};

/// Where and when a signature is good.
struct SigningScope {
  EventTime time;
  std::string region;
  std::string service = "s3";
};

/// "20150830T123600Z".
std::string amz_date(EventTime time);
/// "a=1&b=": names and values encoded, sorted by name, then value. Also the query of the URL.
std::string canonical_query(const std::vector<std::pair<std::string, std::string>>& query);
/// The request as signer and server write it down alike.
std::string canonical_request(const SigningInput& input);
/// Value of the Authorization header.
///
/// Source  AWS, "Signature Version 4 signing process"; S3's rules: the path is encoded once and
///         not normalised.
std::string authorization(const SigningInput& input,
                          const SigningScope& scope,
                          const S3Credentials& credentials);

}  // namespace assay::store

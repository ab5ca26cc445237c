#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/world.h"
#include "store/http_client.h"
#include "store/sigv4.h"

namespace assay::store {

/// Value of an environment variable; nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

/// Where requests to S3 get their credentials. Asked in this order, and the first that has some is
/// kept to:
///
/// 1. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
/// 2. the file AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, profile `profile`, AWS_PROFILE or
///    "default"
/// 3. the container's role: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI
/// 4. the machine's role: the instance metadata service, version 2
///
/// Errors  kUnauthenticated: none of them has any, or what one has cannot be read; the message says
///         what to set.
/// Threads thread-safe.
class CredentialsProvider {
 public:
  virtual ~CredentialsProvider() = default;
  /// Good for five minutes more, unless their source has nothing longer.
  virtual Result<S3Credentials> get() = 0;
  /// The service says that these are no longer good: ask the source again next time.
  virtual void invalidate(const S3Credentials& used) = 0;
};

std::unique_ptr<CredentialsProvider> make_credentials_provider(World& world,
                                                               HttpClient& http,
                                                               Environment environment,
                                                               const std::string& profile);

/// Credentials of one profile of a credentials file. kNotFound: it has none of that name.
Result<S3Credentials> parse_credentials_file(const std::string& text, const std::string& profile);

/// The JSON that containers and machines are given. kCorrupt: it is not that.
Result<S3Credentials> parse_role_credentials(const std::string& text);

}  // namespace assay::store

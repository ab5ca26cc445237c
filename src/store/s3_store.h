#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/pause.h"
#include "base/world.h"
#include "store/object_store.h"
#include "store/s3_credentials.h"

namespace assay::store {

/// Which bucket of which service, and how to get on with it.
struct S3Options {
  std::string bucket;
  std::string prefix;    // before every key, without '/' at its ends; "" for none
  std::string endpoint;  // "https://host[:port]"; "" for AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS
  std::string region;    // "" for AWS_REGION, AWS_DEFAULT_REGION, us-east-1
  std::optional<bool> path_style;  // not said: only where the bucket is not part of the host's name
  std::string ca_file;             // PEM; "" for the machine's own
  std::string profile;             // of the credentials file; see CredentialsProvider
  std::string spool_folder;        // for files that a library writes, until they are uploaded
  Environment environment;
  std::function<void(Duration)> pause = pause_for;  // between attempts

  Duration timeout{30 * kMicrosPerSecond};  // see HttpRequest; a commit waits at least 15 s
  int attempts_max = 8;
  Duration retry_wait_first{100'000};
  Duration retry_wait_max{10 * kMicrosPerSecond};
  Duration retry_for{120 * kMicrosPerSecond};  // no attempt starts later than this
  int64_t multipart_from_bytes = int64_t{64} << 20;
  int64_t part_bytes = int64_t{16} << 20;
  bool check_conditional_put = true;
};

/// "s3://bucket/prefix" into bucket and prefix. kInvalidArgument says what is wrong with it.
Status parse_s3_url(const std::string& url, S3Options* options);

/// A bucket, or what is below a prefix of it, of Amazon S3 or of any service that speaks like it.
/// Nothing is sent before the first call.
///
/// The first put_if_absent makes sure that the service keeps its promise: of several who create one
/// object exactly one must win. The result is noted beside the objects (".assay/"), so that it is
/// asked once a lake. kFailedPrecondition: it does not; nothing was committed.
///
/// Errors  beyond ObjectStore's: kFailedPrecondition: no such bucket, or another region's, or an
///         untrusted certificate; kUnauthenticated: credentials missing, unknown or expired;
///         kCorrupt: bytes are not what their checksum says; kUnavailable: after all attempts.
///         put_if_absent gives kCommitUnknown also where the object is there after an attempt
///         whose answer was lost: look whose it is.
/// Source  docs/decisions/0032-s3-client.md
Result<std::unique_ptr<ObjectStore>> open_s3_store(World& world, const S3Options& options);

}  // namespace assay::store

#include "lake/sql_access.h"

#include "base/hash.h"
#include "data/sql_extension.h"

namespace assay::lake {
namespace {

using data::SqlEngine;

/// Data files never change, so nothing that was read needs to be asked for again. Keys are taken as
/// they are: no patterns, no parameters after '?'.
Status load_extension(SqlEngine& sql, const store::SqlAccess& access) {
  ASSAY_ASSIGN_OR_RETURN(const std::string path, data::sql_extension_path("httpfs"));
  return sql.execute("LOAD " + SqlEngine::literal(path) +
                     "; SET s3_url_compatibility_mode = true"
                     "; SET enable_external_file_cache = true"
                     "; SET validate_external_file_cache = 'NO_VALIDATION'"
                     "; SET enable_http_metadata_cache = true"
                     "; SET parquet_metadata_cache = true"
                     "; SET http_retries = 6"
                     "; SET enable_server_cert_verification = true"
                     "; SET ca_cert_file = " +
                     SqlEngine::literal(access.ca_file));
}

/// One secret for each place: its name is only there to replace it.
Status set_secret(SqlEngine& sql, const store::SqlAccess& access) {
  const auto text = [](const std::string& value) { return SqlEngine::literal(value); };
  std::string statement =
      "CREATE OR REPLACE SECRET " +
      SqlEngine::identifier("assay_" + std::to_string(hash_bytes(access.scope))) +
      " (TYPE s3, PROVIDER config, SCOPE " + text(access.scope) + ", ENDPOINT " +
      text(access.endpoint) + ", REGION " + text(access.region) + ", URL_STYLE " +
      text(access.path_style ? "path" : "vhost") + ", USE_SSL " + (access.tls ? "true" : "false") +
      ", KEY_ID " + text(access.access_key) + ", SECRET " + text(access.secret_key);
  if (!access.session_token.empty()) {
    statement += ", SESSION_TOKEN " + text(access.session_token);
  }
  const Status set = sql.execute(statement + ")");
  // The engine's message would repeat the statement.
  return set.ok() || set.code() == Code::kFailedPrecondition
             ? set
             : Status(set.code(),
                      "the SQL engine does not take the credentials of " + access.scope);
}

}  // namespace

Status SqlReading::allow() {
  ASSAY_ASSIGN_OR_RETURN(const std::optional<store::SqlAccess> access, store_.sql_access());
  if (!access || access == allowed_) {
    return {};
  }
  if (!allowed_) {
    ASSAY_RETURN_IF_ERROR(load_extension(sql_, *access));
  }
  const Status set = set_secret(sql_, *access);
  if (set.code() == Code::kFailedPrecondition && allowed_) {
    return {};  // a reader is open; the credentials before are good for some minutes more
  }
  ASSAY_RETURN_IF_ERROR(set);
  allowed_ = access;
  return {};
}

}  // namespace assay::lake

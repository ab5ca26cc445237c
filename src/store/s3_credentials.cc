#include "store/s3_credentials.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include <simdjson.h>

namespace assay::store {
namespace {

constexpr Duration kRenewBefore{300 * kMicrosPerSecond};
constexpr Duration kRoleTimeout{2 * kMicrosPerSecond};
constexpr int64_t kRoleAnswerBytesMax = 1 << 20;

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) {
    return "";
  }
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

class ChainProvider : public CredentialsProvider {
 public:
  ChainProvider(World& world, HttpClient& http, Environment environment, std::string profile)
      : world_(world),
        http_(http),
        environment_(std::move(environment)),
        profile_(std::move(profile)) {}

  Result<S3Credentials> get() override {
    const std::lock_guard lock(mutex_);
    const EventTime now = world_.clock.now();
    if (held_ && (held_->expires == EventTime::max() ||
                  now.micros < held_->expires.micros - kRenewBefore.micros)) {
      return *held_;
    }
    Result<S3Credentials> fresh = ask();
    if (fresh.ok()) {
      held_ = *fresh;
    } else if (held_ && now < held_->expires) {
      return *held_;  // still good; the source is asked again next time
    }
    return fresh;
  }

  void invalidate(const S3Credentials& used) override {
    const std::lock_guard lock(mutex_);
    if (held_ && held_->access_key == used.access_key &&
        held_->session_token == used.session_token) {
      held_.reset();
    }
  }

 private:
  [[nodiscard]] std::string variable(const std::string& name) const {
    return environment_(name).value_or("");
  }

  Result<S3Credentials> ask() {
    const std::string access_key = variable("AWS_ACCESS_KEY_ID");
    if (!access_key.empty() && profile_.empty()) {
      const std::string secret_key = variable("AWS_SECRET_ACCESS_KEY");
      if (secret_key.empty()) {
        return Status(Code::kUnauthenticated,
                      "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not; set both");
      }
      return S3Credentials{access_key, secret_key, variable("AWS_SESSION_TOKEN"), EventTime::max()};
    }
    Result<std::optional<S3Credentials>> from_file = ask_file();
    if (!from_file.ok()) {
      return std::move(from_file).status();
    }
    if (from_file->has_value()) {
      return **from_file;
    }
    return ask_role();
  }

  /// Nothing when there is no file, or no profile that somebody asked for.
  Result<std::optional<S3Credentials>> ask_file() {
    std::string path = variable("AWS_SHARED_CREDENTIALS_FILE");
    if (path.empty() && !variable("HOME").empty()) {
      path = join_path(variable("HOME"), ".aws/credentials");
    }
    std::string profile = profile_.empty() ? variable("AWS_PROFILE") : profile_;
    const bool wanted = !profile.empty();
    profile = wanted ? profile : "default";
    const Result<std::string> text =
        path.empty() ? Result<std::string>(Status(Code::kNotFound, "no credentials file"))
                     : world_.files.read(path);
    if (text.code() == Code::kNotFound && !wanted) {
      return std::optional<S3Credentials>();
    }
    if (!text.ok()) {
      return Status(Code::kUnauthenticated,
                    "profile `" + profile +
                        "` is asked for, but its file cannot be read: " + text.status().message());
    }
    const Result<S3Credentials> parsed = parse_credentials_file(*text, profile);
    if (parsed.code() == Code::kNotFound && !wanted) {
      return std::optional<S3Credentials>();
    }
    if (!parsed.ok()) {
      return Status(Code::kUnauthenticated, path + ": " + parsed.status().message());
    }
    return std::optional<S3Credentials>(*parsed);
  }

  Result<S3Credentials> ask_role() {
    const std::string relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const std::string full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!relative.empty()) {
      return ask_container("http://169.254.170.2" + relative);
    }
    if (!full.empty()) {
      return ask_container(full);
    }
    if (variable("AWS_EC2_METADATA_DISABLED") == "true") {
      return nothing_found("AWS_EC2_METADATA_DISABLED is true");
    }
    std::string base = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    base = base.empty() ? "http://169.254.169.254" : base;
    while (base.ends_with('/')) {
      base.pop_back();
    }
    return ask_machine(base);
  }

  static Status nothing_found(const std::string& why) {
    return {Code::kUnauthenticated,
            "no credentials for S3: neither AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, nor a "
            "credentials file (AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials), nor a role of "
            "the container or machine (" +
                why + "); set the first two variables, or run where a role is given"};
  }

  Result<S3Credentials> ask_container(const std::string& url) {
    std::string token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    const std::string token_file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (!token_file.empty()) {
      const Result<std::string> text = world_.files.read(token_file);
      if (!text.ok()) {
        return Status(Code::kUnauthenticated,
                      "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: " + text.status().message());
      }
      token = trimmed(std::string_view(*text).substr(0, text->find('\n')));
    }
    HttpRequest request;
    request.url = url;
    if (!token.empty()) {
      request.headers.emplace_back("Authorization", token);
    }
    ASSAY_ASSIGN_OR_RETURN(const std::string body, role_answer(request, "the container's role"));
    return role_credentials(body, url);
  }

  Result<S3Credentials> ask_machine(const std::string& base) {
    HttpRequest ask_token;
    ask_token.method = "PUT";
    ask_token.url = base + "/latest/api/token";
    ask_token.headers.emplace_back("X-aws-ec2-metadata-token-ttl-seconds", "21600");
    ASSAY_ASSIGN_OR_RETURN(const std::string token, role_answer(ask_token, "the machine's role"));
    HttpRequest ask_roles;
    ask_roles.url = base + "/latest/meta-data/iam/security-credentials/";
    ask_roles.headers.emplace_back("X-aws-ec2-metadata-token", token);
    ASSAY_ASSIGN_OR_RETURN(const std::string roles, role_answer(ask_roles, "the machine's role"));
    const std::string role(trimmed(std::string_view(roles).substr(0, roles.find('\n'))));
    if (role.empty()) {
      return nothing_found("the machine has none");
    }
    ask_roles.url += uri_encode(role, false);
    ASSAY_ASSIGN_OR_RETURN(const std::string body, role_answer(ask_roles, "the machine's role"));
    return role_credentials(body, ask_roles.url);
  }

  /// The body of a 200. One more try: these services are one hop away and answer at once.
  Result<std::string> role_answer(HttpRequest request, const std::string& what) {
    request.timeout = kRoleTimeout;
    request.answer_bytes_max = kRoleAnswerBytesMax;
    request.use_proxy = false;
    Result<HttpResponse> answer = http_.send(request);
    if (!answer.ok() || answer->status >= 500) {
      answer = http_.send(request);
    }
    if (!answer.ok()) {
      return nothing_found(what + ": " + answer.status().message());
    }
    if (answer->status != 200) {
      return nothing_found(what + ": HTTP " + std::to_string(answer->status) + " from " +
                           request.url);
    }
    return std::move(answer->body);
  }

  static Result<S3Credentials> role_credentials(const std::string& body, const std::string& url) {
    Result<S3Credentials> parsed = parse_role_credentials(body);
    if (!parsed.ok()) {
      return Status(Code::kUnauthenticated, url + ": " + parsed.status().message());
    }
    return parsed;
  }

  World& world_;
  HttpClient& http_;
  const Environment environment_;
  const std::string profile_;
  std::mutex mutex_;
  std::optional<S3Credentials> held_;
};

}  // namespace

std::unique_ptr<CredentialsProvider> make_credentials_provider(World& world,
                                                               HttpClient& http,
                                                               Environment environment,
                                                               const std::string& profile) {
  return std::make_unique<ChainProvider>(world, http, std::move(environment), profile);
}

Result<S3Credentials> parse_credentials_file(const std::string& text, const std::string& profile) {
  S3Credentials credentials;
  bool inside = false;
  bool found = false;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty() || line[0] == '#' || line[0] == ';') {
      continue;
    }
    if (line.front() == '[' && line.back() == ']') {
      inside = trimmed(line.substr(1, line.size() - 2)) == profile;
      found = found || inside;
      continue;
    }
    const std::size_t equals = line.find('=');
    if (!inside || equals == std::string_view::npos) {
      continue;
    }
    const std::string_view name = trimmed(line.substr(0, equals));
    const std::string value(trimmed(line.substr(equals + 1)));
    if (name == "aws_access_key_id") {
      credentials.access_key = value;
    } else if (name == "aws_secret_access_key") {
      credentials.secret_key = value;
    } else if (name == "aws_session_token") {
      credentials.session_token = value;
    }
  }
  if (!found) {
    return Status(Code::kNotFound, "there is no profile [" + profile + "]");
  }
  if (credentials.access_key.empty() || credentials.secret_key.empty()) {
    return Status(
        Code::kCorrupt,
        "profile [" + profile + "] has not both aws_access_key_id and aws_secret_access_key");
  }
  return credentials;
}

Result<S3Credentials> parse_role_credentials(const std::string& text) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(text).get(root) != simdjson::SUCCESS || !root.is_object()) {
    return Status(Code::kCorrupt, "the answer is not a JSON object");
  }
  const auto member = [&](std::string_view name) {
    std::string_view value;
    return root[name].get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
  };
  S3Credentials credentials{
      member("AccessKeyId"), member("SecretAccessKey"), member("Token"), EventTime::max()};
  if (credentials.access_key.empty() || credentials.secret_key.empty()) {
    const std::string why = member("Message").empty() ? member("message") : member("Message");
    return Status(
        Code::kCorrupt,
        "the answer holds no AccessKeyId and SecretAccessKey" + (why.empty() ? "" : ": " + why));
  }
  const std::string expiration = member("Expiration");
  if (!expiration.empty() && !try_parse_time(expiration, &credentials.expires)) {
    return Status(Code::kCorrupt, "the answer's Expiration is not a time");
  }
  return credentials;
}

}  // namespace assay::store

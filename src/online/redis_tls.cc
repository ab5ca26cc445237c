#include "online/redis_tls.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace assay::online {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Freed<SSL_free>>;

/// What OpenSSL has to say of its first error.
std::string said() {
  const unsigned long code = ERR_peek_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "no reason" : reason;
}

Status bad_file(const std::string& what, const std::string& path) {
  return {Code::kUnavailable, what + ": " + said() + ": " + path};
}

bool is_address(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

Status trust(SSL_CTX* context, const RedisTls& tls) {
  if (tls.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_locations(context, tls.ca_file.c_str(), nullptr) != 1) {
    return bad_file("`ca_file` holds no certificate of an authority (PEM)", tls.ca_file);
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return {};
}

/// What is shown to a server that asks who we are, as Redis does unless it is told not to.
Status show(SSL_CTX* context, const RedisTls& tls) {
  if (tls.cert_file.empty()) {
    return {};
  }
  if (SSL_CTX_use_certificate_chain_file(context, tls.cert_file.c_str()) != 1) {
    return bad_file("`cert_file` holds no certificate (PEM)", tls.cert_file);
  }
  const std::string& key = tls.key_file.empty() ? tls.cert_file : tls.key_file;
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return bad_file("no private key of `cert_file` (PEM)", key);
  }
  return {};
}

Result<Session> session_of(int socket, const RedisTls& tls, const std::string& name) {
  const Context context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) {
    return Status(Code::kResourceExhausted, "no memory for TLS");
  }
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  ASSAY_RETURN_IF_ERROR(trust(context.get(), tls));
  ASSAY_RETURN_IF_ERROR(show(context.get(), tls));
  Session session(SSL_new(context.get()));
  if (session == nullptr || SSL_set_fd(session.get(), socket) != 1) {
    return Status(Code::kResourceExhausted, "no memory for TLS");
  }
  const bool is_bound =
      is_address(name)
          ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session.get()), name.c_str()) == 1
          : SSL_set1_host(session.get(), name.c_str()) == 1 &&
                SSL_set_tlsext_host_name(session.get(), name.c_str()) == 1;
  if (!is_bound) {
    return Status(Code::kInvalidArgument, "`" + name + "` is no name of a server");
  }
  return session;
}

/// Why the server's certificate is not to be trusted, and what to do.
Status untrusted(long why, const RedisTls& tls, const std::string& name) {
  std::string next = tls.ca_file.empty()
                         ? "; `ca_file=/path/ca.pem` in the URL of `online` names an authority of "
                           "your own"
                         : "; it is not of the authority in " + tls.ca_file;
  if (why == X509_V_ERR_CERT_HAS_EXPIRED || why == X509_V_ERR_CERT_NOT_YET_VALID) {
    next = "; give the server a new one";
  } else if (why == X509_V_ERR_HOSTNAME_MISMATCH || why == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    next = "; it is not of `" + name +
           "`: write a name that it is of, or `server_name=NAME` in the URL of `online`";
  }
  return {Code::kUnavailable,
          "the server's certificate is not to be trusted: " +
              std::string(X509_verify_cert_error_string(why)) + next};
}

/// Whether it was a time-out of the socket.
bool is_silence(int error) {
  return error == EAGAIN || error == EWOULDBLOCK;
}

class OpenSslSession : public RedisTlsSession {
 public:
  explicit OpenSslSession(Session session) : session_(std::move(session)) {
    SSL_set_cert_cb(
        session_.get(),
        [](SSL*, void* asked) {
          *static_cast<bool*>(asked) = true;
          return 1;  // with the certificate that it has, if any
        },
        &is_asked_);
  }

  Status agree(const RedisTls& tls, const std::string& name) {
    const int result = again_after_signals([&] { return SSL_connect(session_.get()); });
    if (result == 1) {
      return {};
    }
    if (const long why = SSL_get_verify_result(session_.get()); why != X509_V_OK) {
      ERR_clear_error();
      return untrusted(why, tls, name);
    }
    const int reason = ERR_GET_REASON(ERR_peek_error());
    if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_PACKET_LENGTH_TOO_LONG) {
      ERR_clear_error();
      return {Code::kUnavailable,
              "it speaks no TLS on this port; write redis:// for rediss://, or its port for TLS"};
    }
    const Status broke = broken(result).with_context("no agreement on TLS");
    return is_silence(errno)
               ? Status(broke.code(),
                        broke.message() +
                            "; where that port speaks no TLS, write redis:// for rediss://")
               : broke;
  }

  Status write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const std::size_t some = std::min<std::size_t>(bytes.size(), std::numeric_limits<int>::max());
      const int sent = again_after_signals(
          [&] { return SSL_write(session_.get(), bytes.data(), static_cast<int>(some)); });
      if (sent <= 0) {
        return broken(sent);
      }
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {};
  }

  Result<std::size_t> read(char* room, std::size_t size) override {
    const int taken = again_after_signals(
        [&] { return SSL_read(session_.get(), room, static_cast<int>(size)); });
    if (taken <= 0) {
      return broken(taken);
    }
    is_answered_ = true;
    return static_cast<std::size_t>(taken);
  }

 private:
  /// A signal ends the call, not the connection. What others left in the thread's queue of errors
  /// is none of ours.
  template <typename Call>
  int again_after_signals(Call call) {
    int result = 0;
    do {
      ERR_clear_error();
      errno = 0;
      result = call();
    } while (result <= 0 && errno == EINTR);
    return result;
  }

  /// Why the connection is of no use any more; errno as the socket left it.
  Status broken(int result) {
    const int error = errno;
    const int kind = SSL_get_error(session_.get(), result);
    std::string text;
    if (kind == SSL_ERROR_SSL) {
      text = "TLS broke: " + said();
    } else {
      text = kind == SSL_ERROR_ZERO_RETURN || error == 0 ? "Server closed the connection"
                                                         : std::strerror(error);
    }
    ERR_clear_error();
    errno = kind == SSL_ERROR_SSL ? 0 : error;
    // Behind the agreement it says that ours will not do, or just ends the connection.
    return is_asked_ && !is_answered_ && !is_silence(errno)
               ? Status(Code::kUnavailable,
                        "the server asks for a certificate that it trusts: " + text +
                            "; give `cert_file=` and `key_file=` in the URL of `online`, or start "
                            "it with `--tls-auth-clients no`")
               : Status(Code::kUnavailable, text);
  }

  Session session_;
  bool is_asked_ = false;     // who we are
  bool is_answered_ = false;  // anything at all
};

}  // namespace

Result<std::unique_ptr<RedisTlsSession>> RedisTlsSession::agree(int socket,
                                                                const RedisTls& tls,
                                                                const std::string& host) {
  const std::string& name = tls.server_name.empty() ? host : tls.server_name;
  ERR_clear_error();
  ASSAY_ASSIGN_OR_RETURN(Session made, session_of(socket, tls, name));
  auto session = std::make_unique<OpenSslSession>(std::move(made));
  errno = 0;
  ASSAY_RETURN_IF_ERROR(session->agree(tls, name));
  return std::unique_ptr<RedisTlsSession>(std::move(session));
}

}  // namespace assay::online

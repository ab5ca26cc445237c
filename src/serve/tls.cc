// The one file that speaks OpenSSL's libssl. A connection is a pair of memory buffers: whoever has
// the socket carries bytes between it and them.

#include "serve/tls.h"

#include <array>
#include <ctime>
#include <utility>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "serve/freed.h"

namespace assay::serve {
namespace {

constexpr std::size_t kRecordBytes = 16 << 10;
constexpr std::string_view kHttp2 = "h2";
constexpr std::string_view kProtocols = "\x02h2\x08http/1.1";  // as ALPN lists them, best first

using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Connection = std::unique_ptr<SSL, Freed<SSL_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;

Status wrong(const std::string& what) {
  ERR_clear_error();
  return {Code::kInvalidArgument, what};
}

Bio reader(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// Nobody is asked for a passphrase.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) {
  return 0;
}

/// All certificates of a text, in their order.
Result<std::vector<Certificate>> certificates_of(const TlsTexts::Text& text) {
  const Bio bio = reader(text.pem);
  std::vector<Certificate> found;
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)) {
    found.emplace_back(next);
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (found.empty() || !at_end) {
    return wrong("not certificates in PEM form (-----BEGIN CERTIFICATE-----): " + text.path);
  }
  ERR_clear_error();
  return found;
}

Result<Key> key_of(const TlsTexts::Text& text) {
  const Bio bio = reader(text.pem);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (key == nullptr) {
    return wrong(
        "not a private key in PEM form without a passphrase; `openssl pkey -in FILE -out NEW` "
        "takes "
        "a passphrase off: " +
        text.path);
  }
  return key;
}

EventTime time_of(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  const int64_t days = days_from_civil(parts.tm_year + 1900,
                                       static_cast<unsigned>(parts.tm_mon + 1),
                                       static_cast<unsigned>(parts.tm_mday));
  const int64_t seconds = ((days * 24 + parts.tm_hour) * 60 + parts.tm_min) * 60 + parts.tm_sec;
  return {seconds * kMicrosPerSecond};
}

std::string subject_of(const X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

PeerNames names_of(X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>> alternatives(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  PeerNames names;
  for (const auto& [kind, word] :
       {std::pair{GEN_URI, "uri:"}, std::pair{GEN_DNS, "dns:"}, std::pair{GEN_EMAIL, "email:"}}) {
    for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
      const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
      if (name->type == kind) {
        const ASN1_IA5STRING* text = name->d.ia5;  // all three kinds are of this type
        names.emplace_back(word);
        names.back().append(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                            static_cast<std::size_t>(ASN1_STRING_length(text)));
      }
    }
  }
  const std::string subject = subject_of(certificate);
  if (!subject.empty()) {
    names.push_back("subject:" + subject);
  }
  return names;
}

class ChannelOfOpenssl : public TlsChannel {
 public:
  explicit ChannelOfOpenssl(SSL_CTX* context) : connection_(SSL_new(context)) {
    ASSAY_CHECK(connection_ != nullptr);  // else memory ran out
    SSL_set_bio(connection_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(connection_.get());
  }

  Status receive(std::string_view wire, std::string* plain) override {
    ERR_clear_error();
    BIO_write(SSL_get_rbio(connection_.get()), wire.data(), static_cast<int>(wire.size()));
    if (!is_open()) {
      const int done = SSL_do_handshake(connection_.get());
      if (done != 1) {
        return failure_of(done);
      }
      const Certificate peer(SSL_get1_peer_certificate(connection_.get()));
      if (peer != nullptr) {
        peer_names_ = std::make_shared<const PeerNames>(names_of(peer.get()));
      }
    }
    while (true) {
      const std::size_t before = plain->size();
      plain->resize(before + kRecordBytes);
      const int got =
          SSL_read(connection_.get(), plain->data() + before, static_cast<int>(kRecordBytes));
      plain->resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
      if (got <= 0) {
        return failure_of(got);
      }
    }
  }
  void send(std::string_view plain) override {
    while (!plain.empty()) {  // into memory, which takes all of it
      const std::string_view record = plain.substr(0, kRecordBytes);
      SSL_write(connection_.get(), record.data(), static_cast<int>(record.size()));
      take_output();
      plain.remove_prefix(record.size());
    }
  }
  void finish() override { SSL_shutdown(connection_.get()); }
  std::string output() override {
    take_output();
    return std::exchange(output_, std::string());
  }
  [[nodiscard]] bool is_open() const override {
    return SSL_is_init_finished(connection_.get()) == 1;
  }
  [[nodiscard]] bool speaks_http2() const override {
    const unsigned char* chosen = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(connection_.get(), &chosen, &size);
    return std::string_view(reinterpret_cast<const char*>(chosen), size) == kHttp2;
  }
  [[nodiscard]] std::shared_ptr<const PeerNames> peer_names() const override { return peer_names_; }

 private:
  /// Out of OpenSSL's buffer, record by record: it keeps the greatest size that it ever had.
  void take_output() {
    BIO* wire = SSL_get_wbio(connection_.get());
    const std::size_t before = output_.size();
    output_.resize(before + BIO_ctrl_pending(wire));
    if (output_.size() != before) {
      BIO_read(wire, output_.data() + before, static_cast<int>(output_.size() - before));
    }
  }
  /// What a call came to that got nothing: fine when the peer must send more first.
  Status failure_of(int result) {
    switch (SSL_get_error(connection_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return {};
      case SSL_ERROR_ZERO_RETURN:
        return {Code::kUnavailable, "the peer finished"};
      default: {
        const char* reason = ERR_reason_error_string(ERR_peek_error());
        return wrong(reason == nullptr ? "TLS failed" : reason);
      }
    }
  }

  Connection connection_;
  std::string output_;
  std::shared_ptr<const PeerNames> peer_names_ = std::make_shared<const PeerNames>();
};

/// What the client can speak, too; who names nothing speaks HTTP/1.1.
int choose_protocol(SSL* /*connection*/,
                    const unsigned char** chosen,
                    unsigned char* chosen_size,
                    const unsigned char* offered,
                    unsigned int offered_size,
                    void* /*user*/) {
  unsigned char* found = nullptr;
  const int agreed =
      SSL_select_next_proto(&found,
                            chosen_size,
                            reinterpret_cast<const unsigned char*>(kProtocols.data()),
                            static_cast<unsigned int>(kProtocols.size()),
                            offered,
                            offered_size);
  *chosen = found;
  return agreed == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

class IdentityOfOpenssl : public TlsIdentity {
 public:
  IdentityOfOpenssl(TlsTexts texts, EventTime expires, Context context)
      : TlsIdentity(std::move(texts), expires), context_(std::move(context)) {}
  [[nodiscard]] std::unique_ptr<TlsChannel> accept() const override {
    return std::make_unique<ChannelOfOpenssl>(context_.get());
  }

 private:
  Context context_;
};

/// Nothing when OpenSSL will not promise TLS 1.3 alone.
Context new_context() {
  Context context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1) {
    return nullptr;
  }
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  return context;
}

Status take_certificate(const TlsTexts& texts, std::vector<Certificate>& chain, SSL_CTX* context) {
  ASSAY_ASSIGN_OR_RETURN(const Key key, key_of(texts.key));
  if (SSL_CTX_use_certificate(context, chain.front().get()) != 1) {
    const char* reason = ERR_reason_error_string(ERR_peek_error());
    return wrong("the certificate is refused (" + std::string(reason == nullptr ? "" : reason) +
                 "); have one made with a key of P-256, or of RSA with 2048 bits or more: " +
                 texts.certificate.path);
  }
  if (X509_check_private_key(chain.front().get(), key.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return wrong("the key " + texts.key.path + " is not that of the first certificate of " +
                 texts.certificate.path + "; give two that were made together");
  }
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) {
      return wrong("certificate " + std::to_string(i + 1) +
                   " is refused: " + texts.certificate.path);
    }
  }
  return {};
}

Status take_client_ca(const TlsTexts::Text& text, SSL_CTX* context) {
  ASSAY_ASSIGN_OR_RETURN(const std::vector<Certificate> trusted, certificates_of(text));
  for (const Certificate& one : trusted) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one.get()) != 1 ||
        SSL_CTX_add_client_CA(context, one.get()) != 1) {
      return wrong("an authority is refused: " + text.path);
    }
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return {};
}

}  // namespace

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::make(TlsTexts texts, EventTime now) {
  ASSAY_ASSIGN_OR_RETURN(std::vector<Certificate> chain, certificates_of(texts.certificate));
  Context context = new_context();
  if (context == nullptr) {
    return Status(Code::kInternal, "OpenSSL does not take TLS 1.3 as the oldest version");
  }
  ASSAY_RETURN_IF_ERROR(take_certificate(texts, chain, context.get()));
  if (!texts.client_ca.path.empty()) {
    ASSAY_RETURN_IF_ERROR(take_client_ca(texts.client_ca, context.get()));
  }
  const EventTime begin = time_of(X509_get0_notBefore(chain.front().get()));
  const EventTime end{time_of(X509_get0_notAfter(chain.front().get())).micros + kMicrosPerSecond};
  if (now < begin || now >= end) {
    return Status(Code::kFailedPrecondition,
                  "the certificate is valid from " + format_time(begin) + " to " +
                      format_time(end) + ", and it is " + format_time(now) +
                      "; renew it: " + texts.certificate.path);
  }
  return std::shared_ptr<const TlsIdentity>(
      std::make_shared<const IdentityOfOpenssl>(std::move(texts), end, std::move(context)));
}

}  // namespace assay::serve

// The tests' end of TLS, and their certificates.

#include "serve/tls_client.h"

#include <csignal>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "serve/freed.h"

namespace assay::serve {
namespace {

using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;

std::string text_of(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

std::string pem_of(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return text_of(bio.get());
}

std::string pem_of(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio.get());
}

void set_time(ASN1_TIME* time, EventTime to) {
  ASN1_TIME_set(time, to.micros / kMicrosPerSecond);
}

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  ASSAY_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension.get(), -1);
}

Certificate blank(const CertificateWish& wish, int64_t serial, EVP_PKEY* key) {
  Certificate made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set_int64(X509_get_serialNumber(made.get()), serial);
  set_time(X509_getm_notBefore(made.get()), wish.begin);
  set_time(X509_getm_notAfter(made.get()), wish.end);
  X509_set_pubkey(made.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()),
                             "CN",
                             MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.name.c_str()),
                             -1,
                             -1,
                             0);
  return made;
}

template <typename Read>
auto read_pem(const std::string& text, Read read) {
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  return read(bio.get(), nullptr, nullptr, nullptr);
}

}  // namespace

struct TestAuthority::State {
  Key key{EVP_EC_gen("P-256")};
  Certificate certificate;
  std::string pem;
  int64_t serial = 1;
};

TestAuthority::TestAuthority(const std::string& name) : state_(std::make_unique<State>()) {
  state_->certificate = blank({name}, state_->serial, state_->key.get());
  X509* own = state_->certificate.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  add_extension(own, own, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(own, own, NID_key_usage, "critical,keyCertSign");
  X509_sign(own, state_->key.get(), EVP_sha256());
  state_->pem = pem_of(own);
}
TestAuthority::~TestAuthority() = default;

const std::string& TestAuthority::pem() const {
  return state_->pem;
}

TestCertificate TestAuthority::issue(const CertificateWish& wish) const {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate made = blank(wish, ++state_->serial, key.get());
  X509_set_issuer_name(made.get(), X509_get_subject_name(state_->certificate.get()));
  if (!wish.alternatives.empty()) {
    add_extension(made.get(), state_->certificate.get(), NID_subject_alt_name, wish.alternatives);
  }
  X509_sign(made.get(), state_->key.get(), EVP_sha256());
  return {pem_of(made.get()), pem_of(key.get())};
}

struct TlsClient::State {
  std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> context{SSL_CTX_new(TLS_client_method())};
  std::unique_ptr<SSL, Freed<SSL_free>> connection;
  bool agreed = false;
};

TlsClient::TlsClient(uint16_t port, const TlsClientOptions& options)
    : HttpClient(port), state_(std::make_unique<State>()) {
  std::signal(SIGPIPE, SIG_IGN);  // a server may close while OpenSSL writes
  SSL_CTX* context = state_->context.get();
  const Certificate trusted(read_pem(options.server_ca, PEM_read_bio_X509));
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context), trusted.get());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_max_proto_version(context, options.old_version ? TLS1_2_VERSION : TLS1_3_VERSION);
  if (!options.own.pem.empty()) {
    const Certificate own(read_pem(options.own.pem, PEM_read_bio_X509));
    const Key key(read_pem(options.own.key, PEM_read_bio_PrivateKey));
    SSL_CTX_use_certificate(context, own.get());
    SSL_CTX_use_PrivateKey(context, key.get());
  }
  if (!options.protocols.empty()) {
    SSL_CTX_set_alpn_protos(context,
                            reinterpret_cast<const unsigned char*>(options.protocols.data()),
                            static_cast<unsigned int>(options.protocols.size()));
  }
  state_->connection.reset(SSL_new(context));
  SSL_set_fd(state_->connection.get(), socket());
  state_->agreed = SSL_connect(state_->connection.get()) == 1;
  ERR_clear_error();
}
TlsClient::~TlsClient() = default;

bool TlsClient::agreed() const {
  return state_->agreed;
}

std::string TlsClient::server_certificate() const {
  const Certificate peer(SSL_get1_peer_certificate(state_->connection.get()));
  return peer == nullptr ? "" : pem_of(peer.get());
}

void TlsClient::say_finished() {
  SSL_shutdown(state_->connection.get());
}

bool TlsClient::finished_by_server() const {
  return (SSL_get_shutdown(state_->connection.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

ssize_t TlsClient::write_some(std::string_view bytes) {
  ERR_clear_error();
  return state_->agreed
             ? SSL_write(state_->connection.get(), bytes.data(), static_cast<int>(bytes.size()))
             : -1;
}

ssize_t TlsClient::read_some(char* bytes, std::size_t size) {
  ERR_clear_error();
  return state_->agreed ? SSL_read(state_->connection.get(), bytes, static_cast<int>(size)) : -1;
}

}  // namespace assay::serve

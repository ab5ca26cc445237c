#include "store/tls_front.h"

#include <csignal>

#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace assay::store {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};

using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Session = std::unique_ptr<SSL, Freed<SSL_free>>;

void add_extension(X509* certificate, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  ASSAY_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension.get(), -1);
}

/// A certificate of 127.0.0.1 that is signed by its own key.
Certificate own_certificate(EVP_PKEY* key) {
  Certificate made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set_int64(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -86'400);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 86'400);
  X509_set_pubkey(made.get(), key);
  X509_NAME* const name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(
      name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("own"), -1, -1, 0);
  X509_set_issuer_name(made.get(), name);
  add_extension(made.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(made.get(), NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  ASSAY_CHECK(X509_sign(made.get(), key, EVP_sha256()) > 0);
  return made;
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

bool send_all(int socket, const char* bytes, int size) {
  while (size > 0) {
    const auto sent =
        static_cast<int>(::send(socket, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL));
    if (sent <= 0) {
      return false;
    }
    bytes += sent;
    size -= sent;
  }
  return true;
}

/// Pass bytes both ways until one side has had enough.
void pass_on(SSL* session, int outside, int inside) {
  char bytes[16'384];
  while (true) {
    pollfd waits[] = {{outside, POLLIN, 0}, {inside, POLLIN, 0}};
    if (SSL_pending(session) == 0 && ::poll(waits, 2, -1) <= 0) {
      return;
    }
    if (SSL_pending(session) > 0 || waits[0].revents != 0) {
      const int size = SSL_read(session, bytes, sizeof bytes);
      if (size <= 0 || !send_all(inside, bytes, size)) {
        return;
      }
    }
    if (waits[1].revents != 0) {
      const auto size = static_cast<int>(::recv(inside, bytes, sizeof bytes, 0));
      if (size <= 0 || SSL_write(session, bytes, size) <= 0) {
        return;
      }
    }
  }
}

}  // namespace

struct TlsFront::Tls {
  Key key{EVP_EC_gen("P-256")};
  Certificate certificate = own_certificate(key.get());
  std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> context{SSL_CTX_new(TLS_server_method())};
};

TlsFront::TlsFront(int behind) : behind_(behind), tls_(std::make_unique<Tls>()) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that may be closed
  ASSAY_CHECK(SSL_CTX_use_certificate(tls_->context.get(), tls_->certificate.get()) == 1);
  ASSAY_CHECK(SSL_CTX_use_PrivateKey(tls_->context.get(), tls_->key.get()) == 1);
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), tls_->certificate.get());
  char* text = nullptr;
  const long text_size = BIO_get_mem_data(bio.get(), &text);
  authority_.assign(text, static_cast<std::size_t>(text_size));

  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  ASSAY_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  ASSAY_CHECK(::listen(listener_, 128) == 0);
  ASSAY_CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this] { accept_all(); });
}

TlsFront::~TlsFront() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    for (const int socket : sockets_) {
      ::shutdown(socket, SHUT_RDWR);
    }
  }
  acceptor_.join();
  connections_.clear();
  for (const int socket : sockets_) {
    ::close(socket);
  }
  ::close(listener_);
}

int TlsFront::agreed() {
  const std::lock_guard lock(mutex_);
  return agreed_;
}

bool TlsFront::keep(int socket) {
  const std::lock_guard lock(mutex_);
  sockets_.push_back(socket);
  return !stopping_;
}

void TlsFront::accept_all() {
  while (true) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0 || !keep(socket)) {
      return;
    }
    connections_.emplace_back([this, socket] { serve(socket); });
  }
}

void TlsFront::serve(int socket) {
  const Session session(SSL_new(tls_->context.get()));
  SSL_set_fd(session.get(), socket);
  const int inside = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(behind_);
  if (keep(inside) && SSL_accept(session.get()) == 1 &&
      ::connect(inside, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    {
      const std::lock_guard lock(mutex_);
      ++agreed_;
    }
    pass_on(session.get(), socket, inside);
  }
  ::shutdown(socket, SHUT_RDWR);
  ::shutdown(inside, SHUT_RDWR);
}

}  // namespace assay::store

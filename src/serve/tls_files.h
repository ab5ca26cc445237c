#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/world.h"
#include "serve/tls.h"

namespace assay::serve {

struct TlsPaths {
  std::string certificate;
  std::string key;
  std::string client_ca;  // "": clients need no certificate
};

/// A server's identity as its files say it by now. Connections keep the one that they began with.
///
/// Threads thread-safe.
class TlsFiles {
 public:
  TlsFiles(World& world, TlsPaths paths);

  /// Read the files.
  ///
  /// Errors  those of TlsIdentity::make, and of reading; the identity is then the one before.
  Status look();
  /// The same later on: what is wrong is logged and counted once, and so is the end of a
  /// certificate that nobody renewed.
  void look_again();
  /// For HttpOptions and GrpcOptions; this object must outlive it.
  TlsSource source();

 private:
  Result<TlsTexts> read();

  World& world_;
  const TlsPaths paths_;
  Counter& failures_;
  Gauge& expires_;
  std::mutex looking_;  // held around what follows by who looks
  std::string failure_;
  std::mutex mutex_;
  std::shared_ptr<const TlsIdentity> identity_;
};

}  // namespace assay::serve

#include "serve/tls_files.h"

#include <utility>

namespace assay::serve {

TlsFiles::TlsFiles(World& world, TlsPaths paths)
    : world_(world),
      paths_(std::move(paths)),
      failures_(world.metrics.counter(
          "assay_serve_tls_reload_failures_total",
          "Changes of the TLS files that could not be taken; the identity before goes on.")),
      expires_(world.metrics.gauge("assay_serve_tls_expires_seconds",
                                   "When the server's certificate ends, in seconds since 1970.")) {}

Result<TlsTexts> TlsFiles::read() {
  TlsTexts texts;
  for (const auto& [path, text] : {std::pair{&paths_.certificate, &texts.certificate},
                                   std::pair{&paths_.key, &texts.key},
                                   std::pair{&paths_.client_ca, &texts.client_ca}}) {
    if (!path->empty()) {
      text->path = *path;
      ASSAY_ASSIGN_OR_RETURN(text->pem, world_.files.read(*path));
    }
  }
  return texts;
}

Status TlsFiles::look() {
  ASSAY_ASSIGN_OR_RETURN(TlsTexts texts, read());
  const std::shared_ptr<const TlsIdentity> before = source()();
  const EventTime now = world_.clock.now();
  if (before != nullptr && before->texts() == texts) {
    return now < before->expires()
               ? Status()
               : Status(Code::kFailedPrecondition,
                        "the certificate is not valid any more; renew it: " + paths_.certificate);
  }
  ASSAY_ASSIGN_OR_RETURN(auto made, TlsIdentity::make(std::move(texts), now));
  expires_.set(static_cast<double>(made->expires().micros) / kMicrosPerSecond);
  world_.log.info("tls_files_read",
                  {{"certificate", paths_.certificate}, {"until", format_time(made->expires())}});
  const std::lock_guard lock(mutex_);
  identity_ = std::move(made);
  return {};
}

void TlsFiles::look_again() {
  const std::lock_guard lock(looking_);
  const Status status = look();
  const std::string failure = status.ok() ? "" : status.to_string();
  if (!failure.empty() && failure != failure_) {
    failures_.add();
    world_.log.warn("tls_files_not_taken", {{"reason", failure}});
  }
  failure_ = failure;
}

TlsSource TlsFiles::source() {
  return [this] {
    const std::lock_guard lock(mutex_);
    return identity_;
  };
}

}  // namespace assay::serve

#include "flow/line_opening.h"

#include <algorithm>
#include <utility>

namespace assay::flow {
namespace {

constexpr Duration kRegistryMax{5 * kMicrosPerSecond};

}  // namespace

LineOpening::LineOpening(Workspace& beside,
                         std::string bronze,
                         const RunOptions& options,
                         std::shared_ptr<store::HttpClient> registry)
    : beside_(beside),
      bronze_(std::move(bronze)),
      options_(options),
      registry_(std::move(registry)),
      opened_(Status(Code::kUnavailable, "it has not ended")) {
  options_.stop = stop_.get();
  options_.progress = nullptr;  // which is its owner's
  thread_ = std::jthread([this] {
    opened_ = open();
    has_ended_ = true;
    if (options_.wakeup != nullptr) {
      options_.wakeup->notify();
    }
  });
}

LineOpening::~LineOpening() {
  if (thread_.joinable()) {
    *stop_ = true;
  }
}

Result<LineOpening::Opened> LineOpening::take() {
  thread_.join();
  return std::move(opened_);
}

Result<LineOpening::Opened> LineOpening::open() {
  const catalog::Project& project = beside_.project();
  const catalog::SourceDef& source = project.sources.at(project.bronze.at(bronze_).source);
  if (source.registry.has_value()) {
    const std::unique_ptr<store::HttpClient> client =
        store::make_http_client({.ca_file = source.registry->ca_file});
    ASSAY_RETURN_IF_ERROR(ask_registry(source, *client));
  }
  Opened opened;
  opened.stop = stop_;
  ASSAY_ASSIGN_OR_RETURN(opened.workspace,
                         Workspace::open_beside(beside_, "spill_line_" + bronze_));
  ASSAY_ASSIGN_OR_RETURN(opened.line,
                         KafkaLine::open(*opened.workspace, bronze_, options_, registry_));
  opened.account.stage = "bronze";
  opened.account.name = bronze_;
  ASSAY_RETURN_IF_ERROR(opened.line->recover(&opened.account));
  return opened;
}

Status ask_registry(const catalog::SourceDef& source, store::HttpClient& client) {
  const catalog::RegistryDef& definition = *source.registry;
  store::HttpRequest request;
  request.url = definition.url + "/schemas/types";
  request.timeout = std::min(definition.timeout, kRegistryMax);
  const Status answered = client.send(request).status();
  return answered.ok() ? Status()
                       : Status(Code::kUnavailable,
                                "schema registry " + definition.url + ": " + answered.message());
}

}  // namespace assay::flow

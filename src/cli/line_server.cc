#include "cli/line_server.h"

#include <string>
#include <utility>

#include "flow/served.h"

namespace assay::cli {

std::vector<Flag> LineServer::flags() {
  std::vector<Flag> flags = Servers::flags();
  flags.push_back(log_share_flag());
  return flags;
}

Status LineServer::start() {
  const Arguments& arguments = invocation_.arguments;
  if (!arguments.has("http")) {
    for (const Flag& flag : flags()) {
      if (arguments.has(flag.name)) {
        return {Code::kInvalidArgument,
                "--" + flag.name + " is about the server; say --http HOST:PORT too"};
      }
    }
    invocation_.output.say("running (stop with Ctrl-C or SIGTERM)");
    return {};
  }
  ASSAY_ASSIGN_OR_RETURN(online::OnlineStore * store, workspace_.online(false));
  // Nobody completes other definitions beside the line.
  ASSAY_ASSIGN_OR_RETURN(const std::optional<int64_t> version,
                         workspace_.catalog().complete_version(arguments.get("profile")));
  watch_ = std::make_unique<DefinitionWatch>(invocation_, workspace_, version);
  ASSAY_ASSIGN_OR_RETURN(const auto state, watch_->state(workspace_));
  ASSAY_ASSIGN_OR_RETURN(log_, served_log(invocation_, *state));
  if (log_ != nullptr) {
    ASSAY_ASSIGN_OR_RETURN(log_workspace_,
                           flow::Workspace::open_beside(workspace_, "spill_served"));
    writer_ = std::make_unique<ServedWriter>(
        invocation_.world, *log_, [this](const serve::ServedBatch& batch) {
          return flow::append_served(*log_workspace_, *batch.service, batch.rows);
        });
  }
  line_ = std::make_unique<LineBeside>(invocation_, *store, arguments.has("push"));
  features_ = std::make_unique<serve::FeatureServer>(
      invocation_.world, *store, state, log_.get(), line_.get());
  servers_ = std::make_unique<Servers>(invocation_, *features_, *line_);
  ASSAY_RETURN_IF_ERROR(servers_->start());
  looks_ = std::make_unique<serve::RepeatedCall>(Duration{kMicrosPerSecond}, [this] { look(); });
  invocation_.output.say("running, and serving " + std::to_string(state->services.size()) +
                         " services and " + std::to_string(state->models.size()) + " models on " +
                         servers_->where() + " (stop with Ctrl-C or SIGTERM)");
  return {};
}

void LineServer::look() {
  watch_->look([this](auto newer) { features_->replace(std::move(newer)); });
  if (writer_ != nullptr) {
    writer_->look();
  }
}

void LineServer::stop() {
  if (servers_ != nullptr) {
    servers_->stop();  // the log is written on meanwhile
  }
  looks_.reset();
  if (writer_ != nullptr) {
    std::exchange(writer_, nullptr)->finish();
  }
}

}  // namespace assay::cli

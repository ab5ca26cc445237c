#include "serve/proxy_routes.h"

#include <algorithm>
#include <utility>

#include "base/json_writer.h"
#include "serve/json_slices.h"

namespace assay::serve {
namespace {

/// Text without escapes, as the names of shares, keys and entities are.
std::optional<std::string> plain_text(std::string_view json) {
  const bool is_text = json.size() >= 2 && json.front() == '"' && json.back() == '"' &&
                       json.find('\\') == std::string_view::npos;
  return is_text ? std::optional(std::string(json.substr(1, json.size() - 2))) : std::nullopt;
}

std::optional<std::vector<std::string>> plain_texts(std::string_view json) {
  const auto elements = json_elements(json);
  if (!elements.has_value()) {
    return std::nullopt;
  }
  std::vector<std::string> texts;
  for (const std::string_view element : *elements) {
    std::optional<std::string> text = plain_text(element);
    if (!text.has_value()) {
      return std::nullopt;
    }
    texts.push_back(*std::move(text));
  }
  return texts;
}

std::string_view member(const std::vector<JsonMember>& members, std::string_view quoted_name) {
  for (const JsonMember& one : members) {
    if (one.name == quoted_name) {
      return one.value;
    }
  }
  return "";
}

bool share_out_alike(const ShareMap& a, const ShareMap& b) {
  return a.list.names == b.list.names && a.list.key == b.list.key && a.type == b.type;
}

}  // namespace

std::shared_ptr<const ShareMap> share_at_ready(std::string_view body) {
  const auto ready = json_members(body);
  const auto share = ready.has_value() ? json_members(member(*ready, "\"share\"")) : std::nullopt;
  if (!share.has_value()) {
    return nullptr;
  }
  const auto name = plain_text(member(*share, "\"name\""));
  auto names = plain_texts(member(*share, "\"of\""));
  const auto key = plain_text(member(*share, "\"by\""));
  const auto type = data::type_from_name(plain_text(member(*share, "\"type\"")).value_or(""));
  auto entities = plain_texts(member(*share, "\"entities\""));
  if (!name || !names || !key || !type || !entities ||
      std::find(names->begin(), names->end(), *name) == names->end()) {
    return nullptr;
  }
  return std::make_shared<const ShareMap>(
      ShareMap{{*name, *std::move(names), *key}, *type, *std::move(entities)});
}

std::string share_as_json(const ShareMap& share) {
  std::string text;
  JsonWriter writer(text);
  const auto list = [&](const std::vector<std::string>& texts) {
    writer.begin_array();
    for (const std::string& one : texts) {
      writer.string(one);
    }
    writer.end_array();
  };
  writer.begin_object();
  writer.key("name");
  writer.string(share.list.name);
  writer.key("of");
  list(share.list.names);
  writer.key("by");
  writer.string(share.list.key);
  writer.key("type");
  writer.string(data::type_name(share.type));
  writer.key("entities");
  list(share.other_names);
  writer.end_object();
  return text;
}

ProxyServers::ProxyServers(World& world, std::vector<std::string> names) : world_(world) {
  for (std::string& name : names) {
    Gauge& available = world.metrics.gauge("assay_serve_proxy_server_available",
                                           "Whether a server behind the proxy can be asked.",
                                           {{"server", name}});
    states_.push_back({std::move(name), &available});
  }
}

std::shared_ptr<const ProxyRoutes> ProxyServers::routes() const {
  const std::lock_guard lock(mutex_);
  return routes_;
}

void ProxyServers::has_answered(std::size_t server, int status, std::string_view body) {
  const std::shared_ptr<const ShareMap> share = status == 200 ? share_at_ready(body) : nullptr;
  const std::lock_guard lock(mutex_);
  State& state = states_[server];
  state.is_ready = share != nullptr;
  if (status == 200) {
    state.share = share;
  }
  if (!state.is_ready) {
    set(&state,
        false,
        status == 200 ? "it says of no share; its project has no `share:`"
                      : "it is not ready, and answers " + std::to_string(status));
  }
  settle();
}

void ProxyServers::is_away(std::size_t server, const std::string& why) {
  const std::lock_guard lock(mutex_);
  states_[server].is_ready = false;
  set(&states_[server], false, why);
  settle();
}

/// One that shares out otherwise is not asked, whichever of them said it first.
void ProxyServers::settle() {
  shares_ = said_by_most();
  for (State& state : states_) {
    if (!state.is_ready) {
      continue;
    }
    const bool is_alike = share_out_alike(*state.share, *shares_);
    set(&state,
        is_alike,
        is_alike ? "" : "its `share:` is of another list, or by another key, than the others'");
  }
  routes_ = make_routes();
}

/// Of those that as many say the one that was taken before, else the first.
std::shared_ptr<const ShareMap> ProxyServers::said_by_most() const {
  std::shared_ptr<const ShareMap> best = shares_;
  const auto count = [&](const ShareMap& shares) {
    return std::count_if(states_.begin(), states_.end(), [&](const State& state) {
      return state.share != nullptr && share_out_alike(*state.share, shares);
    });
  };
  std::ptrdiff_t most = best == nullptr ? 0 : count(*best);
  for (const State& state : states_) {
    const std::ptrdiff_t said = state.share == nullptr ? 0 : count(*state.share);
    if (said > most) {
      most = said;
      best = state.share;
    }
  }
  return best;
}

void ProxyServers::set(State* state, bool can_be_asked, const std::string& why) {
  if (state->can_be_asked == can_be_asked && state->why == why) {
    return;
  }
  state->can_be_asked = can_be_asked;
  state->why = why;
  state->available->set(can_be_asked ? 1 : 0);
  if (can_be_asked) {
    world_.log.info("proxy_server_available",
                    {{"server", state->name}, {"share", state->share->list.name}});
  } else {
    world_.log.warn("proxy_server_away", {{"server", state->name}, {"why", why}});
  }
}

std::shared_ptr<const ProxyRoutes> ProxyServers::make_routes() const {
  auto routes = std::make_shared<ProxyRoutes>();
  routes->shares = shares_;
  routes->of_shares.resize(shares_ == nullptr ? 0 : shares_->list.names.size());
  for (std::size_t server = 0; server < states_.size(); ++server) {
    if (!states_[server].can_be_asked) {
      continue;
    }
    routes->servers.push_back(server);
    const std::vector<std::string>& names = shares_->list.names;
    const auto place = std::find(names.begin(), names.end(), states_[server].share->list.name);
    routes->of_shares[static_cast<std::size_t>(place - names.begin())].push_back(server);
  }
  return routes;
}

std::string ProxyServers::why_none(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  std::string why;
  for (const State& state : states_) {
    if (state.share != nullptr && state.share->list.name == name && !state.can_be_asked) {
      why += (why.empty() ? "" : "; ") + state.name + ": " + state.why;
    }
  }
  return "share " + name + " has no server" + (why.empty() ? " that has said so yet" : ": " + why);
}

std::string ProxyServers::why_not_all() const {
  const std::lock_guard lock(mutex_);
  for (const State& state : states_) {
    if (!state.can_be_asked) {
      return state.name + " cannot be asked: " + state.why;
    }
  }
  return "";
}

std::string ProxyServers::as_json() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  JsonWriter writer(text);
  writer.begin_array();
  for (const State& state : states_) {
    writer.begin_object();
    writer.key("server");
    writer.string(state.name);
    writer.key("share");
    if (state.share != nullptr) {
      writer.string(state.share->list.name);
    } else {
      writer.null();
    }
    writer.key("available");
    writer.boolean(state.can_be_asked);
    if (!state.can_be_asked) {
      writer.key("why");
      writer.string(state.why);
    }
    writer.end_object();
  }
  writer.end_array();
  return text;
}

}  // namespace assay::serve

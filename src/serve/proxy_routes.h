#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/world.h"
#include "serve/question_parts.h"

namespace assay::serve {

/// Which servers can be asked for what, at one moment.
///
/// Threads immutable.
struct ProxyRoutes {
  std::shared_ptr<const ShareMap> shares;           // nullptr: no server has said it yet
  std::vector<std::vector<std::size_t>> of_shares;  // servers that can be asked, by share
  std::vector<std::size_t> servers;                 // all that can be asked
};

/// What a server says of its share at /ready; nullptr: it has all entities, or says nonsense.
std::shared_ptr<const ShareMap> share_at_ready(std::string_view body);
/// The same as FeatureServer writes it: the member `share` of the object.
std::string share_as_json(const ShareMap& share);

/// What is known of the servers behind a proxy.
///
/// Threads thread-safe.
class ProxyServers {
 public:
  ProxyServers(World& world, std::vector<std::string> names);

  [[nodiscard]] std::shared_ptr<const ProxyRoutes> routes() const;
  [[nodiscard]] const std::string& name(std::size_t server) const { return states_[server].name; }
  /// It was asked for /ready and answered that.
  void has_answered(std::size_t server, int status, std::string_view body);
  /// It did not answer: it is not asked until it is ready again.
  void is_away(std::size_t server, const std::string& why);
  /// Why no server of the share of this name can be asked.
  [[nodiscard]] std::string why_none(const std::string& name) const;
  /// Why not every server can be asked; "" when each can.
  [[nodiscard]] std::string why_not_all() const;
  /// Each server with its share and how it is, as a JSON array.
  [[nodiscard]] std::string as_json() const;

 private:
  struct State {
    std::string name;
    Gauge* available = nullptr;
    bool is_ready = false;
    bool can_be_asked = false;                   // it is, and shares out as most do
    std::string why = "it was not asked yet";    // it cannot
    std::shared_ptr<const ShareMap> share = {};  // what it said last
  };
  void settle();
  [[nodiscard]] std::shared_ptr<const ShareMap> said_by_most() const;
  [[nodiscard]] std::shared_ptr<const ProxyRoutes> make_routes() const;
  void set(State* state, bool can_be_asked, const std::string& why);

  World& world_;
  mutable std::mutex mutex_;
  std::vector<State> states_;
  std::shared_ptr<const ShareMap> shares_;  // as most servers say it
  std::shared_ptr<const ProxyRoutes> routes_ = std::make_shared<ProxyRoutes>();
};

}  // namespace assay::serve

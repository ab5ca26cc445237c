#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flow/test_project.h"

namespace assay::flow {

inline constexpr char kOrders[] = R"(
sources:
  orders: {files: {path: orders, format: csv}}
bronze:
  orders:
    source: orders
    key: [order_id]
    on_same_key: replace
    delete_when: "op = 'd'"
    event_time: {column: ts}
    known_time: {column: seen}
    columns: {order_id: string!, op: string, user_id: string!, kind: string, amount: float64, ts: timestamp, seen: timestamp!}
    checks:
      - {column: amount, range: [-1000, 100000], on_fail: quarantine}
silver:
  clean:
    from: orders
    sql: SELECT user_id, kind, amount FROM orders WHERE kind <> 'test'
    allowed_lateness: 1h
entities:
  user: {key: user_id, type: string}
feature_views:
  spend:
    entity: user
    from: clean
    slide: 10m
    ttl: 2d
    session: {gap: 30m, over: 24h}
    features:
      n: {agg: count, over: [1h, 24h]}
      total: {agg: sum, of: amount, over: [1h, 24h]}
      largest: {agg: max, of: amount, over: [24h]}
      opening: {agg: first, of: amount, over: [24h]}
      kinds: {agg: distinct, of: kind, over: [24h]}
      newest: {latest: amount}
      moves: {changes: kind, over: 24h}
      visits: {session: count}
services:
  v1: [spend]
)";

/// A project of orders that are corrected, moved to other users, cancelled and told twice.
class OrdersProject : public TestProject {
 public:
  OrdersProject() {
    write("project.yaml", kOrders);
    const auto random = seeded_random(3);
    std::vector<std::string> orders;
    std::vector<std::string> told;
    for (int file = 0; file < 6; ++file) {
      std::string text = "order_id,op,user_id,kind,amount,ts,seen\n";
      for (int i = 0; i < 120; ++i) {
        const int64_t now =
            parse_time("2026-01-01")->micros +
            ((int64_t{file} * 120 + i) * 7 * 60 - static_cast<int64_t>(random->below(50 * 60))) *
                kMicrosPerSecond;
        const std::string seen = format_time({now});
        const uint64_t what = random->below(10);
        std::string line;
        if (what < 5 || orders.empty()) {
          orders.push_back("o" + std::to_string(orders.size()));
          line = orders.back() + ",c," + values(*random, now) + "," + seen;
        } else if (what < 8) {
          line = orders[random->below(orders.size())] + ",u," + values(*random, now) + "," + seen;
        } else if (what < 9) {
          line = orders[random->below(orders.size())] + ",d,,,,," + seen;
        } else {
          line = told[random->below(told.size())];  // the same record once more
        }
        told.push_back(line);
        text += line + "\n";
      }
      files_.push_back(text);
    }
  }

  void write_files(std::size_t first, std::size_t end) {
    for (std::size_t file = first; file < end; ++file) {
      write("orders/" + std::to_string(file) + ".csv", files_[file]);
    }
  }

 private:
  static std::string values(Random& random, int64_t now) {
    const int64_t happened = now - static_cast<int64_t>(random.below(3 * 3600)) * kMicrosPerSecond;
    return "u" + std::to_string(random.below(6)) + "," +
           (random.below(6) == 0 ? "test" : "k" + std::to_string(random.below(3))) + "," +
           std::to_string(random.below(1000)) + ".25," + format_time({happened});
  }

  std::vector<std::string> files_;
};

}  // namespace assay::flow

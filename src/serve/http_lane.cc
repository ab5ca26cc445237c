// One io_context and one thread per core, by Boost.Asio; a connection stays on its context, so
// nothing of it is locked. Answers to what was ready together are sent together. Time is counted in
// ticks.

#include "serve/http_lane.h"

#include <chrono>
#include <exception>
#include <optional>
#include <unordered_set>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <sys/eventfd.h>

#include "serve/http_connection.h"

namespace assay::serve {
namespace {

namespace net = boost::asio;
using boost::system::error_code;
using Executor = net::io_context::executor_type;

std::chrono::microseconds chrono(Duration duration) {
  return std::chrono::microseconds(duration.micros);
}

struct Lane final : ConnectionLane, HttpLane {
  explicit Lane(const HttpLaneParts& parts) : ConnectionLane(parts, loop, answers) {}

  net::io_context loop{1};
  net::executor_work_guard<Executor> work{loop.get_executor()};
  net::steady_timer drain_timer{loop};
  net::steady_timer notice_timer{loop};
  net::steady_timer tick_timer{loop};
  Unsent answers{world.clock};

  void run() override;
  void take(int socket, ConnectionSlot slot, std::optional<ConnectionSlot> handshake) override;
  void drain() override;

  void send_answers();
  void begin_drain();
  void drain_all() {
    const auto all = connections;  // closing removes from the set later, not now
    for (HttpConnection* one : all) {
      one->drain();
    }
  }
  void finish_drain_if_empty() override {
    if (draining && connections.empty()) {
      drain_timer.cancel();
      notice_timer.cancel();
      tick_timer.cancel();
    }
  }
  /// Do something that is ready, or wait for it. Only libraries throw, and memory may run out: what
  /// was to be done is lost then, with the connection that waited for it. How many were done.
  std::size_t run_some();
  /// Close the connections whose time is over, from now on.
  void keep_time();
  /// Let marks of `turn` queue among what is ready: as what epoll finds behind all else.
  void wait_for_mark() {
    mark_.async_wait(net::posix::descriptor_base::wait_read, [this](error_code error) {
      if (error) {
        return;
      }
      eventfd_t marks = 0;
      ::eventfd_read(mark_.native_handle(), &marks);
      if (turn.returned()) {
        send_mark();
      }
      wait_for_mark();
    });
  }

 private:
  void send_mark() override { ::eventfd_write(mark_.native_handle(), 1); }

  bool is_disturbed_ = false;
  net::posix::basic_stream_descriptor<Executor> mark_{context,
                                                      ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
};

void Lane::keep_time() {
  tick_timer.expires_after(chrono(times.tick_length()));
  tick_timer.async_wait([this](error_code error) {
    if (error || (draining && connections.empty())) {
      return;
    }
    times.pass_tick(
        [](const HttpConnection& one) -> const auto& { return one.time(); },
        [](HttpConnection& one) { one.end_late(); });
    stream_times.pass_tick(
        [](const TimedStream& one) -> const auto& { return one.time(); },
        [](TimedStream& one) { one.end_late(); });
    keep_time();
  });
}

void Lane::begin_drain() {
  draining = true;
  work.reset();
  error_code ignored;
  mark_.close(ignored);  // what waits for it would keep the thread
  drain_all();
  finish_drain_if_empty();
  if (!connections.empty()) {
    // Until clients of HTTP/2 that do not say that they heard of the end are told which request is
    // the last: a second of five.
    notice_timer.expires_after(chrono({options.drain_max.micros / 5}));
    notice_timer.async_wait([this](error_code error) {
      if (!error) {
        is_notice_over = true;
        drain_all();
      }
    });
    drain_timer.expires_after(chrono(options.drain_max));
    drain_timer.async_wait([this](error_code error) {
      const std::unordered_set<HttpConnection*> late =
          error ? std::unordered_set<HttpConnection*>() : connections;
      for (HttpConnection* one : late) {
        one->close();
      }
    });
  }
}

/// All of them; requests that are there already have their turn behind that.
void Lane::send_answers() {
  unsent.send_all([](const std::shared_ptr<HttpConnection>& one) { one->send_answer(); });
  if (context.stopped()) {  // there was nothing else to do
    context.restart();
  }
}

std::size_t Lane::run_some() {
  try {
    if (std::exchange(is_disturbed_, false)) {  // either may be what was lost
      error_code ignored;
      mark_.cancel(ignored);
      wait_for_mark();
      keep_time();
    }
    const std::size_t done = unsent.empty() ? context.run_one() : context.poll_one();
    if (!unsent.empty() && (done == 0 || unsent.are_due())) {
      send_answers();
      return done + 1;
    }
    return done;
  } catch (const std::exception& failure) {
    world.log.error("http_lane_threw", {{"what", std::string(failure.what())}});
    is_disturbed_ = true;
    return 1;
  }
}

void Lane::run() {
  wait_for_mark();
  keep_time();
  while (run_some() > 0) {
  }
  draining = false;  // what is left ends with the context, without its timers
}

void Lane::take(int socket, ConnectionSlot slot, std::optional<ConnectionSlot> handshake) {
  OwnedSocket owned(socket);
  net::post(context,
            [this,
             taken = std::move(owned),
             taken_slot = std::move(slot),
             agreeing = std::move(handshake)]() mutable {
              if (!draining) {
                HttpConnection::start(
                    *this, std::move(taken), std::move(taken_slot), std::move(agreeing));
              }
            });
}

void Lane::drain() {
  net::post(context, [this] { begin_drain(); });
}

}  // namespace

std::unique_ptr<HttpLane> HttpLane::make(const HttpLaneParts& parts) {
  return std::make_unique<Lane>(parts);
}

}  // namespace assay::serve

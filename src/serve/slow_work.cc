#include "serve/slow_work.h"

#include <chrono>
#include <utility>

namespace assay::serve {
namespace {

constexpr std::chrono::milliseconds kInterruptAgain{20};

Status stopping() {
  return {Code::kUnavailable, "Server is stopping"};
}

std::chrono::microseconds chrono(Duration duration) {
  return std::chrono::microseconds(duration.micros);
}

}  // namespace

SlowWork::SlowWork(World& world, SlowLimits limits)
    : world_(world),
      limits_(std::move(limits)),
      refused_(world.metrics.counter("assay_serve_slow_refused_total",
                                     "Requests and calls that found no room to wait.")),
      late_(world.metrics.counter("assay_serve_slow_late_total",
                                  "Requests and calls that waited too long.")) {
  for (int i = 0; i < limits_.threads; ++i) {
    threads_.emplace_back([this] { run(); });
  }
  threads_.emplace_back([this] { refuse_late(); });
}

Status SlowWork::take(Piece piece) {
  {
    const std::lock_guard lock(mutex_);
    const std::size_t bytes = piece.bytes;
    const auto pieces = static_cast<int>(waiting_.size()) + under_way_;
    if (stopping_) {
      return stopping();
    }
    if (pieces >= limits_.requests_max || bytes_ + bytes > limits_.bytes_max) {
      refused_.add();
      return {Code::kResourceExhausted, "Too many requests wait; ask again later"};
    }
    bytes_ += bytes;
    waiting_.push_back({std::move(piece), world_.clock.monotonic()});
  }
  changed_.notify_all();
  return {};
}

std::function<Status()> SlowWork::begin_watch() const {
  return [this, since = world_.clock.monotonic()]() -> Status {
    if (is_interrupted_.load(std::memory_order_relaxed)) {
      return stopping();
    }
    if (world_.clock.monotonic().micros - since.micros > limits_.run_max.micros) {
      return {Code::kUnavailable, "The question takes too long; ask for fewer rows at once"};
    }
    return {};
  };
}

/// The one that waits longest; under the lock.
SlowWork::Waiting SlowWork::take_first() {
  Waiting first = std::move(waiting_.front());
  waiting_.pop_front();
  bytes_ -= first.piece.bytes;
  return first;
}

void SlowWork::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) {
      return;
    }
    Waiting next = take_first();
    const bool too_late = stopping_;
    ++under_way_;
    lock.unlock();
    too_late ? next.piece.refuse(stopping()) : next.piece.run();
    next = {};  // what it holds ends here, not under the lock
    lock.lock();
    --under_way_;
    rested_.notify_all();
  }
}

/// On a thread of its own: one piece may hold the others up for as long as it likes.
void SlowWork::refuse_late() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const int64_t now = world_.clock.monotonic().micros;
    if (waiting_.empty()) {
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    } else if (now - waiting_.front().since.micros < limits_.wait_max.micros) {
      const Duration left{limits_.wait_max.micros - (now - waiting_.front().since.micros)};
      changed_.wait_for(lock, chrono(left), [this] { return stopping_; });
    } else {
      Waiting late = take_first();
      lock.unlock();
      late_.add();
      late.piece.refuse({Code::kUnavailable, "Too many requests wait; ask again later"});
      late = {};
      lock.lock();
    }
  }
}

void SlowWork::stop() {
  const std::lock_guard one_at_a_time(stop_mutex_);
  std::unique_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  std::deque<Waiting> waiting = std::exchange(waiting_, {});
  bytes_ = 0;
  lock.unlock();
  for (Waiting& one : waiting) {
    one.piece.refuse(stopping());
  }
  waiting.clear();
  lock.lock();
  const auto rests = [this] { return under_way_ == 0; };
  rested_.wait_for(lock, chrono(limits_.finish_max), rests);
  is_interrupted_ = true;
  while (limits_.interrupt && !rests()) {  // again and again: what runs may be between two steps
    lock.unlock();
    limits_.interrupt();
    lock.lock();
    rested_.wait_for(lock, kInterruptAgain, rests);
  }
  lock.unlock();
  threads_.clear();  // joins
}

}  // namespace assay::serve

// Host threads for tests: one runs at a time, and hands over only in yield(), as SC_THREADs do.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace fake {

class Threads {
 public:
  explicit Threads(std::uint64_t seed) : random_(seed) {}

  /// Runs all functions to their ends, the order of turns drawn from the seed.
  void run(const std::vector<std::function<void()>>& bodies) {
    done_.assign(bodies.size(), false);
    wake_ = std::vector<std::condition_variable>(bodies.size());
    turn_ = 0;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      threads.emplace_back([this, i, &bodies] {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_[i].wait(lock, [&] { return turn_ == i; });
        lock.unlock();
        bodies[i]();
        lock.lock();
        done_[i] = true;
        pick();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  /// Another value for each thread.
  [[nodiscard]] const void* current() const { return &wake_[turn_]; }

  /// Lets another thread run, or none.
  void yield() {
    std::unique_lock<std::mutex> lock(mutex_);
    const std::size_t self = turn_;
    pick();
    wake_[self].wait(lock, [&] { return turn_ == self; });
  }

 private:
  void pick() {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < done_.size(); ++i) {
      if (!done_[i]) ready.push_back(i);
    }
    if (ready.empty()) return;
    turn_ = ready[random_() % ready.size()];
    wake_[turn_].notify_one();
  }

  std::mt19937_64 random_;
  std::mutex mutex_;
  std::vector<std::condition_variable> wake_;
  std::vector<bool> done_;
  std::size_t turn_ = 0;
};

}  // namespace fake

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
    turn_ = 0;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      threads.emplace_back([this, i, &bodies] {
        wait_for_turn(i);
        bodies[i]();
        const std::lock_guard<std::mutex> lock(mutex_);
        done_[i] = true;
        pick();
        changed_.notify_all();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  /// Lets another thread run, or none.
  void yield() {
    const std::size_t self = turn_;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      pick();
    }
    if (turn_ == self) return;
    changed_.notify_all();
    wait_for_turn(self);
  }

 private:
  void wait_for_turn(std::size_t self) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return turn_ == self; });
  }

  void pick() {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < done_.size(); ++i) {
      if (!done_[i]) ready.push_back(i);
    }
    if (!ready.empty()) turn_ = ready[random_() % ready.size()];
  }

  std::mt19937_64 random_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<bool> done_;
  std::size_t turn_ = 0;
};

}  // namespace fake

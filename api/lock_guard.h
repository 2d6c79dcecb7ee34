// Holding a Mutex of the host for a scope.
#pragma once

#include "api/ports.h"

namespace iommu::api {

/// Holds a Mutex for a scope.
class LockGuard {
 public:
  explicit LockGuard(Mutex& mutex) : mutex_(mutex) { mutex_.lock(); }
  ~LockGuard() { mutex_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace iommu::api

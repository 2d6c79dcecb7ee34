#include "models/tlm/nic_queue.h"

#include <algorithm>

#include "models/tlm/nic_registers.h"

namespace iommu::sim {

void NicQueue::start(core::Address base, std::uint32_t entries) {
  base_ = base;
  entries_ = entries;
  head_ = fetch_ = tail_ = 0;
  running_ = true;
  packet_failed = false;
  doorbells_.assign(entries, 0);
  drop_fetched();
}

std::uint32_t NicQueue::after(std::uint32_t index, std::uint32_t steps) const {
  const std::uint32_t next = index + steps;  // at most 2 * 65536
  return next >= entries_ ? next - entries_ : next;
}

bool NicQueue::set_tail(std::uint32_t index, core::Tick now) {
  if (!running_ || index >= entries_) return false;
  for (; tail_ != index; tail_ = after(tail_, 1)) doorbells_[tail_] = now;
  return true;
}

NicQueue::Fetch NicQueue::begin_fetch(std::uint32_t batch) {
  const std::uint32_t contiguous = tail_ > fetch_ ? tail_ - fetch_ : entries_ - fetch_;
  const core::Address address = base_ + std::uint64_t{nic::descriptor::kBytes} * fetch_;
  const std::uint64_t in_page = (core::kPageBytes - address % core::kPageBytes) / nic::descriptor::kBytes;
  fetching_ = std::min({batch, contiguous, static_cast<std::uint32_t>(in_page)});
  return {address, fetching_};
}

void NicQueue::end_fetch(const std::uint64_t* words) {
  for (std::uint32_t i = 0; i < fetching_; ++i) {
    NicDescriptor descriptor;
    descriptor.index = fetch_;
    descriptor.bad = words == nullptr;
    if (words != nullptr) {
      descriptor.buffer = words[2 * i];
      descriptor.word1 = words[2 * i + 1];
      fetched_bytes_ += nic::descriptor::length_of(descriptor.word1);
    } else {
      ++fetched_bad_;
    }
    fetched_.push_back(descriptor);
    fetch_ = after(fetch_, 1);
  }
  fetching_ = 0;
}

NicDescriptor NicQueue::take_fetched() {
  const NicDescriptor descriptor = fetched_.front();
  fetched_.pop_front();
  if (descriptor.bad) {
    --fetched_bad_;
  } else {
    fetched_bytes_ -= nic::descriptor::length_of(descriptor.word1);
  }
  return descriptor;
}

void NicQueue::drop_fetched() {
  fetched_.clear();
  fetched_bytes_ = 0;
  fetched_bad_ = 0;
}

NicJob& NicQueue::add_job() {
  NicJob& job = jobs_[(first_job_ + job_count_) % jobs_.size()];
  ++job_count_;
  job = NicJob();
  return job;
}

NicJob* NicQueue::next_completion() {
  if (completions_ == job_count_) return nullptr;
  NicJob& job = jobs_[(first_job_ + completions_) % jobs_.size()];
  if (job.open != 0) return nullptr;
  ++completions_;
  return &job;
}

NicJob* NicQueue::oldest_written() {
  if (job_count_ == 0 || !jobs_[first_job_].written) return nullptr;
  return &jobs_[first_job_];
}

void NicQueue::pop_job() {
  head_ = after(jobs_[first_job_].descriptor.index, 1);
  first_job_ = (first_job_ + 1) % jobs_.size();
  --job_count_;
  --completions_;
}

}  // namespace iommu::sim

// The least initiators that use the translation unit and count default statistics.
//
// What it does: LtInitiator calls b_transport on one payload; AtInitiator keeps a number of payloads under way and starts the next one when one has
// ended, in its time. Both record each end in DmaStatistics. What it does not do: anything that a device does.
#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <deque>

#include "models/tlm/dma_statistics.h"
#include "models/tlm/socket_width.h"
#include "models/tlm/timed_queue.h"
#include "testbench/bench/our_unit.h"

namespace iommu::bench {

/// A 64-byte read with its data.
struct Read : ::tlm::tlm_generic_payload {
  sim::DmaExtension extension;
  unsigned char data[64] = {};
  core::Tick issued = 0;

  Read() {
    set_read();
    set_data_ptr(data);
    set_data_length(sizeof data);
    set_streaming_width(sizeof data);
    set_byte_enable_ptr(nullptr);
    extension.requester = kRequester;
    set_extension(&extension);
  }
  Read(const Read&) = delete;
  Read& operator=(const Read&) = delete;
  ~Read() override { clear_extension(&extension); }
  void prepare(core::Address address) {
    set_address(address);
    set_response_status(::tlm::TLM_INCOMPLETE_RESPONSE);
  }
};

/// Lines of `pages` pages from kInput on, `in_a_row` lines of a page before the next page's.
class Lines {
 public:
  Lines(std::uint64_t pages, std::uint64_t in_a_row) : pages_(pages), in_a_row_(in_a_row) {}
  core::Address next() {
    const core::Address address = kInput + page_ * core::kPageBytes + (line_ * 64) % core::kPageBytes;
    if (++line_ % in_a_row_ == 0 && ++page_ == pages_) page_ = 0;
    return address;
  }

 private:
  std::uint64_t pages_;
  std::uint64_t in_a_row_;
  std::uint64_t page_ = 0;
  std::uint64_t line_ = 0;
};

class LtInitiator : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<LtInitiator, sim::kSocketWidthBits> socket;
  sim::DmaStatistics statistics;

  LtInitiator(sc_core::sc_module_name name, const Lines& lines) : sc_module(name), socket("socket"), lines_(lines) {}

  void run(std::uint64_t count) {
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    for (std::uint64_t i = 0; i < count; ++i) {
      read_.prepare(lines_.next());
      const core::Tick begin = sim::to_ticks(delay);
      socket->b_transport(read_, delay);
      statistics.record(read_.extension, sim::to_ticks(delay) - begin, sizeof read_.data);
    }
  }
  /// Without statistics; returns how many were answered.
  std::uint64_t run_plain(std::uint64_t count) {
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    std::uint64_t answered = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      read_.prepare(lines_.next());
      socket->b_transport(read_, delay);
      if (read_.is_response_ok()) ++answered;
    }
    return answered;
  }

 private:
  Lines lines_;
  Read read_;
};

class AtInitiator : public sc_core::sc_module, private ::tlm::tlm_mm_interface {
 public:
  tlm_utils::simple_initiator_socket<AtInitiator, sim::kSocketWidthBits> socket;
  sim::DmaStatistics statistics;

  /// `four_phases`: answers BEGIN_RESP with TLM_ACCEPTED and ends the response by a call of its own.
  AtInitiator(sc_core::sc_module_name name, const Lines& lines, std::uint32_t outstanding, bool four_phases)
      : sc_module(name), socket("socket"), lines_(lines), reads_(outstanding), four_phases_(four_phases) {
    for (Read& read : reads_) read.set_mm(this);
    socket.register_nb_transport_bw(this, &AtInitiator::backward);
    using SC_CURRENT_USER_MODULE = AtInitiator;
    SC_METHOD(run_due);
    sensitive << due_.event();
    dont_initialize();
  }

  void run(std::uint64_t count) {
    left_ = count;
    for (Read& read : reads_) due_.push(kernel_time_.now(), {&read, Step::Issue});
    sc_core::sc_start();
  }

 private:
  enum class Step : std::uint8_t { Issue, EndResponse, Ended };
  struct Due {
    Read* read;
    Step step;
  };

  void issue(Read& read) {
    if (left_ == 0) return;
    --left_;
    read.prepare(lines_.next());
    read.acquire();
    read.issued = kernel_time_.now();
    ::tlm::tlm_phase phase = ::tlm::BEGIN_REQ;
    sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
    if (socket->nb_transport_fw(read, phase, delay) == ::tlm::TLM_COMPLETED) ends(read, kernel_time_.now(delay));
  }
  void ends(Read& read, core::Tick at) { due_.push(at, {&read, Step::Ended}); }

  ::tlm::tlm_sync_enum backward(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase, sc_core::sc_time& delay) {
    if (phase != ::tlm::BEGIN_RESP) return ::tlm::TLM_ACCEPTED;
    auto& read = static_cast<Read&>(payload);
    const core::Tick at = kernel_time_.now(delay);
    if (four_phases_) {
      due_.push(at, {&read, Step::EndResponse});
      return ::tlm::TLM_ACCEPTED;
    }
    ends(read, at);
    phase = ::tlm::END_RESP;
    return ::tlm::TLM_COMPLETED;
  }
  void run_due() {
    Due due{};
    while (due_.pop_due(due)) {
      Read& read = *due.read;
      if (due.step == Step::EndResponse) {
        ::tlm::tlm_phase phase = ::tlm::END_RESP;
        sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
        socket->nb_transport_fw(read, phase, delay);
      }
      if (due.step != Step::Issue) {
        statistics.record(read.extension, kernel_time_.now() - read.issued, sizeof read.data);
        read.release();
      }
      issue(read);
    }
  }
  void free(::tlm::tlm_generic_payload*) override {}

  sim::KernelTime kernel_time_;
  Lines lines_;
  std::deque<Read> reads_;
  bool four_phases_;
  std::uint64_t left_ = 0;
  sim::TimedQueue<Due> due_;
};

}  // namespace iommu::bench

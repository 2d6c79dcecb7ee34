#ifndef SC_INCLUDE_DYNAMIC_PROCESSES  // sc_spawn is part of <systemc> only on demand
#define SC_INCLUDE_DYNAMIC_PROCESSES
#endif

#include "models/tlm/host.h"

#include <cctype>
#include <cstring>

#include "models/tlm/dma_extension.h"

namespace iommu::sim {

/// Tells memory that it is the host's.
struct Host::Payload : ::tlm::tlm_generic_payload {
  DmaExtension extension;
  Payload() {
    extension.traffic = core::Traffic::Host;
    set_extension(&extension);
  }
  ~Payload() override { clear_extension(&extension); }
};

Host::Host(sc_core::sc_module_name name, const HostConfig& config)
    : sc_module(name), bus("bus"), interrupts("interrupts"), config_(config) {
  require_picosecond_resolution();
  interrupts.register_b_transport(this, &Host::interrupt_b);
  interrupts.register_nb_transport_fw(this, &Host::interrupt_nb);
  using SC_CURRENT_USER_MODULE = Host;
  SC_THREAD(launch);
  SC_METHOD(deliver);
  sensitive << messages_.event();
  dont_initialize();
  SC_THREAD(handle_interrupts);
  set_stack_size(config_.stack_bytes);
}

Host::~Host() = default;

// --- Threads

namespace {

// What SystemC takes as a name, from any text.
std::string object_name(std::string name) {
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return sc_core::sc_gen_unique_name(name.empty() ? "thread" : name.c_str());
}

}  // namespace

void Host::spawn(const std::string& name, std::function<void()> function) {
  ++threads_running_;
  to_launch_.push_back({name, std::move(function)});
  launch_.notify(sc_core::SC_ZERO_TIME);
}

void Host::spawn(const std::string& name, void (*function)(void*), void* context) {
  spawn(name, [function, context] { function(context); });
}

// Threads are children of this process, whoever asked for them: so current() finds their host.
void Host::launch() {
  for (;;) {
    while (!to_launch_.empty()) {
      Thread thread = std::move(to_launch_.front());
      to_launch_.pop_front();
      sc_core::sc_spawn_options options;
      options.set_stack_size(static_cast<int>(config_.stack_bytes));
      const std::string unique = object_name(std::move(thread.name));
      sc_core::sc_spawn([this, function = std::move(thread.function)] { run(function); }, unique.c_str(), &options);
    }
    wait(launch_);
  }
}

void Host::run(const std::function<void()>& function) {
  // Also when the thread is killed.
  struct Leave {
    Host& host;
    ~Leave() {
      if (--host.threads_running_ == 0) host.all_done_.notify(sc_core::SC_ZERO_TIME);
    }
  } leave{*this};
  function();
}

Host* Host::current() {
  for (sc_core::sc_object* object = sc_core::sc_get_current_process_handle().get_process_object(); object != nullptr;
       object = object->get_parent_object()) {
    if (auto* host = dynamic_cast<Host*>(object)) return host;
  }
  return nullptr;
}

// --- Accesses

bool Host::access(::tlm::tlm_command command, core::Address address, void* data, std::uint32_t bytes) {
  if (bytes == 0) return true;
  const core::Tick began = now_ticks();
  // Other threads come in between while this one waits: each access needs a payload of its own.
  std::unique_ptr<Payload> payload;
  if (payloads_.empty()) {
    payload = std::make_unique<Payload>();
  } else {
    payload = std::move(payloads_.back());
    payloads_.pop_back();
  }
  payload->set_command(command);
  payload->set_address(address);
  payload->set_data_ptr(static_cast<unsigned char*>(data));
  payload->set_data_length(bytes);
  payload->set_streaming_width(bytes);
  payload->set_byte_enable_ptr(nullptr);
  payload->set_dmi_allowed(false);
  payload->set_response_status(::tlm::TLM_INCOMPLETE_RESPONSE);
  sc_core::sc_time delay = to_sc_time(config_.access_overhead);
  bus->b_transport(*payload, delay);
  const bool write = command == ::tlm::TLM_WRITE_COMMAND;
  const bool in_hole = address >= config_.hole_base && address - config_.hole_base < config_.hole_bytes;
  const bool in_memory =
      !in_hole && address >= config_.memory_base && address - config_.memory_base < config_.memory_bytes;
  if (config_.store_buffer && write && in_memory) delay = to_sc_time(config_.access_overhead);
  if (now_ticks(delay) == began) delay = to_sc_time(1);
  if (delay != sc_core::SC_ZERO_TIME) wait(delay);
  const ::tlm::tlm_response_status status = payload->get_response_status();
  payloads_.push_back(std::move(payload));

  HostAccessCounters& kind = in_memory ? counters_.memory : counters_.registers;
  ++(write ? kind.writes : kind.reads);
  kind.bytes += bytes;
  counters_.access_time += now_ticks() - began;
  if (status == ::tlm::TLM_OK_RESPONSE) return true;
  ++counters_.errors;
  if (!write) std::memset(data, 0xFF, bytes);
  if (error_handler_) error_handler_({address, bytes, write, status, now_ticks()});
  return false;
}

// --- Interrupts

::tlm::tlm_response_status Host::check_message(const ::tlm::tlm_generic_payload& payload) const {
  const core::Address address = payload.get_address();
  if (!payload.is_write()) return ::tlm::TLM_COMMAND_ERROR_RESPONSE;
  if (address < kInterruptBase || address - kInterruptBase >= kInterruptBytes || address % 4 != 0) {
    return ::tlm::TLM_ADDRESS_ERROR_RESPONSE;
  }
  if (payload.get_data_length() != 4 || payload.get_streaming_width() < 4) return ::tlm::TLM_BURST_ERROR_RESPONSE;
  if (payload.get_byte_enable_ptr() != nullptr) return ::tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE;
  return ::tlm::TLM_OK_RESPONSE;
}

void Host::interrupt_b(::tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  if (payload.get_command() == ::tlm::TLM_IGNORE_COMMAND) {
    payload.set_response_status(::tlm::TLM_OK_RESPONSE);
    return;
  }
  const ::tlm::tlm_response_status status = check_message(payload);
  payload.set_response_status(status);
  if (status != ::tlm::TLM_OK_RESPONSE) {
    ++counters_.refused_messages;
    return;
  }
  messages_.push(now_ticks(delay) + config_.interrupt_latency, payload.get_data_ptr()[0]);
}

::tlm::tlm_sync_enum Host::interrupt_nb(::tlm::tlm_generic_payload& payload, ::tlm::tlm_phase& phase,
                                        sc_core::sc_time& delay) {
  if (phase != ::tlm::BEGIN_REQ) return ::tlm::TLM_ACCEPTED;
  interrupt_b(payload, delay);
  return ::tlm::TLM_COMPLETED;
}

void Host::deliver() {
  std::uint8_t number = 0;
  while (messages_.pop_due(number)) {
    Vector& vector = vectors_[number];
    ++vector.received;
    ++counters_.interrupts;
    if (vector.handler != nullptr) {
      to_handle_.push_back(number);
      handler_due_.notify();
    } else {
      ++vector.pending;
      interrupt_pending_.notify();
    }
  }
}

void Host::handle_interrupts() {
  for (;;) {
    while (!to_handle_.empty()) {
      Vector& vector = vectors_[to_handle_.front()];
      to_handle_.pop_front();
      // The handler may replace itself.
      const std::shared_ptr<const std::function<void()>> handler = vector.handler;
      if (handler != nullptr) {
        (*handler)();
      } else {
        ++vector.pending;  // withdrawn since it came
        interrupt_pending_.notify();
      }
    }
    wait(handler_due_);
  }
}

void Host::on_interrupt(std::uint8_t vector, std::function<void()> handler) {
  vectors_[vector].handler = handler ? std::make_shared<const std::function<void()>>(std::move(handler)) : nullptr;
}

bool Host::wait_until(std::uint8_t vector, std::optional<core::Tick> timeout) {
  const core::Tick began = now_ticks();
  while (vectors_[vector].pending == 0) {
    if (!timeout) {
      wait(interrupt_pending_);
      continue;
    }
    const core::Tick waited = now_ticks() - began;
    if (waited >= *timeout) return false;
    wait(to_sc_time(*timeout - waited), interrupt_pending_);
  }
  --vectors_[vector].pending;
  return true;
}

}  // namespace iommu::sim

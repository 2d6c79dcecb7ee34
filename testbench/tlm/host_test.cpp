// Host: what accesses cost and give, threads in C and C++, interrupts, locks, and that two hosts stay apart.
#ifndef SC_INCLUDE_DYNAMIC_PROCESSES  // sc_spawn is part of <systemc> only on demand
#define SC_INCLUDE_DYNAMIC_PROCESSES
#endif

#include "models/tlm/host.h"

#include <cstring>

#include "models/tlm/bus.h"
#include "models/tlm/memory.h"
#include "testbench/tlm/host_driver.h"
#include "testbench/tlm/transactor.h"

using namespace iommu;
using core::Tick;
using sim::Bus;
using sim::FailedAccess;
using sim::Host;
using sim::HostConfig;
using sim::HostMutex;
using sim::Memory;
using sim::testing::containing;
using sim::testing::TestPayload;
using sim::testing::Transactor;
using Bytes = std::vector<unsigned char>;
using Ticks = std::vector<Tick>;

namespace {

constexpr core::Address kRegisters = 0xFED00000;

/// Two 32-bit registers: a write to the first starts the device, bit 0 of the second says that it is ready.
class Device : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<Device, sim::kSocketWidthBits> socket;
  Tick latency = 10'000;
  Tick work = 1'000'000;  // from the write's arrival to readiness
  std::uint32_t ready = 0;
  Ticks started;

  explicit Device(sc_core::sc_module_name name) : sc_module(name), socket("socket") {
    socket.register_b_transport(this, &Device::b_transport);
    using SC_CURRENT_USER_MODULE = Device;
    SC_METHOD(done);
    sensitive << done_;
    dont_initialize();
  }
  void ready_at(Tick at) { done_.notify(sim::delay_until(at)); }

 private:
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
    if (payload.is_write()) {
      started.push_back(sim::now_ticks(delay));
      done_.notify(delay + sim::to_sc_time(work));
    } else {
      std::memcpy(payload.get_data_ptr(), &ready, payload.get_data_length());
    }
    delay += sim::to_sc_time(latency);
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
  }
  void done() { ready = 1; }

  sc_core::sc_event done_;
};

HostConfig cpu() {
  HostConfig config;
  config.access_overhead = 2'000;
  config.memory_base = 0;
  config.memory_bytes = 0x100000;
  return config;
}

// 1 MiB at 0, 100 ns; a device; interrupts. An access to memory takes 2 + 3 + 100 + 5 ns, to the device 2 + 3 + 10 + 5.
struct Machine {
  Bus bus;
  Memory memory;
  Device device;
  Host host;
  Transactor nic;  // sends interrupts
  explicit Machine(const HostConfig& config = cpu(), const std::string& name = "")
      : bus((name + "bus").c_str(), sim::BusConfig{3'000, 5'000}),
        memory((name + "memory").c_str(), sim::MemoryConfig{0, 0x100000, 100'000, 0, 1}),
        device((name + "device").c_str()),
        host((name + "host").c_str(), config),
        nic((name + "nic").c_str()) {
    host.bus.bind(bus.initiators);
    nic.socket.bind(bus.initiators);
    bus.connect(memory.socket, 0, 0x100000);
    bus.connect(device.socket, kRegisters, 8);
    bus.connect(host.interrupts, Host::kInterruptBase, Host::kInterruptBytes);
  }
  tlm::tlm_response_status message(std::uint32_t data, Tick delay = 0, core::Address address = 0xFEE00000) {
    Bytes bytes(4);
    std::memcpy(bytes.data(), &data, 4);
    TestPayload payload(tlm::TLM_WRITE_COMMAND, address, bytes);
    nic.blocking(payload, delay);
    return payload.get_response_status();
  }
  static void run() { sc_core::sc_start(); }
};

}  // namespace

TEST_CASE("host: each access takes its time, and the counters say what was accessed") {
  Machine m;
  Ticks ends;
  std::vector<std::uint64_t> values;
  m.host.spawn("driver", [&] {
    Host& h = m.host;
    h.write<std::uint64_t>(0x1000, 0x1122334455667788);
    ends.push_back(h.now());
    values.push_back(h.read<std::uint8_t>(0x1001));
    values.push_back(h.read<std::uint16_t>(0x1002));
    values.push_back(h.read<std::uint32_t>(0x1004));
    values.push_back(h.read<std::uint64_t>(0x1000));
    ends.push_back(h.now());
    h.write<std::uint8_t>(0x1000, 0xAA);
    h.write<std::uint16_t>(0x1002, 0xBBBB);
    h.write<std::uint32_t>(0x1004, 0xCCCCCCCC);
    values.push_back(h.read<std::uint64_t>(0x1000));
    ends.push_back(h.now());
    h.delay(500);
    ends.push_back(h.now());
    h.write<std::uint32_t>(kRegisters, 1);
    ends.push_back(h.now());
  });
  m.run();
  CHECK(ends == Ticks{110'000, 550'000, 990'000, 990'500, 1'010'500});
  CHECK(values == std::vector<std::uint64_t>{0x77, 0x5566, 0x11223344, 0x1122334455667788, 0xCCCCCCCCBBBB77AA});
  CHECK(m.device.started == Ticks{995'500});
  const sim::HostCounters& counters = m.host.counters();
  CHECK(counters.memory.reads == 5);
  CHECK(counters.memory.writes == 4);
  CHECK(counters.memory.bytes == 8 + 1 + 2 + 4 + 8 + 1 + 2 + 4 + 8);
  CHECK(counters.registers.reads == 0);
  CHECK(counters.registers.writes == 1);
  CHECK(counters.registers.bytes == 4);
  CHECK(counters.access_time == 1'010'000);
  CHECK(counters.errors == 0);
  m.host.restart_counters();
  CHECK(m.host.counters().memory.reads == 0);
}

TEST_CASE("host: accesses to a hole in the memory's range count as registers") {
  HostConfig config = cpu();
  config.memory_bytes = 0x100000000;
  config.hole_base = kRegisters;
  config.hole_bytes = 8;
  Machine m(config);
  m.host.spawn("driver", [&] {
    for (core::Address address : {kRegisters - 4, kRegisters, kRegisters + 4, kRegisters + 8}) {
      static_cast<void>(m.host.read<std::uint32_t>(address));
    }
    static_cast<void>(m.host.read<std::uint32_t>(0xFFFFFFFC));
    static_cast<void>(m.host.read<std::uint32_t>(0x100000000));
  });
  m.run();
  CHECK(m.host.counters().memory.reads == 3);
  CHECK(m.host.counters().registers.reads == 3);
  CHECK(m.host.counters().errors == 4);  // nothing is mapped beside the device
}

TEST_CASE("host: blocks are one transaction each") {
  Machine m;
  Bytes seen(1000);
  Ticks ends;
  std::vector<bool> ok;
  m.host.spawn("driver", [&] {
    const Bytes data(1000, 0x42);
    ok.push_back(m.host.write_block(0xFFC00, data.data(), 1000));
    ends.push_back(m.host.now());
    ok.push_back(m.host.read_block(0xFFC00, seen.data(), 1000));
    ends.push_back(m.host.now());
    ok.push_back(m.host.read_block(0xFFC00, seen.data(), 0));
    ends.push_back(m.host.now());
  });
  m.run();
  CHECK(ok == std::vector<bool>{true, true, true});
  CHECK(seen == Bytes(1000, 0x42));
  CHECK(ends == Ticks{110'000, 220'000, 220'000});
  CHECK(m.host.counters().memory.bytes == 2000);
  CHECK(m.memory.counters().reads == 1);
}

TEST_CASE("host: a loop that polls a register makes time pass") {
  Machine m;
  unsigned polls = 0;
  Tick end = 0;
  m.device.ready_at(1'000'000);
  m.host.spawn("driver", [&] {
    m.host.delay(1);  // no poll falls on the moment of readiness
    do {
      ++polls;
    } while (m.host.read<std::uint32_t>(kRegisters + 4) == 0);
    end = m.host.now();
  });
  m.run();
  // A poll takes 20,000; the one that begins at 1,000,001 sees it.
  CHECK(polls == 51);
  CHECK(end == 1'020'001);
}

TEST_CASE("host: a loop that polls makes time pass even if nothing takes time") {
  HostConfig config = cpu();
  config.access_overhead = 0;
  Host host("host", config);
  Memory memory("memory", sim::MemoryConfig{0, 0x1000, 0, 0, 1});
  Transactor nobody("nobody");
  nobody.socket.bind(host.interrupts);
  host.bus.bind(memory.socket);
  unsigned polls = 0;
  host.spawn("poller", [&] {
    host.delay(1);
    while (host.read<std::uint8_t>(0) == 0) ++polls;
  });
  host.spawn("setter", [&] {
    host.delay(100);
    *memory.host_pointer(0) = 1;
  });
  sc_core::sc_start();
  CHECK(polls >= 98);
  CHECK(polls <= 99);  // the last one falls on the moment of writing
  CHECK(sim::now_ticks() <= 102);
}

TEST_CASE("host: a driver in C that polls works as it is") {
  Machine m;
  test_driver_context context{};
  context.base = kRegisters;
  context.read32 = [](std::uint64_t address) { return Host::current()->read<std::uint32_t>(address); };
  context.write32 = [](std::uint64_t address, std::uint32_t value) {
    Host::current()->write<std::uint32_t>(address, value);
  };
  Tick end = 0;
  m.host.spawn("c driver", test_driver, &context);
  m.host.spawn("watcher", [&] {
    while (m.host.threads_running() > 1) m.host.delay(1'000);
    end = m.host.now();
  });
  m.run();
  // The write ends at 20,000, having arrived at 5,000; readiness at 1,005,000; polls begin at 20,000 k.
  CHECK(m.device.started == Ticks{5'000});
  CHECK(context.status == 1);
  CHECK(context.polls == 51);  // the last one from 1,020,000 on
  CHECK(end == 1'040'000);
}

TEST_CASE("host: threads know their host, and two hosts stay apart") {
  Machine one(cpu(), "one_");
  Machine two(cpu(), "two_");
  std::vector<Host*> seen;
  one.host.spawn("a", [&] {
    one.host.write<std::uint32_t>(0x10, 0x11111111);
    one.message(0x30);
    seen.push_back(Host::current());
  });
  two.host.spawn("b", [&] {
    two.host.write<std::uint32_t>(0x10, 0x22222222);
    seen.push_back(Host::current());
    // A thread that another host's thread asks for is the host's on which it was asked for.
    one.host.spawn("c", [&] { seen.push_back(Host::current()); });
  });
  CHECK(Host::current() == nullptr);
  one.run();
  CHECK(Host::current() == nullptr);
  CHECK(seen == std::vector<Host*>{&one.host, &two.host, &one.host});
  CHECK(*one.memory.host_pointer(0x10) == 0x11);
  CHECK(*two.memory.host_pointer(0x10) == 0x22);
  CHECK(one.host.interrupts_received(0x30) == 1);
  CHECK(two.host.interrupts_received(0x30) == 0);
  CHECK(one.host.counters().memory.writes == 1);
  CHECK(two.host.counters().memory.writes == 1);
}

TEST_CASE("host: a process of nobody's has no host") {
  struct Alone : sc_core::sc_module {
    Host* seen = reinterpret_cast<Host*>(1);
    explicit Alone(sc_core::sc_module_name name) : sc_module(name) {
      using SC_CURRENT_USER_MODULE = Alone;
      SC_THREAD(run);
    }
    void run() { seen = Host::current(); }
  };
  Alone alone("alone");
  sc_core::sc_start();
  CHECK(alone.seen == nullptr);
}

TEST_CASE("host: threads run at the same time, and the last one's end is announced") {
  Machine m;
  Ticks ends;
  m.host.spawn("", [&] {
    static_cast<void>(m.host.read<std::uint32_t>(0));
    ends.push_back(m.host.now());
  });
  m.host.spawn("odd name.with dots", [&] {
    static_cast<void>(m.host.read<std::uint32_t>(0));
    ends.push_back(m.host.now());
    m.host.spawn("child", [&] {
      m.host.delay(5'000);
      ends.push_back(m.host.now());
    });
  });
  CHECK(m.host.threads_running() == 2);
  Ticks announced;
  sc_core::sc_spawn_options options;
  options.spawn_method();
  options.set_sensitivity(&m.host.all_done_event());
  options.dont_initialize();
  sc_core::sc_spawn([&] { announced.push_back(sim::now_ticks()); }, "listener", &options);
  m.run();
  CHECK(ends == Ticks{110'000, 110'000, 115'000});
  CHECK(announced == Ticks{115'000});
  CHECK(m.host.threads_running() == 0);
}

TEST_CASE("host: interrupts that came before count, each once") {
  Machine m;
  m.host.spawn("driver", [&] {
    m.message(0x41);
    m.message(0x41);
    m.message(0x42);
  });
  Ticks got;
  m.host.spawn("waiter", [&] {
    m.host.delay(1'000'000);
    m.host.wait_interrupt(0x41);
    got.push_back(m.host.now());
    m.host.wait_interrupt(0x41);
    got.push_back(m.host.now());
    m.host.wait_interrupt(0x42);
    got.push_back(m.host.now());
    got.push_back(m.host.wait_interrupt(0x41, 2'000) ? 1 : 0);
    got.push_back(m.host.now());
    got.push_back(m.host.wait_interrupt(0x41, 0) ? 1 : 0);
    got.push_back(m.host.now());
  });
  m.run();
  CHECK(got == Ticks{1'000'000, 1'000'000, 1'000'000, 0, 1'002'000, 0, 1'002'000});
  CHECK(m.host.interrupts_received(0x41) == 2);
  CHECK(m.host.interrupts_received(0x42) == 1);
  CHECK(m.host.interrupts_received(0x43) == 0);
  CHECK(m.host.counters().interrupts == 3);
}

TEST_CASE("host: an interrupt ends the wait when its message arrives, blocking or not") {
  HostConfig config = cpu();
  config.interrupt_latency = 700;
  Machine m(config);
  Ticks got;
  m.host.spawn("waiter", [&] {
    m.host.wait_interrupt(0xFF);
    got.push_back(m.host.now());
    m.host.wait_interrupt(0x00);
    got.push_back(m.host.now());
    got.push_back(m.host.wait_interrupt(0x20, 1'000'000) ? 1 : 0);
    got.push_back(m.host.now());
  });
  m.host.spawn("device", [&] {
    m.host.delay(10'000);
    m.message(0xFFFFFFFF, 4'000, 0xFEEFFFFC);  // the vector is bits 7:0
    m.host.delay(40'000);
    Bytes data = {0x00, 0x77, 0, 0};
    TestPayload early(tlm::TLM_WRITE_COMMAND, 0xFEE00000, data);
    got.push_back(m.nic.early(early));
    m.host.delay(50'000);
    m.message(0x55);  // wakes nobody
    m.message(0x20);
  });
  m.run();
  CHECK(got == Ticks{17'700, 58'000, 53'700, 1, 103'700});
}

TEST_CASE("host: messages due in another order than sent arrive in the order of time") {
  Machine m;
  std::vector<int> order;
  m.host.on_interrupt(1, [&] { order.push_back(1); });
  m.host.on_interrupt(2, [&] { order.push_back(2); });
  m.host.spawn("device", [&] {
    m.message(1, 9'000);
    m.message(2, 1'000);
  });
  m.run();
  CHECK(order == std::vector<int>{2, 1});
}

TEST_CASE("host: handlers run in order, one at a time, and may access and wait") {
  Machine m;
  std::vector<std::string> order;
  Host* host = nullptr;
  const auto at = [&](const char* what) { order.push_back(std::string(what) + std::to_string(m.host.now())); };
  m.host.on_interrupt(0x30, [&] {
    at("first ");
    host = Host::current();
    static_cast<void>(m.host.read<std::uint32_t>(0));
    at("first ");
  });
  m.host.on_interrupt(0x31, [&] { at("second "); });
  bool consumed = true;
  m.host.spawn("device", [&] {
    m.message(0x30);
    m.message(0x31);
    m.message(0x30);
    consumed = m.host.wait_interrupt(0x30, 1'000'000);
  });
  m.run();
  CHECK(order ==
        std::vector<std::string>{"first 3000", "first 113000", "second 113000", "first 113000", "first 223000"});
  CHECK(host == &m.host);
  CHECK_FALSE(consumed);  // the handler takes them
  CHECK(m.host.interrupts_received(0x30) == 2);
}

TEST_CASE("host: a handler may withdraw itself, what comes then is for those who wait") {
  Machine m;
  int handled = 0;
  Ticks got;
  m.host.on_interrupt(0x30, [&] {
    ++handled;
    m.host.on_interrupt(0x30, nullptr);
    m.host.delay(10'000);
  });
  m.host.spawn("device", [&] {
    m.message(0x30);
    m.message(0x30);           // arrives with the first one
    m.message(0x30, 100'000);  // long after
    for (int i = 0; i < 2; ++i) {
      m.host.wait_interrupt(0x30);
      got.push_back(m.host.now());
    }
  });
  m.run();
  CHECK(handled == 1);
  CHECK(got == Ticks{13'000, 103'000});
}

TEST_CASE("host: what is no interrupt message is refused") {
  Machine m;
  const auto status = [&](TestPayload&& payload) {
    m.nic.blocking(payload);
    return payload.get_response_status();
  };
  std::vector<tlm::tlm_response_status> answers;
  m.host.spawn("device", [&] {
    answers.push_back(status(TestPayload(tlm::TLM_READ_COMMAND, 0xFEE00000, Bytes(4))));
    answers.push_back(status(TestPayload(tlm::TLM_WRITE_COMMAND, 0xFEE00000, Bytes(8))));
    answers.push_back(status(TestPayload(tlm::TLM_WRITE_COMMAND, 0xFEE00000, Bytes(2))));
    answers.push_back(status(TestPayload(tlm::TLM_WRITE_COMMAND, 0xFEE00002, Bytes(4))));
    answers.push_back(status(TestPayload(tlm::TLM_IGNORE_COMMAND, 0xFEE00000, Bytes(4))));
    TestPayload enables(tlm::TLM_WRITE_COMMAND, 0xFEE00000, Bytes(4));
    enables.enable({0xFF, 0xFF, 0, 0});
    m.nic.blocking(enables);
    answers.push_back(enables.get_response_status());
  });
  m.run();
  CHECK(answers == std::vector<tlm::tlm_response_status>{tlm::TLM_COMMAND_ERROR_RESPONSE, tlm::TLM_BURST_ERROR_RESPONSE,
                                                         tlm::TLM_BURST_ERROR_RESPONSE, tlm::TLM_ADDRESS_ERROR_RESPONSE,
                                                         tlm::TLM_OK_RESPONSE, tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE});
  CHECK(m.host.counters().refused_messages == 5);
  CHECK(m.host.counters().interrupts == 0);
}

TEST_CASE("host: the interrupt socket itself knows its addresses") {
  Host host("host", cpu());
  Memory memory("memory", sim::MemoryConfig{0, 0x1000, 0, 0, 1});
  Transactor nic("nic");
  nic.socket.bind(host.interrupts);
  host.bus.bind(memory.socket);
  sc_core::sc_start(sc_core::SC_ZERO_TIME);
  for (core::Address address : {0xFEDFFFFCU, 0xFEF00000U}) {
    TestPayload payload(tlm::TLM_WRITE_COMMAND, address, Bytes(4));
    nic.blocking(payload);
    CHECK(payload.get_response_status() == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  }
}

TEST_CASE("host: a failed access is counted, reads all ones, and is told") {
  Machine m;
  std::vector<std::uint64_t> values;
  std::vector<FailedAccess> told;
  std::vector<bool> ok;
  Bytes block(10, 0);
  m.host.on_error([&](const FailedAccess& access) { told.push_back(access); });
  m.host.spawn("driver", [&] {
    values.push_back(m.host.read<std::uint8_t>(0x200000));
    values.push_back(m.host.read<std::uint16_t>(0x200000));
    values.push_back(m.host.read<std::uint32_t>(0x200000));
    values.push_back(m.host.read<std::uint64_t>(0x200000));
    m.host.write<std::uint32_t>(0x200004, 1);
    ok.push_back(m.host.read_block(0xFFFF8, block.data(), 10));
    ok.push_back(m.host.write_block(0xFFFF8, block.data(), 10));
  });
  m.run();
  CHECK(values == std::vector<std::uint64_t>{0xFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF});
  CHECK(ok == std::vector<bool>{false, false});
  CHECK(block == Bytes(10, 0xFF));
  CHECK(m.host.counters().errors == 7);
  REQUIRE(told.size() == 7);
  CHECK(told[1].address == 0x200000);
  CHECK(told[1].bytes == 2);
  CHECK_FALSE(told[1].write);
  CHECK(told[1].status == tlm::TLM_ADDRESS_ERROR_RESPONSE);
  CHECK(told[1].at == 10'000);  // 2 + 3 ns each: the bus answers at request latency
  CHECK(told[4].write);
  CHECK(told[4].address == 0x200004);
  CHECK(m.memory.counters().refused == 0);
}

TEST_CASE("host: a mutex is given in the order of asking, and time passes meanwhile") {
  Machine m;
  HostMutex mutex;
  std::vector<std::string> order;
  const auto worker = [&](const char* name, Tick after) {
    m.host.spawn(name, [&, name, after] {
      m.host.delay(after);
      mutex.lock();
      order.push_back(std::string(name) + std::to_string(m.host.now()));
      m.host.delay(100);
      mutex.unlock();
    });
  };
  worker("c", 30);
  worker("a", 10);
  worker("b", 20);
  worker("d", 1'000);
  m.run();
  CHECK(order == std::vector<std::string>{"a10", "b110", "c210", "d1000"});
  CHECK_FALSE(mutex.locked());
}

TEST_CASE("host: who gives a mutex back and asks again comes last") {
  Machine m;
  HostMutex mutex;
  std::string order;
  const auto worker = [&](char name) {
    m.host.spawn("worker", [&, name] {
      for (int i = 0; i < 3; ++i) {
        mutex.lock();
        order += name;
        m.host.delay(10);
        mutex.unlock();
      }
    });
  };
  worker('a');
  worker('b');
  m.run();
  CHECK(order == "ababab");
  CHECK(sim::now_ticks() == 60);
}

TEST_CASE("host: misuse of a mutex is an error") {
  Machine m;
  HostMutex mutex;
  std::vector<std::string> messages;
  const auto report = [&](const std::function<void()>& call) {
    try {
      call();
      messages.emplace_back("none");
    } catch (const sc_core::sc_report& error) {
      messages.emplace_back(error.get_msg());
    }
  };
  m.host.spawn("one", [&] {
    mutex.lock();
    report([&] { mutex.lock(); });
    m.host.delay(100);
    report([&] { mutex.unlock(); });
    report([&] { mutex.unlock(); });
  });
  m.host.spawn("two", [&] {
    m.host.delay(50);
    report([&] { mutex.unlock(); });
  });
  report([&] { mutex.lock(); });
  m.run();
  CHECK(messages == std::vector<std::string>{"code outside of any thread locks a mutex",
                                             "host.launch.one_0 locks a mutex that it holds already",
                                             "a mutex is unlocked by a thread that doesn't hold it", "none",
                                             "a mutex is unlocked by a thread that doesn't hold it"});
}

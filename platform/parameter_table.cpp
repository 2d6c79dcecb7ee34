// The table itself. One line of meaning each; what a parameter does in the model stands in docs.
#include <limits>

#include "platform/parameters.h"

namespace iommu::platform {

namespace {

using Choices = std::vector<std::string_view>;
using Conditions = std::vector<Condition>;

constexpr std::uint64_t kKiB = std::uint64_t{1} << 10;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;
constexpr std::uint64_t kMaxNs = 1'000'000'000'000;  // 1000 s, which still is a whole number of ps in a double
constexpr std::uint64_t kMaxLatencyNs = 1'000'000'000;
constexpr auto kMaxInteger = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

Parameter flag(std::string_view name, std::string_view fallback, std::string_view meaning) {
  Parameter p;
  p.name = name;
  p.type = ValueType::Bool;
  p.fallback = fallback;
  p.meaning = meaning;
  return p;
}

Parameter ranged(ValueType type, std::string_view unit, std::string_view name, std::uint64_t minimum,
                 std::uint64_t maximum, std::string_view fallback, std::string_view meaning) {
  Parameter p;
  p.name = name;
  p.type = type;
  p.unit = unit;
  p.minimum = minimum;
  p.maximum = maximum;
  p.fallback = fallback;
  p.meaning = meaning;
  return p;
}

Parameter integer(std::string_view name, std::uint64_t minimum, std::uint64_t maximum, std::string_view fallback,
                  std::string_view meaning) {
  return ranged(ValueType::Unsigned, "", name, minimum, maximum, fallback, meaning);
}

Parameter bits(std::string_view name, std::uint64_t minimum, std::uint64_t maximum, std::string_view fallback,
               std::string_view meaning) {
  return ranged(ValueType::Unsigned, "bits", name, minimum, maximum, fallback, meaning);
}

Parameter cycles(std::string_view name, std::string_view fallback, std::string_view meaning) {
  return ranged(ValueType::Unsigned, "cycles", name, 0, 1'000'000, fallback, meaning);
}

Parameter number(std::string_view unit, std::string_view name, std::uint64_t minimum, std::uint64_t maximum,
                 std::string_view fallback, std::string_view meaning) {
  return ranged(ValueType::Number, unit, name, minimum, maximum, fallback, meaning);
}

Parameter duration(std::string_view name, std::uint64_t maximum, std::string_view fallback, std::string_view meaning) {
  return ranged(ValueType::Duration, "ns", name, 0, maximum, fallback, meaning);
}

Parameter size(std::string_view name, std::uint64_t minimum, std::uint64_t maximum, std::string_view fallback,
               std::string_view meaning) {
  return ranged(ValueType::Size, "bytes", name, minimum, maximum, fallback, meaning);
}

Parameter choice(std::string_view name, Choices choices, std::string_view fallback, std::string_view meaning) {
  Parameter p;
  p.name = name;
  p.type = ValueType::Choice;
  p.choices = std::move(choices);
  p.fallback = fallback;
  p.meaning = meaning;
  return p;
}

Parameter text(ValueType type, std::string_view name, std::string_view fallback, std::string_view computed,
               std::string_view meaning) {
  Parameter p;
  p.name = name;
  p.type = type;
  p.fallback = fallback;
  p.computed = computed;
  p.meaning = meaning;
  return p;
}

Parameter required(Parameter p) {
  p.required = true;
  p.fallback = {};
  return p;
}

Parameter only_if(Conditions conditions, Parameter p) {
  p.conditions = std::move(conditions);
  return p;
}

Parameter among(std::vector<unsigned> allowed, Parameter p) {
  p.allowed = std::move(allowed);
  return p;
}

void add_cache(std::vector<Parameter>& t) {
  const auto there = [](Parameter p) { return only_if({{"size_bytes", "0", true}}, std::move(p)); };
  t.push_back(
      size("llc.size_bytes", 0, kGiB, "0",
           "Size of the processors' last-level cache in front of memory, a multiple of ways times 64; 0: none."));
  t.push_back(there(integer("llc.ways", 1, 1024, "16", "Ways of the last-level cache.")));
  t.push_back(there(duration("llc.latency_ns", kMaxLatencyNs, "15",
                             "In place of memory.latency_ns for an access all of whose lines are in the cache.")));
  t.push_back(there(flag("llc.dma_reads", "true", "DMA reads look into the cache; those that miss put nothing in.")));
  t.push_back(there(flag("llc.dma_writes", "true",
                         "DMA writes go into the cache; false: to memory, and their lines leave the cache.")));
  t.push_back(there(flag("llc.walks", "true",
                         "Table reads and all else that IOMMUs read and write themselves use the cache; what misses is "
                         "put in.")));
  t.push_back(there(integer("llc.write_ways", 0, 1024, "2",
                            "Ways of a set that DMA writes may put lines into; 0: those that miss put nothing in.")));
}

void add_platform(std::vector<Parameter>& t) {
  t.push_back(text(ValueType::String, "name", "", "the scenario file's name without .toml", "Name that reports show."));
  t.push_back(text(ValueType::String, "description", "\"\"", "", "What the scenario is about."));
  t.push_back(integer("seed", 0, kMaxInteger, "1", "Seed of everything random; the same seed gives the same result."));
  t.push_back(
      choice("mode", {"lt", "at"}, "\"lt\"",
             "Transport of DMA transactions: loosely timed (b_transport) or approximately timed (nb_transport)."));
  t.push_back(
      duration("duration_ns", kMaxNs, "0", "Simulated time after which the run ends; 0: when all devices are done."));
  t.push_back(
      size("memory.size_bytes", 16 * kMiB, 16 * kTiB, "\"64GiB\"", "Size of main memory, which begins at address 0."));
  t.push_back(
      duration("memory.latency_ns", kMaxLatencyNs, "70", "Time from a request's arrival at memory to its first data."));
  t.push_back(number("GB/s", "memory.bandwidth_gbytes_per_s", 0, 1'000'000, "25.6",
                     "Bandwidth of each channel in 10^9 bytes a second; 0: unlimited."));
  t.push_back(integer("memory.channels", 1, 64, "1",
                      "Transfers that can move their bytes at the same time; each takes whichever channel is free."));
  t.push_back(duration("memory.refresh_interval_ns", kMaxLatencyNs, "0",
                       "From one refresh of memory to the next (tREFI); 0: none."));
  t.push_back(duration("memory.refresh_ns", kMaxLatencyNs, "0",
                       "Length of a refresh (tRFC), during which nothing begins; less than the interval."));
  t.push_back(integer("memory.ranks", 1, 1024, "1",
                      "Ranks that are refreshed one after the other; pages are dealt out to them in turn."));
  add_cache(t);
  t.push_back(
      duration("bus.latency_ns", kMaxLatencyNs, "5", "Time that the bus adds to each transaction that crosses it."));
  t.push_back(
      duration("host.access_ns", kMaxLatencyNs, "2",
               "CPU time of each register or memory access of system software, besides the access's own latency."));
  t.push_back(flag("host.store_buffer", "false",
                   "A write to memory holds the CPU up for access_ns only; the write itself goes on behind it."));
  t.push_back(choice("ddi.max_leaf", {"4KiB", "2MiB", "1GiB"}, "\"2MiB\"",
                     "Largest leaf that system software maps with, where range and hardware allow it."));
  t.push_back(
      bits("ddi.address_width_bits", 32, 57, "39", "Width of the logical addresses that domains allocate from."));
  t.push_back(choice("ddi.invalidation", {"queued", "register"}, "\"queued\"",
                     "How system software invalidates: by the invalidation queue or by registers."));
  t.push_back(
      choice("ddi.profile", {"modeled", "as_documented"}, "\"modeled\"",
             "What the IOMMU interface answers where Windows documents less than a function describes: it does it "
             "on the modeled hardware, or it gives the documented refusal."));
  t.push_back(choice("ddi.unattached", {"blocked", "pass_through", "by_guard"}, "\"blocked\"",
                     "DMA of devices that no domain is attached to: blocked, untranslated, or blocked exactly when DMA "
                     "Guard is on."));
  t.push_back(flag("ddi.dma_guard", "false", "DMA Guard (Kernel DMA Protection) is on."));
  t.push_back(
      choice("ddi.dma_guard_policy", {"block_always", "block_until_unlock", "allow_all"}, "\"block_until_unlock\"",
             "When DMA Guard keeps external devices from pass-through: always, while the screen is locked, never."));
  t.push_back(flag("ddi.screen_locked", "false", "The screen is locked at the start."));
  t.push_back(
      flag("statistics.latencies", "true",
           "Latencies of DMA are kept, by outcome and by stage; false: only how many requests, bytes and faults "
           "there were, which is a little faster."));
  t.push_back(flag("statistics.histograms", "false",
                   "Results have each device's latency histogram: pairs of ns (exact to 0.8 %) and count."));
}

void add_iommu(std::vector<Parameter>& t) {
  t.push_back(choice("iommu.*.model", {"vtd"}, "\"vtd\"", "Architecture of this IOMMU."));
  t.push_back(ranged(ValueType::Address, "", "iommu.*.base_address", 0, kMaxInteger, "0xFED90000",
                     "Address of the register window; 4 KiB aligned."));
  t.push_back(ranged(ValueType::Frequency, "MHz", "iommu.*.clock_mhz", 1, 100'000, "1000",
                     "Clock that the IOMMU's cycles are counted in."));
  t.push_back(bits("iommu.*.host_address_bits", 32, 52, "46",
                   "Width of host physical addresses; bits above are reserved in tables."));
  t.push_back(bits("iommu.*.mgaw_bits", 32, 57, "48", "CAP.MGAW: widest input address; at least host_address_bits."));
  t.push_back(among({3, 4, 5}, ranged(ValueType::UnsignedList, "", "iommu.*.levels", 1, 3, "[3, 4]",
                                      "CAP.SAGAW: numbers of table levels that can be used (39, 48, 57 bits).")));
  t.push_back(choice("iommu.*.large_pages", {"none", "2MiB", "1GiB"}, "\"1GiB\"",
                     "CAP.SSLPS: largest leaf; 1GiB includes 2MiB."));
  t.push_back(
      among({4, 6, 8, 10, 12, 14, 16}, bits("iommu.*.domain_bits", 4, 16, "16", "CAP.ND: width of domain ids.")));
  t.push_back(integer("iommu.*.fault_records", 1, 256, "8", "CAP.NFR: number of fault-recording registers."));
  t.push_back(integer("iommu.*.max_address_mask", 0, 63, "18",
                      "CAP.MAMV: largest address mask of a page-selective invalidation."));
  t.push_back(flag("iommu.*.queued_invalidation", "true", "ECAP.QI: there is an invalidation queue."));
  t.push_back(flag("iommu.*.pass_through", "true", "ECAP.PT: translation type pass-through can be used."));
  t.push_back(flag("iommu.*.zero_length_read", "true", "CAP.ZLR: zero-length reads of write-only pages are allowed."));
  t.push_back(flag("iommu.*.caching_mode", "false", "CAP.CM: entries that are not present may be cached."));
  t.push_back(flag("iommu.*.page_selective", "true", "CAP.PSI: page-selective IOTLB invalidation."));
  t.push_back(flag("iommu.*.plmr", "true", "CAP.PLMR: there is a protected low-memory range."));
  t.push_back(flag("iommu.*.phmr", "true", "CAP.PHMR: there is a protected high-memory range."));
  t.push_back(flag("iommu.*.snoop_control", "true", "ECAP.SC: leaf entries have a snoop bit."));
  t.push_back(flag("iommu.*.coherent_walk", "true", "ECAP.C: table reads see what software has in its caches."));
  t.push_back(flag("iommu.*.esrtps", "false", "CAP.ESRTPS: setting the root pointer invalidates all caches."));
  t.push_back(integer("iommu.*.version_major", 1, 15, "1",
                      "VER.MAX: architecture's major version; from 6 on there is no invalidation by registers."));
  t.push_back(
      choice("iommu.*.order", {"out_of_order", "in_order"}, "\"out_of_order\"",
             "Order in which one device's translated requests leave the IOMMU: each when it is ready, or as they "
             "came, so that a hit behind a miss waits; then a miss without a free walker also holds up the "
             "device's later look-ups."));
  const auto ordered = [](Parameter p) { return only_if({{"order", "in_order", false}}, std::move(p)); };
  t.push_back(ordered(integer("iommu.*.order_reads", 0, 65536, "0",
                              "Reads of one device that can be between their look-up and their leaving; the look-ups "
                              "of those behind wait. 0: without limit.")));
  t.push_back(ordered(integer("iommu.*.order_writes", 0, 65536, "0",
                              "The same of writes. 1: each miss holds up all look-ups behind it.")));
  t.push_back(
      only_if({{"order", "out_of_order", false}},
              flag("iommu.*.early_hits", "false",
                   "For mode = \"at\": a DMA within one page that needs no read of a structure or a table goes "
                   "on to memory as soon as it arrives, with the time of its look-ups added. Faster to simulate; "
                   "its place among others' accesses in these few cycles is approximate.")));
  t.push_back(integer("iommu.*.context_cache.entries", 0, 65536, "64", "Entries of the context cache; 0: none."));
  t.push_back(cycles("iommu.*.context_cache.latency_cycles", "1", "Time of a context-cache look-up."));
  t.push_back(integer("iommu.*.iotlb.sets", 1, 65536, "1", "Sets of the IOTLB; a power of two."));
  t.push_back(integer("iommu.*.iotlb.ways", 1, 65536, "128", "Ways of the IOTLB."));
  t.push_back(
      choice("iommu.*.iotlb.policy", {"lru", "fifo", "random", "plru"}, "\"lru\"", "Replacement policy of the IOTLB."));
  t.push_back(integer("iommu.*.iotlb.ports", 1, 64, "1", "Look-ups that can begin in one cycle."));
  t.push_back(cycles("iommu.*.iotlb.latency_cycles", "2", "Time of an IOTLB look-up."));
  t.push_back(flag("iommu.*.iotlb.superpage_pieces", "false",
                   "An IOTLB entry covers 4 KiB at most, of a larger leaf one piece; false: the whole leaf."));
  t.push_back(integer("iommu.*.walk_cache.l2_entries", 0, 65536, "64",
                      "Cached level-2 entries (each points to a level-1 table); 0: none."));
  t.push_back(integer("iommu.*.walk_cache.l3_entries", 0, 65536, "32",
                      "Cached level-3 entries (each points to a level-2 table); 0: none."));
  t.push_back(integer("iommu.*.walk_cache.l4_entries", 0, 65536, "16",
                      "Cached level-4 entries (each points to a level-3 table); 0: none."));
  t.push_back(integer("iommu.*.walk_cache.l5_entries", 0, 65536, "8",
                      "Cached level-5 entries (each points to a level-4 table); 0: none."));
  t.push_back(cycles("iommu.*.walk_cache.latency_cycles", "1", "Time of a look-up in the walk caches."));
  t.push_back(integer("iommu.*.walker.slots", 1, 4096, "8", "Walks that can be under way at once."));
  t.push_back(cycles("iommu.*.walker.cycles_per_level", "2",
                     "Time that the walker takes for each level besides the memory read."));
  t.push_back(cycles("iommu.*.walker.reply_cycles", "0",
                     "Time from a walk's end to its request; it holds no slot of the walker."));
  t.push_back(
      cycles("iommu.*.walker.recovery_cycles", "0",
             "Time from a walk's end until its slot, and its 2 MiB where only one may be walked, can be taken again."));
  t.push_back(flag("iommu.*.walker.one_walk_per_superpage", "false",
                   "At most one walk is under way for each 2 MiB of a domain; the others wait for it."));
  t.push_back(flag("iommu.*.walker.dmi", "false",
                   "LT: the walker reads entries through direct memory pointers, in the time of a read that need not "
                   "wait: faster, but such reads take no memory bandwidth and are not in the counters of bus and "
                   "memory. Without effect with a last-level cache."));
  t.push_back(cycles("iommu.*.invalidation.decode_cycles", "10",
                     "Time to decode one command: a descriptor, or a command given by registers."));
  t.push_back(cycles("iommu.*.invalidation.iotlb_busy_cycles", "0",
                     "Time in which one invalidation takes the IOTLB's ports: look-ups that come meanwhile wait."));
  t.push_back(cycles("iommu.*.register_latency_cycles", "10", "Time of one register access at the unit."));
}

void add_link(std::vector<Parameter>& t) {
  const auto linked = [](Parameter p) { return only_if({{"generation", "0", true}}, std::move(p)); };
  t.push_back(integer(
      "device.*.link.generation", 0, 5, "0",
      "PCI Express generation of the link between device and IOMMU, 2.5 to 32 GT/s a lane; 0: no link, they meet "
      "directly."));
  t.push_back(linked(among({1, 2, 4, 8, 16}, integer("device.*.link.lanes", 1, 16, "8", "Width of the link."))));
  t.push_back(linked(size("device.*.link.max_payload_bytes", 128, 4 * kKiB, "256",
                          "MPS: payload of a write or a completion; a power of two.")));
  t.push_back(linked(size("device.*.link.max_read_request_bytes", 128, 4 * kKiB, "512",
                          "MRRS: bytes that one read request asks for; a power of two.")));
  t.push_back(linked(among({64, 128}, ranged(ValueType::Unsigned, "bytes", "device.*.link.completion_boundary_bytes",
                                             64, 128, "64", "RCB: completions end at multiples of it."))));
  t.push_back(linked(
      ranged(ValueType::Unsigned, "byte times", "device.*.link.ack_interval_bytes", 0, 1'000'000, "0",
             "From one acknowledge and flow-control update to the next, at least 32; 0: as published for the width "
             "and MPS.")));
  t.push_back(
      linked(integer("device.*.link.tags", 0, 65536, "0", "Read requests under way on the link; 0: without limit.")));
  t.push_back(linked(integer("device.*.link.posted_credits", 0, 65536, "0",
                             "Write payload under way to memory, in units of 64 bytes; 0: without limit.")));
  t.push_back(
      linked(duration("device.*.link.propagation_ns", kMaxLatencyNs, "130",
                      "Latency of each direction beside the bytes: wires, PHYs and controllers of both ends.")));
  t.push_back(linked(duration("device.*.link.root_complex_ns", kMaxLatencyNs, "100",
                              "From the link's end to the IOMMU, on the way up.")));
}

void add_device(std::vector<Parameter>& t) {
  const Conditions generator{{"kind", "generator"}};
  const Conditions translated{{"kind", "generator"}, {"mapping", "translate"}};
  const Conditions nic{{"kind", "nic"}};
  const Conditions own_driver{{"kind", "nic"}, {"driver", ""}};
  const Conditions by_interface{{"kind", "page_stream", true}};
  t.push_back(choice("device.*.kind", {"generator", "nic", "page_stream"}, "\"generator\"", "What the device is."));
  t.push_back(text(ValueType::String, "device.*.iommu", "\"0\"", "",
                   "Name of the IOMMU that the device's requests go through."));
  t.push_back(text(ValueType::Requester, "device.*.requester", "", "the next free device number from 00:03.0 on",
                   "PCI bus:device.function, in hexadecimal, by which the IOMMU knows the device."));
  t.push_back(only_if(
      by_interface, flag("device.*.external", "false", "At the start the device is on an external port (DMA Guard).")));
  t.push_back(only_if(by_interface, choice("device.*.remapping_opt_in", {"no", "yes", "if_external"}, "\"yes\"",
                                           "Whether the device's driver has opted into DMA remapping at the start.")));
  t.push_back(
      only_if({{"driver", ""}, {"kind", "page_stream", true}},
              flag("device.*.report_faults", "false",
                   "The device's driver has its faults reported (SetDeviceFaultReportingEx) and counts them.")));
  t.push_back(integer("device.*.outstanding", 1, 4096, "8",
                      "Requests that the device can have under way; posted writes that a link has accepted apart."));
  add_link(t);
  t.push_back(only_if(generator, choice("device.*.pattern", {"linear", "strided", "random"}, "\"linear\"",
                                        "Order of the addresses accessed.")));
  t.push_back(only_if(generator, size("device.*.window_bytes", 4 * kKiB, kTiB, "\"1MiB\"",
                                      "Size of the mapped window that is accessed; a multiple of 4KiB.")));
  t.push_back(only_if(generator, size("device.*.mapped_bytes", 0, kTiB, "0",
                                      "Size of the mapped buffer that begins with the window; a multiple of 4KiB; 0: "
                                      "window_bytes.")));
  t.push_back(only_if(generator, size("device.*.transfer_bytes", 1, 4 * kKiB, "64", "Bytes of each access.")));
  t.push_back(only_if(
      {{"kind", "generator"}, {"pattern", "strided"}},
      size("device.*.stride_bytes", 1, kTiB, "4096", "Distance of successive accesses; wraps at the window's end.")));
  t.push_back(only_if(generator, integer("device.*.count", 1, 1'000'000'000'000, "10000", "Number of accesses.")));
  t.push_back(only_if(
      generator, integer("device.*.warmup_count", 0, 1'000'000'000'000, "0",
                         "First accesses that are made but not counted; counters of IOMMUs, memory and bus begin anew "
                         "when every device has made its own.")));
  t.push_back(only_if(
      generator, duration("device.*.gap_ns", kMaxLatencyNs, "0", "Time between the starts of two accesses at least.")));
  t.push_back(only_if(generator, number("%", "device.*.write_percent", 0, 100, "0",
                                        "Share of the accesses that write; drawn at random.")));
  t.push_back(only_if(generator, duration("device.*.start_ns", kMaxNs, "0",
                                          "Time of the first access, counted from the end of the set-up.")));
  t.push_back(only_if(
      generator, choice("device.*.mapping", {"translate", "pass_through", "none"}, "\"translate\"",
                        "How system software sets the device up: a translated window, pass-through, or not at all.")));
  t.push_back(only_if(translated, choice("device.*.permissions", {"read", "write", "read_write"}, "\"read_write\"",
                                         "What the window's mapping allows.")));
  t.push_back(only_if(translated, number("%", "device.*.escape_percent", 0, 100, "0",
                                         "Share of the accesses that go outside the mapped window; drawn at random.")));
  t.push_back(
      only_if({{"kind", "generator"}, {"/mode", "lt"}},
              duration("device.*.quantum_ns", kMaxLatencyNs, "0",
                       "How far the device may run ahead of simulated time (temporal decoupling); 0: not at all.")));
  t.push_back(
      only_if({{"kind", "generator"}, {"/mode", "lt"}, {"/llc.size_bytes", "0"}},
              flag("device.*.dmi", "false",
                   "The device asks for direct memory pointers and accesses memory through them: much faster, but such "
                   "accesses take the latency of memory and bus only (no translation, link, bandwidth or waiting) and "
                   "are in no statistics: of the device's results in issued, completed, verified and direct only.")));
  t.push_back(only_if(
      {{"kind", "generator"}, {"/llc.size_bytes", "0", true}},
      choice("device.*.window_cache", {"cold", "warm"}, "\"cold\"",
             "When traffic begins: the window's lines are not in the last-level cache, or the host has touched each "
             "once in ascending order.")));
  t.push_back(
      only_if(nic, required(text(ValueType::File, "device.*.capture", "", "",
                                 "Packet capture (pcap or pcapng) whose packets the device sends and receives."))));
  t.push_back(only_if(
      nic,
      text(ValueType::File, "device.*.driver", "", "none",
           "Shared object with the device's driver (docs/driver-lab.md); a name without folder that is not there is "
           "looked for in `drivers` beside the program; none: the built-in driver.")));
  t.push_back(only_if(
      nic, text(ValueType::NetworkAddress, "device.*.local_address", "\"\"", "",
                "MAC, IPv4 or IPv6 address of the device's side: packets from it are transmitted, all others received; "
                "\"\": all are received.")));
  t.push_back(
      only_if(own_driver, choice("device.*.policy", {"static", "per_packet", "reserved"}, "\"static\"",
                                 "Buffers are mapped once; mapped and unmapped for each packet; or so in a range that "
                                 "is reserved once.")));
  t.push_back(only_if(own_driver, integer("device.*.rx_ring", 2, 65536, "256", "Descriptors of the receive ring.")));
  t.push_back(only_if(own_driver, integer("device.*.tx_ring", 2, 65536, "256", "Descriptors of the transmit ring.")));
  t.push_back(only_if(nic, integer("device.*.max_packets", 0, 1'000'000'000'000, "0",
                                   "Packets of the capture that are used; 0: all.")));
  t.push_back(only_if(nic, number("", "device.*.time_scale", 0, 1'000'000, "1.0",
                                  "Factor on the capture's arrival times; 0: all packets arrive at once.")));
  t.push_back(only_if(own_driver, size("device.*.buffer_bytes", 64, 64 * kKiB, "2048", "Size of each packet buffer.")));
}

void add_stream(std::vector<Parameter>& t) {
  const auto add = [&t](Conditions conditions, Parameter p) {
    conditions.insert(conditions.begin(), {"../kind", "page_stream"});
    t.push_back(only_if(std::move(conditions), std::move(p)));
  };
  const Condition recycled{"mapping", "recycled"};
  const Condition strict{"mapping", "strict"};
  const Condition deferred{"mapping", "deferred"};
  const Condition unmapping{"mapping", "recycled", true};
  add({}, integer("device.*.stream.rings", 1, 1024, "1", "Receive rings."));
  add({}, integer("device.*.stream.ring_pages", 1, 65536, "256", "4 KiB pages of each ring."));
  add({},
      size("device.*.stream.packet_bytes", 64, 4 * kKiB, "\"4KiB\"", "Payload of each packet; at most buffer_bytes."));
  add({}, size("device.*.stream.buffer_bytes", 64, 4 * kKiB, "\"4KiB\"",
               "A page's part that takes one packet; a power of two: with 2KiB two packets share a page."));
  add({}, choice("device.*.stream.ring_order", {"round_robin", "random"}, "\"round_robin\"",
                 "Which ring the next packet is for."));
  add({},
      number("Gbit/s", "device.*.stream.offered_gbit_per_s", 0, 100'000, "0",
             "Rate at which payload arrives, at even distances; 0: the next packet is there when it can be begun."));
  add({}, size("device.*.stream.nic_buffer_bytes", 64, 1024 * kMiB, "\"1MiB\"",
               "What the device can hold of payload that has not left it; a packet that finds it full is dropped. "
               "Without an offered rate nothing is dropped."));
  add({},
      among({0, 16, 32, 64}, ranged(ValueType::Unsigned, "bytes", "device.*.stream.descriptor_read_bytes", 0, 64, "0",
                                    "Descriptor that is read before each packet's payload is written; 0: none.")));
  add({}, among({0, 16, 32, 64}, ranged(ValueType::Unsigned, "bytes", "device.*.stream.completion_write_bytes", 0, 64,
                                        "0", "Completion that is written after each packet's payload; 0: none.")));
  add({}, integer("device.*.stream.count", 1, 1'000'000'000'000, "10000", "Packets that arrive."));
  add({},
      integer("device.*.stream.warmup_count", 0, 1'000'000'000'000, "0",
              "First packets that are received but not counted; less than count. Counters of IOMMUs, memory, bus and "
              "of all streams begin anew when every device has made its own warm-up."));
  add({},
      choice("device.*.stream.mapping", {"recycled", "strict", "deferred"}, "\"recycled\"",
             "Pages are mapped once and stay; each is mapped at a fresh address, unmapped and invalidated after use; "
             "each is unmapped after use and invalidated later, with many others."));
  add({}, choice("device.*.stream.iova", {"contiguous", "scattered"}, "\"contiguous\"",
                 "Logical addresses of the pages: those of a refill in a row, refill behind refill; or each drawn at "
                 "random from the whole area, never twice in a row from the same 2 MiB."));
  add({}, size("device.*.stream.iova_area_bytes", 2 * kMiB, 64 * kTiB, "\"64GiB\"",
               "Area of logical addresses from 4 GiB on that pages are mapped in; a multiple of 2MiB."));
  add({recycled}, choice("device.*.stream.leaf", {"4KiB", "2MiB"}, "\"4KiB\"",
                         "Leaves that map the pages; 2MiB needs iova = \"contiguous\"."));
  add({}, integer("device.*.stream.refill_pages", 1, 65536, "64",
                  "Pages that are mapped, posted, unmapped together; a divisor of ring_pages."));
  add({strict}, integer("device.*.stream.invalidate_pages", 1, 65536, "1",
                        "Pages of one invalidation (address mask); a power of two that divides refill_pages. More than "
                        "1 needs iova = \"contiguous\"."));
  add({strict}, flag("device.*.stream.leaf_only", "false",
                     "Invalidations have the hint (IH) that only leaves have changed: paging-structure caches keep "
                     "what they have."));
  add({deferred}, integer("device.*.stream.flush_unmaps", 1, 1'000'000, "250",
                          "Unmapped pages after which all of the domain's translations are invalidated."));
  add({deferred}, duration("device.*.stream.flush_ns", kMaxNs, "\"10ms\"",
                           "The same after this time since the first of them was unmapped."));
  add({unmapping}, duration("device.*.stream.unmap_cpu_ns", kMaxLatencyNs, "0",
                            "CPU time of each page's unmapping beside its accesses."));
  add({unmapping},
      choice("device.*.stream.stale_probe", {"off", "after_unmap", "before_flush"}, "\"off\"",
             "The device reads each unmapped page once more: when it has been unmapped, or just before its "
             "invalidation; and again when that is complete."));
  add({}, integer("device.*.stream.cpu_threads", 0, 1024, "0",
                  "Threads that map and unmap; rings are dealt out to them. 0: one for each ring."));
}

void add_event(std::vector<Parameter>& t) {
  t.push_back(required(duration("event.*.at_ns", kMaxNs, "", "When it happens, counted from the end of the set-up.")));
  t.push_back(required(choice(
      "event.*.action",
      {"invalidate_global", "invalidate_device", "unmap", "detach", "attach", "lock_screen", "unlock_screen",
       "port_external", "port_internal", "opt_in", "opt_out", "surprise_removal"},
      "",
      "What system software does: drop all cached translations, or those of one device; unmap a generator's window; "
      "detach a device from its domain; attach it again. What the user does: lock or unlock the screen; move a device "
      "to "
      "an external or an internal port; let its driver opt into DMA remapping or out of it; take out "
      "a device that a loaded driver drives.")));
  t.push_back(text(ValueType::String, "event.*.device", "", "none",
                   "Name of the device; every action needs it but invalidate_global, lock_screen and unlock_screen."));
}

std::vector<Parameter> build() {
  std::vector<Parameter> table;
  add_platform(table);
  add_iommu(table);
  add_device(table);
  add_stream(table);
  add_event(table);
  return table;
}

}  // namespace

const std::vector<Parameter>& parameter_table() {
  static const std::vector<Parameter> table = build();
  return table;
}

}  // namespace iommu::platform

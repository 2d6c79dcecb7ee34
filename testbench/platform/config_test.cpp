// What a scenario resolves to: defaults, precedence, and the way back to text.
#include <nlohmann/json.hpp>

#include "platform/units.h"
#include "testbench/platform/catch.h"
#include "testbench/platform/scenario_folder.h"

using namespace iommu::platform;

TEST_CASE("the smallest scenario has all defaults") {
  const Config c = config_for("[device.dma0]\n");
  CHECK(c.name == "s");
  CHECK(c.description.empty());
  CHECK(c.seed == 1);
  CHECK(c.mode == Mode::Lt);
  CHECK(c.duration_ns == 0);
  CHECK(c.memory.size_bytes == 68719476736);
  CHECK(c.memory.latency_ns == 70);
  CHECK(c.memory.bandwidth_gbytes_per_s == 25.6);
  CHECK(c.memory.channels == 1);
  CHECK(c.llc.size_bytes == 0);
  CHECK(c.llc.ways == 16);
  CHECK(c.llc.latency_ns == 15);
  CHECK(c.llc.dma_reads);
  CHECK(c.llc.dma_writes);
  CHECK(c.llc.walks);
  CHECK(c.llc.write_ways == 2);
  CHECK(c.bus.latency_ns == 5);
  CHECK(c.host.access_ns == 2);
  CHECK(c.ddi.max_leaf == LeafSize::Size2MiB);
  CHECK(c.ddi.address_width_bits == 39);
  CHECK(c.ddi.invalidation == InvalidationInterface::Queued);
  CHECK(c.ddi.profile == DdiProfile::Modeled);
  CHECK(c.statistics.latencies);
  CHECK_FALSE(c.statistics.histograms);
  CHECK(c.events.empty());
  CHECK(c.expectations.empty());

  REQUIRE(c.iommus.size() == 1);
  const IommuConfig& i = c.iommus[0];
  CHECK(i.name == "0");
  CHECK(i.model == IommuModel::Vtd);
  CHECK(i.base_address == 0xFED90000);
  CHECK(i.clock_mhz == 1000);
  CHECK(i.host_address_bits == 46);
  CHECK(i.mgaw_bits == 48);
  CHECK(i.levels == std::vector<unsigned>{3, 4});
  CHECK(i.large_pages == LargePages::Size1GiB);
  CHECK(i.domain_bits == 16);
  CHECK(i.invalidation.decode_cycles == 10);
  CHECK(i.invalidation.iotlb_busy_cycles == 0);
  CHECK(i.fault_records == 8);
  CHECK(i.max_address_mask == 18);
  CHECK(i.queued_invalidation);
  CHECK(i.pass_through);
  CHECK(i.zero_length_read);
  CHECK_FALSE(i.caching_mode);
  CHECK(i.page_selective);
  CHECK(i.plmr);
  CHECK(i.phmr);
  CHECK(i.snoop_control);
  CHECK(i.coherent_walk);
  CHECK_FALSE(i.esrtps);
  CHECK(i.version_major == 1);
  CHECK(i.order == TranslationOrder::OutOfOrder);
  CHECK(i.context_cache.entries == 64);
  CHECK(i.context_cache.latency_cycles == 1);
  CHECK(i.iotlb.sets == 1);
  CHECK(i.iotlb.ways == 128);
  CHECK(i.iotlb.policy == Replacement::Lru);
  CHECK(i.iotlb.ports == 1);
  CHECK(i.iotlb.latency_cycles == 2);
  CHECK_FALSE(i.iotlb.superpage_pieces);
  CHECK(i.walk_cache.l2_entries == 64);
  CHECK(i.walk_cache.l3_entries == 32);
  CHECK(i.walk_cache.l4_entries == 16);
  CHECK(i.walk_cache.l5_entries == 8);
  CHECK(i.walk_cache.latency_cycles == 1);
  CHECK(i.walker.slots == 8);
  CHECK(i.walker.cycles_per_level == 2);
  CHECK_FALSE(i.walker.one_walk_per_superpage);
  CHECK(i.invalidation.decode_cycles == 10);
  CHECK(i.register_latency_cycles == 10);

  REQUIRE(c.devices.size() == 1);
  const DeviceConfig& d = c.devices[0];
  CHECK(d.name == "dma0");
  CHECK(d.kind == DeviceKind::Generator);
  CHECK(d.iommu == "0");
  CHECK(d.requester == 0x0018);
  CHECK(d.outstanding == 8);
  CHECK(d.link.generation == 0);
  CHECK(d.generator.pattern == Pattern::Linear);
  CHECK(d.generator.window_bytes == 1048576);
  CHECK(d.generator.mapped_bytes == 0);
  CHECK(d.generator.buffer_bytes() == 1048576);
  CHECK(d.generator.transfer_bytes == 64);
  CHECK(d.generator.count == 10000);
  CHECK(d.generator.gap_ns == 0);
  CHECK(d.generator.write_percent == 0);
  CHECK(d.generator.start_ns == 0);
  CHECK(d.generator.mapping == Mapping::Translate);
  CHECK(d.generator.permissions == Permissions::ReadWrite);
  CHECK(d.generator.escape_percent == 0);
  CHECK(d.generator.quantum_ns == 0);
}

TEST_CASE("a nic's defaults") {
  const Config c = config_for("[device.n]\nkind = \"nic\"\ncapture = \"ok.pcap\"\n");
  const NicConfig& n = c.devices.at(0).nic;
  CHECK(n.capture.shown == "ok.pcap");
  CHECK(n.local_address.family == AddressFamily::None);
  CHECK(n.policy == MappingPolicy::Static);
  CHECK(n.rx_ring == 256);
  CHECK(n.tx_ring == 256);
  CHECK(n.max_packets == 0);
  CHECK(n.time_scale == 1.0);
  CHECK(n.buffer_bytes == 2048);
}

TEST_CASE("a link's defaults") {
  const ScenarioFolder folder;
  folder.write("s.toml", "[device.d]\nlink.generation = 4\n");
  const LinkConfig link = load_config("s.toml").devices.at(0).link;
  CHECK(link.generation == 4);
  CHECK(link.lanes == 8);
  CHECK(link.max_payload_bytes == 256);
  CHECK(link.max_read_request_bytes == 512);
  CHECK(link.completion_boundary_bytes == 64);
  CHECK(link.ack_interval_bytes == 0);
  CHECK(link.tags == 0);
  CHECK(link.posted_credits == 0);
  CHECK(link.propagation_ns == 130);
  CHECK(link.root_complex_ns == 100);
  // Without one nothing of it is written out, and a later layer that takes it away takes the rest with it.
  folder.write("t.toml", "[device.d]\nlink.generation = 4\nlink.tags = 8\n");
  const std::string resolved = load_config("t.toml", {"device.d.link.generation=0"}).to_toml();
  CHECK(resolved.find("link.generation = 0\n") != std::string::npos);
  CHECK(resolved.find("link.tags") == std::string::npos);
}

TEST_CASE("each choice becomes its enumerator") {
  const auto device = [](const std::string& key, const std::string& value) {
    return config_for("[device.d]\n" + key + " = \"" + value + "\"\n").devices.at(0).generator;
  };
  CHECK(device("pattern", "linear").pattern == Pattern::Linear);
  CHECK(device("pattern", "strided").pattern == Pattern::Strided);
  CHECK(device("pattern", "random").pattern == Pattern::Random);
  CHECK(device("mapping", "translate").mapping == Mapping::Translate);
  CHECK(device("mapping", "pass_through").mapping == Mapping::PassThrough);
  CHECK(device("mapping", "none").mapping == Mapping::None);
  CHECK(device("permissions", "read").permissions == Permissions::Read);
  CHECK(device("permissions", "write").permissions == Permissions::Write);
  CHECK(device("permissions", "read_write").permissions == Permissions::ReadWrite);
  const auto set = [](const std::string& text) { return config_for("[device.d]\n", {text}); };
  CHECK(set("mode=lt").mode == Mode::Lt);
  CHECK(set("mode=at").mode == Mode::At);
  CHECK(set("ddi.max_leaf=4KiB").ddi.max_leaf == LeafSize::Size4KiB);
  CHECK(set("ddi.max_leaf=2MiB").ddi.max_leaf == LeafSize::Size2MiB);
  CHECK(set("ddi.max_leaf=1GiB").ddi.max_leaf == LeafSize::Size1GiB);
  CHECK(set("ddi.invalidation=register").ddi.invalidation == InvalidationInterface::Register);
  CHECK(set("ddi.profile=modeled").ddi.profile == DdiProfile::Modeled);
  CHECK(set("ddi.profile=as_documented").ddi.profile == DdiProfile::AsDocumented);
  CHECK(set("iommu.0.large_pages=none").iommus[0].large_pages == LargePages::None);
  CHECK(set("iommu.0.large_pages=2MiB").iommus[0].large_pages == LargePages::Size2MiB);
  CHECK(set("iommu.0.iotlb.policy=fifo").iommus[0].iotlb.policy == Replacement::Fifo);
  CHECK(set("iommu.0.iotlb.policy=random").iommus[0].iotlb.policy == Replacement::Random);
  CHECK(set("iommu.0.iotlb.policy=plru").iommus[0].iotlb.policy == Replacement::Plru);
  CHECK(set("iommu.0.order=in_order").iommus[0].order == TranslationOrder::InOrder);
  CHECK(set("iommu.0.iotlb.superpage_pieces=true").iommus[0].iotlb.superpage_pieces);
  CHECK(set("iommu.0.walker.one_walk_per_superpage=true").iommus[0].walker.one_walk_per_superpage);
  const std::string event = "[device.d]\n[[event]]\nat_ns = 1\ndevice = \"d\"\naction = ";
  CHECK(config_for("[device.d]\n[[event]]\nat_ns = 1\naction = \"invalidate_global\"\n").events.at(0).action ==
        EventAction::InvalidateGlobal);
  CHECK(config_for(event + "\"invalidate_device\"\n").events.at(0).action == EventAction::InvalidateDevice);
  CHECK(config_for(event + "\"unmap\"\n").events.at(0).action == EventAction::Unmap);
  CHECK(config_for(event + "\"detach\"\n").events.at(0).action == EventAction::Detach);
  CHECK(config_for(event + "\"detach\"\n[[event]]\nat_ns = 2\ndevice = \"d\"\naction = \"attach\"\n")
            .events.at(1)
            .action == EventAction::Attach);
  CHECK(config_for("[device.n]\nkind = \"nic\"\ncapture = \"ok.pcap\"\npolicy = \"per_packet\"\n")
            .devices.at(0)
            .nic.policy == MappingPolicy::PerPacket);
}

TEST_CASE("sizes, durations, frequencies and addresses with units") {
  const auto set = [](const std::string& text) { return config_for("[device.d]\n", {text}); };
  CHECK(set("memory.size_bytes=1TiB").memory.size_bytes == 1099511627776);
  CHECK(set("memory.size_bytes=16777216").memory.size_bytes == 16777216);
  CHECK(set("memory.size_bytes=1.5 GiB").memory.size_bytes == 1610612736);
  CHECK(set("memory.latency_ns=1.5us").memory.latency_ns == 1500);
  CHECK(set("memory.latency_ns=250ps").memory.latency_ns == 0.25);
  CHECK(set("memory.latency_ns=0.125").memory.latency_ns == 0.125);
  CHECK(set("duration_ns=2ms").duration_ns == 2000000);
  CHECK(set("iommu.0.clock_mhz=1.5GHz").iommus[0].clock_mhz == 1500);
  CHECK(set("iommu.0.base_address=0xFED80000").iommus[0].base_address == 0xFED80000);
  CHECK(to_picoseconds(0.25) == 250);
  CHECK(to_picoseconds(1e12) == 1000000000000000);
}

TEST_CASE("the later layer wins, key by key: default, base, file, --set") {
  const ScenarioFolder folder;
  folder.write(
      "one.toml",
      "seed = 10\n[memory]\nlatency_ns = 10\nchannels = 2\n[iommu.0]\niotlb.ways = 16\n[device.a]\ncount = 1\n");
  folder.write("two.toml", "[memory]\nlatency_ns = 20\n[device.b]\ncount = 2\n");
  folder.write("s.toml",
               "base = [\"one.toml\", \"two.toml\"]\n[iommu.0]\niotlb.sets = 4\n[device.c]\n[device.a]\ncount = 3\n");
  const Config c = load_config("s.toml", {"iommu.0.iotlb.sets=8", "device.b.count=7", "iommu.0.iotlb.sets=2"});
  CHECK(c.seed == 10);                        // first base
  CHECK(c.memory.latency_ns == 20);           // second base over the first
  CHECK(c.memory.channels == 2);              // the first base's neighbour key stays
  CHECK(c.memory.size_bytes == 68719476736);  // default
  CHECK(c.iommus[0].iotlb.ways == 16);
  CHECK(c.iommus[0].iotlb.sets == 2);  // the last --set
  REQUIRE(c.devices.size() == 3);      // bases first, each where it appeared first
  CHECK(c.devices[0].name == "a");
  CHECK(c.devices[0].generator.count == 3);
  CHECK(c.devices[1].name == "b");
  CHECK(c.devices[1].generator.count == 7);
  CHECK(c.devices[2].name == "c");
  CHECK(c.where("memory.latency_ns").text() == "two.toml:2:14");
  CHECK(c.where("device.b.count").text() == "--set");
  CHECK(c.where("memory.size_bytes").text() == "s.toml");
}

TEST_CASE("a base's bases, and one base named by two files") {
  const ScenarioFolder folder;
  folder.write("presets/root.toml", "seed = 1\n[memory]\nlatency_ns = 11\n");
  folder.write("presets/a.toml", "base = \"root.toml\"\nseed = 2\n");
  folder.write("presets/b.toml", "base = \"./root.toml\"\n");
  folder.write("s.toml", "base = [\"presets/a.toml\", \"presets/b.toml\"]\n[device.d]\n");
  const Config c = load_config("s.toml");
  CHECK(c.memory.latency_ns == 11);
  CHECK(c.seed == 1);  // b brings root again, behind a
}

TEST_CASE("events of a file replace those of its base") {
  const ScenarioFolder folder;
  const std::string event = "[[event]]\naction = \"invalidate_global\"\nat_ns = ";
  folder.write("base.toml", "[device.d]\n" + event + "1\n" + event + "2\n");
  folder.write("keep.toml", "base = \"base.toml\"\n");
  folder.write("replace.toml", "base = \"base.toml\"\n" + event + "3\n");
  folder.write("none.toml", "base = \"base.toml\"\nevent = []\n");
  CHECK(load_config("keep.toml").events.size() == 2);
  CHECK(load_config("none.toml").events.empty());
  const Config c = load_config("replace.toml", {"event.0.at_ns=5"});
  REQUIRE(c.events.size() == 1);
  CHECK(c.events[0].at_ns == 5);
}

TEST_CASE("a later layer may change what an earlier key depends on") {
  const ScenarioFolder folder;
  folder.write("base.toml", "[device.d]\npattern = \"strided\"\nstride_bytes = 128\nquantum_ns = 100\n");
  folder.write("s.toml", "base = \"base.toml\"\n[device.d]\npattern = \"random\"\n");
  const Config c = load_config("s.toml", {"mode=at"});
  CHECK(c.to_toml().find("stride_bytes") == std::string::npos);
  CHECK(c.to_toml().find("quantum_ns") == std::string::npos);
  // The other way round it is a mistake.
  folder.write("t.toml", "base = \"u.toml\"\n[device.d]\nstride_bytes = 128\n");
  folder.write("u.toml", "[device.d]\npattern = \"random\"\n");
  CHECK_THROWS_WITH(
      load_config("t.toml"),
      "t.toml:3:1: device.d.stride_bytes is for device.d.pattern = \"strided\" only, here it is \"random\"");
}

TEST_CASE("an override takes text with and without quotes, tables and expectations") {
  const auto set = [](const std::string& text) { return config_for("[device.d]\n[expect]\nfaults = 0\n", {text}); };
  CHECK(set("name=x y").name == "x y");
  CHECK(set("name=\"x y\"").name == "x y");
  CHECK(set("name=5").name == "5");
  CHECK(set("name=").name == "s");
  CHECK(set("description=a = b").description == "a = b");
  CHECK(set("device.d.requester=02:1f.7").devices[0].requester == 0x02FF);
  CHECK(set("memory={ latency_ns = 5, channels = 2 }").memory.channels == 2);
  const Config c = set("expect.latency.p99_ns={ max = 900 }");
  REQUIRE(c.expectations.size() == 2);
  CHECK(c.expectations[1].path_text() == "latency.p99_ns");
  CHECK(c.expectations[1].max == 900.0);
  CHECK(c.expectations[1].where.text() == "--set");
  CHECK(set("expect.faults=3").expectations.size() == 1);
}

TEST_CASE("devices keep the order of the file and get free requesters") {
  const Config c = config_for(
      "[device.z]\n[device.a]\nrequester = \"00:03.0\"\n[device.m]\nrequester = "
      "\"00:05.0\"\n[device.b]\n[device.c]\nrequester = "
      "\"00:04.1\"\n");
  REQUIRE(c.devices.size() == 5);
  CHECK(c.devices[0].name == "z");
  CHECK(requester_text(c.devices[0].requester) == "00:04.0");
  CHECK(c.devices[1].name == "a");
  CHECK(requester_text(c.devices[1].requester) == "00:03.0");
  CHECK(c.devices[2].name == "m");
  CHECK(c.devices[3].name == "b");
  CHECK(requester_text(c.devices[3].requester) == "00:06.0");
  CHECK(requester_text(c.devices[4].requester) == "00:04.1");
}

TEST_CASE("requesters run on to the next bus") {
  std::string text;
  for (int i = 0; i < 30; ++i) text += "[device.d" + std::to_string(i) + "]\nwindow_bytes = 4096\n";
  const Config c = config_for(text);
  CHECK(requester_text(c.devices[28].requester) == "00:1f.0");
  CHECK(requester_text(c.devices[29].requester) == "01:00.0");
}

TEST_CASE("the same requester on two IOMMUs is no conflict") {
  const Config c = config_for(
      "[iommu.0]\n[iommu.1]\nbase_address = 0xFED80000\n[device.a]\nrequester = \"00:03.0\"\n[device.b]\niommu = "
      "\"1\"\nrequester = "
      "\"00:03.0\"\n");
  CHECK(c.devices[1].requester == 0x18);
  CHECK(c.find_iommu("1")->base_address == 0xFED80000);
  CHECK(c.find_iommu("2") == nullptr);
  CHECK(c.find_device("b") == &c.devices[1]);
  CHECK(c.find_device("x") == nullptr);
}

TEST_CASE("paths are relative to the file that names them") {
  const ScenarioFolder folder;
  folder.write("presets/nic.toml", "[device.n]\nkind = \"nic\"\ncapture = \"../captures/c.pcap\"\n");
  folder.write("captures/c.pcap", "");
  folder.write("here.pcap", "");
  folder.write("configs/s.toml", "base = \"../presets/nic.toml\"\n");
  const Config from_base = load_config("configs/s.toml");
  CHECK(from_base.devices[0].nic.capture.shown == "../captures/c.pcap");
  CHECK(std::filesystem::exists(from_base.devices[0].nic.capture.path));
  // --set counts from where the user stands; the shown path counts from the scenario's folder, as if it stood there.
  const Config from_set = load_config("configs/s.toml", {"device.n.capture=here.pcap"});
  CHECK(from_set.devices[0].nic.capture.shown == "../here.pcap");
  CHECK(std::filesystem::exists(from_set.devices[0].nic.capture.path));
  // An absolute path works, and does not get into results.
  const Config absolute = load_config("configs/s.toml", {"device.n.capture=" + (folder.path() / "here.pcap").string()});
  CHECK(absolute.devices[0].nic.capture.path == folder.path() / "here.pcap");
  CHECK(absolute.to_json()["device"]["n"]["capture"] == "here.pcap");
}

TEST_CASE("network addresses") {
  const auto address = [](const std::string& text) {
    return config_for("[device.n]\nkind = \"nic\"\ncapture = \"ok.pcap\"\nlocal_address = \"" + text + "\"\n")
        .devices.at(0)
        .nic.local_address;
  };
  CHECK(address("10.0.0.1").family == AddressFamily::Ipv4);
  CHECK(address("10.0.0.1").bytes == std::array<std::uint8_t, 16>{10, 0, 0, 1});
  CHECK(address("fd00::2").family == AddressFamily::Ipv6);
  CHECK(address("fd00::2").bytes == std::array<std::uint8_t, 16>{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2});
  CHECK(address("02:00:5e:00:fA:01").family == AddressFamily::Mac);
  CHECK(address("02:00:5e:00:fA:01").bytes == std::array<std::uint8_t, 16>{2, 0, 0x5e, 0, 0xfa, 1});
  CHECK(address("").family == AddressFamily::None);
}

TEST_CASE("resolved TOML reads back as the same scenario") {
  const ScenarioFolder folder;
  folder.write("ok.pcap", "");
  folder.write("sub/ok.pcap", "");
  const std::vector<std::string> scenarios{
      "[device.dma0]\n",
      "name = \"q\\\"uote \\u00e9\\n\\u0001\"\ndescription = 'back\\slash'\nseed = 9223372036854775807\nmode = "
      "\"at\"\n[device.d]\n",
      "[memory]\nsize_bytes = \"1TiB\"\nlatency_ns = 33.125\nbandwidth_gbytes_per_s = 0.1\n[device.d]\ncount = 1\n",
      "[iommu.0]\nlevels = [5, 3]\nmgaw_bits = 57\niotlb = { sets = 16, ways = 8, policy = \"plru\" }\nclock_mhz = "
      "333.25\n[device.d]\n",
      "[device.z]\npattern = \"strided\"\nstride_bytes = 100\n[device.a]\nmapping = \"none\"\n[device.m]\nmapping = "
      "\"pass_through\"\n",
      "[device.n]\nkind = \"nic\"\ncapture = \"sub/ok.pcap\"\nlocal_address = \"fd00::2\"\npolicy = "
      "\"per_packet\"\ntime_scale = 1e-9\n",
      "[iommu.0]\n[iommu.second]\nbase_address = 0x1000000\n[device.d]\niommu = \"second\"\nrequester = \"ff:1f.7\"\n",
      "[device.d]\n[[event]]\nat_ns = 2.5\naction = \"detach\"\ndevice = \"d\"\n[[event]]\nat_ns = 3\naction = "
      "\"invalidate_global\"\n",
      "[device.d]\n[expect]\nfaults = 0\nname = \"s\"\nlatency.p99_ns = { min = 1, max = 2.5 }\n\"odd key\".x = "
      "true\nratio = 1.0\n",
      "[device.d]\nlink = { generation = 5, lanes = 16, max_payload_bytes = \"1KiB\", tags = 3, root_complex_ns = 7.5 "
      "}\n",
      "[device.d]\nwindow_bytes = 12288\ntransfer_bytes = 1\nescape_percent = 12.5\nquantum_ns = 1000\n",
  };
  for (const std::string& text : scenarios) {
    CAPTURE(text);
    folder.write("s.toml", text);
    const Config first = load_config("s.toml");
    const std::string resolved = first.to_toml();
    CAPTURE(resolved);
    folder.write("s.toml", resolved);
    const Config second = load_config("s.toml");
    CHECK(first == second);
    CHECK(second.to_toml() == resolved);
    CHECK(second.to_json().dump() == first.to_json().dump());
  }
}

TEST_CASE("scenarios that differ are not equal") {
  const Config c = config_for("[device.d]\n");
  CHECK(c == config_for("# other words, same meaning\ndevice = { d = {} }\n"));
  for (const char* text :
       {"seed=2", "mode=at", "memory.latency_ns=71", "iommu.0.levels=[4]", "iommu.0.pass_through=false",
        "device.d.count=1", "device.d.requester=00:04.0", "expect.faults=0"}) {
    CAPTURE(text);
    CHECK(c != config_for("[device.d]\n", {text}));
  }
  CHECK(c != config_for("[device.e]\n"));
  CHECK(c != config_for("[device.d]\n[device.e]\n"));
}

TEST_CASE("the scenario as JSON") {
  const Config c = config_for(
      "[memory]\nsize_bytes = \"1GiB\"\n[iommu.0]\nlevels = [4]\n[device.d]\n[[event]]\nat_ns = 1\naction = "
      "\"invalidate_global\"\n"
      "[expect]\nlatency.p99_ns = { max = 900 }\nfaults = 0\n");
  const nlohmann::ordered_json json = c.to_json();
  CHECK(json["name"] == "s");
  CHECK(json["memory"]["size_bytes"] == 1073741824);
  CHECK(json["memory"]["latency_ns"] == 70.0);
  CHECK(json["iommu"]["0"]["levels"] == nlohmann::ordered_json::array({4}));
  CHECK(json["iommu"]["0"]["iotlb"]["policy"] == "lru");
  CHECK(json["device"]["d"]["requester"] == "00:03.0");
  CHECK(json["event"][0]["action"] == "invalidate_global");
  CHECK_FALSE(json["event"][0].contains("device"));
  CHECK_FALSE(json["device"]["d"].contains("capture"));
  CHECK(json["expect"]["latency.p99_ns"]["max"] == 900.0);
  CHECK(json["expect"]["faults"] == 0);
}

TEST_CASE("a scenario that is in no file") {
  const Config c = load_config_text("[memory]\nlatency_ns = 80\n[device.d]\n", "built-in", {"memory.channels=2"});
  CHECK(c.name == "built-in");
  CHECK(c.memory.latency_ns == 80);
  CHECK(c.memory.channels == 2);
  CHECK_THROWS_WITH(load_config_text("sede = 1\n", "built-in"),
                    "built-in:1:1: unknown key \"sede\"; did you mean \"seed\"?");
}

// Every message about a wrong scenario, word for word.
#include "testbench/platform/catch.h"
#include "testbench/platform/scenario_folder.h"

namespace {

const std::string kDevice = "[device.dma0]\n";

}  // namespace

TEST_CASE("unknown keys are named with their place and the nearest key") {
  CHECK(message_for("sede = 1\n" + kDevice) == "s.toml:1:1: unknown key \"sede\"; did you mean \"seed\"?");
  CHECK(message_for("[memory]\nlatncy_ns = 1\n" + kDevice) ==
        "s.toml:2:1: unknown key \"memory.latncy_ns\"; did you mean \"memory.latency_ns\"?");
  CHECK(message_for("[iommu.0]\niotlb.way = 8\n" + kDevice) ==
        "s.toml:2:7: unknown key \"iommu.0.iotlb.way\"; did you mean \"iommu.0.iotlb.ways\"?");
  CHECK(message_for("[memry]\nlatency_ns = 1\n" + kDevice) ==
        "s.toml:1:2: unknown key \"memry\"; did you mean \"memory\"?");
  CHECK(message_for("[device.dma0]\n  coutn = 1\n") ==
        "s.toml:2:3: unknown key \"device.dma0.coutn\"; did you mean \"device.dma0.count\"?");
  CHECK(message_for(kDevice + "[[event]]\nat = 1\n") ==
        "s.toml:3:1: unknown key \"event.0.at\"; did you mean \"event.0.at_ns\"?");
  CHECK(message_for("[expct]\nfaults = 0\n" + kDevice) ==
        "s.toml:1:2: unknown key \"expct\"; did you mean \"expect\"?");
}

TEST_CASE("an unknown key that is near to nothing") {
  CHECK(message_for("colour = 1\n" + kDevice) ==
        "s.toml:1:1: unknown key \"colour\"; \"iommu-vp params\" lists all keys");
  // The right name at the wrong place.
  CHECK(message_for("max_leaf = \"4KiB\"\n" + kDevice) ==
        "s.toml:1:1: unknown key \"max_leaf\"; did you mean \"ddi.max_leaf\"?");
}

TEST_CASE("wrong types") {
  CHECK(message_for("mode = 5\n" + kDevice) ==
        "s.toml:1:8: mode = 5: wrong type, an integer; allowed: \"lt\" or \"at\"");
  CHECK(message_for("seed = \"one\"\n" + kDevice) ==
        "s.toml:1:8: seed = \"one\": wrong type, a string; allowed: an integer from 0 to 9223372036854775807");
  CHECK(message_for("seed = 1.0\n" + kDevice) ==
        "s.toml:1:8: seed = 1.0: wrong type, a decimal number; allowed: an integer from 0 to 9223372036854775807");
  CHECK(message_for("seed = 2024-01-02\n" + kDevice) ==
        "s.toml:1:8: seed = 2024-01-02: wrong type, a date or time; allowed: an integer from 0 to 9223372036854775807");
  CHECK(message_for("[iommu.0]\npass_through = 1\n" + kDevice) ==
        "s.toml:2:16: iommu.0.pass_through = 1: wrong type, an integer; allowed: true or false");
  CHECK(message_for("name = true\n" + kDevice) == "s.toml:1:8: name = true: wrong type, a boolean; allowed: text");
  CHECK(message_for("[iommu.0]\nlevels = 4\n" + kDevice) ==
        "s.toml:2:10: iommu.0.levels = 4: wrong type, an integer; allowed: an array of 3, 4 or 5, each at most once");
  CHECK(message_for("[iommu.0]\nlevels = [4, \"x\"]\n" + kDevice) ==
        "s.toml:2:14: iommu.0.levels = \"x\": wrong type, a string; allowed: an array of 3, 4 or 5, each at most once");
  CHECK(message_for("[memory]\nlatency_ns = [1]\n" + kDevice) ==
        "s.toml:2:14: memory.latency_ns = [1]: wrong type, an array; allowed: ns from 0 to 1000000000, or text such as "
        "\"1.5us\"");
  CHECK(message_for("[memory]\nlatency_ns = { a = 1 }\n" + kDevice) ==
        "s.toml:2:14: memory.latency_ns = {...}: wrong type, a table; allowed: ns from 0 to 1000000000, or text such "
        "as \"1.5us\"");
  CHECK(message_for("[device.dma0]\niommu = 0\n") ==
        "s.toml:2:9: device.dma0.iommu = 0: wrong type, an integer; allowed: text");
  CHECK(message_for("[device.dma0]\nwrite_percent = \"5\"\n") ==
        "s.toml:2:17: device.dma0.write_percent = \"5\": wrong type, a string; allowed: a number from 0 to 100");
}

TEST_CASE("a value where a table belongs, and the other way round") {
  CHECK(message_for("memory = 5\n" + kDevice) == "s.toml:1:10: memory = 5: wrong type, an integer; allowed: a table");
  CHECK(message_for("device = 5\n") ==
        "s.toml:1:10: device = 5: wrong type, an integer; allowed: named tables such as [device.0]");
  CHECK(message_for("[[device]]\ncount = 1\n") ==
        "s.toml:1:1: device = [{...}]: wrong type, an array of tables; allowed: named tables such as [device.0]");
  CHECK(message_for("[device]\ndma0 = 1\n") == "s.toml:2:8: device.dma0 = 1: wrong type, an integer; allowed: a table");
  CHECK(message_for("[event]\nat_ns = 1\n" + kDevice) ==
        "s.toml:1:1: event = {...}: wrong type, a table; allowed: an array of tables, [[event]]");
}

TEST_CASE("out of range") {
  CHECK(message_for("[iommu.0]\niotlb.ways = 0\n" + kDevice) ==
        "s.toml:2:14: iommu.0.iotlb.ways = 0: out of range; allowed: an integer from 1 to 65536");
  CHECK(message_for("[iommu.0]\niotlb.ways = 65537\n" + kDevice) ==
        "s.toml:2:14: iommu.0.iotlb.ways = 65537: out of range; allowed: an integer from 1 to 65536");
  CHECK(message_for("seed = -3\n" + kDevice) ==
        "s.toml:1:8: seed = -3: out of range; allowed: an integer from 0 to 9223372036854775807");
  CHECK(
      message_for("[memory]\nlatency_ns = -1\n" + kDevice) ==
      "s.toml:2:14: memory.latency_ns = -1: out of range; allowed: ns from 0 to 1000000000, or text such as \"1.5us\"");
  CHECK(message_for("[memory]\nlatency_ns = nan\n" + kDevice) ==
        "s.toml:2:14: memory.latency_ns = nan: out of range; allowed: ns from 0 to 1000000000, or text such as "
        "\"1.5us\"");
  CHECK(message_for("[memory]\nlatency_ns = inf\n" + kDevice) ==
        "s.toml:2:14: memory.latency_ns = inf: out of range; allowed: ns from 0 to 1000000000, or text such as "
        "\"1.5us\"");
  CHECK(message_for("[memory]\nlatency_ns = 0.0005\n" + kDevice) ==
        "s.toml:2:14: memory.latency_ns = 0.0005: finer than a picosecond; allowed: ns from 0 to 1000000000, or text "
        "such as \"1.5us\"");
  CHECK(message_for("[memory]\nsize_bytes = \"1KiB\"\n" + kDevice) ==
        "s.toml:2:14: memory.size_bytes = \"1KiB\": out of range; allowed: bytes from 16MiB to 16TiB, or text such as "
        "\"4KiB\"");
  CHECK(message_for("[iommu.0]\ndomain_bits = 5\n" + kDevice) ==
        "s.toml:2:15: iommu.0.domain_bits = 5: unknown value; allowed: 4, 6, 8, 10, 12, 14 or 16");
  CHECK(message_for("[iommu.0]\nclock_mhz = 0.5\n" + kDevice) ==
        "s.toml:2:13: iommu.0.clock_mhz = 0.5: out of range; allowed: MHz from 1 to 100000, or text such as \"1GHz\"");
}

TEST_CASE("unknown and malformed values") {
  CHECK(message_for("mode = \"fast\"\n" + kDevice) ==
        "s.toml:1:8: mode = \"fast\": unknown value; allowed: \"lt\" or \"at\"");
  CHECK(message_for("[device.dma0]\npattern = \"stridded\"\n") ==
        "s.toml:2:11: device.dma0.pattern = \"stridded\": unknown value; allowed: \"linear\", \"strided\" or "
        "\"random\"; did you mean "
        "\"strided\"?");
  CHECK(message_for("[memory]\nsize_bytes = \"64GB\"\n" + kDevice) ==
        "s.toml:2:14: memory.size_bytes = \"64GB\": malformed; allowed: bytes from 16MiB to 16TiB, or text such as "
        "\"4KiB\"");
  CHECK(message_for("[memory]\nlatency_ns = \"5 minutes\"\n" + kDevice) ==
        "s.toml:2:14: memory.latency_ns = \"5 minutes\": malformed; allowed: ns from 0 to 1000000000, or text such as "
        "\"1.5us\"");
  for (const char* requester : {"3", "00:20.0", "00:03.8", "0:03.0", "00-03.0", "00:3.0", "g0:03.0", "0000:00:03.0"}) {
    CHECK(message_for("[device.dma0]\nrequester = \"" + std::string(requester) + "\"\n") ==
          "s.toml:2:13: device.dma0.requester = \"" + std::string(requester) +
              "\": malformed; allowed: \"bus:device.function\" in hexadecimal, such as \"00:03.0\"");
  }
  CHECK(message_for("[device.n]\nkind = \"nic\"\ncapture = \"ok.pcap\"\nlocal_address = \"10.0.0\"\n") ==
        "s.toml:4:17: device.n.local_address = \"10.0.0\": malformed; allowed: a MAC, IPv4 or IPv6 address, or \"\"");
  CHECK(message_for("[device.n]\nkind = \"nic\"\ncapture = \"\"\n") ==
        "s.toml:3:11: device.n.capture = \"\": empty; allowed: a path");
  CHECK(message_for("[iommu.0]\nlevels = [6]\n" + kDevice) ==
        "s.toml:2:11: iommu.0.levels = 6: unknown value; allowed: an array of 3, 4 or 5, each at most once");
  CHECK(
      message_for("[iommu.0]\nlevels = [4, 4]\n" + kDevice) ==
      "s.toml:2:10: iommu.0.levels = [4, 4]: the same value twice; allowed: an array of 3, 4 or 5, each at most once");
  CHECK(message_for("[iommu.0]\nlevels = []\n" + kDevice) ==
        "s.toml:2:10: iommu.0.levels = []: empty; allowed: an array of 3, 4 or 5, each at most once");
}

TEST_CASE("duplicate keys and broken syntax keep their place") {
  // The words behind the place are the TOML library's.
  const std::string twice = message_for("seed = 1\nseed = 2\n" + kDevice);
  CHECK(twice.rfind("s.toml:2:", 0) == 0);
  CHECK(twice.find(": not valid TOML: ") != std::string::npos);
  CHECK(twice.find("cannot redefine existing integer 'seed'") != std::string::npos);
  const std::string table = message_for("[memory]\n[memory]\n" + kDevice);
  CHECK(table.rfind("s.toml:2:", 0) == 0);
  CHECK(table.find("cannot redefine existing table 'memory'") != std::string::npos);
  CHECK(message_for("seed = \n").rfind("s.toml:1:8: not valid TOML: ", 0) == 0);
  CHECK(message_for("name = \"unfinished\n").rfind("s.toml:1:", 0) == 0);
}

TEST_CASE("all mistakes are shown at once, in the order of the file") {
  CHECK(message_for("zeta = 1\nalpha = 2\n" + kDevice + "beta = 3\n") ==
        "s.toml:1:1: unknown key \"zeta\"; \"iommu-vp params\" lists all keys\n"
        "s.toml:2:1: unknown key \"alpha\"; \"iommu-vp params\" lists all keys\n"
        "s.toml:4:1: unknown key \"device.dma0.beta\"; \"iommu-vp params\" lists all keys");
  CHECK(message_for("seed = -1\nmode = \"x\"\n" + kDevice) ==
        "s.toml:1:8: seed = -1: out of range; allowed: an integer from 0 to 9223372036854775807\n"
        "s.toml:2:8: mode = \"x\": unknown value; allowed: \"lt\" or \"at\"");
}

TEST_CASE("files that can't be read") {
  const ScenarioFolder folder;
  folder.write("dir/x", "");
  folder.write("no_base.toml", "seed = 1\nbase = \"none.toml\"\n");
  folder.write("bases.toml", "base = [\"ok.toml\", \"dir\"]\n");
  folder.write("ok.toml", "seed = 1\n");
  folder.write("bad_base.toml", "base = [\"ok.toml\", 3]\n");
  folder.write("deep.toml", "base = \"dir/broken.toml\"\n");
  folder.write("dir/broken.toml", "[memory]\nlatency = 5\n");
  folder.write("nic.toml", "[device.n]\nkind = \"nic\"\ncapture = \"none.pcap\"\n");
  folder.write("nic_dir.toml", "[device.n]\nkind = \"nic\"\ncapture = \"dir\"\n");
  const auto message = [](const std::string& file) {
    try {
      (void)iommu::platform::load_config(file);
    } catch (const iommu::platform::ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message("none.toml") == "none.toml: can't be read: No such file or directory");
  CHECK(message("dir") == "dir: can't be read: Is a directory");
  CHECK(message("no_base.toml") == "no_base.toml:2:8: base = \"none.toml\": can't be read: No such file or directory");
  CHECK(message("bases.toml") == "bases.toml:1:20: base = \"dir\": can't be read: Is a directory");
  CHECK(message("bad_base.toml") ==
        "bad_base.toml:1:8: base = [\"ok.toml\", 3]: wrong type, an array; allowed: a path or an array of paths");
  CHECK(message("deep.toml")
            .rfind("dir/broken.toml:2:1: unknown key \"memory.latency\"; did you mean \"memory.latency_ns\"?", 0) == 0);
  CHECK(message("nic.toml") ==
        "nic.toml:3:11: device.n.capture = \"none.pcap\": can't be read: No such file or directory");
  CHECK(message("nic_dir.toml") == "nic_dir.toml:3:11: device.n.capture = \"dir\": can't be read: Is a directory");
}

TEST_CASE("bases that name each other in a circle") {
  const ScenarioFolder folder;
  folder.write("a.toml", "base = \"sub/b.toml\"\n");
  folder.write("sub/b.toml", "base = \"../c.toml\"\n");
  folder.write("c.toml", "\nbase = \"a.toml\"\n");
  folder.write("self.toml", "base = \"self.toml\"\n");
  CHECK_THROWS_WITH(
      (void)iommu::platform::load_config("a.toml"),
      "c.toml:2:8: base = \"a.toml\": the files name each other in a circle: a.toml -> sub/b.toml -> c.toml -> a.toml");
  CHECK_THROWS_WITH(
      (void)iommu::platform::load_config("self.toml"),
      "self.toml:1:8: base = \"self.toml\": the files name each other in a circle: self.toml -> self.toml");
}

TEST_CASE("wrong --set") {
  CHECK(message_for(kDevice, {"memory.latency_ns"}) ==
        "--set: \"memory.latency_ns\": allowed: KEY=VALUE, such as memory.latency_ns=90");
  CHECK(message_for(kDevice, {"=5"}) == "--set: \"=5\": allowed: KEY=VALUE, such as memory.latency_ns=90");
  CHECK(message_for(kDevice, {"memory..latency_ns=5"}) ==
        "--set: \"memory..latency_ns=5\": allowed: KEY=VALUE, such as memory.latency_ns=90");
  CHECK(message_for(kDevice, {"memory.latncy_ns=5"}) ==
        "--set: unknown key \"memory.latncy_ns\"; did you mean \"memory.latency_ns\"?");
  CHECK(message_for(kDevice, {"iommu.0.iotlb.ways=-3"}) ==
        "--set: iommu.0.iotlb.ways = -3: out of range; allowed: an integer from 1 to 65536");
  CHECK(message_for(kDevice, {"iommu.0.iotlb.ways=many"}) ==
        "--set: iommu.0.iotlb.ways = \"many\": wrong type, a string; allowed: an integer from 1 to 65536");
  CHECK(message_for(kDevice, {"mode=fast"}) == "--set: mode = \"fast\": unknown value; allowed: \"lt\" or \"at\"");
  CHECK(message_for(kDevice, {"device.dma1.count=5"}) == "--set: there is no device \"dma1\"; did you mean \"dma0\"?");
  CHECK(message_for(kDevice, {"iommu.1.iotlb.ways=5"}) == "--set: there is no iommu \"1\"");
  CHECK(message_for(kDevice, {"event.0.at_ns=5"}) == "--set: there is no event \"0\"");
  CHECK(message_for(kDevice, {"base=x.toml"}) == "--set: base can stand in a file only");
  CHECK(message_for(kDevice, {"memory=5"}) == "--set: memory = 5: wrong type, an integer; allowed: a table");
  // A line break can't smuggle a second key in: the whole stays one text.
  CHECK(
      message_for(kDevice, {"seed=1\nmode=\"at\""}) ==
      "--set: seed = \"1\\nmode=\\\"at\\\"\": wrong type, a string; allowed: an integer from 0 to 9223372036854775807");
}

TEST_CASE("keys for another kind of device are refused, not ignored") {
  CHECK(message_for("[device.d]\nrx_ring = 8\n") ==
        "s.toml:2:1: device.d.rx_ring is for device.d.kind = \"nic\" only, here it is \"generator\"");
  CHECK(message_for("[device.n]\nkind = \"nic\"\ncapture = \"ok.pcap\"\ncount = 5\n") ==
        "s.toml:4:1: device.n.count is for device.n.kind = \"generator\" only, here it is \"nic\"");
  CHECK(message_for("[device.d]\nstride_bytes = 64\n") ==
        "s.toml:2:1: device.d.stride_bytes is for device.d.pattern = \"strided\" only, here it is \"linear\"");
  CHECK(message_for("[device.d]\nmapping = \"none\"\nescape_percent = 1\n") ==
        "s.toml:3:1: device.d.escape_percent is for device.d.mapping = \"translate\" only, here it is \"none\"");
  CHECK(message_for("mode = \"at\"\n[device.d]\nquantum_ns = 100\n") ==
        "s.toml:3:1: device.d.quantum_ns is for mode = \"lt\" only, here it is \"at\"");
  CHECK(message_for(kDevice, {"device.dma0.rx_ring=8"}) ==
        "--set: device.dma0.rx_ring is for device.dma0.kind = \"nic\" only, here it is \"generator\"");
}

TEST_CASE("missing keys") {
  CHECK(message_for("") == "s.toml: a scenario needs at least one device, such as [device.dma0]");
  CHECK(message_for("[device.n]\nkind = \"nic\"\n") == "s.toml:1:9: missing key \"device.n.capture\"; allowed: a path");
  CHECK(message_for(kDevice + "[[event]]\naction = \"invalidate_global\"\n") ==
        "s.toml:2:1: missing key \"event.0.at_ns\"; allowed: ns from 0 to 1000000000000, or text such as \"1.5us\"");
  CHECK(message_for(kDevice + "[[event]]\nat_ns = 1\n") ==
        "s.toml:2:1: missing key \"event.0.action\"; allowed: \"invalidate_global\", \"invalidate_device\", \"unmap\", "
        "\"detach\", \"attach\", \"lock_screen\", \"unlock_screen\", \"port_external\", "
        "\"port_internal\", \"opt_in\", \"opt_out\" or \"surprise_removal\"");
}

TEST_CASE("names of devices and IOMMUs") {
  CHECK(message_for("[device.\"a b\"]\n") ==
        "s.toml:1:9: the name \"a b\" of a device is not allowed; a name has letters, digits, _ and - only");
  CHECK(message_for("[iommu.\"0.1\"]\n" + kDevice) ==
        "s.toml:1:8: the name \"0.1\" of an iommu is not allowed; a name has letters, digits, _ and - only");
  CHECK(message_for("[device.dma0]\niommu = \"1\"\n") ==
        "s.toml:2:9: device.dma0.iommu = \"1\": there is no such IOMMU; allowed: \"0\"");
  CHECK(message_for("[iommu.a]\n[iommu.b]\nbase_address = 0xFED80000\n" + kDevice) ==
        "s.toml:4:9: device.dma0.iommu = \"0\": there is no such IOMMU; allowed: \"a\", \"b\"");
}

TEST_CASE("values that contradict each other: IOMMU") {
  CHECK(message_for("[iommu.0]\nmgaw_bits = 57\n" + kDevice) ==
        "s.toml:2:13: iommu.0.mgaw_bits = 57: more than tables of 4 levels reach; allowed: at most 48, or more "
        "iommu.0.levels");
  CHECK(message_for("[iommu.0]\nmgaw_bits = 40\n" + kDevice) ==
        "s.toml:2:13: iommu.0.mgaw_bits = 40: less than iommu.0.host_address_bits = 46; allowed: at least as many");
  CHECK(message_for("[iommu.0]\niotlb.sets = 3\n" + kDevice) ==
        "s.toml:2:14: iommu.0.iotlb.sets = 3: allowed: a power of two");
  CHECK(message_for("[iommu.0]\niotlb.ways = 12\niotlb.policy = \"plru\"\n" + kDevice) ==
        "s.toml:2:14: iommu.0.iotlb.ways = 12: with iommu.0.iotlb.policy = \"plru\" allowed: a power of two");
  CHECK(message_for("[iommu.0]\nbase_address = 0xFED90800\n" + kDevice) ==
        "s.toml:2:16: iommu.0.base_address = 0xfed90800: allowed: a multiple of 0x1000");
  CHECK(message_for("[iommu.0]\nbase_address = 0xFEDFF000\n" + kDevice) ==
        "s.toml:2:16: iommu.0.base_address = 0xfedff000: in the interrupt range 0xfee00000 to 0xfeefffff");
  CHECK(message_for("[iommu.0]\nbase_address = 0x3FFFFFFFF000\n" + kDevice) ==
        "s.toml:2:16: iommu.0.base_address = 0x3ffffffff000: beyond the 46 bits of iommu.0.host_address_bits");
  CHECK(message_for("[iommu.0]\n[iommu.1]\nbase_address = 0xFED91000\n" + kDevice) ==
        "s.toml:3:16: iommu.1.base_address = 0xfed91000: overlaps the registers of iommu.0 at 0xfed90000; allowed: at "
        "least 0x2000 apart");
  CHECK(message_for("[iommu.0]\n[iommu.1]\nbase_address = 0xFED92000\n" + kDevice).empty());
  CHECK(message_for("[iommu.0]\nqueued_invalidation = false\n" + kDevice) ==
        "s.toml: ddi.invalidation = \"queued\": iommu.0.queued_invalidation is false; allowed: \"register\"");
  CHECK(message_for("[ddi]\ninvalidation = \"register\"\n[iommu.0]\nversion_major = 6\n" + kDevice) ==
        "s.toml:2:16: ddi.invalidation = \"register\": iommu.0.version_major = 6 has no invalidation by registers; "
        "allowed: \"queued\"");
}

TEST_CASE("values that contradict each other: memory and devices") {
  CHECK(message_for("[iommu.0]\nearly_hits = true\n" + kDevice) ==
        "s.toml:2:14: iommu.0.early_hits = true: only for mode = \"at\"; allowed: false");
  CHECK(message_for("[memory]\nrefresh_interval_ns = 100\nrefresh_ns = 100\n" + kDevice) ==
        "s.toml:3:14: memory.refresh_ns = 100: must be less than memory.refresh_interval_ns = 100");
  CHECK(message_for("[memory]\nrefresh_ns = 0.5\n" + kDevice) ==
        "s.toml:2:14: memory.refresh_ns = 0.5: must be less than memory.refresh_interval_ns = 0");
  CHECK(message_for("[iommu.0]\nhost_address_bits = 35\n" + kDevice) ==
        "s.toml: memory.size_bytes = \"64GiB\": beyond the 35 bits of iommu.0.host_address_bits");
  CHECK(message_for("[memory]\nsize_bytes = \"16MiB\"\n[device.d]\nwindow_bytes = \"16MiB\"\n") ==
        "s.toml:2:14: memory.size_bytes = \"16MiB\": the windows of all generators and pages of all streams need 16MiB "
        "and "
        "tables some more");
  CHECK(message_for("[ddi]\naddress_width_bits = 50\n" + kDevice) ==
        "s.toml:2:22: ddi.address_width_bits = 50: device.dma0.iommu = \"0\" takes 48 bits; allowed: at most that");
  CHECK(message_for("[device.d]\nwindow_bytes = 5000\n") ==
        "s.toml:2:16: device.d.window_bytes = 5000: allowed: a multiple of 4096");
  CHECK(message_for("[device.d]\nmapped_bytes = 2000000\n") ==
        "s.toml:2:16: device.d.mapped_bytes = 2000000: allowed: a multiple of 4096");
  CHECK(message_for("[device.d]\nwindow_bytes = \"64KiB\"\nmapped_bytes = \"60KiB\"\n") ==
        "s.toml:3:16: device.d.mapped_bytes = 61440: less than device.d.window_bytes = 65536");
  CHECK(message_for(
            "[memory]\nsize_bytes = \"1TiB\"\n[ddi]\naddress_width_bits = 32\n[device.d]\nmapped_bytes = \"4GiB\"\n") ==
        "s.toml:6:16: device.d.mapped_bytes = 4294967296: more than half of the 32 bits of ddi.address_width_bits");
  CHECK(message_for(
            "[memory]\nsize_bytes = \"1TiB\"\n[ddi]\naddress_width_bits = 32\n[device.d]\nwindow_bytes = \"4GiB\"\n") ==
        "s.toml:6:16: device.d.window_bytes = 4294967296: more than half of the 32 bits of ddi.address_width_bits");
  CHECK(message_for("[device.d]\nwindow_bytes = \"4KiB\"\npattern = \"strided\"\nstride_bytes = 4097\n") ==
        "s.toml:4:16: device.d.stride_bytes = 4097: more than device.d.window_bytes = 4096");
  CHECK(message_for("[iommu.0]\npass_through = false\n[device.d]\nmapping = \"pass_through\"\n") ==
        "s.toml:4:11: device.d.mapping = \"pass_through\": iommu.0.pass_through is false");
  CHECK(message_for("[device.a]\nrequester = \"00:03.0\"\n[device.b]\nrequester = \"00:03.0\"\n") ==
        "s.toml:4:13: device.b.requester = \"00:03.0\": device.a on the same IOMMU has it");
}

TEST_CASE("links that make no sense") {
  CHECK(message_for("[device.d]\nlink.tags = 8\n") ==
        "s.toml:2:6: device.d.link.tags is for device.d.link.generation other than \"0\" only, here it is \"0\"");
  CHECK(message_for("[device.d]\nlink.generation = 6\n") ==
        "s.toml:2:19: device.d.link.generation = 6: out of range; allowed: an integer from 0 to 5");
  CHECK(message_for("[device.d.link]\ngeneration = 3\nlanes = 12\n") ==
        "s.toml:3:9: device.d.link.lanes = 12: unknown value; allowed: 1, 2, 4, 8 or 16");
  CHECK(message_for("[device.d.link]\ngeneration = 3\nmax_payload_bytes = 200\n") ==
        "s.toml:3:21: device.d.link.max_payload_bytes = 200: allowed: a power of two from 128 to 4096");
  CHECK(message_for("[device.d.link]\ngeneration = 3\nmax_read_request_bytes = \"1000B\"\n") ==
        "s.toml:3:26: device.d.link.max_read_request_bytes = 1000: allowed: a power of two from 128 to 4096");
  CHECK(message_for("[device.d.link]\ngeneration = 3\nack_interval_bytes = 31\n") ==
        "s.toml:3:22: device.d.link.ack_interval_bytes = 31: allowed: 0, or 32 and more");
  CHECK(message_for("[device.d.link]\ngeneration = 3\nposted_credits = 3\n") ==
        "s.toml:3:18: device.d.link.posted_credits = 3: less than one write of device.d.link.max_payload_bytes = 256; "
        "allowed: 0, or 4 and more");
}

TEST_CASE("events that make no sense") {
  const std::string none = "[device.d]\nmapping = \"none\"\n";
  const std::string nic = "[device.n]\nkind = \"nic\"\ncapture = \"ok.pcap\"\n";
  const auto event = [](const std::string& action, const std::string& device) {
    return "[[event]]\nat_ns = 5\naction = \"" + action + "\"\n" +
           (device.empty() ? "" : "device = \"" + device + "\"\n");
  };
  CHECK(message_for(kDevice + event("unmapp", "dma0")) ==
        "s.toml:4:10: event.0.action = \"unmapp\": unknown value; allowed: \"invalidate_global\", "
        "\"invalidate_device\", \"unmap\", "
        "\"detach\", \"attach\", \"lock_screen\", \"unlock_screen\", \"port_external\", \"port_internal\", \"opt_in\", "
        "\"opt_out\" or \"surprise_removal\"; did you mean \"unmap\"?");
  CHECK(message_for(kDevice + event("unmap", "dma1")) ==
        "s.toml:5:10: event.0.device = \"dma1\": there is no such device; did you mean \"dma0\"?");
  CHECK(message_for(kDevice + event("detach", "")) ==
        "s.toml:2:1: missing key \"event.0.device\"; allowed: the name of a device");
  CHECK(message_for(kDevice + event("invalidate_global", "dma0")) ==
        "s.toml:5:10: event.0.device is not for actions on the whole machine");
  CHECK(message_for(none + event("unmap", "d")) ==
        "s.toml:6:10: event.0.device = \"d\": with mapping = \"none\" it has no domain");
  CHECK(message_for(nic + event("unmap", "n")) ==
        "s.toml:7:10: event.0.device = \"n\": a nic's driver owns its mappings; allowed for unmap: a generator");
  CHECK(message_for("[device.d]\nmapping = \"pass_through\"\n" + event("unmap", "d")) ==
        "s.toml:6:10: event.0.device = \"d\": with mapping = \"pass_through\" it has no mapped window");
  CHECK(message_for(kDevice + event("unmap", "dma0") + event("unmap", "dma0")) ==
        "s.toml:9:10: event.1.device = \"dma0\": its window is unmapped already");
  CHECK(message_for(kDevice + event("attach", "dma0")) ==
        "s.toml:5:10: event.0.device = \"dma0\": it is attached already");
  CHECK(message_for(kDevice + event("detach", "dma0") + event("detach", "dma0")) ==
        "s.toml:9:10: event.1.device = \"dma0\": it is detached already");
  CHECK(message_for(kDevice + event("detach", "dma0") + event("attach", "dma0") + event("detach", "dma0")).empty());
  // In the order of time, not of the file.
  CHECK(
      message_for(kDevice + "[[event]]\nat_ns = 9\naction = \"attach\"\ndevice = \"dma0\"\n" + event("detach", "dma0"))
          .empty());
  CHECK(message_for(none + event("invalidate_device", "d")).empty());
}

TEST_CASE("expectations that can't be read") {
  CHECK(message_for(kDevice + "[expect]\nfaults = [1]\n") ==
        "s.toml:3:10: expect.faults = [1]: wrong type, an array; allowed: a number, string or boolean, or { min = ..., "
        "max = ... }");
  CHECK(message_for(kDevice + "[expect]\nfaults = { min = \"1\" }\n") ==
        "s.toml:3:18: expect.faults.min = \"1\": wrong type, a string; allowed: a number");
  CHECK(message_for(kDevice + "[expect]\nfaults = { min = 1, mx = 2 }\n") ==
        "s.toml:3:21: unknown key \"expect.faults.mx\"; allowed beside each other: min, max, equal");
  CHECK(message_for(kDevice + "[expect]\nfaults = { min = 3, max = 2 }\n") ==
        "s.toml:3:1: expect.faults: min is larger than max");
  CHECK(message_for(kDevice + "[expect]\nfaults = { equal = 3, max = 2 }\n") ==
        "s.toml:3:1: expect.faults: equal stands alone, without min and max");
  CHECK(message_for(kDevice + "[expect]\nfaults = { max = inf }\n") ==
        "s.toml:3:18: expect.faults.max = inf: wrong type, a decimal number; allowed: a number");
  CHECK(message_for(kDevice + "[expect]\nfaults = nan\n") ==
        "s.toml:3:10: expect.faults = nan: wrong type, a decimal number; allowed: a number, string or boolean, or { "
        "min = ..., max = ... "
        "}");
  CHECK(message_for(kDevice + "[expect]\nlatency.p50_ns = 1\nlatency = 2\n").find("not valid TOML") !=
        std::string::npos);
  CHECK(message_for(kDevice + "[expect]\nlatency.p50_ns = 1\n", {"expect.latency=2"}) ==
        "--set: expect.latency: can't stand beside expect.latency.p50_ns (s.toml:3:9), one path begins with the other");
  CHECK(message_for(kDevice + "[expect]\nfaults = {}\n") ==
        "s.toml:3:10: expect.faults = {}: empty; allowed: a literal or { min = ..., max = ... }");
  CHECK(message_for("expect = 5\n" + kDevice) ==
        "s.toml:1:10: expect = 5: wrong type, an integer; allowed: a table of paths into result.json");
}

TEST_CASE("page streams that make no sense") {
  const std::string stream = "[device.d]\nkind = \"page_stream\"\n[device.d.stream]\n";
  const auto message = [&](const std::string& settings) { return message_for(stream + settings); };
  CHECK(message("").empty());
  CHECK(message_for("[device.d]\nstream.rings = 2\n") ==
        "s.toml:2:8: device.d.stream.rings is for device.d.kind = \"page_stream\" only, here it is \"generator\"");
  CHECK(message_for("[device.d]\nkind = \"page_stream\"\nexternal = true\n") ==
        "s.toml:3:1: device.d.external is for device.d.kind other than \"page_stream\" only, here it is "
        "\"page_stream\"");
  CHECK(message("buffer_bytes = 3000\npacket_bytes = 64\n") ==
        "s.toml:4:16: device.d.stream.buffer_bytes = 3000: allowed: a power of two from 64 to 4096");
  CHECK(message("buffer_bytes = 2048\n") ==
        "s.toml:1:9: device.d.stream.packet_bytes = 4096: more than device.d.stream.buffer_bytes = 2048");
  CHECK(message("packet_bytes = 63\n") ==
        "s.toml:4:16: device.d.stream.packet_bytes = 63: out of range; allowed: bytes from 64 to 4KiB, or text such "
        "as \"4KiB\"");
  CHECK(message("offered_gbit_per_s = 0.0001\n") ==
        "s.toml:4:22: device.d.stream.offered_gbit_per_s = 0.0001: allowed: 0, or 0.001 and more");
  CHECK(message("offered_gbit_per_s = 10\nnic_buffer_bytes = 4000\n") ==
        "s.toml:5:20: device.d.stream.nic_buffer_bytes = 4000: less than device.d.stream.packet_bytes = 4096");
  CHECK(message("count = 5\nwarmup_count = 5\n") ==
        "s.toml:5:16: device.d.stream.warmup_count = 5: not less than device.d.stream.count = 5");
  CHECK(message("ring_pages = 100\n") ==
        "s.toml:1:9: device.d.stream.refill_pages = 64: no divisor of device.d.stream.ring_pages = 100");
  CHECK(message("cpu_threads = 2\n") ==
        "s.toml:4:15: device.d.stream.cpu_threads = 2: more than device.d.stream.rings = 1");
  CHECK(message("descriptor_read_bytes = 17\n") ==
        "s.toml:4:25: device.d.stream.descriptor_read_bytes = 17: unknown value; allowed: 0, 16, 32 or 64");
  CHECK(message("completion_write_bytes = 8\n") ==
        "s.toml:4:26: device.d.stream.completion_write_bytes = 8: unknown value; allowed: 0, 16, 32 or 64");
  CHECK(message("ring_order = \"last\"\n") ==
        "s.toml:4:14: device.d.stream.ring_order = \"last\": unknown value; allowed: \"round_robin\" or \"random\"");
  CHECK(message("leaf_only = true\n") ==
        "s.toml:4:1: device.d.stream.leaf_only is for device.d.stream.mapping = \"strict\" only, here it is "
        "\"recycled\"");
  CHECK(message("mapping = \"strict\"\nflush_unmaps = 10\n") ==
        "s.toml:5:1: device.d.stream.flush_unmaps is for device.d.stream.mapping = \"deferred\" only, here it is "
        "\"strict\"");
  CHECK(message("stale_probe = \"after_unmap\"\n") ==
        "s.toml:4:1: device.d.stream.stale_probe is for device.d.stream.mapping other than \"recycled\" only, here it "
        "is \"recycled\"");
  CHECK(message("mapping = \"strict\"\ninvalidate_pages = 3\n") ==
        "s.toml:5:20: device.d.stream.invalidate_pages = 3: allowed: a power of two that divides "
        "device.d.stream.refill_pages = 64");
  CHECK(message("mapping = \"strict\"\niova = \"scattered\"\ninvalidate_pages = 2\n") ==
        "s.toml:6:20: device.d.stream.invalidate_pages = 2: with device.d.stream.iova = \"scattered\" allowed: 1");
  CHECK(message("leaf = \"2MiB\"\niova = \"scattered\"\n") ==
        "s.toml:4:8: device.d.stream.leaf = \"2MiB\": with device.d.stream.iova = \"scattered\" allowed: \"4KiB\"");
  CHECK(message_for("[ddi]\nmax_leaf = \"4KiB\"\n" + stream + "leaf = \"2MiB\"\n") ==
        "s.toml:6:8: device.d.stream.leaf = \"2MiB\": ddi.max_leaf is \"4KiB\"");
  CHECK(message_for("[iommu.0]\nlarge_pages = \"none\"\n" + stream + "leaf = \"2MiB\"\n") ==
        "s.toml:6:8: device.d.stream.leaf = \"2MiB\": iommu.0.large_pages is \"none\"");
  CHECK(message("iova_area_bytes = \"5MiB\"\n") ==
        "s.toml:4:19: device.d.stream.iova_area_bytes = \"5MiB\": allowed: a multiple of 2MiB");
  CHECK(message("iova_area_bytes = \"2MiB\"\n") ==
        "s.toml:4:19: device.d.stream.iova_area_bytes = \"2MiB\": allowed: at least 4MiB, four times what is in use at "
        "a time");
  CHECK(message("iova_area_bytes = \"512GiB\"\n") ==
        "s.toml:4:19: device.d.stream.iova_area_bytes = \"512GiB\": from 4GiB on, with rings behind it, beyond the 39 "
        "bits of ddi.address_width_bits");
  CHECK(message_for(stream + "[[event]]\nat_ns = 1\naction = \"detach\"\ndevice = \"d\"\n") ==
        "s.toml:7:10: event.0.device = \"d\": a page_stream does not use the interface; allowed: a generator or a nic");
  CHECK(message_for("[memory]\nsize_bytes = \"16MiB\"\n" + stream + "ring_pages = 4096\n") ==
        "s.toml:2:14: memory.size_bytes = \"16MiB\": the windows of all generators and pages of all streams need 16MiB "
        "and tables some more");
}

// Mapping policies of a page stream on the whole machine: what is mapped, invalidated, walked and still reachable.
#include "testbench/platform/catch.h"
#include "testbench/platform/scenario_result.h"

namespace {

using Json = nlohmann::ordered_json;

/// Runs one stream, `settings` below [device.n.stream], in a mode.
Json run(const std::string& mode, const std::string& settings, const std::string& others = "") {
  const Json result = iommu::test::ScenarioResult("mode = \"" + mode + "\"\n" + others +
                                                  "[device.n]\nkind = \"page_stream\"\n[device.n.stream]\n" + settings)
                          .at("");
  CHECK(result["masters"]["n"]["finished"] == true);
  CHECK(result["payload"]["corrupted"] == 0);
  CHECK(result["payload"]["checked"].get<std::uint64_t>() >=
        result["masters"]["n"]["stream"]["packets_received"].get<std::uint64_t>());
  CHECK(result["stage_sum_mismatches"] == 0);
  CHECK(result["reported"]["errors"] == 0);
  CHECK(result["iommu"]["0"]["invalidation"]["queue_errors"] == 0);
  return result;
}
const Json& stream(const Json& result) { return result["masters"]["n"]["stream"]; }
const Json& unit(const Json& result) { return result["iommu"]["0"]; }

const std::string kOnePage = "rings = 1\nring_pages = 1\nrefill_pages = 1\n";

}  // namespace

TEST_CASE("page_stream: strict unmaps and invalidates each page after use") {
  const std::string mode = GENERATE("lt", "at");
  const Json result = run(mode, kOnePage + "mapping = \"strict\"\ncount = 20\n");
  CHECK(stream(result)["map"]["pages"] == 21);  // each page that comes back is mapped anew
  CHECK(stream(result)["unmap"]["pages"] == 20);
  CHECK(stream(result)["invalidation"]["count"] == 20);
  CHECK(unit(result)["invalidation"]["iotlb_page"] == 20);
  // A fresh address each time: every page is walked once. Without the hint nothing of the upper levels is left.
  CHECK(unit(result)["iotlb"]["misses"] == 20);
  CHECK(unit(result)["walker"]["l1_reads"] == 20);
  CHECK(unit(result)["walker"]["l2_reads"] == 20);
  CHECK(unit(result)["walker"]["l3_reads"] == 20);
  CHECK(unit(result)["walker"]["l4_reads"] == 0);
  CHECK(stream(result)["walk_reads_per_page"] == 3.0);
  CHECK(stream(result)["iotlb_misses_per_page"] == 1.0);
  CHECK(stream(result)["iotlb_misses_per_mib"] == 256.0);
  CHECK(result["faults"] == 0);
}

TEST_CASE("page_stream: the leaf-only hint keeps the paging-structure caches") {
  const std::string mode = GENERATE("lt", "at");
  const Json result = run(mode, kOnePage + "mapping = \"strict\"\nleaf_only = true\ncount = 20\n");
  CHECK(unit(result)["walker"]["l1_reads"] == 20);
  CHECK(unit(result)["walker"]["l2_reads"] == 1);
  CHECK(unit(result)["walker"]["l3_reads"] == 1);
  const Json warm = run(mode, kOnePage + "mapping = \"strict\"\nleaf_only = true\ncount = 20\nwarmup_count = 10\n");
  CHECK(stream(warm)["packets_received"] == 10);
  CHECK(stream(warm)["l1_reads_per_page"] == 1.0);
  CHECK(stream(warm)["l2_reads_per_page"] == 0.0);
  CHECK(stream(warm)["l3_reads_per_page"] == 0.0);
}

TEST_CASE("page_stream: one invalidation for several pages in a row") {
  const Json result =
      run("at", "ring_pages = 64\nrefill_pages = 32\nmapping = \"strict\"\ninvalidate_pages = 8\ncount = 64\n");
  CHECK(stream(result)["unmap"]["pages"] == 64);
  CHECK(stream(result)["invalidation"]["count"] == 8);
  CHECK(unit(result)["invalidation"]["iotlb_page"] == 8);
  CHECK(unit(result)["iotlb"]["invalidated"] == 64);
}

TEST_CASE("page_stream: contiguous addresses share tables, scattered ones do not") {
  const std::string common = "ring_pages = 64\nmapping = \"strict\"\nleaf_only = true\ncount = 640\n";
  // Walks that begin together would miss together.
  const std::string one_walker = "[iommu.0]\nwalker.slots = 1\n";
  // 10 refills of 64 pages in a row: two regions of 2 MiB.
  CHECK(unit(run("at", common, one_walker))["walker"]["l2_reads"] == 2);
  const Json scattered = run("at", common + "iova = \"scattered\"\n", one_walker);
  CHECK(unit(scattered)["walker"]["l1_reads"] == 640);
  CHECK(stream(scattered)["l2_reads_per_page"].get<double>() > 0.95);  // 64 of 32,768 regions are cached
  // Few regions: they fit the cache.
  const Json narrow = run("at", common + "iova = \"scattered\"\niova_area_bytes = \"16MiB\"\n", one_walker);
  CHECK(unit(narrow)["walker"]["l2_reads"] == 8);
}

TEST_CASE("page_stream: deferred flushes after exactly 250 unmaps") {
  const std::string mode = GENERATE("lt", "at");
  const std::string deferred = kOnePage + "mapping = \"deferred\"\n";
  const Json two = run(mode, deferred + "count = 500\n");
  CHECK(stream(two)["flushes_by_count"] == 2);
  CHECK(stream(two)["flushes_by_time"] == 0);
  CHECK(stream(two)["invalidation"]["count"] == 2);
  CHECK(stream(two)["unmap"]["pages"] == 500);
  CHECK(stream(two)["exposure"]["count"] == 500);
  CHECK(unit(two)["invalidation"]["iotlb_page"] == 0);
  const Json one = run(mode, deferred + "count = 499\n");
  CHECK(stream(one)["flushes_by_count"] == 1);
  CHECK(stream(one)["invalidation"]["count"] == 2);  // the last one at the end
  const Json few = run(mode, deferred + "count = 16\nflush_unmaps = 8\n");
  CHECK(stream(few)["flushes_by_count"] == 2);
}

TEST_CASE("page_stream: deferred flushes by time") {
  const std::string mode = GENERATE("lt", "at");
  // One packet of 4096 bytes each 10 us, a flush 25 us after the first unmap: three pages each.
  const Json result = run(mode,
                          "ring_pages = 4\nrefill_pages = 1\nmapping = \"deferred\"\nflush_ns = 25000\n"
                          "offered_gbit_per_s = 3.2768\ncount = 9\n");
  CHECK(stream(result)["flushes_by_time"] == 2);
  CHECK(stream(result)["flushes_by_count"] == 0);
  CHECK(stream(result)["invalidation"]["count"] == 3);  // the last one at the end
  CHECK(stream(result)["exposure"]["max_ns"].get<double>() > 25'000.0);
  CHECK(stream(result)["exposure"]["max_ns"].get<double>() < 27'000.0);
}

TEST_CASE("page_stream: what is unmapped is reachable until the flush, and not after it") {
  const std::string mode = GENERATE("lt", "at");
  const std::string deferred = kOnePage + "mapping = \"deferred\"\nflush_unmaps = 8\ncount = 16\n";
  const Json after = run(mode, deferred + "stale_probe = \"after_unmap\"\n");
  CHECK(stream(after)["probes"] == 32);
  CHECK(stream(after)["stale_accesses"] == 16);
  CHECK(stream(after)["faults_after_flush"] == 16);
  CHECK(stream(after)["passed_after_flush"] == 0);
  const Json before = run(mode, deferred + "stale_probe = \"before_flush\"\n");
  CHECK(stream(before)["stale_accesses"] == 16);
  CHECK(stream(before)["passed_after_flush"] == 0);
  CHECK(stream(before)["faults_after_flush"] == 16);
  // The first of eight was unmapped long before the flush.
  CHECK(stream(before)["longest_stale_ns"].get<double>() > 5 * stream(after)["longest_stale_ns"].get<double>());
  CHECK(unit(before)["blocked"] == 16);

  const Json strict = run(mode, kOnePage + "mapping = \"strict\"\ncount = 16\nstale_probe = \"after_unmap\"\n");
  CHECK(stream(strict)["probes"] == 16);
  CHECK(stream(strict)["stale_accesses"] == 0);
  CHECK(stream(strict)["faults_after_flush"] == 16);
  // Strict has its moment, too: between the store and the invalidation.
  const Json moment = run(mode, kOnePage + "mapping = \"strict\"\ncount = 16\nstale_probe = \"before_flush\"\n");
  CHECK(stream(moment)["stale_accesses"] == 16);
  CHECK(stream(moment)["passed_after_flush"] == 0);
}

TEST_CASE("page_stream: an evicted translation is not stale") {
  const Json result = run("at",
                          kOnePage +
                              "mapping = \"deferred\"\nflush_unmaps = 8\ncount = 8\n"
                              "stale_probe = \"before_flush\"\n",
                          "[iommu.0]\niotlb.ways = 4\n");
  // Only the last four are left; walks of the others find nothing.
  CHECK(stream(result)["stale_accesses"] == 4);
  CHECK(stream(result)["probe_faults"] == 4);
}

TEST_CASE("page_stream: recycled pages stay mapped, by small or large leaves") {
  const std::string mode = GENERATE("lt", "at");
  const std::string common = "rings = 4\nring_pages = 512\ncount = 4096\n";
  const Json small = run(mode, common, "[iommu.0]\niotlb.ways = 4096\n");
  CHECK(unit(small)["iotlb"]["fills"] == 2048);
  CHECK(unit(small)["invalidation"]["iotlb_page"] == 0);
  CHECK(stream(small)["map"]["pages"] == 0);  // none after the start
  CHECK(stream(small)["invalidation"]["count"] == 0);
  const Json large = run(mode, common + "leaf = \"2MiB\"\n");
  CHECK(unit(large)["iotlb"]["fills"].get<int>() >= 4);
  CHECK(stream(large)["iotlb_misses_per_mib"].get<double>() < 1.0);
}

TEST_CASE("page_stream: half pages, descriptors and completions") {
  const std::string mode = GENERATE("lt", "at");
  const Json result = run(mode,
                          "rings = 2\nring_pages = 64\npacket_bytes = 1500\nbuffer_bytes = 2048\n"
                          "descriptor_read_bytes = 16\ncompletion_write_bytes = 64\ncount = 512\n");
  CHECK(result["masters"]["n"]["requests"] == 1536);
  CHECK(stream(result)["payload_bytes"] == 768000);
  CHECK(stream(result)["payload_outcomes"]["fault"] == 0);
  CHECK(unit(result)["iotlb"]["fills"].get<int>() <= 266);  // 256 pages, 2 of descriptors, twice 4 of completions
}

TEST_CASE("page_stream: a small buffer drops, a large one does not") {
  const std::string mode = GENERATE("lt", "at");
  // A Gen3 x8 link takes 4096 bytes in some 600 ns, they come each 328 ns.
  const std::string common = "ring_pages = 256\noffered_gbit_per_s = 100\ncount = 1000\n";
  const auto with_link = [&](const std::string& settings) {
    return run(mode, settings + "[device.n.link]\ngeneration = 3\nlanes = 8\n");
  };
  const Json small = with_link(common + "nic_buffer_bytes = \"64KiB\"\n");
  CHECK(stream(small)["packets_offered"] == 1000);
  CHECK(stream(small)["packets_dropped"].get<int>() > 350);
  CHECK(stream(small)["packets_dropped"].get<int>() + stream(small)["packets_received"].get<int>() == 1000);
  CHECK(stream(small)["gbit_per_s"].get<double>() > 52.0);
  CHECK(stream(small)["gbit_per_s"].get<double>() < 58.0);
  const Json large = with_link(common + "nic_buffer_bytes = \"4MiB\"\n");
  CHECK(stream(large)["packets_dropped"] == 0);
}

TEST_CASE("page_stream: CPU time of each unmap is added exactly") {
  const std::string common = kOnePage + "mapping = \"strict\"\ncount = 10\n";
  const double without = stream(run("at", common))["unmap"]["mean_ns"];
  const double with = stream(run("at", common + "unmap_cpu_ns = 1000\n"))["unmap"]["mean_ns"];
  CHECK(with - without == Approx(1000.0).margin(1e-9));
  // One store: 2 of the CPU, 5 of the bus, 70 of memory, 8 bytes at 25.6 GB/s.
  CHECK(without == Approx(77.313).margin(0.001));
  const double buffered = stream(run("at", common, "[host]\nstore_buffer = true\n"))["unmap"]["mean_ns"];
  CHECK(buffered == Approx(2.0).margin(1e-9));
}

TEST_CASE("page_stream: threads share the rings, and fewer of them take longer") {
  const std::string common =
      "rings = 4\nring_pages = 8\nrefill_pages = 8\nmapping = \"strict\"\ncount = 400\n"
      "unmap_cpu_ns = 2000\n";
  const double four = run("at", common)["simulated_ns"];
  const double one = run("at", common + "cpu_threads = 1\n")["simulated_ns"];
  CHECK(one > 2.5 * four);
}

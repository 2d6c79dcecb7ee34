// Each parameter of a page stream, doubled, changes time or work by exactly what docs/page-stream.md says. What has no number that
// doubles is in page_stream_test.cpp.
#include "testbench/platform/doubling.h"

namespace {

// One ring of 64 pages; one DMA at a time.
const std::string kStream = R"(
[device.n]
kind = "page_stream"
outstanding = 1
[device.n.stream]
ring_pages = 64
refill_pages = 16
count = 640
)";

#define STREAM(name) "/masters/n/stream/" name
#define KEY(name) "device.n.stream." name

const std::string kStrict = KEY("mapping=strict");

}  // namespace

TEST_CASE("parameters doubled: packets of a page stream") {
  iommu::test::check_doubled(
      kStream,
      {
          // 4096 bytes each 10 us, then each 5 us. The warm-up ends with a hit, as all others are.
          {{KEY("warmup_count=128")},
           KEY("offered_gbit_per_s"),
           "3.2768",
           "6.5536",
           STREAM("gbit_per_s"),
           3.2768,
           6.5536},
          // 5 bus + 70 memory + its bytes at 25.6 GB/s.
          {{}, KEY("packet_bytes"), "2048", "4096", "/masters/n/stages/downstream/mean_ns", 155.0, 235.0},
          // 1 context cache + 2 IOTLB + 5 + 70 + 160 of the payload, and before or after it 1 + 2 + 5 + 70 and 0.625 or 1.25.
          {{}, KEY("descriptor_read_bytes"), "16", "32", STREAM("packet_latency/min_ns"), 316.625, 317.25},
          {{}, KEY("completion_write_bytes"), "16", "32", STREAM("packet_latency/min_ns"), 316.625, 317.25},
          // Too fast for one DMA at a time: room for 16 packets more, which are dropped no longer.
          {{KEY("offered_gbit_per_s=200")},
           KEY("nic_buffer_bytes"),
           "65536",
           "131072",
           STREAM("packets_dropped"),
           207,
           191},
      });
}

TEST_CASE("parameters doubled: pages of a page stream") {
  const std::vector<std::string> hits_64 = {KEY("warmup_count=128"), "iommu.0.iotlb.ways=64"};
  iommu::test::check_doubled(
      kStream,
      {
          // Two packets of 2048 bytes in a page, then one.
          {{kStrict, KEY("packet_bytes=2048")}, KEY("buffer_bytes"), "2048", "4096", STREAM("unmap/pages"), 320, 640},
          // Beyond the 64 pages of the start each refill is waited for: 576 / 16.
          {{kStrict}, KEY("refill_pages"), "16", "32", STREAM("waited_for_page"), 36, 18},
          // 64 pages in turn stay in 64 entries, 128 don't.
          {hits_64, KEY("ring_pages"), "64", "128", STREAM("iotlb_misses_per_page"), 0.0, 1.0},
          {hits_64, KEY("rings"), "1", "2", STREAM("iotlb_misses_per_page"), 0.0, 1.0},
          // Each region of 2 MiB is read once.
          {{kStrict, KEY("leaf_only=true"), KEY("iova=scattered"), "iommu.0.walker.slots=1"},
           KEY("iova_area_bytes"),
           "16MiB",
           "32MiB",
           "/iommu/0/walker/l2_reads",
           8,
           16},
      });
}

TEST_CASE("parameters doubled: unmapping of a page stream") {
  const std::vector<std::string> one_page = {kStrict, KEY("ring_pages=1"), KEY("refill_pages=1")};
  const std::vector<std::string> deferred = {KEY("mapping=deferred"), KEY("refill_pages=1")};
  const std::vector<std::string> slowly = {KEY("mapping=deferred"), KEY("refill_pages=1"), KEY("count=12"),
                                           KEY("offered_gbit_per_s=3.2768")};
  iommu::test::check_doubled(
      kStream, {
                   // A store of 2 + 5 + 70.313 beside it.
                   {one_page, KEY("unmap_cpu_ns"), "1000", "2000", STREAM("unmap/mean_ns"), 1077.313, 2077.313},
                   {one_page, "host.access_ns", "2", "4", STREAM("unmap/mean_ns"), 77.313, 79.313},
                   {{kStrict}, KEY("invalidate_pages"), "4", "8", STREAM("invalidation/count"), 160, 80},
                   {deferred, KEY("flush_unmaps"), "160", "320", STREAM("flushes_by_count"), 4, 2},
                   // From the first unmap to the end of the flush, which takes 635.504.
                   {slowly, KEY("flush_ns"), "25000", "50000", STREAM("exposure/max_ns"), 25635.504, 50635.504},
               });
}

TEST_CASE("parameters doubled: threads of a page stream") {
  // Two rings of one page; no wait for a channel. A page takes its thread 77.313 (store) + 9,845.374 + 77.313 (store) = 10,000 ns.
  // One thread always has the other ring's page to do; of two each waits for its own page's DMA, which misses:
  // 1 + 2 + 1 + 77.313 + 235 = 316.313 ns. 32,768 bits in 10,000 ns, then 65,536 in 10,316.313.
  const std::vector<std::string> two_pages = {KEY("mapping=deferred"),      KEY("rings=2"),
                                              KEY("ring_pages=1"),          KEY("refill_pages=1"),
                                              KEY("unmap_cpu_ns=9845.374"), KEY("flush_unmaps=1000000"),
                                              KEY("flush_ns=1000000000"),   KEY("count=48"),
                                              KEY("warmup_count=8"),        "memory.channels=2"};
  iommu::test::check_doubled(kStream,
                             {{two_pages, KEY("cpu_threads"), "1", "2", STREAM("gbit_per_s"), 3.2768, 6.352657}});
}

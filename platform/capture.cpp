#include "platform/capture.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "platform/packet_addresses.h"

namespace iommu::platform {
namespace {

constexpr std::uint32_t kEthernetHeader = 14;
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint64_t kPsPerNs = 1000;
constexpr std::uint64_t kMaxDays = 213;  // 2^64 ps are 213.5 days
constexpr std::uint64_t kMaxSpanSeconds = kMaxDays * 24 * 60 * 60;

/// A packet as the file has it.
struct Record {
  std::int64_t seconds;
  std::uint32_t nanoseconds;
  std::uint32_t length;
  bool transmit;

  [[nodiscard]] bool before(const Record& other) const {
    return seconds != other.seconds ? seconds < other.seconds : nanoseconds < other.nanoseconds;
  }
  /// Whole seconds since an earlier record. Unsigned, so that no pair of file-given seconds overflows.
  [[nodiscard]] std::uint64_t seconds_since(const Record& earlier) const {
    return static_cast<std::uint64_t>(seconds) - static_cast<std::uint64_t>(earlier.seconds);
  }
  /// For records that are at most kMaxSpanSeconds apart.
  [[nodiscard]] std::uint64_t ns_since(const Record& earlier) const {
    return seconds_since(earlier) * kNsPerSecond + nanoseconds - earlier.nanoseconds;
  }
};

std::string quoted(const std::string& text) { return "'" + text + "'"; }

/// Counts the addresses that occur, so that the message about an address that doesn't can name some that do.
class SeenAddresses {
 public:
  void count(LinkType link, const std::uint8_t* data, std::size_t size) {
    for (const AddressFamily family : {AddressFamily::Ipv4, AddressFamily::Ipv6, AddressFamily::Mac}) {
      try {
        const Endpoints endpoints = find_endpoints(link, family, data, size);
        for (const auto& address : {endpoints.source, endpoints.destination}) {
          if (address) count(family, *address);
        }
      } catch (const PacketTooShort&) {  // whether that matters is decided for the family that was asked for
      }
    }
  }

  /// Up to four addresses: those of `preferred` before others, then the most frequent first.
  [[nodiscard]] std::string text(AddressFamily preferred) const {
    std::vector<Entry> entries;
    for (const auto& [key, count] : counts_)
      entries.push_back({key.first == preferred, count, to_text(key.first, key.second)});
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      if (a.preferred != b.preferred) return a.preferred;
      return a.count != b.count ? a.count > b.count : a.text < b.text;
    });
    std::string result;
    for (std::size_t i = 0; i < std::min(entries.size(), kNamed); ++i) result += (i > 0 ? ", " : "") + entries[i].text;
    return entries.size() > kNamed ? result + ", ..." : result;
  }

 private:
  struct Entry {
    bool preferred;
    std::uint64_t count;
    std::string text;
  };
  static constexpr std::size_t kNamed = 4;
  static constexpr std::size_t kKept = 4096;  // bounds the memory that a capture of a port scan takes

  void count(AddressFamily family, const AddressBytes& address) {
    const auto found = counts_.find({family, address});
    if (found != counts_.end()) {
      ++found->second;
    } else if (counts_.size() < kKept) {
      counts_.emplace(std::make_pair(family, address), 1);
    }
  }

  std::map<std::pair<AddressFamily, AddressBytes>, std::uint64_t> counts_;
};

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
struct PcapCloser {
  void operator()(pcap_t* pcap) const { pcap_close(pcap); }
};
using Pcap = std::unique_ptr<pcap_t, PcapCloser>;

/// Reads one file; every failure becomes a CaptureError with the file's path.
class Reader {
 public:
  Reader(const std::string& path, const NetworkAddress& local) : path_(path), local_(local) {}

  std::vector<Record> read() {
    open_file();
    find_link_type();
    pcap_pkthdr* header = nullptr;
    const u_char* data = nullptr;
    int status = 0;
    while ((status = pcap_next_ex(pcap_.get(), &header, &data)) == 1) add(*header, data);
    if (status != PCAP_ERROR_BREAK) fail_packet(pcap_geterr(pcap_.get()));
    if (records_.empty()) fail("the capture holds no packets");
    if (local_.family != AddressFamily::None && !local_seen_) fail_unseen();
    return std::move(records_);
  }

  [[noreturn]] void fail(const std::string& reason) const { throw CaptureError(path_, reason); }

 private:
  void open_file() {
    std::error_code ignored;
    const std::filesystem::file_status status = std::filesystem::status(path_, ignored);
    if (std::filesystem::is_directory(status)) fail("is a directory, not a capture");
    std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path_.c_str(), "rb"));
    if (!file) fail(std::strerror(errno));
    if (std::filesystem::is_regular_file(status) && std::filesystem::file_size(path_, ignored) == 0) {
      fail("the file is empty");
    }
    char error[PCAP_ERRBUF_SIZE] = "";
    pcap_.reset(pcap_fopen_offline_with_tstamp_precision(file.get(), PCAP_TSTAMP_PRECISION_NANO, error));
    if (!pcap_) fail(std::string("not a readable pcap or pcapng capture: ") + error);
    file.release();  // closed with pcap_
  }

  void find_link_type() {
    const int type = pcap_datalink(pcap_.get());
    const char* known_name = pcap_datalink_val_to_name(type);
    const std::string name = known_name != nullptr ? known_name : std::to_string(type);
    switch (type) {
      case DLT_EN10MB:
        link_ = LinkType::kEthernet;
        break;
      case DLT_LINUX_SLL:
        link_ = LinkType::kLinuxSll;
        break;
      case DLT_LINUX_SLL2:
        link_ = LinkType::kLinuxSll2;
        break;
      case DLT_RAW:
      case DLT_IPV4:
      case DLT_IPV6:
        link_ = LinkType::kRawIp;
        break;
      case DLT_NULL:
      case DLT_LOOP:
        link_ = LinkType::kNull;
        break;
      default:
        fail("link type " + name +
             " is not supported; supported are EN10MB (Ethernet), LINUX_SLL, LINUX_SLL2, RAW, IPV4, IPV6, "
             "NULL, LOOP");
    }
    if (local_.family == AddressFamily::Mac && !has_mac_addresses(link_)) {
      fail("packets of link type " + name + " carry no MAC addresses; give the local address as IPv4 or IPv6");
    }
  }

  void add(const pcap_pkthdr& header, const u_char* data) {
    Record record{};
    record.seconds = header.ts.tv_sec;
    const auto fraction = static_cast<std::int64_t>(header.ts.tv_usec);  // nanoseconds, as asked for at opening
    if (fraction < 0 || fraction >= static_cast<std::int64_t>(kNsPerSecond)) {
      fail_packet("its time stamp has " + std::to_string(fraction) + " ns beside the seconds");
    }
    record.nanoseconds = static_cast<std::uint32_t>(fraction);
    record.length = frame_length(header);
    record.transmit = find_direction(data, header.caplen);
    if (!records_.empty()) check_order(record);
    records_.push_back(record);
    if (latest_ == npos || records_[latest_].before(record)) latest_ = records_.size() - 1;
  }

  [[nodiscard]] std::uint32_t frame_length(const pcap_pkthdr& header) const {
    const std::string length = "its length of " + std::to_string(header.len) + " bytes is ";
    if (header.len < header.caplen)
      fail_packet(length + "less than the " + std::to_string(header.caplen) + " that are stored");
    const auto link_bytes = static_cast<std::uint32_t>(link_header_bytes(link_));
    if (header.len == 0 || header.len < link_bytes) {
      fail_packet(length + "less than the " + std::to_string(std::max(link_bytes, 1U)) + " of its link layer");
    }
    const std::uint32_t network_bytes = header.len - link_bytes;
    if (network_bytes > Capture::kMaxLength - kEthernetHeader) {
      fail_packet(length + "more than any frame has (" + std::to_string(Capture::kMaxLength) + ")");
    }
    return network_bytes + kEthernetHeader;
  }

  bool find_direction(const u_char* data, std::size_t stored) {
    if (local_.family == AddressFamily::None) return false;
    try {
      const Endpoints endpoints = find_endpoints(link_, local_.family, data, stored);
      const bool from_local = endpoints.source == local_.bytes;
      local_seen_ = local_seen_ || from_local || endpoints.destination == local_.bytes;
      if (!local_seen_) seen_.count(link_, data, stored);
      return from_local;
    } catch (const PacketTooShort& error) {
      fail_packet(error.what());
    }
  }

  void check_order(const Record& record) const {
    const Record& latest = records_[latest_];
    if (!record.before(latest)) return;
    const std::uint64_t seconds = latest.seconds_since(record);
    if (seconds <= 1 && latest.ns_since(record) <= Capture::kReorderToleranceNs) return;
    const std::string by =
        seconds <= 1 ? std::to_string(latest.ns_since(record)) + " ns" : "about " + std::to_string(seconds) + " s";
    fail_packet("it is " + by + " older than packet " + std::to_string(latest_ + 1) + ", more than the " +
                std::to_string(Capture::kReorderToleranceNs) +
                " ns that are put in order; was the clock set while recording?");
  }

  [[noreturn]] void fail_packet(const std::string& reason) const {
    fail("packet " + std::to_string(records_.size() + 1) + ": " + reason);
  }

  [[noreturn]] void fail_unseen() const {
    const std::string seen = seen_.text(local_.family);
    fail("no packet comes from or goes to the local address " + to_text(local_.family, local_.bytes) +
         (seen.empty() ? "; no packet has any address" : "; addresses seen: " + seen));
  }

  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  std::string path_;
  NetworkAddress local_;
  Pcap pcap_;
  LinkType link_ = LinkType::kEthernet;
  std::vector<Record> records_;
  std::size_t latest_ = npos;  // index of the latest record so far
  bool local_seen_ = false;
  SeenAddresses seen_;
};

std::uint64_t count_late(const std::vector<Record>& records) {
  std::uint64_t late = 0;
  const Record* latest = &records.front();
  for (const Record& record : records) {
    if (record.before(*latest)) {
      ++late;
    } else {
      latest = &record;
    }
  }
  return late;
}

}  // namespace

CaptureError::CaptureError(const std::string& path, const std::string& reason)
    : std::runtime_error(path + ": " + reason), path_(path), reason_(reason) {}

Capture Capture::open(const std::string& path, const NetworkAddress& local) {
  Reader reader(path, local);
  std::vector<Record> records = reader.read();
  Capture capture;
  CaptureSummary& summary = capture.summary_;
  summary.reordered_packets = count_late(records);
  std::stable_sort(records.begin(), records.end(), [](const Record& a, const Record& b) { return a.before(b); });
  const Record& first = records.front();
  if (records.back().seconds_since(first) >= kMaxSpanSeconds) {
    reader.fail("the packets span more than " + std::to_string(kMaxDays) + " days");
  }
  capture.packets_.reserve(records.size());
  for (const Record& record : records) {
    capture.packets_.push_back({record.ns_since(first) * kPsPerNs, record.length, record.transmit});
    summary.bytes += record.length;
    summary.transmit_packets += record.transmit ? 1 : 0;
    summary.transmit_bytes += record.transmit ? record.length : 0;
    summary.max_length = std::max(summary.max_length, record.length);
  }
  summary.packets = records.size();
  summary.duration_ps = capture.packets_.back().arrival_ps;
  return capture;
}

Capture Capture::open(const std::string& path, const std::string& local_address) {
  const std::optional<NetworkAddress> local = parse_network_address(local_address);
  if (!local) throw CaptureError(path, "local address " + quoted(local_address) + " is no IPv4, IPv6 or MAC address");
  return open(path, *local);
}

}  // namespace iommu::platform

// The machines that random sequences run on, behind one face.
//
// What it does: makes a fake or a modeled machine with the hardware that a configuration asks for, and tries a device's
// access against an expectation. What it does not do: decide what is expected.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "testbench/api/fake_machine.h"
#include "testbench/api/reference_model.h"

namespace sequence {

enum class Hardware : std::uint8_t {
  Fake,          ///< caches that never forget by themselves, and the rules for software are checked
  Modeled,       ///< the VT-d model with its default caches
  ModeledSmall,  ///< with caches of a few entries
};

struct Configuration {
  std::string name = "fake";
  Hardware hardware = Hardware::Fake;
  bool registers = false;      ///< invalidation through registers
  bool caching_mode = false;   ///< CAP.CM
  bool write_buffers = false;  ///< CAP.RWBF; the fake machine only
  bool small_pages = false;    ///< 4 KiB leaves and an address mask of at most 3
  bool three_levels = false;
  bool two_units = false;
  bool unattached_pass_through = false;
  bool as_documented = false;  ///< profile
  iommu::api::EnumerationPolicy guard = iommu::api::EnumerationPolicy::BlockUntilUnlock;
};

class Rig {
 public:
  enum class Outcome : std::uint8_t { Blocked, AsExpected, Elsewhere };
  virtual ~Rig() = default;

  [[nodiscard]] virtual testing_api::InterfaceUser& user() = 0;
  [[nodiscard]] virtual fake::Host& host() = 0;
  [[nodiscard]] virtual fake::Frames& frames() = 0;
  [[nodiscard]] virtual const fake::Breaches& breaches() = 0;
  /// What a call that fails must leave as it is: stores to memory and changes of registers so far.
  [[nodiscard]] virtual std::uint64_t changes() = 0;
  /// An access of 8 bytes by a device. `physical`: the address that is expected to be reached.
  [[nodiscard]] virtual Outcome dma(unsigned unit, unsigned requester, std::uint64_t address, bool write,
                                    std::uint64_t physical) = 0;
  /// Lets the handlers run of interrupts that units have raised.
  virtual void run_interrupts() = 0;
};

[[nodiscard]] std::unique_ptr<Rig> make_rig(const Configuration& configuration);
/// What the reference has to know of it.
[[nodiscard]] reference::Limits limits_of(const Configuration& configuration);

}  // namespace sequence

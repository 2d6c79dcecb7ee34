// What differs between IOMMU architectures, as one interface.
//
// What it does: lets the translation flow and the modules work with any architecture: context look-up, checks and codes
// of faults, registers, commands of software. What it does not do: time, caches (its owner keeps them), reading memory
// (it asks for it).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "models/core/address_space.h"
#include "models/core/invalidation.h"
#include "models/core/outcome.h"
#include "models/core/request.h"

namespace iommu::core {

/// What happens to a request before any table is looked at.
struct Gate {
  enum class Kind : std::uint8_t {
    Translate,  ///< goes through the tables
    Bypass,     ///< translation is off: the address is a host address
    Interrupt,  ///< is a message-signalled interrupt: goes to the interrupt fabric as it is
    NoData,     ///< completes at once without reaching memory
    Fault,
  };
  Kind kind = Kind::Translate;
  Fault fault;
};

/// One step of a context look-up: a structure to read, or the end.
struct ContextStep {
  enum class Kind : std::uint8_t { Read, Resolved, Fault };
  Kind kind = Kind::Read;
  Address address = 0;      ///< Read: where
  std::uint32_t bytes = 0;  ///< Read: how much, at most 16
  AddressSpace space;
  Fault fault;
};

/// A look-up's state between steps; meaning private to the front end.
struct ContextState {
  std::uint32_t phase = 0;
};

/// What a read of a memory structure gave: up to two little-endian 64-bit words.
struct StructureRead {
  bool readable = false;
  std::array<std::uint64_t, 2> words{};
};

/// The next thing that the unit's control logic wants done on behalf of software.
struct Command {
  enum class Kind : std::uint8_t {
    Idle,                   ///< nothing until a register is written again
    Decode,                 ///< takes the time of decoding one command
    ReadDescriptor,         ///< read `bytes` at `address`; give it with descriptor_read()
    InvalidateContext,      ///< drop what `context` covers
    InvalidateTranslation,  ///< drop what `translation` covers, in IOTLB and paging-structure caches
    Drain,                  ///< wait until every translated access has reached memory
    WriteStatus,            ///< write the 32-bit `data` at `address`
    Message,                ///< send the interrupt message: write the 32-bit `data` at `address`
  };
  Kind kind = Kind::Idle;
  Address address = 0;
  std::uint32_t bytes = 0;
  std::uint32_t data = 0;
  ContextScope context;
  TranslationScope translation;
};

class FrontEnd {
 public:
  virtual ~FrontEnd() = default;

  // Translation.
  [[nodiscard]] virtual Gate gate(const Request& request) const = 0;
  [[nodiscard]] virtual ContextStep begin_context(const Request& request, ContextState& state) const = 0;
  [[nodiscard]] virtual ContextStep resume_context(const Request& request, ContextState& state,
                                                   const StructureRead& read) const = 0;
  /// Checks of a request that depend on its resolved space and come before the tables.
  [[nodiscard]] virtual std::optional<Fault> check_input(const Request& request, const AddressSpace& space) const = 0;
  /// True when gate() sends this request to the tables and check_input() has nothing against it. May be false where only
  /// both can tell: it is there to be quick for most requests.
  [[nodiscard]] virtual bool passes(const Request& request, const AddressSpace& space) const = 0;
  /// Checks of the host address that a request is about to touch; `space` is nullptr for requests that were not
  /// translated.
  [[nodiscard]] virtual std::optional<Fault> check_output(const Request& request, const AddressSpace* space,
                                                          Address host) const = 0;
  [[nodiscard]] virtual Fault fault(FaultCause cause, const AddressSpace& space) const = 0;
  /// Records a fault the way the architecture does (which may raise a message, see next_command()).
  virtual void report(const Request& request, const Fault& fault) = 0;

  // Registers. Offsets from the start of the register window, sizes 1 to 8 bytes.
  [[nodiscard]] virtual std::uint64_t read_register(std::uint32_t offset, std::uint32_t size_bytes) = 0;
  virtual void write_register(std::uint32_t offset, std::uint32_t size_bytes, std::uint64_t value) = 0;
  [[nodiscard]] virtual std::uint32_t register_window_bytes() const = 0;
  /// Warm reset keeps the sticky fault state, cold does not. Caches are the owner's to clear.
  virtual void reset(bool warm) = 0;

  /// Of what the front end itself counts.
  virtual void restart_counters() {}

  // Commands. The owner calls next_command() until Idle, carrying each out before it asks again.
  [[nodiscard]] virtual Command next_command() = 0;
  virtual void descriptor_read(const StructureRead& read) = 0;
};

}  // namespace iommu::core

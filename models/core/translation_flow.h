// The stages of one translated access in their order, as a resumable machine.
//
// What it does: says what is needed next (a context look-up, a structure read, an IOTLB look-up, a walk), takes what
// was found, and ends with a host address or a fault. What it does not do: caches, memory, time, statistics: whoever
// runs it has them. TranslationUnit's blocking side takes the same steps by itself for accesses that pass all of them.
#pragma once

#include "models/core/front_end.h"

namespace iommu::core {

class TranslationFlow {
 public:
  enum class Need : std::uint8_t {
    ContextLookup,  ///< ask the context cache; answer with context_found() or context_missing()
    ContextRead,    ///< read read_bytes() at read_address(); answer with context_read()
    IotlbLookup,    ///< ask the IOTLB for space().tag and the request's address; answer with translation_found() or
                    ///< translation_missing()
    Walk,           ///< walk space() for the request; answer with walked()
    Done,
  };
  /// Where a finished request goes.
  enum class Route : std::uint8_t { Memory, NoData, Blocked };

  TranslationFlow(const FrontEnd& front_end, const Request& request) : front_end_(&front_end), request_(request) {}

  /// Another request, to be started.
  void renew(const Request& request) { request_ = request; }
  /// Begins, or begins anew when what was found so far has been invalidated in the meantime.
  Need start();
  /// Begins behind the context look-up, for a request that is known to pass all checks before the IOTLB.
  Need start_resolved(const AddressSpace& space);
  Need context_found(const AddressSpace& space);
  Need context_missing();
  Need context_read(const StructureRead& read);
  Need translation_found(const Mapping& mapping);
  Need translation_missing() { return need_ = Need::Walk; }
  Need walked(const WalkOutcome& outcome);

  [[nodiscard]] Need need() const { return need_; }
  [[nodiscard]] const Request& request() const { return request_; }
  [[nodiscard]] Address read_address() const { return step_.address; }
  [[nodiscard]] std::uint32_t read_bytes() const { return step_.bytes; }

  /// The space is known from the end of the context look-up on.
  [[nodiscard]] bool has_space() const { return has_space_; }
  [[nodiscard]] const AddressSpace& space() const { return step_.space; }

  // Valid when Done.
  [[nodiscard]] Route route() const { return route_; }
  [[nodiscard]] Address host_address() const { return host_; }
  /// Route is Memory, and the access is an interrupt message: it belongs to the interrupt fabric.
  [[nodiscard]] bool interrupt() const { return interrupt_; }
  [[nodiscard]] const Fault& fault() const { return fault_; }
  /// True when the access went through a table (and not around the tables).
  [[nodiscard]] bool used_table() const { return used_table_; }
  /// The translation that was used; valid when used_table() and not blocked, and after a walk that ended in a mapping.
  [[nodiscard]] const Mapping& mapping() const { return mapping_; }
  [[nodiscard]] bool mapping_valid() const { return mapping_valid_; }

 private:
  void clear();
  Need take(const ContextStep& step);
  Need resolved();
  Need finish_at(Address host, const AddressSpace* space);
  Need block(const Fault& fault);

  const FrontEnd* front_end_;
  Request request_;
  ContextState context_state_;
  ContextStep step_;
  Need need_ = Need::Done;
  Route route_ = Route::Blocked;
  bool has_space_ = false;
  bool used_table_ = false;
  bool mapping_valid_ = false;
  bool interrupt_ = false;
  Address host_ = 0;
  Fault fault_;
  Mapping mapping_;
};

}  // namespace iommu::core

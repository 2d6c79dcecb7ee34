// Translating without a trace: for debuggers and DMI.
//
// What it does: runs one request through context look-up and tables with what memory holds, preferring nothing that
// caches hold. What it does not do: fault recording, fills, counters, time.
#pragma once

#include "models/core/physical_memory.h"
#include "models/core/translation_flow.h"
#include "models/core/walk.h"

namespace iommu::core {

/// Runs `flow` to its end on `memory`. Cached translations are consulted by the functions given, so that a probe sees
/// what hardware would.
/// @param cached_context      const AddressSpace* (RequesterId), nullptr when not cached
/// @param cached_translation  const Mapping* (const AddressSpace&, Address), nullptr when not cached
template <class CachedContext, class CachedTranslation>
void probe(TranslationFlow& flow, PhysicalMemory& memory, CachedContext cached_context,
           CachedTranslation cached_translation) {
  using Need = TranslationFlow::Need;
  Need need = flow.start();
  while (need != Need::Done) {
    switch (need) {
      case Need::ContextLookup: {
        const AddressSpace* space = cached_context(flow.request().requester);
        need = space != nullptr ? flow.context_found(*space) : flow.context_missing();
        break;
      }
      case Need::ContextRead: {
        StructureRead read;
        read.readable = memory.read(flow.read_address(), read.words.data(), flow.read_bytes());
        need = flow.context_read(read);
        break;
      }
      case Need::IotlbLookup: {
        const Mapping* mapping = cached_translation(flow.space(), flow.request().address);
        need = mapping != nullptr ? flow.translation_found(*mapping) : flow.translation_missing();
        break;
      }
      case Need::Walk: {
        Walk walk(flow.space(), flow.request().address, flow.request().wanted(), flow.request().zero_length);
        while (!walk.done()) {
          std::uint64_t entry = 0;
          const bool readable = memory.read(walk.entry_address(), &entry, sizeof entry);
          walk.give(readable, entry);
        }
        need = flow.walked(walk.outcome());
        break;
      }
      case Need::Done:
        break;
    }
  }
}

}  // namespace iommu::core

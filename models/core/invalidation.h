// What an invalidation covers.
//
// What it does: describes the granularities of context and translation caches and answers whether one covers an entry.
// What it does not do: invalidate; the caches do, with these predicates.
#pragma once

#include "models/core/types.h"

namespace iommu::core {

/// Scope of an invalidation of cached translations and paging structures.
struct TranslationScope {
  enum class Kind : std::uint8_t { Global, Domain, Pages };
  Kind kind = Kind::Global;
  std::uint32_t domain = 0;
  Address first = 0;       ///< Pages: first byte, 4 KiB aligned
  Address last = 0;        ///< Pages: last byte, inclusive
  bool leaf_only = false;  ///< Pages: cached paging structures may stay

  /// Covers a translation of `domain` for bytes [begin, begin + bytes).
  [[nodiscard]] constexpr bool covers(std::uint32_t of_domain, Address begin, std::uint64_t bytes) const {
    if (kind == Kind::Global) return true;
    if (of_domain != domain) return false;
    return kind == Kind::Domain || (begin <= last && begin + (bytes - 1) >= first);
  }
  /// Covers a cached paging structure of `domain` that leads to bytes [begin, begin + bytes).
  [[nodiscard]] constexpr bool covers_structure(std::uint32_t of_domain, Address begin, std::uint64_t bytes) const {
    return !(kind == Kind::Pages && leaf_only) && covers(of_domain, begin, bytes);
  }
};

/// Scope of an invalidation of cached context entries.
struct ContextScope {
  enum class Kind : std::uint8_t { Global, Domain, Device };
  Kind kind = Kind::Global;
  std::uint32_t domain = 0;
  RequesterId requester = 0;
  RequesterId requester_mask = 0xFFFF;  ///< Device: bits of the requester id that are compared

  [[nodiscard]] constexpr bool covers(std::uint32_t of_domain, RequesterId of_requester) const {
    if (kind == Kind::Global) return true;
    if (of_domain != domain) return false;
    return kind == Kind::Domain || ((of_requester ^ requester) & requester_mask) == 0;
  }
};

}  // namespace iommu::core

"""What scripts/mutation-check breaks: one replacement each, and the programs of tests that have to notice it."""
from collections import namedtuple

Mutant = namedtuple("Mutant", "what file old new programs")

DDI = ("test_ddi_functions",)
DRIVER = ("test_ddi_functions", "test_api_driver", "test_random_sequences")
VTD = ("vtd_tests",)
TIMED = ("translation_tests",)
LINK = ("link_tests",)
CACHE = ("core_tests",)
MEMORY = ("machine_tests",)
MASTER = ("tlm_tests",)


def m(what, file, old, new, programs):
    return Mutant(what, file, old, new, programs)


MUTANTS = [
    # The driver: entries.
    m("an unmapped leaf stays in memory", "api/page_table.cpp", "    } else if (whole) {\n      write_entry(table, index, 0);",
      "    } else if (whole) {\n      write_entry(table, index, table.entries[index]);", DDI),
    m("a large leaf is mapped one level too low", "api/page_table.cpp", "    const unsigned level = leaf_level(logical, run.first_page, run.pages);\n    visit",
      "    const unsigned level = std::max(1u, leaf_level(logical, run.first_page, run.pages) - 1);\n    visit", DDI),
    m("a table is linked without its permission bits", "api/page_table.cpp",
      "      write_entry(*table, index, geometry_.format.table_entry(table->child(index)->frame));\n    }\n    table = table->child(index);",
      "      write_entry(*table, index, table->child(index)->frame);\n    }\n    table = table->child(index);", DDI),
    m("a split leaf loses its permissions", "api/page_table.cpp", "geometry_.format.leaf_entry(page, whole.permissions, level);",
      "geometry_.format.leaf_entry(page, core::Permissions::ReadWrite, level);", DRIVER),
    m("a pinned table is freed with its neighbours", "api/page_table.cpp", "(child->used != 0 || child->pins != 0)", "(child->used != 0)", DDI),
    m("read and write change places in a leaf", "models/core/page_format.h", "(allows(wanted, Permissions::Write) ? write_bit : 0)",
      "(allows(wanted, Permissions::Read) ? write_bit : 0)", DDI),
    m("the context entry keeps its P bit on detach", "api/vtd_context.cpp", "    memory_.write64(context_address(requester), 0);\n", "", DDI),
    m("the second requester id of a device is not bound", "api/vtd_context.cpp",
      "  for (const core::RequesterId requester : requesters) write_present(requester, binding);\n  if (unit_.cap",
      "  write_present(requesters.front(), binding);\n  if (unit_.cap", DDI),
    m("a context entry names the wrong depth of tables", "api/vtd_context.cpp", "entry::AW.of(vtd::address_width_code(levels))",
      "entry::AW.of(vtd::address_width_code(levels == 3 ? 4 : 3))", DDI),
    # The driver: invalidation.
    m("an unmap does not invalidate", "api/map_functions.cpp", "  const NTSTATUS status = invalidate(domain, removal.first_page, removal.pages, removal.leaf_only);",
      "  (void)domain;\n  const NTSTATUS status = STATUS_SUCCESS;", DDI),
    m("UnmapReservedLogicalRange does not invalidate", "api/reserved_functions.cpp",
      "  const NTSTATUS status = invalidate(*domain, range->first_page + first, pages, true);", "  const NTSTATUS status = STATUS_SUCCESS;", DDI),
    m("every invalidation says that only leaves changed", "api/map_functions.cpp",
      "drivers_[attachment.unit]->invalidate(attachment.domain_id, first_page, pages, leaf_only);",
      "drivers_[attachment.unit]->invalidate(attachment.domain_id, first_page, pages, leaf_only || pages != 0);", DRIVER),
    m("the address mask is one bit short", "api/vtd_driver.cpp", "  while ((first_page >> mask) != (last_page >> mask)) ++mask;",
      "  while ((first_page >> mask) + 1 < (last_page >> mask)) ++mask;", DDI),
    m("an address mask beyond CAP.MAMV is used", "api/vtd_driver.cpp", "mask <= unit_.cap(vtd::cap::MAMV)", "mask <= unit_.cap(vtd::cap::MAMV) + 1", DRIVER),
    m("detach leaves the context cache alone", "api/vtd_context.cpp", "    requests.push_back(Invalidation::context_device(bound->second, requester));\n", "", DDI),
    m("detach leaves the IOTLB alone", "api/vtd_context.cpp",
      "  for (const std::uint16_t domain_id : domain_ids) requests.push_back(Invalidation::iotlb_domain(domain_id));\n  return execute",
      "  return execute", DDI),
    m("invalidations do not drain", "api/vtd_invalidation.cpp", "descriptor::iotlb::DR.of(unit.cap(vtd::cap::DRD)) |\n              descriptor::iotlb::DW.of(unit.cap(vtd::cap::DWD));",
      "descriptor::iotlb::DR.of(unit.cap(vtd::cap::DRD) & 0);", DRIVER),
    m("nobody waits for a queued invalidation", "api/vtd_invalidation.cpp", "static_cast<std::int32_t>(reached - submission.generation) >= 0",
      "static_cast<std::int32_t>(reached - submission.generation) >= -1", DRIVER),
    m("caching mode is forgotten when something is mapped", "api/vtd_driver.cpp",
      "  if (unit_.cap(vtd::cap::CM) != 0) return invalidate", "  if (unit_.cap(vtd::cap::CM) > 1) return invalidate", DRIVER),
    # The driver: statuses and bookkeeping.
    m("a failed map keeps its logical range", "api/map_functions.cpp", "    return_claim(*domain, first_page, pages);\n", "", DDI),
    m("tables are free before the invalidation", "api/map_functions.cpp",
      "  const NTSTATUS status = invalidate(domain, removal.first_page, removal.pages, removal.leaf_only);\n  if (!NT_SUCCESS(status)) return status;\n"
      "  for (const core::Address frame : removal.tables) description_.frames->free(frame);\n  return STATUS_SUCCESS;",
      "  for (const core::Address frame : removal.tables) description_.frames->free(frame);\n"
      "  return invalidate(domain, removal.first_page, removal.pages, removal.leaf_only);", DRIVER),
    m("a domain id is not given back", "api/attach_functions.cpp", "      drivers_[unit]->release_domain_id(attachment->domain_id);\n      domain->attachments.erase(attachment);",
      "      domain->attachments.erase(attachment);", DRIVER),
    m("a segment may be unmapped twice", "api/reserved_functions.cpp", "  range->segments.remove(first, pages);\n  *mapped_segment = {};", "  *mapped_segment = {};", DDI),
    m("DMA Guard forgets the screen", "api/policy_functions.cpp", "guard.policy == EnumerationPolicy::BlockUntilUnlock && guard.screen_locked",
      "guard.policy == EnumerationPolicy::BlockUntilUnlock", DDI),
    m("the state-change callback is not called at registration", "api/state_change_functions.cpp", "  deliver(*registration, registration->announced_types);\n", "", DDI),
    m("Unregister does not wait", "api/state_change_functions.cpp", "  const LockGuard lock(*registration->delivery);\n  registration->gone = true;",
      "  registration->gone = true;", DDI),
    # The driver: faults.
    m("an overflow of fault records is not told", "api/vtd_faults.cpp", "      ++lost_;\n", "", DDI),
    m("the fault event stays masked after a storm", "api/vtd_faults.cpp", "      state_ = State::Open;\n      set_mask(false);", "      state_ = State::Open;", DDI),
    m("disabling fault reporting does not wait for the handler", "api/fault_functions.cpp", "  if (NT_SUCCESS(status)) faults_.wait_for_handler(requester);\n", "", DDI),
    # The model.
    m("a page-selective invalidation covers one page too few", "models/vtd/invalidation.cpp", "  scope.last = scope.first | below;",
      "  scope.last = scope.first | (below >> 1);", VTD),
    m("IH = 0 leaves the walk caches alone", "models/core/invalidation.h", "!(kind == Kind::Pages && leaf_only) && covers", "kind != Kind::Pages && covers", VTD),
    m("permissions of upper levels do not count", "models/core/walk.h", "    allowed_ &= entry;", "    allowed_ = entry;", VTD),
    m("reserved bits of leaves are not looked at", "models/core/walk.cpp", "  if (leaf.reserved_set) return end(FaultCause::ReservedSet);\n", "", VTD),
    m("reserved bits of tables' entries are not looked at", "models/core/walk.h", "(entry & at_level.reserved_in_table) != 0", "false", VTD),
    m("an invalidation of another domain counts, too", "models/core/invalidation.h",
      "    if (of_domain != domain) return false;\n    return kind == Kind::Domain || (begin <= last", "    if (of_domain != domain && kind == Kind::Domain) return false;\n    return kind == Kind::Domain || (begin <= last", VTD),
    m("a full set of fault records overwrites the oldest", "models/vtd/fault_recorder.cpp", "    bank_.set(FSTS, fsts::PFO.set(status, 1));\n    return;", "    bank_.set(FSTS, fsts::PFO.set(status, 1));", VTD),
    m("a drain does not wait for accesses that are under way", "models/tlm/translation_control.cpp", "    } else if (before.open != 0) {\n      wait(downstream_event_);",
      "    } else if (false) {\n      wait(downstream_event_);", TIMED),
    m("a fill survives the invalidation that overtook it", "models/tlm/translation_control.cpp", "      piece->stale = true;", "", TIMED),
    m("LT: a simple walk survives the invalidation of its pages", "models/tlm/translation_control.cpp",
      "scope.covers(walk->job.space.domain, page, core::kPageBytes)", "page == 1", TIMED),
    m("LT: a simple walk survives the invalidation of its context", "models/tlm/translation_control.cpp",
      "scope.covers(walk->job.space.domain, walk->requester)", "false", TIMED),
    m("a resource that is asked out of order makes everybody queue", "models/core/resource.h",
      "      if (unit.take_at_end(now, occupancy)) return now;\n      // Behind", "      // Behind", CACHE),
    m("next to the last page a smaller one is overlooked", "models/core/iotlb_array.cpp", "level_bytes(smallest)", "level_bytes(level)", CACHE),
    m("an IOTLB entry that is gone is found again", "models/core/iotlb_array.cpp", "    entry.serial = 0;\n", "", CACHE),
    m("an IOTLB entry that is filled anew is found again", "models/core/iotlb_array.cpp", "  entry.serial = ++serial_;\n", "  entry.serial = serial_ + 1;\n", CACHE),
    m("a look-up of a known page is no use of its entry", "models/core/iotlb_array.h", "    array_.use_at(place);\n", "    static_cast<void>(place);\n", CACHE),
    m("a look-up of a known page does not wait for an invalidation", "models/tlm/iotlb.cpp",
      "|| now < occupied_until_) return {};", ") return {};", TIMED),
    m("AT: a known page outlives its context's place", "models/tlm/translation_at.cpp", "      known_->forget();  // another context may have gone\n", "", TIMED),
    m("AT: a drain does not wait for an access without a record", "models/tlm/translation_early.cpp",
      "  downstream.until = std::max(downstream.until, end);\n", "", TIMED),
    m("AT: a payload that memory keeps is used again", "models/tlm/translation_early.cpp", "early_slot_->get_ref_count() > 1", "early_slot_->get_ref_count() > 2", TIMED),
    m("AT: an answer from within the call is lost", "models/tlm/translation_early.cpp", "  ended_within_.reset();\n  return true;", "  ended_within_.reset();\n  return false;", TIMED),
    m("a look-up of a known page does not wait for its walk", "models/tlm/iotlb.cpp", "entry == nullptr || entry->ready_at > now + config_.latency", "entry == nullptr", TIMED),
    m("what repeats is counted as requests only", "models/tlm/dma_statistics.cpp", "  latency.add_again(repeats);\n", "", MASTER),
    m("a hit leaves before the miss in front of it", "models/tlm/translation_order.cpp", "undelivered.front() == piece.transaction) return true;",
      "undelivered.front() != nullptr) return true;", TIMED),
    m("a miss without a slot holds up no look-up", "models/tlm/translation_order.cpp", "    upstream.missing = &piece;\n", "    wake_look_up(upstream);\n", TIMED),
    m("LT forgets when the one before was delivered", "models/tlm/translation_order.cpp", "  upstream.delivered_until = piece.at;\n", "", TIMED),
    m("a blocked or delivered read keeps its place", "models/tlm/translation_order.cpp", "--upstream.ahead[is_write(*transaction.pieces.front())];",
      "static_cast<void>(upstream);", TIMED),
    m("a walk keeps its slot until its reply has arrived", "models/tlm/page_table_walker_lt.cpp", "  slots_.release(start, end + config_.recovery);\n",
      "  slots_.release(start, end + config_.recovery + config_.reply);\n", TIMED),
    m("what waits in order and is invalidated waits on", "models/tlm/translation_control.cpp",
      "      piece->stale = true;\n      if (piece->held) release_held(*piece);\n", "      piece->stale = true;\n", TIMED),
    m("a miss joins a walk that has ended", "models/tlm/translation_at.cpp", "  forget_walk(piece);\n", "", TIMED),
    m("two walks of one 2 MiB region at a time", "models/tlm/page_table_walker.cpp", "return other->started && other->region == region;",
      "return other->started && other->region == region + 1;", TIMED),
    m("a piece of a large leaf outlives the leaf", "models/core/iotlb_array.cpp", "level_bytes(entry.leaf_level)", "level_bytes(mapping.level)", TIMED),
    # The PCI Express link.
    m("a completion arrives without propagation", "models/tlm/pcie_link.cpp", "part.at = begin + wire + config_.propagation;", "part.at = begin + wire;", LINK),
    m("credits come back before memory has the write", "models/tlm/pcie_link.cpp", "timed_credits_.hold(part.credits, at);",
      "timed_credits_.hold(part.credits, dma.accepted);", LINK),
    m("a read passes a write", "models/tlm/pcie_link_at.cpp", "read != nullptr && (write == nullptr || read->order < write->order);", "read != nullptr;", LINK),
    m("a read passes a write in LT", "models/tlm/pcie_link.cpp", "std::max({turn, latest_write_, dma.posted ? 0 : latest_read_})",
      "std::max({turn, dma.posted ? 0 : latest_read_})", LINK),
    m("a write waits for a read's tag", "models/tlm/pcie_link.cpp", "std::max({turn, latest_write_, dma.posted ? 0 : latest_read_})",
      "std::max({turn, latest_write_, latest_read_})", LINK),
    m("a failed read is answered with data", "models/tlm/pcie_link.cpp", "part.slot->is_response_ok() ? part.length : 0;", "part.length;", LINK),
    m("reads of one DMA take the same tag", "models/tlm/pcie_link.cpp", "timed_tags_.earliest(now, held + 1)", "timed_tags_.earliest(now, held)", LINK),
    m("an initiator that has not asked is told", "models/tlm/pcie_link_at.cpp", "!dma.extension->tell_accepted) return;", "false) return;", LINK),
    # The last-level cache and the warm-up.
    m("a DMA read that misses is put in", "models/core/last_level_cache.cpp", "  if (kind == Kind::DmaRead) return false;\n", "", CACHE),
    m("DMA writes take any way", "models/core/last_level_cache.cpp", "kind == Kind::DmaWrite ? config_.write_ways : config_.ways",
      "kind == Kind::DmaWrite && config_.write_ways == 0 ? 0 : config_.ways", CACHE),
    m("a hit is no use of the line", "models/core/last_level_cache.cpp", "  if (way != nullptr) {\n    way->used = ++now_;\n", "  if (way != nullptr) {\n", CACHE),
    m("a write that goes past the cache leaves its line there", "models/core/last_level_cache.cpp", "if (write && way != nullptr) *way = Way{};", "static_cast<void>(write);", CACHE),
    m("a missing line moves all bytes", "models/tlm/memory.cpp", "return width < length && missing != 0 ? length : missing;",
      "return missing != 0 ? length : missing;", MEMORY),
    m("an invalidation takes no port", "models/tlm/iotlb.cpp", "const core::Tick from = std::max(now, occupied_until_);",
      "const core::Tick from = now;", TIMED),
    m("invalidations take the ports at the same time", "models/tlm/iotlb.cpp", "occupied_until_ = std::max(now, occupied_until_) + ticks;",
      "occupied_until_ = std::max(occupied_until_, now + ticks);", TIMED),
    m("what ends with the warm-up is of the rate", "models/tlm/dma_statistics.cpp", "  if (end <= rate_from) {", "  if (end < rate_from) {", MASTER),
    m("a warm-up is over with its last completion in order", "models/tlm/dma_master.cpp", "warm_until_ = std::max(warm_until_, slot.end);",
      "warm_until_ = slot.end;", MASTER),
]

#include "models/core/functional_runner.h"

#include <algorithm>
#include <cstring>

#include "models/core/walk.h"

namespace iommu::core {

FunctionalRunner::FunctionalRunner(FrontEnd& front_end, PhysicalMemory& memory, const CacheConfig& caches)
    : front_end_(front_end),
      memory_(memory),
      config_(caches),
      context_cache_(caches.context_entries),
      iotlb_(caches.iotlb),
      walk_cache_(caches.walk) {}

std::uint64_t FunctionalRunner::read_register(std::uint32_t offset, std::uint32_t size_bytes) {
  return front_end_.read_register(offset, size_bytes);
}

void FunctionalRunner::write_register(std::uint32_t offset, std::uint32_t size_bytes, std::uint64_t value) {
  front_end_.write_register(offset, size_bytes, value);
  run_commands();
}

void FunctionalRunner::reset(bool warm) {
  front_end_.reset(warm);
  context_cache_ = ContextCache(config_.context_entries);
  iotlb_ = IotlbArray(config_.iotlb);
  walk_cache_ = WalkCache(config_.walk);
}

void FunctionalRunner::run_commands() {
  for (Command command = front_end_.next_command(); command.kind != Command::Kind::Idle;
       command = front_end_.next_command()) {
    carry_out(command);
  }
}

void FunctionalRunner::carry_out(const Command& command) {
  switch (command.kind) {
    case Command::Kind::ReadDescriptor: {
      StructureRead read;
      read.readable = memory_.read(command.address, read.words.data(), command.bytes);
      front_end_.descriptor_read(read);
      break;
    }
    case Command::Kind::InvalidateContext:
      context_cache_.invalidate(command.context);
      break;
    case Command::Kind::InvalidateTranslation:
      iotlb_.invalidate(command.translation);
      walk_cache_.invalidate(command.translation);
      break;
    case Command::Kind::WriteStatus:
      memory_.write(command.address, &command.data, sizeof command.data);
      break;
    case Command::Kind::Message:
      if (on_message) on_message(command.address, command.data);
      break;
    case Command::Kind::Idle:
    case Command::Kind::Decode:
    case Command::Kind::Drain:  // nothing is ever in flight
      break;
  }
}

FunctionalRunner::DmaResult FunctionalRunner::dma(const Request& request, void* data) {
  auto* bytes = static_cast<std::uint8_t*>(data);
  DmaResult result;
  result.completed = true;
  std::uint32_t done = 0;
  do {
    Request part = request;
    part.address = request.address + done;
    const std::uint64_t to_page_end = kPageBytes - (part.address & (kPageBytes - 1));
    part.length = static_cast<std::uint32_t>(std::min<std::uint64_t>(request.length - done, to_page_end));
    const DmaResult of_part = piece(part, bytes + done);
    if (!of_part.completed && result.completed) result = of_part;
    done += part.length;
  } while (done < request.length);
  run_commands();
  return result;
}

FunctionalRunner::DmaResult FunctionalRunner::piece(const Request& request, std::uint8_t* data) {
  using Need = TranslationFlow::Need;
  TranslationFlow flow(front_end_, request);
  bool walked = false;
  Need need = flow.start();
  while (need != Need::Done) {
    switch (need) {
      case Need::ContextLookup: {
        const AddressSpace* space = context_cache_.find(request.requester);
        need = space != nullptr ? flow.context_found(*space) : flow.context_missing();
        break;
      }
      case Need::ContextRead: {
        StructureRead read;
        read.readable = memory_.read(flow.read_address(), read.words.data(), flow.read_bytes());
        need = flow.context_read(read);
        if (flow.has_space()) context_cache_.fill(request.requester, flow.space());
        break;
      }
      case Need::IotlbLookup: {
        const IotlbEntry* entry = iotlb_.find(flow.space().tag, request.address);
        need = entry != nullptr ? flow.translation_found(entry->mapping) : flow.translation_missing();
        break;
      }
      case Need::Walk:
        need = flow.walked(walk(flow.space(), request));
        walked = true;
        break;
      case Need::Done:
        break;
    }
  }
  if (flow.route() == TranslationFlow::Route::Blocked) {
    front_end_.report(request, flow.fault());
    return {false, flow.fault()};
  }
  if (walked) iotlb_.fill(flow.space().tag, flow.mapping(), 0);
  if (flow.route() == TranslationFlow::Route::NoData) return {true, {}};
  if (flow.interrupt()) {
    std::uint32_t message = 0;
    std::memcpy(&message, data, sizeof message);
    if (on_message) on_message(flow.host_address(), message);
    return {true, {}};
  }
  const bool ok = request.kind == AccessKind::Read ? memory_.read(flow.host_address(), data, request.length)
                                                   : memory_.write(flow.host_address(), data, request.length);
  return {ok, {0, false}};
}

WalkOutcome FunctionalRunner::walk(const AddressSpace& space, const Request& request) {
  Walk walk(space, request.address, request.wanted(), request.zero_length);
  if (const auto start = walk_cache_.find(space, request.address)) walk.skip_to(*start);
  while (!walk.done()) {
    std::uint64_t entry = 0;
    const bool readable = memory_.read(walk.entry_address(), &entry, sizeof entry);
    const unsigned level = walk.level();
    walk.give(readable, entry);
    if (!walk.done() && walk.level() < level) walk_cache_.fill(space, request.address, walk.position());
  }
  return walk.outcome();
}

}  // namespace iommu::core

#include "testbench/api/call_sequence.h"

namespace sequence {

namespace {

using iommu::api::Function;

struct Weight {
  Kind kind;
  unsigned weight;
};

constexpr Weight kWeights[] = {
    {kind_of(Function::CreateDomainEx), 8},
    {kind_of(Function::DeleteDomain), 7},
    {kind_of(Function::AttachDeviceEx), 22},
    {kind_of(Function::DetachDeviceEx), 7},
    {kind_of(Function::FlushDomain), 2},
    {kind_of(Function::FlushDomainByVaList), 2},
    {kind_of(Function::QueryInputMappings), 2},
    {kind_of(Function::MapLogicalRangeEx), 24},
    {kind_of(Function::UnmapLogicalRange), 18},
    {kind_of(Function::MapIdentityRangeEx), 10},
    {kind_of(Function::UnmapIdentityRangeEx), 8},
    {kind_of(Function::SetDeviceFaultReportingEx), 9},
    {kind_of(Function::ConfigureDomain), 1},
    {kind_of(Function::QueryAvailableDomainTypes), 2},
    {kind_of(Function::RegisterInterfaceStateChangeCallback), 3},
    {kind_of(Function::UnregisterInterfaceStateChangeCallback), 2},
    {kind_of(Function::ReserveLogicalAddressRange), 9},
    {kind_of(Function::FreeReservedLogicalAddressRange), 5},
    {kind_of(Function::MapReservedLogicalRange), 18},
    {kind_of(Function::UnmapReservedLogicalRange), 14},
    {kind_of(Function::CreateDevice), 7},
    {kind_of(Function::DeleteDevice), 2},
    {kind_of(Function::CreateDomain), 2},
    {kind_of(Function::AttachDevice), 7},
    {kind_of(Function::DetachDevice), 4},
    {kind_of(Function::MapLogicalRange), 3},
    {kind_of(Function::MapIdentityRange), 2},
    {kind_of(Function::UnmapIdentityRange), 2},
    {kind_of(Function::SetDeviceFaultReporting), 3},
    {Kind::ChangePolicy, 4},
    {Kind::RunWork, 3},
    {Kind::InvalidateAll, 1},
};

}  // namespace

Sequence draw(std::uint64_t seed, std::size_t steps) {
  std::mt19937_64 random(seed);
  unsigned total = 0;
  for (const Weight& w : kWeights) total += w.weight;
  Sequence sequence(steps);
  for (Operation& operation : sequence) {
    auto left = static_cast<unsigned>(random() % total);
    for (const Weight& w : kWeights) {
      operation.kind = w.kind;
      if (left < w.weight) break;
      left -= w.weight;
    }
    for (std::uint64_t& number : operation.numbers) number = random();
    operation.probes = random();
  }
  return sequence;
}

}  // namespace sequence

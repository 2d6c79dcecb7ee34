// Memory and registers as loaded drivers reach them.
//
// What it does: pool, contiguous memory, MDLs, mapped registers; knows what each image still has. Memory with a physical
// address is the modeled memory itself, through the host's pointer to it: plain accesses take no simulated time.
// Registers are reached by transactions only. What it does not do: paging, caching, guard pages.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/wdm.h"
#include "models/core/types.h"

namespace iommu::platform::lab {

class DriverImage;
class Kernel;

enum class MemoryKind { Pool, Contiguous };

class MemoryServices {
 public:
  explicit MemoryServices(Kernel& kernel) : kernel_(kernel) {}
  ~MemoryServices();
  MemoryServices(const MemoryServices&) = delete;
  MemoryServices& operator=(const MemoryServices&) = delete;

  // `image`: whose code asks.
  PVOID allocate_pool(POOL_FLAGS flags, SIZE_T bytes, ULONG tag, DriverImage* image);
  /// `tag` 0: any.
  void free_pool(const char* function, PVOID block, ULONG tag, DriverImage* image);
  PVOID allocate_contiguous(SIZE_T bytes, core::Address lowest, core::Address highest, std::uint64_t boundary,
                            DriverImage* image);
  void free_contiguous(const char* function, PVOID block, DriverImage* image);

  /// Of a byte in modeled memory.
  [[nodiscard]] std::optional<core::Address> physical_of(const void* address) const;

  PMDL allocate_mdl(PVOID address, ULONG length, DriverImage* image);
  void free_mdl(PMDL mdl, DriverImage* image);
  void build_mdl(PMDL mdl, DriverImage* image);

  PVOID map_registers(const char* function, core::Address physical, SIZE_T bytes, DriverImage* image);
  void unmap_registers(PVOID base, SIZE_T bytes, DriverImage* image);
  /// Where a register access of `bytes` goes; nothing, and reported, when it lies in no mapped range.
  [[nodiscard]] std::optional<core::Address> register_at(const char* function, const volatile void* address,
                                                         std::uint32_t bytes, DriverImage* image);

  /// What the image has not given back, in words; empty when nothing.
  [[nodiscard]] std::string leaks(const DriverImage& image, MemoryKind kind) const;
  [[nodiscard]] std::string mdl_leaks(const DriverImage& image) const;
  [[nodiscard]] std::string register_leaks(const DriverImage& image) const;

 private:
  struct Block {
    MemoryKind kind = MemoryKind::Pool;
    SIZE_T bytes = 0;  // as asked for
    ULONG tag = 0;
    DriverImage* image = nullptr;
    std::optional<core::Address> physical;  // none: on the simulator's own heap
  };
  struct Range {
    core::Address base = 0;
    std::uint64_t bytes = 0;
  };
  struct Registers {
    core::Address physical = 0;
    SIZE_T bytes = 0;
    void* reserved = nullptr;
    std::size_t reserved_bytes = 0;
    DriverImage* image = nullptr;
  };

  [[nodiscard]] std::optional<core::Address> take_range(std::uint64_t bytes, core::Address lowest,
                                                        core::Address highest, std::uint64_t alignment);
  void release(std::map<PVOID, Block>::iterator block);

  Kernel& kernel_;
  std::map<PVOID, Block> blocks_;
  std::vector<Range> free_ranges_;
  std::map<PMDL, DriverImage*> mdls_;
  std::map<std::uintptr_t, Registers> registers_;  // by the address that the driver knows
};

}  // namespace iommu::platform::lab

/* What a C driver for the tests of Host looks like from outside. */
#ifndef IOMMU_TESTBENCH_TLM_HOST_DRIVER_H
#define IOMMU_TESTBENCH_TLM_HOST_DRIVER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct test_driver_context {
  uint64_t base;
  uint32_t (*read32)(uint64_t address);
  void (*write32)(uint64_t address, uint32_t value);
  uint32_t status;
  uint32_t polls;
};

/* Starts a device by register 0 and polls bit 0 of register 4; its argument is a struct test_driver_context. */
void test_driver(void* context);

#ifdef __cplusplus
}
#endif

#endif

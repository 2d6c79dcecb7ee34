/* A driver in C, as it is written for hardware: pointers to accessors, and a loop that polls. */
#include "testbench/tlm/host_driver.h"

void test_driver(void* context) {
  struct test_driver_context* driver = (struct test_driver_context*)context;
  driver->write32(driver->base, 1);
  do {
    driver->status = driver->read32(driver->base + 4);
    ++driver->polls;
  } while ((driver->status & 1) == 0);
}

// A fresh SystemC kernel in a process that has simulated before.
#pragma once

#include <systemc>
#include <vector>

namespace iommu::test {

/// What is made from now on belongs to a new simulation. The kernel frees nothing of the old one; it stays referenced, so that leak checks see what
/// else is lost.
inline void new_simulation() {
  // Never destroyed: the leak check comes after the destructors of statics.
  static auto& all = *new std::vector<sc_core::sc_simcontext*>;
  all.push_back(sc_core::sc_curr_simcontext);
  all.push_back(new sc_core::sc_simcontext);
  sc_core::sc_curr_simcontext = sc_core::sc_default_global_context = all.back();
}

}  // namespace iommu::test

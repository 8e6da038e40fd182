//===- AMXEmulator.h - AMX on a CPU that has none ---------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A CPU without AMX faults on its instructions. The handler of that fault does
// what the instruction would have done (Intel 64 and IA-32 Architectures
// Software Developer's Manual, volume 2, TILE* and TDP*), so that code for the
// level is run, not only looked at.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_UNITTESTS_CONVERSION_KERNELS_AMXEMULATOR_H
#define QUANTC_UNITTESTS_CONVERSION_KERNELS_AMXEMULATOR_H

#include <cstdint>

namespace quantc::testing {

/// Installs the handler; false where there is nothing to emulate on (no
/// x86-64). Faults that are not AMX's stay faults.
bool installAMXEmulator();

/// Instructions emulated so far, by all threads.
int64_t emulatedAMXInstructions();

} // namespace quantc::testing

#endif // QUANTC_UNITTESTS_CONVERSION_KERNELS_AMXEMULATOR_H

//===- Elements.h - The elements of a tensor as text ------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_ELEMENTS_H
#define QUANTC_LIB_DRIVER_ELEMENTS_H

#include <cstdint>
#include <string>

namespace quantc::driver {

/// Element `index` of dense data of a DLPack type: the shortest text that reads
/// back as the same number, `true`, or `nan` and `inf`.
std::string elementText(const void *data, int64_t code, int64_t bits,
                        int64_t index);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_ELEMENTS_H

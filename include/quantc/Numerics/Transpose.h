//===- Transpose.h - Matrices of elements of any width ----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_NUMERICS_TRANSPOSE_H
#define QUANTC_NUMERICS_TRANSPOSE_H

#include <cstdint>

namespace quantc::numerics {

/// Writes the transposes of `batch` row-major [rows, columns] matrices of
/// elements of `bits` bits: 1, 2 or 4, packed with the lower-indexed one in the
/// lower bits, or whole bytes. `to` is as long as `from`, and is overwritten.
void transpose(const uint8_t *from, int64_t batch, int64_t rows,
               int64_t columns, unsigned bits, uint8_t *to);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_TRANSPOSE_H

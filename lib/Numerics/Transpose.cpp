//===- Transpose.cpp - Matrices of elements of any width ------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Numerics/Transpose.h"

#include <algorithm>
#include <cstring>

namespace quantc::numerics {

/// In squares that fit the cache.
static void transposeBytes(const uint8_t *from, int64_t rows, int64_t columns,
                           int64_t width, uint8_t *to) {
  constexpr int64_t square = 32;
  for (int64_t i0 = 0; i0 < rows; i0 += square)
    for (int64_t j0 = 0; j0 < columns; j0 += square)
      for (int64_t i = i0; i < std::min(rows, i0 + square); ++i)
        for (int64_t j = j0; j < std::min(columns, j0 + square); ++j)
          std::memcpy(to + (j * rows + i) * width,
                      from + (i * columns + j) * width, width);
}

void transpose(const uint8_t *from, int64_t batch, int64_t rows,
               int64_t columns, unsigned bits, uint8_t *to) {
  int64_t matrix = rows * columns;
  if (bits >= 8) {
    int64_t bytes = matrix * (bits / 8);
    for (int64_t b = 0; b < batch; ++b)
      transposeBytes(from + b * bytes, rows, columns, bits / 8, to + b * bytes);
    return;
  }
  int64_t perByte = 8 / bits;
  unsigned mask = (1u << bits) - 1;
  std::fill_n(to, (batch * matrix + perByte - 1) / perByte, uint8_t(0));
  for (int64_t b = 0; b < batch * matrix; b += matrix)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        int64_t source = b + i * columns + j, target = b + j * rows + i;
        unsigned code =
            (from[source / perByte] >> (source % perByte * bits)) & mask;
        to[target / perByte] |=
            static_cast<uint8_t>(code << (target % perByte * bits));
      }
}

} // namespace quantc::numerics

//===- Reciprocal.cpp - Rounded quotients without a division --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Numerics/Reciprocal.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace quantc::numerics {

Reciprocal::Reciprocal(float scale)
    : high(1 / scale), low(std::fma(-high, scale, 1.0f) / scale) {}

float Reciprocal::times(float y) const { return std::fma(y, high, y * low); }

bool roundsAsDivision(float scale) {
  if (!(scale >= 0x1p-100f && scale <= 0x1p100f))
    return false;
  uint32_t bits;
  std::memcpy(&bits, &scale, sizeof(bits));
  uint32_t above =
      bits & 0xffff; // of the significand, whose low bits these are
  uint32_t distance = std::min(above, 0x10000 - above);
  return distance == 0 || distance > 8;
}

} // namespace quantc::numerics

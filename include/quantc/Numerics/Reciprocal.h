//===- Reciprocal.h - Rounded quotients without a division ------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_RECIPROCAL_H
#define QUANTC_NUMERICS_RECIPROCAL_H

namespace quantc::numerics {

/// 1 / scale as a float, and the float nearest to what that leaves over.
struct Reciprocal {
  float high, low;

  explicit Reciprocal(float scale);
  /// fma(y, high, y * low): y / scale but for 2^-47 of it, rounded once more.
  float times(float y) const;
};

/// True if the quotients by `scale` of all floats y with |y / scale| <= 256
/// round to the whole numbers that those of the division round to:
///
///     rint(Reciprocal(scale).times(y)) == rint(y / scale), half to even
///
/// Both round y / scale to a float first. So they can only differ where a point
/// m half way between two floats, of which one is some n + 1/2, lies between
/// the true quotient and the sum of the two products. Let S be the significand
/// of the scale, of 24 bits. m has the significand (2n + 1) 2^t +- 1 with t >=
/// 16, of at most 26 bits, and y is a multiple of 2^16 in units of the product
/// m * scale: so the two are at least d = the distance of S from the multiples
/// of 2^16 apart, at least 2^-50 d of the quotient; or, where that is 0, much
/// more. With d > 8 this is more than the error 2^-47 of the products. After
/// Brisebarre and Muller, "Correctly rounded multiplication by arbitrary
/// precision constants" (IEEE Transactions on Computers 57, 2008).
///
/// False also for what is not in [2^-100, 2^100]: no operation may underflow.
bool roundsAsDivision(float scale);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_RECIPROCAL_H

//===- NEON.cpp - Armv8.0 without sdot ------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// smull of 8 bytes (2 columns of 4 k) is exact in 16 bits; saddlp adds
// neighbours into 32; addp adds those of the two halves, which makes 4 columns.
//
//===----------------------------------------------------------------------===//

#include "../TileDot.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quantc::cpu {
namespace {

class NEONDot : public SignedNibbleDot {
public:
  using SignedNibbleDot::SignedNibbleDot;

  int64_t wordsPerLoad() const override { return 2; }
  /// More would not fit the registers.
  int64_t unrolledWords() const override { return 1; }
  Prepared prepareWeights(Value bytes, int64_t) override {
    Prepared parts;
    for (int64_t begin = 0; begin < 64; begin += 8)
      parts.push_back(slice(bytes, begin, 8));
    return parts;
  }
  Prepared prepareActivation(Value word) override {
    return {bitcast(vec(8, 8), splat(vec(2, 32), word))};
  }
  Value dot(Value sums, const Prepared &weights, const Prepared &activation,
            int64_t) override {
    SmallVector<Value> quarters;
    auto pairs = [&](int64_t part) {
      Value products = intrinsic("llvm.aarch64.neon.smull.v8i16", vec(8, 16),
                                 {weights[part], activation[0]});
      return intrinsic("llvm.aarch64.neon.saddlp.v4i32.v8i16", vec(4, 32),
                       {products});
    };
    for (int64_t q = 0; q < 4; ++q) {
      Value columns = intrinsic("llvm.aarch64.neon.addp.v4i32", vec(4, 32),
                                {pairs(2 * q), pairs(2 * q + 1)});
      quarters.push_back(
          arith::AddIOp::create(builder, loc, slice(sums, 4 * q, 4), columns));
    }
    return concat(quarters);
  }
};

} // namespace

std::unique_ptr<IntegerDot> makeNEONDot(OpBuilder &builder, Location loc) {
  return std::make_unique<NEONDot>(builder, loc);
}

} // namespace quantc::cpu

//===- AVX512.cpp - 512 bits without vpdpbusd ----------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// As AVX2.cpp, in one register: vpmaddubsw for nibbles, widened vpmaddwd for
// bytes, of which vpmaddubsw would saturate the sum of two products.
//
//===----------------------------------------------------------------------===//

#include "../TileDot.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quantc::cpu {
namespace {

class AVX512Dot : public UnsignedNibbleDot {
public:
  using UnsignedNibbleDot::UnsignedNibbleDot;

  /// More would not fit the registers.
  int64_t unrolledWords() const override { return 1; }
  Prepared prepareWeights(Value bytes, int64_t bits) override {
    if (bits <= 4)
      return {bytes};
    auto [even, odd] = widenPairs(bitcast(vec(32, 16), bytes), unsignedInput);
    return {even, odd};
  }

  Prepared prepareActivation(Value word) override {
    Value bytes = splat(vec(16, 32), word);
    auto [even, odd] = widenPairs(bitcast(vec(32, 16), bytes), !unsignedInput);
    return {bytes, even, odd};
  }

  Value dot(Value sums, const Prepared &weights, const Prepared &activation,
            int64_t bits) override {
    Type products = vec(16, 32);
    if (bits <= 4) {
      Value pairs = intrinsic("llvm.x86.avx512.pmaddubs.w.512", vec(32, 16),
                              {weights[0], bitcast(vec(64, 8), activation[0])});
      Value quads = intrinsic("llvm.x86.avx512.pmaddw.d.512", products,
                              {pairs, splat(vec(32, 16), 1)});
      return arith::AddIOp::create(builder, loc, sums, quads);
    }
    for (int64_t odd : {0, 1}) {
      Value pair = intrinsic("llvm.x86.avx512.pmaddw.d.512", products,
                             {weights[odd], activation[1 + odd]});
      sums = arith::AddIOp::create(builder, loc, sums, pair);
    }
    return sums;
  }
};

} // namespace

std::unique_ptr<IntegerDot> makeAVX512Dot(OpBuilder &builder, Location loc) {
  return std::make_unique<AVX512Dot>(builder, loc);
}

} // namespace quantc::cpu

//===- AVX2.cpp - 256 bits, with and without vpdpbusd --------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Without a dot product instruction, vpmaddubsw adds two products of an
// unsigned and a signed byte in 16 bits and saturates: exact for nibbles (2 *
// 15 * 128 < 2^15), not for bytes. Bytes are widened: vpmaddwd on the even and
// on the odd ones, in 16-bit lanes.
//
//===----------------------------------------------------------------------===//

#include "../TileDot.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quantc::cpu {
namespace {

class AVX2Dot : public UnsignedNibbleDot {
public:
  using UnsignedNibbleDot::UnsignedNibbleDot;

  /// More would not fit the registers.
  int64_t unrolledWords() const override { return 1; }
  Prepared prepareWeights(Value bytes, int64_t bits) override {
    Prepared parts;
    for (int64_t half : {0, 32}) {
      Value part = slice(bytes, half, 32);
      if (bits <= 4) {
        parts.push_back(part);
        continue;
      }
      auto [even, odd] = widenPairs(bitcast(vec(16, 16), part), unsignedInput);
      parts.append({even, odd});
    }
    return parts;
  }

  /// The four bytes in every lane; then the even ones and the odd ones in 16
  /// bits.
  Prepared prepareActivation(Value word) override {
    Value bytes = splat(vec(8, 32), word);
    auto [even, odd] = widenPairs(bitcast(vec(16, 16), bytes), !unsignedInput);
    return {bytes, even, odd};
  }

  Value dot(Value sums, const Prepared &weights, const Prepared &activation,
            int64_t bits) override {
    Type products = vec(8, 32);
    SmallVector<Value> halves;
    for (int64_t half : {0, 1}) {
      Value sum = slice(sums, 8 * half, 8);
      if (bits <= 4) {
        Value pairs =
            intrinsic("llvm.x86.avx2.pmadd.ub.sw", vec(16, 16),
                      {weights[half], bitcast(vec(32, 8), activation[0])});
        Value quads = intrinsic("llvm.x86.avx2.pmadd.wd", products,
                                {pairs, splat(vec(16, 16), 1)});
        halves.push_back(arith::AddIOp::create(builder, loc, sum, quads));
        continue;
      }
      for (int64_t odd : {0, 1}) {
        Value pair = intrinsic("llvm.x86.avx2.pmadd.wd", products,
                               {weights[2 * half + odd], activation[1 + odd]});
        sum = arith::AddIOp::create(builder, loc, sum, pair);
      }
      halves.push_back(sum);
    }
    return concat(halves);
  }
};

class AVX2VNNIDot : public UnsignedNibbleDot {
public:
  using UnsignedNibbleDot::UnsignedNibbleDot;

  Prepared prepareWeights(Value bytes, int64_t) override {
    return {slice(bytes, 0, 32), slice(bytes, 32, 32)};
  }
  Prepared prepareActivation(Value word) override {
    return {bitcast(vec(32, 8), splat(vec(8, 32), word))};
  }
  Value dot(Value sums, const Prepared &weights, const Prepared &activation,
            int64_t) override {
    SmallVector<Value> halves;
    for (int64_t half : {0, 1}) {
      Value first = weights[half], second = activation[0];
      if (unsignedInput)
        std::swap(first, second);
      halves.push_back(intrinsic("llvm.x86.avx512.vpdpbusd.256", vec(8, 32),
                                 {slice(sums, 8 * half, 8), first, second}));
    }
    return concat(halves);
  }
};

} // namespace

std::unique_ptr<IntegerDot> makeAVX2Dot(OpBuilder &builder, Location loc) {
  return std::make_unique<AVX2Dot>(builder, loc);
}
std::unique_ptr<IntegerDot> makeAVX2VNNIDot(OpBuilder &builder, Location loc) {
  return std::make_unique<AVX2VNNIDot>(builder, loc);
}

} // namespace quantc::cpu

//===- VNNI.cpp - 512 bits with vpdpbusd ---------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One instruction for 64 products. The unsigned operand is the weight, stored
// with 2^(b-1) added, or the activation; the activation is broadcast from
// memory.
//
//===----------------------------------------------------------------------===//

#include "VNNI.h"

using namespace mlir;

namespace quantc::cpu {

Prepared AVX512VNNIDot::prepareWeights(Value bytes, int64_t) { return {bytes}; }

Prepared AVX512VNNIDot::prepareActivation(Value word) {
  return {bitcast(vec(64, 8), splat(vec(16, 32), word))};
}

Value AVX512VNNIDot::dot(Value sums, const Prepared &weights,
                         const Prepared &activation, int64_t) {
  Value first = weights[0], second = activation[0];
  if (unsignedInput)
    std::swap(first, second);
  return intrinsic("llvm.x86.avx512.vpdpbusd.512", vec(16, 32),
                   {sums, first, second});
}

std::unique_ptr<IntegerDot> makeAVX512VNNIDot(OpBuilder &builder,
                                              Location loc) {
  return std::make_unique<AVX512VNNIDot>(builder, loc);
}

} // namespace quantc::cpu

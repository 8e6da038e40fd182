//===- DotProd.cpp - Armv8.2 sdot -----------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One sdot for 4 columns of 4 k.
//
//===----------------------------------------------------------------------===//

#include "../TileDot.h"

using namespace mlir;

namespace quantc::cpu {
namespace {

class DotProdDot : public SignedNibbleDot {
public:
  using SignedNibbleDot::SignedNibbleDot;

  int64_t wordsPerLoad() const override { return 4; }
  Prepared prepareWeights(Value bytes, int64_t) override {
    return {slice(bytes, 0, 16), slice(bytes, 16, 16), slice(bytes, 32, 16),
            slice(bytes, 48, 16)};
  }
  Prepared prepareActivation(Value word) override {
    return {bitcast(vec(16, 8), splat(vec(4, 32), word))};
  }
  Value dot(Value sums, const Prepared &weights, const Prepared &activation,
            int64_t) override {
    SmallVector<Value> quarters;
    for (int64_t q = 0; q < 4; ++q)
      quarters.push_back(
          intrinsic("llvm.aarch64.neon.sdot.v4i32.v16i8", vec(4, 32),
                    {slice(sums, 4 * q, 4), weights[q], activation[0]}));
    return concat(quarters);
  }
};

} // namespace

std::unique_ptr<IntegerDot> makeDotProdDot(OpBuilder &builder, Location loc) {
  return std::make_unique<DotProdDot>(builder, loc);
}

} // namespace quantc::cpu

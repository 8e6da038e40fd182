//===- VNNI.h - 512 bits with vpdpbusd -------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_TARGET_CPU_X86_VNNI_H
#define QUANTC_LIB_TARGET_CPU_X86_VNNI_H

#include "../TileDot.h"

namespace quantc::cpu {

class AVX512VNNIDot : public UnsignedNibbleDot {
public:
  using UnsignedNibbleDot::UnsignedNibbleDot;
  Prepared prepareWeights(mlir::Value bytes, int64_t bits) override;
  Prepared prepareActivation(mlir::Value word) override;
  mlir::Value dot(mlir::Value sums, const Prepared &weights,
                  const Prepared &activation, int64_t bits) override;
};

} // namespace quantc::cpu

#endif // QUANTC_LIB_TARGET_CPU_X86_VNNI_H

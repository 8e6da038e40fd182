//===- Passes.h - Passes of the CPU targets ---------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_TARGET_CPU_PASSES_H
#define QUANTC_TARGET_CPU_PASSES_H

#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Target/CPU/Levels.h"
#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"

namespace quantc {

#define GEN_PASS_DECL
#include "quantc/Target/CPU/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "quantc/Target/CPU/Passes.h.inc"

namespace cpu {
/// What the layers above see of a level; with `shared`, only what all levels of its
/// architecture have in common.
qkernel::TargetAttr getTargetAttr(mlir::MLIRContext *context, const LevelInfo &level, bool shared);
} // namespace cpu

} // namespace quantc

#endif // QUANTC_TARGET_CPU_PASSES_H

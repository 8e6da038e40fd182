//===- RemoveObservers.cpp - Calibration is over ----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/BuiltinOps.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Quantize/Passes.h"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_REMOVEOBSERVERS
#include "quantc/Quantize/Passes.h.inc"

namespace {

class RemoveObserversPass
    : public impl::RemoveObserversBase<RemoveObserversPass> {
public:
  using RemoveObserversBase::RemoveObserversBase;
  void runOnOperation() override {
    getOperation().walk([](ObserveOp site) {
      site.getResult().replaceAllUsesWith(site.getInput());
      site.erase();
    });
  }
};

} // namespace
} // namespace quantc::qgraph

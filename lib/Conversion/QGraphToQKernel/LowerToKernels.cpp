//===- LowerToKernels.cpp - Entry functions to schedules of kernels -------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Contract: every public function on tensors becomes a schedule, with its side
// functions; kernels are added to the module; all ops that have no kernel are
// reported at once. The module's `qkernel.weights` lists what the weights file
// holds, in order.
//
//===----------------------------------------------------------------------===//

#include "Schedule.h"
#include "quantc/Conversion/Passes.h"

#define DEBUG_TYPE "lower-to-kernels"

namespace quantc {
#define GEN_PASS_DEF_LOWERTOKERNELS
#include "quantc/Conversion/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc::qkernel;

namespace {

/// The plain way computes the ops of a group one after another.
void dissolveGroups(func::FuncOp func) {
  SmallVector<quantc::qgraph::RowsOp> groups;
  func.walk([&](quantc::qgraph::RowsOp op) { groups.push_back(op); });
  for (quantc::qgraph::RowsOp op : groups) {
    Block &body = op.getBody().front();
    Operation *yield = body.getTerminator();
    op.replaceAllUsesWith(yield->getOperands());
    yield->erase();
    op->getBlock()->getOperations().splice(op->getIterator(),
                                           body.getOperations());
    op.erase();
  }
}

struct LowerToKernels : quantc::impl::LowerToKernelsBase<LowerToKernels> {
  using LowerToKernelsBase::LowerToKernelsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    WeightList weights;
    KernelLibrary kernels(module, !plain);
    SmallVector<func::FuncOp> entries;
    for (auto func : module.getOps<func::FuncOp>())
      if (func.isPublic() && !func.isDeclaration())
        entries.push_back(func);
    for (func::FuncOp func : entries) {
      if (!func.getBody().hasOneBlock()) {
        func.emitError("a schedule is made from one block of operations");
        return signalPassFailure();
      }
      if (plain)
        dissolveGroups(func);
      if (failed(Scheduler(func, weights, kernels).run()))
        return signalPassFailure();
    }
    module->setAttr("qkernel.weights", weights.getAttr(&getContext()));
  }
};

} // namespace

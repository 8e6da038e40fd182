//===- FloatLayers.cpp - A pass outside quantc's tree ---------------------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Names the layers that no recipe has quantized yet. It changes nothing.
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QGraph/QGraphDialect.h"

#include "mlir/Pass/Pass.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

namespace example {
#define GEN_PASS_DECL
#define GEN_PASS_DEF_FLOATLAYERS
#define GEN_PASS_REGISTRATION
#include "Passes.h.inc"
} // namespace example

namespace {

struct FloatLayers : example::impl::FloatLayersBase<FloatLayers> {
  using FloatLayersBase::FloatLayersBase;

  void runOnOperation() override {
    getOperation()->walk([&](quantc::qgraph::LinearOp op) {
      auto weight = llvm::cast<mlir::RankedTensorType>(op.getWeight().getType());
      if (!weight.hasStaticShape() || !weight.getElementType().isFloat() ||
          weight.getNumElements() < minElements)
        return;
      ++numFound;
      op.emitRemark() << "in float, weight " << weight << ": "
                      << weight.getNumElements() / 2 << " bytes in 4 bits";
    });
    markAllAnalysesPreserved();
  }
};

} // namespace

extern "C" LLVM_ATTRIBUTE_WEAK mlir::PassPluginLibraryInfo
mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "FloatLayers", "0.1",
          [] { example::registerFloatLayersPasses(); }};
}

//===- Register.cpp - Everything a tool of ours registers -*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Pipelines/Register.h"

#include "CompiledExecutor.h"
#include "quantc/Conversion/ONNXToKernels.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Conversion/QGraphToQKernel.h"
#include "quantc/Dialect/ONNX/ONNXDialect.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Pipelines/Pipelines.h"
#include "quantc/Pipelines/Plugin.h"
#include "quantc/Quantize/Passes.h"
#include "quantc/Target/CPU/Passes.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"

namespace {
struct KernelPipelineOptions
    : mlir::PassPipelineOptions<KernelPipelineOptions> {
  Option<bool> plain{*this, "plain", llvm::cl::init(false),
                     llvm::cl::desc("Scalar loops on one thread")};
};
} // namespace

void quantc::registerAllDialects(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<onnx_ir::ONNXDialect, qgraph::QGraphDialect,
                  qkernel::QKernelDialect>();
  registerQGraphKernelModels(registry);
  registerONNXKernelModels(registry);
  registerPluginDialects(registry);
  setExecutorFactory(createCompiledExecutor);
}

void quantc::registerAllPasses() {
  mlir::registerAllPasses();
  qgraph::registerQuantizePasses();
  registerConvertONNXToQGraph();
  registerFuseQuantized();
  registerFuseEpilogue();
  registerFuseRows();
  registerRecognizeCache();
  registerLowerCache();
  registerPropagateLayout();
  registerNormalizeCodes();
  registerPackWeights();
  registerLowerToKernels();
  registerSetTargetLevel();
  registerLowerTileDot();
  registerConvertQKernelToLLVM();
  registerBuildKernelTable();
  mlir::PassPipelineRegistration<KernelPipelineOptions>(
      "compile-kernels", "The kernel pipeline of a level, to the LLVM dialect",
      [](mlir::OpPassManager &manager, const KernelPipelineOptions &options) {
        // The manager is that of the module already.
        std::string text = kernelPipeline(options.plain);
        llvm::StringRef passes(text);
        bool anchored =
            passes.consume_front("builtin.module(") && passes.consume_back(")");
        bool parsed = succeeded(mlir::parsePassPipeline(passes, manager));
        assert(anchored && parsed && "the kernel pipeline has no valid text");
        (void)anchored, (void)parsed;
      });
}

//===- Register.cpp - Everything a tool of ours registers -*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Pipelines/Register.h"

#include "quantc/Conversion/ONNXToKernels.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Conversion/QGraphToQKernel.h"
#include "quantc/Dialect/ONNX/ONNXDialect.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Quantize/Passes.h"
#include "quantc/Target/CPU/Passes.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"

void quantc::registerAllDialects(mlir::DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<onnx_ir::ONNXDialect, qgraph::QGraphDialect,
                  qkernel::QKernelDialect>();
  registerQGraphKernelModels(registry);
  registerONNXKernelModels(registry);
}

void quantc::registerAllPasses() {
  mlir::registerAllPasses();
  qgraph::registerQuantizePasses();
  registerConvertONNXToQGraph();
  registerFuseQuantized();
  registerFuseEpilogue();
  registerFuseRows();
  registerPackWeights();
  registerLowerToKernels();
  registerLowerTileDot();
  registerConvertQKernelToLLVM();
  registerBuildKernelTable();
}

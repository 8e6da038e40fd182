//===- QGraphDialect.h - The qgraph dialect
//-----------------------------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QGRAPH_QGRAPHDIALECT_H
#define QUANTC_DIALECT_QGRAPH_QGRAPHDIALECT_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "quantc/Dialect/ONNX/ONNXDialect.h"
#include "quantc/Dialect/QGraph/ChannelScale.h"
#include "quantc/Support/Journal.h"
#include "quantc/Support/WeightStore.h"

#include "quantc/Dialect/QGraph/QGraphDialect.h.inc"
#include "quantc/Dialect/QGraph/QGraphEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QGraph/QGraphAttributes.h.inc"

#define GET_TYPEDEF_CLASSES
#include "quantc/Dialect/QGraph/QGraphTypes.h.inc"

#include "quantc/Dialect/QGraph/ChannelScaleInterface.h.inc"
#include "quantc/Dialect/QGraph/LayerInterface.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QGraph/QGraphOps.h.inc"

#endif // QUANTC_DIALECT_QGRAPH_QGRAPHDIALECT_H

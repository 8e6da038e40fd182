//===- QKernelDialect.h - The qkernel dialect
//-----------------------------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QKERNEL_QKERNELDIALECT_H
#define QUANTC_DIALECT_QKERNEL_QKERNELDIALECT_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/SymbolTable.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Dialect/QKernel/KernelBody.h"
#include "quantc/Numerics/PackPanels.h"

#include "quantc/Dialect/QKernel/QKernelDialect.h.inc"
#include "quantc/Dialect/QKernel/QKernelEnums.h.inc"

#include "quantc/Dialect/QKernel/KernelInterface.h.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QKernel/QKernelAttributes.h.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/QKernel/QKernelOps.h.inc"

#endif // QUANTC_DIALECT_QKERNEL_QKERNELDIALECT_H

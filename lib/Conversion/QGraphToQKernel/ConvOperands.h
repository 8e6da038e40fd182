//===- ConvOperands.h - What kernels of convolutions read ------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QGRAPHTOQKERNEL_CONVOPERANDS_H
#define QUANTC_CONVERSION_QGRAPHTOQKERNEL_CONVOPERANDS_H

#include "ConvShape.h"
#include "Tiles.h"

namespace quantc::qkernel {

/// The operands of a qkernel.conv in its kernel, and the result: the image and
/// the panels as one row of elements, the result as rows of pixels, and the
/// epilogue. Scale and zero point are null for an image of floats.
class ConvOperands {
protected:
  ConvOperands(ConvOp op, const ConvShape &shape, KernelBody &body);

  /// 16 parameters of a panel, `offset` bytes into all of them.
  mlir::Value loadParams(mlir::Value offset, mlir::Type element);
  /// The element of a scale or zero point that an image has.
  mlir::Value perImage(mlir::Value memref, mlir::Value image);
  /// The scale of an image, in all lanes.
  mlir::Value imageScale(mlir::Value image);

  KernelBody &body;
  mlir::OpBuilder &builder;
  mlir::Location loc;
  ConvExtents extents;
  Epilogue epilogue;
  mlir::Value input, scale, zeroPoint, packed, output;
};

} // namespace quantc::qkernel

#endif // QUANTC_CONVERSION_QGRAPHTOQKERNEL_CONVOPERANDS_H

//===- PackWeights.h - Linear layers and convolutions share -----*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_PACKWEIGHTS_PACKWEIGHTS_H
#define QUANTC_LIB_CONVERSION_PACKWEIGHTS_PACKWEIGHTS_H

#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include <optional>
#include <string>
#include <vector>

namespace quantc {

/// Reads a constant operand; says why that cannot be, or nothing.
std::string readConstant(llvm::StringRef what, mlir::Value value,
                         std::optional<ConstantTensor> &result);

/// Reads the weight of a layer of floats, whose input must be f32 too; says why
/// that cannot be, or nothing.
std::string readFloatWeight(qgraph::LayerOpInterface layer,
                            std::optional<ConstantTensor> &weight);

/// Reads the bias, if there is one, of a layer whose result is f32 or codes, or
/// with `sums` si32; says why that cannot be, or nothing.
std::string readBias(qgraph::LayerOpInterface layer, bool sums,
                     std::vector<float> &bias);

/// Constants that nobody reads any more go.
void eraseUnread(llvm::ArrayRef<mlir::Value> values);

/// True for a layer over the pixels of images whose scale is the same for all:
/// as a convolution it needs no sums of its rows.
bool isPixelwise(qgraph::QuantizedLinearOp linear);

/// `qgraph.conv`, `quantized_conv` and a pixelwise layer become `qkernel.conv`
/// (PackConvolutions.cpp). Returns the bytes of the packed weight; 0 if the
/// layer is left to the plain way, after a remark that says why. Fails after an
/// error was reported.
llvm::FailureOr<int64_t> packConvolution(mlir::Operation *layer);

} // namespace quantc

#endif // QUANTC_LIB_CONVERSION_PACKWEIGHTS_PACKWEIGHTS_H

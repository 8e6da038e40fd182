//===- OnlineRotation.h - Rotations while the model runs --------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What no constant can take is rotated where it is read: the channels of a
// tensor [.., K], in blocks of B, by one product with a matrix [B, B]. The
// layers behind it have the inverse in their weights.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_ONLINEROTATION_H
#define QUANTC_LIB_QUANTIZE_ONLINEROTATION_H

#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Numerics/Rotation.h"

namespace quantc::qgraph {

/// Smaller blocks spread an outlier over too few channels to be worth a
/// product.
inline constexpr int64_t kLeastBlock = 8;

/// A rotation may have this part of the multiply-adds of the layers that read
/// it.
inline constexpr double kMostCost = 0.25;

/// Why a layer's input [.., K] cannot be rotated, or empty: its weight must be
/// a constant of floats, and its input f32 with K known, neither a calibration
/// site's nor dequantized.
std::string whyNotRotatedOnline(LinearOp layer);

/// The largest B from kLeastBlock to `most` that divides K, has a Hadamard
/// matrix and, with `columns` outputs of the layers, costs no more than
/// kMostCost: K B multiply-adds a row against K `columns`. 0: there is none.
int64_t chooseOnlineBlock(int64_t channels, int64_t columns, int64_t most);

/// Builds x R behind `input`, block by block: its result is of the same type.
/// The layer that multiplies is called `name`, and has kPartAttr, so that it
/// stays float. An error: the matrix cannot be kept.
llvm::Expected<mlir::Value> rotateOnline(mlir::Value input,
                                         const numerics::Rotation &matrix,
                                         llvm::StringRef name);

} // namespace quantc::qgraph

#endif // QUANTC_LIB_QUANTIZE_ONLINEROTATION_H

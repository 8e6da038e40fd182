//===- InputFactors.h - Factors of the inputs of layers ---------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What methods that scale the inputs of layers, one after another, ask of
// Analysis/ChannelFactors.h.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_INPUTFACTORS_H
#define QUANTC_LIB_QUANTIZE_INPUTFACTORS_H

#include "quantc/Analysis/ChannelFactors.h"

namespace quantc::qgraph {

class InputFactors {
public:
  /// With `insertMultiply`, inputs are multiplied while the model runs where
  /// nothing absorbs their factors.
  InputFactors(mlir::Operation *root, ChannelFactorOptions options,
               bool insertMultiply)
      : solver(root, options), insertMultiply(insertMultiply) {}

  /// The factors that the channels of a layer's input can have, without those
  /// that an earlier call has found; `groupCount` is 0 if there are no others.
  /// Where the input is going to be multiplied, `blocked` says why. An error
  /// says what is in the way of all.
  llvm::Expected<ChannelFactors> find(LayerOpInterface layer);

private:
  ChannelFactorSolver solver;
  ClaimedChannels claimed;
  bool insertMultiply;
};

} // namespace quantc::qgraph

#endif // QUANTC_LIB_QUANTIZE_INPUTFACTORS_H

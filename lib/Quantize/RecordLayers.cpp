//===- RecordLayers.cpp - Write down the precision of layers --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Fusion and packing take apart what quantization has written down, so it is
// noted in between, for those who ask when all is done.
//
//===----------------------------------------------------------------------===//

#include "quantc/Analysis/LayerPrecision.h"
#include "quantc/Quantize/Passes.h"

#define DEBUG_TYPE "qgraph-record-layers"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_RECORDLAYERS
#include "quantc/Quantize/Passes.h.inc"

namespace {

class RecordLayersPass : public impl::RecordLayersBase<RecordLayersPass> {
public:
  void runOnOperation() override {
    std::vector<LayerPrecision> layers = precisionOfLayers(getOperation());
    recorded = layers.size();
    getOperation()->setAttr(kLayersAttr, toAttribute(layers, &getContext()));
  }
};

} // namespace
} // namespace quantc::qgraph

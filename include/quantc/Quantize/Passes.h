//===- Passes.h - The quantization passes -----------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_QUANTIZE_PASSES_H
#define QUANTC_QUANTIZE_PASSES_H

#include "mlir/Pass/Pass.h"
#include <memory>

namespace quantc::qgraph {

/// Of a module: what of keep-float and set of qgraph-quantize-weights matched
/// no layer, as `set 'fc'`, where require-match=false.
inline constexpr llvm::StringLiteral kUnmatchedAttr("qgraph.unmatched");

/// Of a `dequantize` of a weight: what the weight was before it was rounded, for
/// passes that correct what rounding did; qgraph-correct-bias takes it away.
inline constexpr llvm::StringLiteral kOriginalAttr("qgraph.original");

/// Of what qgraph-insert-switches adds: the input that says which layers are
/// quantized (a byte a layer, in the order of the results), and the results
/// that show what of a layer goes on, and what it is quantized.
inline constexpr llvm::StringLiteral kSwitches("quantc.quantized");
inline constexpr llvm::StringLiteral kChosenPrefix("quantc.chosen/");
inline constexpr llvm::StringLiteral kQuantizedPrefix("quantc.quantized/");

/// Of a module: what qgraph-record-layers has found (Analysis/LayerPrecision.h).
inline constexpr llvm::StringLiteral kLayersAttr("qgraph.layers");

#define GEN_PASS_DECL
#include "quantc/Quantize/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "quantc/Quantize/Passes.h.inc"

} // namespace quantc::qgraph

#endif // QUANTC_QUANTIZE_PASSES_H

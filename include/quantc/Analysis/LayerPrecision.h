//===- LayerPrecision.h - What each layer is stored and read as -*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The precision of layers as quantization has left it: formats, what shares a
// scale, and what is known of the inputs. `quantc compile --lock` keeps it.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_ANALYSIS_LAYERPRECISION_H
#define QUANTC_ANALYSIS_LAYERPRECISION_H

#include "quantc/Dialect/QGraph/QGraphDialect.h"

#include "mlir/IR/BuiltinOps.h"

#include <optional>
#include <string>
#include <vector>

namespace quantc {

/// Of a `dequantize` of a weight: its format's name where what is stored does
/// not tell it (GGML's formats).
inline constexpr llvm::StringLiteral kWeightFormatAttr("qgraph.format");

/// Of a layer that is what a pass has split from another one: it is none of the
/// model's own.
inline constexpr llvm::StringLiteral kPartAttr("qgraph.part");

/// Of the layer that is left: the columns of its weight before it was split.
inline constexpr llvm::StringLiteral kColumnsAttr("qgraph.columns");

/// The precision of a linear layer, a convolution or an embedding.
struct LayerPrecision {
  /// The layer's name, else its weight's (exactLayerName).
  std::string name;
  /// Of the weight: [N, K], [O, .., C] of a convolution, [V, D] of a table.
  std::vector<int64_t> shape;
  /// A name that `--set` takes (`si4`, `nf4`, `q4_1`, `float`), or the type
  /// that the model itself stores.
  std::string format;
  /// What shares a scale: `tensor`, `channel`, `group N`, or `block AxB`; empty
  /// where the format has no scales.
  std::string scales;
  /// `symmetric`, or `asymmetric` with zero points or offsets.
  std::string scheme;
  /// Of the input: `float`, or its type and what shares a scale, as `si8
  /// token`, `si8 group 32`, `ui8 tensor static`. Without `static` scales are
  /// found while the model runs.
  std::string activations;

  bool isFloat() const { return format == "float"; }
};

/// The precision of a layer whose weight is a constant; its name may be empty.
/// None for other ops, and for parts of layers.
std::optional<LayerPrecision> precisionOfLayer(mlir::Operation *op);

/// The precision of all layers whose weights are constants, in the order of the
/// module. Layers without any name are left out.
std::vector<LayerPrecision> precisionOfLayers(mlir::ModuleOp module);

/// As an attribute, and back.
mlir::ArrayAttr toAttribute(llvm::ArrayRef<LayerPrecision> layers,
                            mlir::MLIRContext *context);
std::vector<LayerPrecision> fromAttribute(mlir::ArrayAttr layers);

} // namespace quantc

#endif // QUANTC_ANALYSIS_LAYERPRECISION_H

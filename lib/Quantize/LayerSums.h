//===- LayerSums.h - What samples say of layers -----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_LAYERSUMS_H
#define QUANTC_LIB_QUANTIZE_LAYERSUMS_H

#include "Residual.h"
#include "SequentialDriver.h"
#include "quantc/Numerics/GPTQ.h"
#include "quantc/Numerics/Parallel.h"

#include <optional>
#include <vector>

namespace quantc {

/// What the layers' outputs are held against.
enum class OutputTarget {
  Weights,  ///< what the original weights give for what the layer reads now
  Inputs,   ///< what they give for what the original model's layer reads
  Residual, ///< Inputs, and the residual stream is to be the original model's
};

struct LayerSumsOptions {
  OutputTarget target = OutputTarget::Weights;
  /// A token counts by 1 / mean(r²), r its residual after the layer: what the
  /// next normalization divides by. Tokens of huge residuals (attention sinks)
  /// would otherwise be all that is seen.
  bool weighTokens = false;
  /// X is what the layers read in the original model.
  bool readsOriginal = false;

  bool needsOriginal() const {
    return target != OutputTarget::Weights || weighTokens || readsOriginal;
  }
};

/// A layer whose weight was quantized and can be quantized again.
struct QuantizedLayer {
  qgraph::LinearOp op;
  qgraph::DequantizeOp weight;
  mlir::TypedAttr original;
};

/// A layer as one that was quantized with keep-original=true; none if it was
/// not.
std::optional<QuantizedLayer> getQuantizedLayer(qgraph::LinearOp layer);

/// The linear layers of a module have numbers, by which records name them.
class LayerNumbers {
public:
  explicit LayerNumbers(mlir::ModuleOp module);
  /// `<number>.`
  std::string prefix(mlir::Operation *layer) const {
    return std::to_string(numbers.lookup(layer)) + ".";
  }

private:
  llvm::DenseMap<mlir::Operation *, unsigned> numbers;
};

/// The layers that read a site and were quantized with keep-original=true.
std::vector<QuantizedLayer> quantizedReaders(qgraph::ObserveOp site);

/// What the residual streams are that those layers write to: values that a
/// method wants.
llvm::SmallVector<mlir::Value> residualsOf(qgraph::ObserveOp site);

/// The sums of layers that read one tensor and write to one residual stream, or
/// to none.
class LayerSums {
public:
  /// `tensors`, of a sample, say which values can be had. Errors: a weight that
  /// cannot be read.
  static llvm::Expected<std::vector<LayerSums>>
  create(qgraph::ObserveOp site, const LayerSumsOptions &options,
         const SampleTensors &tensors);

  /// Adds a sample's tokens.
  llvm::Error add(const SampleTensors &tensors,
                  const numerics::ParallelFor &parallel);

  llvm::ArrayRef<QuantizedLayer> layers() const { return members; }
  int64_t tokens() const { return count; }
  /// Channels of what the layers read: K.
  int64_t width() const { return K; }
  /// True if tokens are weighted by a residual stream.
  bool isWeighted() const { return residual.sum != nullptr; }
  /// XᵀX [K, K] over the tokens, weighted.
  const std::vector<float> &gram() const { return H; }

  /// What is to be rounded instead of `weight` [N, K], which is the original of
  /// layer `i`. An error says why it cannot be told.
  llvm::Expected<std::vector<float>>
  target(size_t i, std::vector<float> weight,
         const numerics::ParallelFor &parallel) const;

  /// The sums' upper triangles are all that has been added: makes them whole.
  void finish();

private:
  void addErrors(llvm::ArrayRef<float> now, llvm::ArrayRef<float> was,
                 llvm::ArrayRef<float> residual, const float *weights,
                 const numerics::ParallelFor &parallel);

  qgraph::ObserveOp site;
  bool usesInputs = false, readsOriginal = false;
  Residual residual; // only what is used
  std::vector<QuantizedLayer> members;
  int64_t K = 0, count = 0;
  std::vector<float> H;
  std::vector<float> cross; // see TargetInputs; empty where errors are summed
  struct Output {
    int64_t N;
    std::vector<float> weight; // [N, K]
    std::vector<float> errors; // EᵀX [N, K]
  };
  std::vector<Output> outputs; // one a layer, where errors are summed
};

} // namespace quantc

#endif // QUANTC_LIB_QUANTIZE_LAYERSUMS_H

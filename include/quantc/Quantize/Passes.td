//===- Passes.td - The quantization passes ------------------*- tablegen -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_QUANTIZE_PASSES_TD
#define QUANTC_QUANTIZE_PASSES_TD

include "mlir/Pass/PassBase.td"

def QuantizeWeights : Pass<"qgraph-quantize-weights", "::mlir::ModuleOp"> {
  let summary = "Round the constant weights of linear layers, convolutions and embeddings to nearest";
  let description = [{
    Each `qgraph.linear` whose weight is a constant of floats gets that weight as
    `dequantize(stored, scale)`:

    ```mlir
    %w = qgraph.constant #qgraph.weight<"m.safetensors", "fc"> : tensor<384x384xf32>
    %y = qgraph.linear %x, %w : ...
    ```
    becomes, with `format=si8 granularity=channel`,
    ```mlir
    %q = qgraph.constant #qgraph.weight<"new", "fc@quantize-weights"> : tensor<384x384xsi8>
    %s = qgraph.constant #qgraph.weight<"new", "fc@quantize-weights.scale"> : tensor<384x1xf32>
    %w = qgraph.dequantize %q scale %s {block = array<i64: 1, 0>} : ...
    %y = qgraph.linear %x, %w : ...
    ```

    The tables of `qgraph.embedding` get one scale a row, symmetric, in
    `embedding-format`. Weights of up to 64 elements stay `dense`. A tied weight is
    stored once.

    `set` overrides `format` and `group-size` for layers by name: entries separated
    by `;`, each `REGEX=FORMAT[,group-size=N]`; the last entry that matches decides,
    whatever the cost model says, and FORMAT `float` keeps a layer as it is. A regex matches anywhere in the
    layer's name or in the name of its weight, and may not hold `=` or `;`. One that
    matches no layer is an error; with `require-match=false` the module gets the
    attribute `qgraph.unmatched`, which lists them.

    A `qgraph.conv` gets si8 with one scale a column (or for all, by `granularity`),
    unless `set` asks for another format of it.

    Every layer and embedding that stays float gets a remark that says why and
    what would help.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
  let options = [
    Option<"format", "format", "std::string", "\"si8\"",
           "Stored type of the weights: si2 ... si8, or ui2 ... ui8 with scheme=asymmetric">,
    Option<"groupSize", "group-size", "int64_t", "32",
           "Values along K that share a scale, with granularity=group; 0: all of K">,
    Option<"scheme", "scheme", "std::string", "\"symmetric\"",
           "How a scale is chosen: symmetric, signed_scale (all codes are used) or asymmetric">,
    Option<"granularity", "granularity", "std::string", "\"channel\"",
           "What shares a scale: tensor, channel (an output) or group (group-size values of an output)">,
    Option<"scaleType", "scale-type", "std::string", "\"f32\"", "Type of the scales: f32 or f16">,
    Option<"search", "search", "bool", "false",
           "Scales of least squared error (Numerics/ScaleSearch.h) instead of those from the "
           "extrema; not with scheme=asymmetric">,
    Option<"valueFormat", "value-format", "std::string", "\"\"",
           "Stored type of layers that make an attention's values, whose errors no softmax "
           "dampens; empty: as the others">,
    Option<"embeddingFormat", "embedding-format", "std::string", "\"si8\"",
           "Stored type of embedding tables, or float to leave them">,
    Option<"keepFloat", "keep-float", "std::string", "\"\"",
           "Layers whose name or weight's name this regular expression matches stay float">,
    Option<"set", "set", "std::string", "\"\"",
           "Formats for single layers: REGEX=FORMAT[,group-size=N][;...]">,
    Option<"requireMatch", "require-match", "bool", "true",
           "A regular expression of keep-float or set that matches no layer is an error">,
    Option<"costModel", "cost-model", "bool", "true",
           "Leave a layer float where the cost model says that quantizing it does not pay">
  ];
  let statistics = [
    Statistic<"matched", "matched", "Layers quantized">,
    Statistic<"skipped", "skipped", "Layers that stayed float">,
    Statistic<"worstError", "worst-error-ppm",
              "Largest relative error of a weight, |w - w'| / |w| in the Frobenius norm, in millionths">
  ];
}

def QuantizeActivations : Pass<"qgraph-quantize-activations", "::mlir::ModuleOp"> {
  let summary = "Quantize the inputs of layers with quantized weights while the model runs";
  let description = [{
    Before each `qgraph.linear` (and `qgraph.conv`, always with one scale for all
    of its input) whose weight is a `dequantize` of integers:

    ```mlir
    %y = qgraph.linear %x, %w : ...
    ```
    becomes, with `granularity=token`,
    ```mlir
    %s = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8} : ...
    %q = qgraph.quantize %x scale %s {block = array<i64: 1, 0>} : ...
    %d = qgraph.dequantize %q scale %s {block = array<i64: 1, 0>} : ...
    %y = qgraph.linear %d, %w : ...
    ```

    One quantization serves all layers that read the same value; other readers keep
    the float value. Layers that stay float, or whose weights could not be used by
    an integer sum (a codebook, an offset), keep float inputs, with a remark.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
  let options = [
    Option<"granularity", "granularity", "std::string", "\"token\"",
           "What shares a scale: tensor, token (the last dimension) or group (of group-size values of it)">,
    Option<"groupSize", "group-size", "int64_t", "32", "Values that share a scale, with granularity=group">,
    Option<"format", "format", "std::string", "\"si8\"", "Stored type">,
    Option<"scheme", "scheme", "std::string", "\"symmetric\"",
           "How scale and zero point are chosen: symmetric or asymmetric">
  ];
  let statistics = [
    Statistic<"matched", "matched", "Layers with quantized inputs">,
    Statistic<"skipped", "skipped", "Layers that keep float inputs">,
    Statistic<"quantizations", "quantizations", "Quantizations inserted (layers share them)">
  ];
}

#endif // QUANTC_QUANTIZE_PASSES_TD

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
    by `;`, each `REGEX=FORMAT[,BLOCK]`; the last entry that matches decides,
    whatever the cost model says, and FORMAT `float` keeps a layer as it is. A regex matches anywhere in the
    layer's name or in the name of its weight, and may not hold `=` or `;`. One that
    matches no layer is an error; with `require-match=false` the module gets the
    attribute `qgraph.unmatched`, which lists them. BLOCK says what shares a scale:
    `group-size=N` (N values of a row; 0: the row), `granularity=channel`,
    `granularity=tensor`, or `block=RxC` (C values of each of R rows; 0: all):

    ```mlir
    %w = qgraph.dequantize %q scale %s {block = array<i64: 128, 128>}
         : (tensor<384x384xsi8>, tensor<3x3xf32>) -> tensor<384x384xf32>
    ```

    `(*name)NAME` instead of a regex is the layer of just this name (without a name,
    the one whose weight is called so), an embedding too; `%XX` in it is a byte. It
    comes before any regex, and a regex or `keep-float` that asks for another format
    of the same layer is an error.

    Formats that are more than an integer type (Numerics/WeightFormats.h):

    | format | stored | scales |
    |---|---|---|
    | `f16`, `bf16` | the value, rounded | one of 1 |
    | `f8E4M3FN`, `f8E5M2` | max \|w\| maps to the greatest value | by `granularity` |
    | `nf4`, `fp4` | the nearest of a codebook's 16 values (QLoRA, arXiv:2305.14314; bitsandbytes), max \|w\| maps to 1 | groups of 64 unless told otherwise; quantized again, to f8E4M3FN less their mean, in blocks of up to 256 |
    | `q4_0`, `q5_0`, `q8_0` | GGML's codes, bit for bit | f16, groups of 32 |
    | `q4_1`, `q5_1` | GGML's codes | f16 with an f16 offset, groups of 32 |
    | `q4_k`, `q5_k` | ui4, ui5 (Numerics/SuperBlocks.h) | ui6 and ui6 offsets in groups of 32, of which 8 share two f16 |
    | `q6_k` | si6 | si8 in groups of 16, of which 16 share an f16 |
    | `mxfp4` | f4E2M1FN (OCP MX v1.0) | a power of two, groups of 32 |
    | `nvfp4` | f4E2M1FN | f8E4M3FN with one f32 scale for all, groups of 16 |
    | `binary` | -1 or 1 (XNOR-Net, arXiv:1603.05279) | the mean of \|w\|, by `granularity` |

    ```mlir
    %y = qgraph.linear %x, %w {name = "fc"} : ...
    ```
    becomes, with `format=nf4`,
    ```mlir
    %c = qgraph.constant #qgraph.weight<"new", "fc@quantize-weights.scale"> : tensor<384x6xf8E4M3FN>
    %s = qgraph.dequantize %c scale %cs offset %mean {block = array<i64: 42, 0>} : ...
    %w = qgraph.dequantize %q scale %s codebook %book {block = array<i64: 1, 64>} : ...
    %y = qgraph.linear %x, %w {name = "fc"} : ...
    ```

    and with `format=q4_k`, where scales and offsets are dequantized themselves,
    ```mlir
    %s = qgraph.dequantize %sc scale %d {block = array<i64: 1, 8>} : (tensor<384x12xui6>, tensor<384x2xf16>) -> ...
    %o = qgraph.dequantize %m scale %dmin {block = array<i64: 1, 8>} : (tensor<384x12xui6>, tensor<384x2xf16>) -> ...
    %w = qgraph.dequantize %q scale %s offset %o {block = array<i64: 1, 32>, qgraph.format = "q4_k"} : (tensor<384x384xui4>, ...
    ```

    `mix` gives layers of a transformer formats by what they do, found from the
    graph: `values` makes an attention's values, `fused` its values and queries or
    keys in one, `down` writes what an activation or a gate gives to a residual
    stream, `output` gives results of the model. The first rule that fits decides;
    `set` comes before it. `@first-N`, `@first-eighth` and `@more-bits` (llama.cpp's
    use_more_bits: the first and the last eighth, and every third between) take the
    i-th of the n layers of that role, in the order of the graph.

    A `qgraph.conv` gets si8 with one scale a column (or for all, by `granularity`),
    unless `set` asks for another integer type of it; with formats that integer
    sums cannot use (floats, codebooks) it stays float.

    Every layer and embedding that stays float gets a remark that says why and
    what would help.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
  let options = [
    Option<"format", "format", "std::string", "\"si8\"",
           "Stored type of the weights: si2 ... si8, or ui2 ... ui8 with scheme=asymmetric; f16, bf16, "
           "f8E4M3FN, f8E5M2, nf4, fp4, q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k, mxfp4, "
           "nvfp4, binary">,
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
    Option<"mix", "mix", "std::string", "\"\"",
           "Formats of layers by what they do in a transformer: ROLE[@WHERE]=FORMAT[,...] "
           "(values, fused, down, output; first-N, first-eighth, more-bits)">,
    Option<"embeddingFormat", "embedding-format", "std::string", "\"si8\"",
           "Stored type of embedding tables: si2 ... si8, f16, bf16, or float to leave them">,
    Option<"keepFloat", "keep-float", "std::string", "\"\"",
           "Layers whose name or weight's name this regular expression matches stay float">,
    Option<"set", "set", "std::string", "\"\"",
           "Formats for single layers: REGEX=FORMAT[,BLOCK][;...]; (*name)NAME=...">,
    Option<"requireMatch", "require-match", "bool", "true",
           "A regular expression of keep-float or set that matches no layer is an error">,
    Option<"costModel", "cost-model", "bool", "true",
           "Leave a layer float where the cost model says that quantizing it does not pay">,
    Option<"keepOriginal", "keep-original", "bool", "false",
           "Leave the float weight on each dequantize, for qgraph-correct-bias">
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

    With `statistics`, scale and zero point are constants, of the range that
    `observer` finds for the site (`qgraph.observe`) that the layer reads. Layers
    whose site is not in the file keep float inputs, with a remark.

    With `granularity=group` the last dimension has the groups of the layer's weight,
    and one scale if that has one a column: a sum of integers has one scale of each.

    One quantization serves all layers that read the same value and have the same
    groups; other readers keep the float value. Layers that stay float, or whose weights could not be used by
    an integer sum (a codebook, an offset), keep float inputs, with a remark.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
  let options = [
    Option<"granularity", "granularity", "std::string", "\"token\"",
           "What shares a scale: tensor, token (the last dimension) or group (as many values of it as "
           "share one in the weight)">,
    Option<"format", "format", "std::string", "\"si8\"", "Stored type">,
    Option<"scheme", "scheme", "std::string", "\"symmetric\"",
           "How scale and zero point are chosen: symmetric or asymmetric">,
    Option<"statisticsFile", "statistics", "std::string", "\"\"",
           "File of statistics, for scales that are constants; with granularity=tensor">,
    Option<"observer", "observer", "std::string", "\"minmax\"",
           "What range of a site's values is kept: minmax, moving-average, percentile (99.999 %), "
           "entropy or mse">
  ];
  let statistics = [
    Statistic<"matched", "matched", "Layers with quantized inputs">,
    Statistic<"skipped", "skipped", "Layers that keep float inputs">,
    Statistic<"quantizations", "quantizations", "Quantizations inserted (layers share them)">
  ];
}

def SmoothQuant : Pass<"qgraph-smooth-quant", "::mlir::ModuleOp"> {
  let summary = "Move the difficulty of quantizing activations into the weights that read them";
  let description = [{
    SmoothQuant (G. Xiao et al., arXiv:2211.10438). Channels of activations differ
    by orders of magnitude, those of weights do not; one scale for all channels of
    a token then leaves the small ones a few codes. Dividing channel j by

        s_j = max|x_j|^alpha / max|w_j|^(1 - alpha)

    where it is made, and multiplying column j of the weights that read it by s_j,
    leaves every result what it was. max|x_j| is from the statistics of the layers'
    sites (`qgraph.observe`), max|w_j| over all weights that read the channel.

    Who absorbs 1/s_j is asked of `ChannelScaleOpInterface`: the gain and bias of a
    norm, the rows of the layer whose result goes through an attention's values
    (channels that several query heads share have one factor), through a gate,
    a ReLU, reshapes, residual additions; a convolution's columns. Channels that
    must share a factor share the largest |x| and |w|.

    ```mlir
    %n = qgraph.norm rms %x weight %gain ...
    %o = qgraph.observe "fc/input" %n : tensor<?x64xf32>
    %y = qgraph.linear %o, %w ...
    ```
    becomes
    ```mlir
    %g = qgraph.constant #qgraph.weight<"new", "gain@smooth-quant"> ...    // gain / s
    %n = qgraph.norm rms %x weight %g ...
    %o = qgraph.observe "fc/input" %n {factor = ...} : tensor<?x64xf32>    // 1 / s
    %v = qgraph.constant #qgraph.weight<"new", "fc@smooth-quant"> ...      // w * s
    %y = qgraph.linear %o, %v ...
    ```

    With `alpha=auto` each tensor gets, of 0, 0.05, ... 1 and no smoothing at all,
    what has the least expected error of its layers' results in symmetric codes of
    8 bits with one scale for each column of the weight, rounding errors taken as
    independent and even (q = 127):

        sum_n ( S^2 sum_j (w_nj s_j)^2 + max_j (w_nj s_j)^2 sum_j E[x_j^2] / s_j^2 ) / (12 q^2)

    S^2 is (max_j |x_j| / s_j)^2: with `activations=tensor` of all that was seen,
    with `activations=token` the mean over the tokens, which is estimated from the
    means of |x_j| and x_j^2 (`expectedMaxSquare` of Numerics/SmoothQuant.h).

    Layers that are not smoothed get a remark that says why.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
  let options = [
    Option<"statistics", "statistics", "std::string", "\"\"", "File of statistics of the sites">,
    Option<"alpha", "alpha", "std::string", "\"0.5\"",
           "How much of the difficulty the weights take, 0 to 1, or auto">,
    Option<"activations", "activations", "std::string", "\"token\"",
           "What shares a scale of the activations, for alpha=auto: token or tensor">,
    Option<"maxFactor", "max-factor", "double", "1e5",
           "s_j is between 1 / max-factor and max-factor">,
    Option<"insertMultiply", "insert-multiply", "bool", "false",
           "Where nothing absorbs 1/s, multiply the activation while the model runs">,
    Option<"cloneShared", "clone-shared", "bool", "false",
           "Copy constants that others read too, instead of leaving the layer">,
    Option<"scaleCache", "scale-cache", "bool", "false",
           "Keys and values that are kept between runs may be scaled: past inputs must be what "
           "the same model has given">
  ];
  let statistics = [
    Statistic<"smoothed", "smoothed", "Layers whose inputs are smoothed">,
    Statistic<"skipped", "skipped", "Layers that are left as they are">,
    Statistic<"products", "products", "Products inserted because nothing absorbs the factors">
  ];
}

def SplitOutliers : Pass<"qgraph-split-outliers", "::mlir::ModuleOp"> {
  let summary = "Give columns of activations with outliers a product of their own, in 16 bits";
  let description = [{
    LLM.int8() (T. Dettmers et al., arXiv:2208.07339). A few columns of a
    transformer's activations hold values a hundred times larger than the others; a
    scale that they share leaves the others few codes. With O the columns whose
    largest |x| exceeds `threshold`,

        x w^T = x[:, rest] w[:, rest]^T + x[:, O] w[:, O]^T

    and only the first product is left for quantization; the weights of the second
    are rounded to 16 bits. The paper finds O anew in each step; here it is what the
    statistics of the layer's site (`qgraph.observe`) say, so that both weights are
    constants. To be run before `--qgraph-quantize-weights`.

    ```mlir
    %o = qgraph.observe "fc/input" %x : tensor<?x4xf32>
    %y = qgraph.linear %o, %w bias %b {name = "fc"} ...
    ```
    becomes, where column 2 holds outliers,
    ```mlir
    %r = onnx.node "Gather"(%o, %rest) {axis = 1} ...       // columns 0, 1, 3
    %p = onnx.node "Gather"(%o, %outliers) {axis = 1} ...   // column 2
    %v = qgraph.dequantize %half scale %one {block = array<i64: 0, 0>} : (tensor<2x1xf16>, ...
    %y2 = qgraph.linear %p, %v {name = "fc/outliers"} ...
    %y1 = qgraph.linear %r, %w1 bias %b {name = "fc"} ...
    %y = onnx.node "Add"(%y1, %y2) ...
    ```

    Layers without outliers stay as they are; those that cannot be split get a
    remark that says why.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect", "::quantc::onnx_ir::ONNXDialect",
                           "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
  let options = [
    Option<"statistics", "statistics", "std::string", "\"\"", "File of statistics of the sites">,
    Option<"threshold", "threshold", "double", "6.0", "Columns with a larger |x| hold outliers">,
    Option<"maxFraction", "max-fraction", "double", "0.25",
           "Layers with a larger part of such columns stay whole">,
    Option<"format", "format", "std::string", "\"f16\"",
           "What the weights of these columns are stored as: f16 or bf16">
  ];
  let statistics = [
    Statistic<"splits", "split", "Layers split">,
    Statistic<"whole", "whole", "Layers without outliers">,
    Statistic<"skipped", "skipped", "Layers that could not be split">,
    Statistic<"outlierColumns", "outlier-columns", "Columns that stay 16 bits, over all layers">
  ];
}

def SplitOffsets : Pass<"qgraph-split-offsets", "::mlir::ModuleOp"> {
  let summary = "Give the offsets of weights a product of their own, so that the codes have integer sums";
  let description = [{
    A weight with a real offset for each group of g values along K (GGML's q4_1 and
    q5_1), w = s q + m, has no integer sums. But

        x w^T = x (s q)^T + G(x) m^T,     G(x)[.., j] = sum of x[.., k] for k in group j

    where the first product has them, and the second is K / g columns wide. Over the
    reals the two are equal; G(x) is made once for all layers that read x. To be run
    before `--qgraph-quantize-activations`; where activations stay float the kernels
    add the offsets as they unpack the weights.

    ```mlir
    %w = qgraph.dequantize %q scale %s offset %m {block = array<i64: 1, 32>} : (tensor<8x64xui4>, ...
    %y = qgraph.linear %x, %w bias %b {name = "fc"} ...
    ```
    becomes
    ```mlir
    %g = onnx.node "Reshape"(%x) ... -> tensor<?x2x32xf32>
    %t = onnx.node "ReduceSum"(%g) {axes = [2], keepdims = 0} ... -> tensor<?x2xf32>
    %v = qgraph.dequantize %q scale %s {block = array<i64: 1, 32>} : (tensor<8x64xui4>, ...
    %o = qgraph.dequantize %m scale %one {block = array<i64: 0, 0>} : (tensor<8x2xf16>, ...
    %y2 = qgraph.linear %t, %o {name = "fc/offsets"} ...
    %y1 = qgraph.linear %x, %v bias %b {name = "fc"} ...
    %y = onnx.node "Add"(%y1, %y2) ...
    ```

    Layers that keep their offsets get a remark that says why.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect", "::quantc::onnx_ir::ONNXDialect",
                           "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
  let statistics = [
    Statistic<"splits", "split", "Layers split">,
    Statistic<"skipped", "skipped", "Layers that keep their offsets">
  ];
}

def Equalize : Pass<"qgraph-equalize", "::mlir::ModuleOp"> {
  let summary = "Equalize the ranges of weights across layers, without data";
  let description = [{
    Cross-layer equalization (M. Nagel et al., arXiv:1906.04721), for weights that
    are going to have one scale a tensor. Channel j of a tensor between layers is
    made by rows with the largest weight r1_j and read by columns with the largest
    r2_j; multiplying the rows by f_j and the columns by 1 / f_j with

        f_j = sqrt(r2_j / r1_j)

    makes both sqrt(r1_j r2_j), and no result changes: what stands between them
    (ReLU, pooling, residual additions, ...) passes positive factors on, as
    `ChannelScaleOpInterface` tells. All tensors are done in turn, `iterations`
    times or until no factor is further from 1 than 0.1 %.

    ```mlir
    %a = qgraph.conv %x, %w1 bias %b1 ...
    %r = onnx.node "Relu"(%a) ...
    %y = qgraph.conv %r, %w2 ...
    ```
    becomes
    ```mlir
    %v1 = qgraph.constant #qgraph.weight<"new", "w1@equalize"> ...    // rows * f
    %c1 = qgraph.constant dense<...> ...                              // b1 * f
    %a = qgraph.conv %x, %v1 bias %c1 ...
    %r = onnx.node "Relu"(%a) ...
    %v2 = qgraph.constant #qgraph.weight<"new", "w2@equalize"> ...    // columns / f
    %y = qgraph.conv %r, %v2 ...
    ```

    A Clip at 6 behind a layer becomes one by channels. Tensors that are left as
    they are get a remark that says why.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
  let options = [
    Option<"iterations", "iterations", "int64_t", "20", "Times that all tensors are done, at most">,
    Option<"maxFactor", "max-factor", "double", "1e5",
           "Factors are between 1 / max-factor and max-factor">,
    Option<"cloneShared", "clone-shared", "bool", "false",
           "Copy constants that others read too, instead of leaving the tensor">
  ];
  let statistics = [
    Statistic<"equalized", "equalized", "Tensors whose channels are equalized">,
    Statistic<"skipped", "skipped", "Tensors that are left as they are">
  ];
}

def CorrectBias : Pass<"qgraph-correct-bias", "::mlir::ModuleOp"> {
  let summary = "Take out of the biases what rounding the weights adds on average";
  let description = [{
    Bias correction (M. Nagel et al., arXiv:1906.04721, section 4.2, from data). A
    weight that is rounded to w' shifts the mean of column n of its layer's result
    by the mean of the input times what rounding changed; the bias takes it back:

        b'_n = b_n - sum_k (w'_nk - w_nk) E[x_k]

    E[x_k] is from the statistics of the site (`qgraph.observe`) at the layer's
    input, through a `quantize` of it if there is one. A convolution's taps all have
    the mean of their channel, borders as anything else. A layer without a bias is
    given one.

    To be run after `--qgraph-quantize-weights=keep-original=true`, whose attribute
    `qgraph.original` has w; it is taken away.

    ```mlir
    %w = qgraph.dequantize %q scale %s {qgraph.original = dense<...> ...} ...
    %y = qgraph.linear %x, %w ...
    ```
    becomes
    ```mlir
    %w = qgraph.dequantize %q scale %s ...
    %b = qgraph.constant dense<...> ...
    %y = qgraph.linear %x, %w bias %b ...
    ```

    Layers that keep their bias get a remark that says why.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
  let options = [
    Option<"statistics", "statistics", "std::string", "\"\"", "File of statistics of the sites">
  ];
  let statistics = [
    Statistic<"corrected", "corrected", "Layers whose bias is corrected">,
    Statistic<"skipped", "skipped", "Layers with rounded weights that keep their bias">
  ];
}

def ConvertFakeQuant : Pass<"convert-fake-quant", "::mlir::ModuleOp"> {
  let summary = "Make stored weights of the float weights of models trained with fake quantization";
  let description = [{
    Quantization-aware training exports float weights behind a `QuantizeLinear` and
    a `DequantizeLinear`, and ranges narrower than their type (PyTorch's
    `reduce_range`, -127 ... 127) as a `Clip` between the two. Before the walk
    (`--convert-onnx-to-qgraph`):

    ```mlir
    %q = onnx.node "QuantizeLinear"(%w, %s, %z) ...      // %w, %s, %z constants
    %c = onnx.node "Clip"(%q, %lo, %hi) ...
    %d = onnx.node "DequantizeLinear"(%c, %s, %z) ...
    ```
    becomes
    ```mlir
    %c = qgraph.constant #qgraph.weight<"new", "w@convert-fake-quant"> : tensor<40x64xsi8>
    %d = onnx.node "DequantizeLinear"(%c, %s, %z) ...
    ```

    with the codes of ONNX's text (half to even, saturated); and a `Clip` of the
    codes of an activation, with one scale s and zero point z, goes before its
    `QuantizeLinear`, where it joins the layer that makes the activation:

        Clip(QuantizeLinear(x), lo, hi) = QuantizeLinear(Clip(x, s (lo - z), s (hi - z)))

    After that there is nothing in the model that a quantized one does not have; the
    integer layers are `--qgraph-fuse-quantized`'s. No code of a number changes.

    A `QuantizeLinear` of a constant that stays gets a remark that says why.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect", "::quantc::onnx_ir::ONNXDialect"];
  let statistics = [
    Statistic<"constants", "constants", "Constants quantized">,
    Statistic<"clips", "clips", "Clips of codes gone or moved">,
    Statistic<"skipped", "skipped", "QuantizeLinear of constants that stay">
  ];
}

def InsertObservers : Pass<"qgraph-insert-observers", "::mlir::ModuleOp"> {
  let summary = "Name the tensors that calibration looks at";
  let description = [{
    Puts a `qgraph.observe` before the f32 input of each layer with weights; layers
    that read one value share it. A site is named after the first of them:

    ```mlir
    %y = qgraph.linear %x, %w {name = "fc1"} : ...
    %z = qgraph.linear %x, %v {name = "fc2"} : ...
    ```
    becomes
    ```mlir
    %o = qgraph.observe "fc1/input" %x : tensor<?x64xf32>
    %y = qgraph.linear %o, %w {name = "fc1"} : ...
    %z = qgraph.linear %o, %v {name = "fc2"} : ...
    ```

    The module gets the attribute `qgraph.fingerprint`, by which statistics know the
    model: a hash of the layers' names and of parts of their weights, not of
    dimensions, which may be bound otherwise when the model is compiled.
    Layers in branches and loops are not observed, with a remark.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
  let statistics = [Statistic<"sites", "sites", "Tensors that are observed">];
}

def RemoveObservers : Pass<"qgraph-remove-observers", "::mlir::ModuleOp"> {
  let summary = "Take the names of calibration sites out";
  let description = [{
    Each `qgraph.observe` is replaced by its operand, so that fusion sees the ops on
    both sides of it. To be run when no pass reads statistics any more.
  }];
}

def InsertSwitches : Pass<"qgraph-insert-switches", "::mlir::ModuleOp"> {
  let summary = "Put a float copy beside each quantized layer, and a switch between them";
  let description = [{
    For `quantc eval`. A quantized layer is an op of this dialect with operands that
    a `dequantize` gives. Its copy reads instead

      * the weight as it was before rounding, `qgraph.original`
        (`qgraph-quantize-weights` with `keep-original=true`), or the real values of
        a weight that the model has stored,
      * an activation before it was quantized.

    Both are computed. A new last input `quantc.quantized`, an i1 for each layer,
    says whose result goes on, and for each layer there are two new results:
    `quantc.chosen/NAME` is what goes on, `quantc.quantized/NAME` what the quantized
    layer gives. So with all switches off a run shows the error of each layer alone,
    and two runs that of all layers up to it.

    To be run before `qgraph-quantize-activations`, which finds no quantized weight
    in the copies and leaves them.

    ```mlir
    %w = qgraph.dequantize %q scale %s {qgraph.original = dense<...> ...} ...
    %y = qgraph.linear %x, %w {name = "fc"} ...
    ```
    becomes
    ```mlir
    %w = qgraph.dequantize %q scale %s ...
    %w_real = qgraph.constant dense<...> ...
    %y = qgraph.linear %x, %w {name = "fc"} ...
    %y_real = qgraph.linear %x, %w_real {name = "fc", qgraph.part} ...
    %on = onnx.node "Gather"(%switches, %c0) ...
    %chosen = onnx.node "Where"(%on, %y, %y_real) ...
    ```

    Layers in the bodies of control flow have no switch.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect", "::quantc::onnx_ir::ONNXDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
  let statistics = [
    Statistic<"switched", "switched", "Layers that have a switch">,
    Statistic<"skipped", "skipped", "Quantized layers that have none">
  ];
}

def DescribeLayers : Pass<"qgraph-describe-layers", "::mlir::ModuleOp"> {
  let summary = "Write down what became of the layers, for a report";
  let description = [{
    Writes a JSON file with a list `layers`, an object for each linear layer and
    convolution:

      * `name`, `op`, `shape` [N, ..., K], `bytes_before` (32 bits a weight);
      * `weight`: `format`, `scales` and `scheme` as `qgraph-record-layers` has them,
        `bytes` and `bits` a weight, both with scales, `snr` in dB against
        `qgraph.original` (`qgraph-quantize-weights` with `keep-original=true`, which
        this pass takes away), `histogram`;
      * `input`: `format`, the `activations` of `qgraph-record-layers`, and, with
        `statistics`, `range` and `histogram`;
      * `predicted_seconds` of the cost model for `level`, for linear layers: one
        thread, 1 for each dynamic dimension.

    A histogram has `low`, `high`, `counts`, a `unit` and, where it is known, `clip`,
    the points beyond which values are clipped. Units: `step`, weights divided by
    their scales, plus the zero point, so that all groups share the codes' ends;
    `value`, weights of formats without a step; `octave`, |x| of an
    input, p standing for 2^floor(p) (1 + p - floor(p)).

    The module stays as it is otherwise.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
  let options = [
    Option<"output", "output", "std::string", "\"\"", "File to write">,
    Option<"statistics", "statistics", "std::string", "\"\"", "File of statistics of the sites">,
    Option<"level", "level", "std::string", "\"\"",
           "Instruction set level whose times are foretold; empty: none are">
  ];
  let statistics = [Statistic<"described", "described", "Layers that are described">];
}

def RecordLayers : Pass<"qgraph-record-layers", "::mlir::ModuleOp"> {
  let summary = "Write down each layer's precision as an attribute of the module";
  let description = [{
    Of every linear layer, convolution and embedding whose weight is a constant:
    the format of the weight by the name that `set` of `qgraph-quantize-weights`
    takes (`float` where there is none), what shares a scale, whether there are zero
    points or offsets, and what its input is quantized to. To be run behind the
    quantization passes: fusion and packing do not leave it to be seen.

    ```mlir
    %w = qgraph.dequantize %q scale %s {block = array<i64: 1, 32>} : (tensor<48x64xsi4>, tensor<48x2xf16>) ...
    %y = qgraph.linear %x, %w {name = "fc"} ...
    ```
    gives
    ```mlir
    module attributes {qgraph.layers = [{activations = "float", format = "si4", name = "fc",
        scales = "group 32", scheme = "symmetric", shape = array<i64: 48, 64>} ]}
    ```

    What a pass has split from a layer (`qgraph.part`) is not listed, and the layer
    has the columns it had (`qgraph.columns`). A layer without a name has its
    weight's; one without either is left out.
  }];
  let statistics = [Statistic<"recorded", "recorded", "Layers written down">];
}

def Calibrate : Pass<"qgraph-calibrate", "::mlir::ModuleOp"> {
  let summary = "Run the model on samples and file statistics of the sites";
  let description = [{
    Compiles the model as it is, segment by segment, runs it on all samples of
    `data` and writes what was seen at each `qgraph.observe` to `output`
    (`include/quantc/Numerics/Observers.h` says what that is). The module stays as
    it was, but for the factors noted at sites: these statistics are of what the
    tensors are now. What a segment hands to the next lies in temporary files, so memory is
    bounded by `segment-bytes` of weights and what one sample needs.

    Data is a safetensors file of arrays named as the model's inputs, the samples
    being the first dimension.

    A site that no sample reaches, whose values are all the same, or are NaN or
    infinite, gets a warning.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect", "::mlir::func::FuncDialect",
                           "::mlir::tensor::TensorDialect"];
  let options = [
    Option<"data", "data", "std::string", "\"\"", "File of the samples">,
    Option<"output", "output", "std::string", "\"\"", "File of statistics to write">,
    Option<"firstSample", "first-sample", "int64_t", "0", "The first sample to use">,
    Option<"samples", "samples", "int64_t", "0", "How many samples to use; 0: all that follow">,
    Option<"gram", "gram", "bool", "false",
           "Also sum x^T x, [channels, channels], which Hessian methods use">,
    Option<"segmentBytes", "segment-bytes", "uint64_t", "268435456",
           "Bytes of constants of a segment, if more than one layer">
  ];
}

def GPTQ : Pass<"qgraph-gptq", "::mlir::ModuleOp"> {
  let summary = "Find codes with the least error of the layers' outputs";
  let description = [{
    GPTQ (E. Frantar et al., arXiv:2210.17323), for layers that
    `qgraph-quantize-weights` with `keep-original=true` has rounded to nearest: the
    format stays, codes, scales and zero points are found again. With X the inputs
    of a layer on the samples of `data` and H = X^T X, what is minimized is

        tr((W - Q) H (W - Q)^T) = |X (W - Q)^T|^2

    Columns are rounded one after another, those still to come take over the error:
    with U the upper Cholesky factor of H^-1 = U^T U,

        w_j+1.. -= (w_j - q_j) / U_jj * U_j,j+1..

    The model runs segment by segment, each layer on what the layers before it give
    after they have been rewritten. Of the original weights only the codes are
    rewritten:

    ```mlir
    %o = qgraph.observe "fc/input" %x : tensor<?x64xf32>
    %w = qgraph.dequantize %q scale %s {block = array<i64: 1, 32>, qgraph.original = ...} ...
    %y = qgraph.linear %o, %w ...
    ```
    becomes
    ```mlir
    %p = qgraph.constant #qgraph.weight<"new", "fc@gptq"> ...
    %t = qgraph.constant #qgraph.weight<"new", "fc@gptq.scale"> ...
    %w = qgraph.dequantize %p scale %t {block = array<i64: 1, 32>} ...
    ```

    With `target=inputs` the samples run through the original model, too: X~ is what
    the layer reads there, and what is rounded instead of W is (GPTAQ, Y. Li et al.,
    arXiv:2504.02692)

        T = W + (W (X~^T X - H) + E^T X) (H + 0.3 mean(diag H) I)^-1

    with E = 0. With `target=residual`, E is by how much the tensor that the layer's
    output is added to differs from the original model's, for layers whose sum is
    normalized. `weigh-tokens` counts a token of such a layer by 1 / mean(r^2) in all
    sums, r being the sum: what the normalization divides by.

    Convolutions, codebooks, offsets and scales that rows share stay as they were,
    with a remark.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect", "::mlir::func::FuncDialect",
                           "::mlir::tensor::TensorDialect"];
  let options = [
    Option<"data", "data", "std::string", "\"\"", "File of the samples">,
    Option<"firstSample", "first-sample", "int64_t", "0", "The first sample to use">,
    Option<"samples", "samples", "int64_t", "0", "How many samples to use; 0: all that follow">,
    Option<"scheme", "scheme", "std::string", "\"signed_scale\"",
           "Of weights without zero points: symmetric or signed_scale">,
    Option<"damping", "damping", "double", "0.01",
           "Fraction of the mean of H's diagonal that is added to it">,
    Option<"actOrder", "act-order", "std::string", "\"columns\"",
           "Which columns first: none (as they stand), columns (by H's diagonal, scales chosen "
           "before) or groups (by its mean in a group)">,
    Option<"scales", "scales", "std::string", "\"block\"",
           "How scales are chosen: formula, or by the least error: plain, diagonal (weighted by H's "
           "diagonal), block (by the group's block of H), sequential (after GPTQ inside the group)">,
    Option<"refinements", "refinements", "int64_t", "0",
           "Rounds of coordinate descent over the codes and least squares for the scales">,
    Option<"target", "target", "std::string", "\"weights\"",
           "What outputs are held against: those of the original weights, of the original inputs "
           "(inputs), or those and the residual stream (residual)">,
    Option<"keepOriginal", "keep-original", "bool", "false",
           "Leave the float weight on each dequantize">,
    Option<"weighTokens", "weigh-tokens", "bool", "false",
           "Count tokens by what the next normalization divides by">
  ];
  let statistics = [
    Statistic<"matched", "matched", "Layers solved">,
    Statistic<"skipped", "skipped", "Layers that stayed rounded to nearest">,
    Statistic<"worstError", "worst-error-ppm",
              "Largest relative squared error of a layer's output, in millionths">
  ];
}

def AWQ : Pass<"qgraph-awq", "::mlir::ModuleOp"> {
  let summary = "Scale the channels that matter up before rounding, and clip";
  let description = [{
    AWQ (J. Lin et al., arXiv:2306.00978), for layers that `qgraph-quantize-weights`
    with `keep-original=true` has rounded to nearest: the formats stay, so `set`,
    `keep-float` and the cost model hold. Channel j of the tensor x that layers read
    is divided by s_j where it is made, column j of their weights is multiplied by
    it: what has large inputs is rounded on a finer grid.

        s_j = mean|x_j|^r,   r of 0, 1/ratios, ... (ratios - 1)/ratios

    normalized so that the least times the greatest is 1. r is the one with the least
    error of the layers' outputs on the samples of `data`, measured in the formats
    that are going to be stored (with scales chosen by H's diagonal at most). With
    H = X^T X and V = dequantize(quantize(W s)) / s,

        sum over the layers of tr((W - V) H (W - V)^T)

    Channels that must share a factor share the mean of mean|x|. Who takes 1/s is
    asked of `ChannelScaleOpInterface`: the gain of a norm, the rows of the layer
    that makes an attention's values (also where several heads of queries share
    them), those of the layer before a gate's product.

    Then the weights are clipped: the scale of each group is the one with the least
    error found, weighted by H's diagonal; `scales=block` takes the group's block of
    H, which takes long and follows the samples more closely than is good with few.

    The model runs segment by segment in float, and H is kept for one segment only.

    ```mlir
    %n = qgraph.norm rms %x weight %gain ...
    %o = qgraph.observe "fc/input" %n : tensor<?x64xf32>
    %w = qgraph.dequantize %q scale %t {block = array<i64: 1, 32>, qgraph.original = ...} ...
    %y = qgraph.linear %o, %w ...
    ```
    becomes
    ```mlir
    %g = qgraph.constant #qgraph.weight<"new", "gain@awq"> ...           // gain / s
    %n = qgraph.norm rms %x weight %g ...
    %o = qgraph.observe "fc/input" %n {factor = ...} : tensor<?x64xf32>  // 1 / s
    %p = qgraph.constant #qgraph.weight<"new", "fc@awq"> ...             // codes of w * s
    %u = qgraph.constant #qgraph.weight<"new", "fc@awq.scale"> ...
    %w = qgraph.dequantize %p scale %u {block = array<i64: 1, 32>} ...
    %y = qgraph.linear %o, %w ...
    ```

    Layers that nothing scales are clipped all the same; they get a remark that says
    why. Convolutions, codebooks, offsets and scales that rows share stay rounded to
    nearest, with a remark.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect", "::mlir::func::FuncDialect",
                           "::mlir::tensor::TensorDialect"];
  let options = [
    Option<"data", "data", "std::string", "\"\"", "File of the samples">,
    Option<"firstSample", "first-sample", "int64_t", "0", "The first sample to use">,
    Option<"samples", "samples", "int64_t", "0", "How many samples to use; 0: all that follow">,
    Option<"scheme", "scheme", "std::string", "\"signed_scale\"",
           "Of weights without zero points: symmetric or signed_scale">,
    Option<"ratios", "ratios", "int64_t", "20", "Ratios tried; 1: nothing is scaled">,
    Option<"useWeights", "use-weights", "bool", "false",
           "Also try mean|x|^r / mean|w|^(1 - r), w relative to the largest of its group">,
    Option<"rows", "rows", "int64_t", "256",
           "Rows of each weight by which ratios are measured, evenly spaced; 0: all">,
    Option<"scales", "scales", "std::string", "\"diagonal\"",
           "How scales are chosen: formula (nothing is clipped), or by the least error: plain, "
           "diagonal (weighted by H's diagonal), block (by the group's block of H)">,
    Option<"insertMultiply", "insert-multiply", "bool", "false",
           "Where nothing absorbs 1/s, multiply the activation while the model runs">,
    Option<"cloneShared", "clone-shared", "bool", "false",
           "Copy constants that others read too, instead of leaving the layer">,
    Option<"scaleCache", "scale-cache", "bool", "false",
           "Keys and values that are kept between runs may be scaled: past inputs must be what "
           "the same model has given">,
    Option<"keepOriginal", "keep-original", "bool", "false",
           "Leave the scaled float weight on each dequantize, for passes that find better codes">
  ];
  let statistics = [
    Statistic<"matched", "matched", "Layers rounded again">,
    Statistic<"scaled", "scaled", "Of these, layers whose inputs are scaled">,
    Statistic<"skipped", "skipped", "Layers that are not scaled, or stay rounded to nearest">,
    Statistic<"products", "products", "Products inserted because nothing absorbs the factors">
  ];
}

def SelectGranularity : Pass<"qgraph-select-granularity", "::mlir::ModuleOp"> {
  let summary = "Choose each layer's bits and groups under a budget";
  let description = [{
    For layers that `qgraph-quantize-weights` with `keep-original=true` has rounded:
    another of `candidates` for each, so that the sum of the losses is least and the
    bits of all weights and scales are at most `bits-per-weight` times the number of
    weights.

    The original model runs on the samples of `data`. With X a layer's inputs and Q its
    weight W rounded to nearest in a candidate's format, with scales of least squared
    error, the loss is the relative error of its output times its share of the residual
    stream:

        |X (W - Q)^T|^2 / |X W^T|^2 * share

    A layer whose output is added to a residual stream R that is normalized has the
    share |X W^T|^2 / |R|^2, tokens counting by 1 / mean(r^2) in both; another that of
    the layers it feeds which write to a stream; 1 where there is none.

    The choice is a multiple-choice knapsack (H. Kellerer et al., "Knapsack Problems",
    2004, chapter 11): exact for small models, else within the bound of its relaxation
    by what one exchange of two layers cannot improve. Layers that `set` names keep
    their format; if these are all there is nothing to do. A remark tells what each
    layer got.

    With `size` the budget is in bytes instead: what all constants of the module take
    in the packed model, each at a multiple of 64. Layers count as their panels
    (`include/quantc/Numerics/PackPanels.h`), in which 3 bits take 4, and 5 and 6
    take 8; what may yet be folded away counts as it is now.

    Then times are weighed (`time-weight`, w). With L the loss and T the time of that
    choice, as the cost model foretells it for one token at the module's level, the
    choice is made once more for

        loss + w L time / T

    so that what makes the model slower by a tenth must be worth a tenth of w of its
    loss. Codes of 5 or 6 bits, which kernels read as bytes, and small groups, whose
    sums are scaled more often, are taken where they are worth it.

    ```mlir
    %w = qgraph.dequantize %q scale %s {block = array<i64: 1, 64>, qgraph.original = ...}
         : (tensor<576x576xsi4>, tensor<576x9xf16>) -> tensor<576x576xf32>
    ```
    may become
    ```mlir
    %w = qgraph.dequantize %p scale %t {block = array<i64: 1, 64>, qgraph.original = ...}
         : (tensor<576x576xsi6>, tensor<576x9xf16>) -> tensor<576x576xf32>
    ```
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect", "::mlir::func::FuncDialect",
                           "::mlir::tensor::TensorDialect"];
  let options = [
    Option<"data", "data", "std::string", "\"\"", "File of the samples">,
    Option<"firstSample", "first-sample", "int64_t", "0", "The first sample to use">,
    Option<"samples", "samples", "int64_t", "0", "How many samples there are; 0: all that follow">,
    Option<"mostSamples", "most-samples", "int64_t", "8", "How many of them to use at most; 0: all">,
    Option<"bitsPerWeight", "bits-per-weight", "double", "4.5",
           "Mean bits of a weight, its part of the scales included">,
    Option<"size", "size", "uint64_t", "0",
           "Bytes of all constants as they are packed, instead of bits-per-weight; 0: as that says">,
    Option<"candidates", "candidates", "std::string",
           "\"si3,group-size=64;si4,group-size=64;si5,group-size=64;si6,group-size=64;si8,group-size=64\"",
           "FORMAT[,BLOCK];... as in entries of `set` of qgraph-quantize-weights: integers; "
           "without BLOCK one scale a row">,
    Option<"timeWeight", "time-weight", "double", "0.1",
           "What of its loss a model must gain to be slower by the same part">,
    Option<"scheme", "scheme", "std::string", "\"signed_scale\"",
           "Of weights without zero points: symmetric or signed_scale">,
    Option<"set", "set", "std::string", "\"\"",
           "As of qgraph-quantize-weights: layers it names keep their format">
  ];
  let statistics = [
    Statistic<"selected", "selected", "Layers whose format was chosen">,
    Statistic<"milliBits", "millibits-per-weight", "Bits per weight, in thousandths">
  ];
}

def Rotate : Pass<"qgraph-rotate", "::mlir::ModuleOp"> {
  let summary = "Spread outliers over all channels by rotations";
  let description = [{
    QuaRot (S. Ashkboos et al., arXiv:2404.00456). With an orthogonal matrix R

        x W^T = (x R) (W R)^T

    so the tensors between layers may be in another basis, in which no channel is
    much larger than the others. R is a Hadamard matrix with random signs
    (`include/quantc/Numerics/Rotation.h`), over sqrt of its size. Where constants
    can take R it costs nothing while the model runs. Two kinds of tensors are
    rotated so:

    * The residual stream of a transformer whose norms are RMS norms in front of
      layers: tables become T R, layers that add to it R^T W (and b R), layers that
      read it through a norm with gain g W diag(g) R; the norm loses its gain.
    * The values of an attention, each head by itself: the layer that makes them and
      the one that reads the heads side by side.

    ```mlir
    %e = qgraph.embedding %t, %i ...
    %n = qgraph.norm rms %e weight %g ...
    %y = qgraph.linear %n, %w ...
    ```
    becomes
    ```mlir
    %u = qgraph.constant #qgraph.weight<"new", "t@rotate"> ...    // t R
    %e = qgraph.embedding %u, %i ...
    %n = qgraph.norm rms %e ...
    %v = qgraph.constant #qgraph.weight<"new", "w@rotate"> ...    // w diag(g) R
    %y = qgraph.linear %n, %v ...
    ```

    Layers whose input is not rotated get a remark that says what is in the way: no
    rotation passes the product of a gate, an activation, or a LayerNorm, which
    subtracts the mean of the channels.

    With `online=needed`, inputs [.., K] of layers that are left are rotated while
    the model runs, in blocks of B channels, once for all layers that read the same
    tensor:

        y[.., b, :] = x[.., b, :] R_B,    b = 0 .. K/B - 1;    W becomes W diag(R_B, .., R_B)

    ```mlir
    %y = qgraph.linear %x, %w {name = "down"} : (tensor<?x1536xf32>, ...
    ```
    becomes
    ```mlir
    %b = onnx.node "Reshape"(%x) ... -> tensor<?x12x128xf32>
    %p = qgraph.linear %b, %r {name = "down/rotation", qgraph.part} ...    // r = R_B^T, 128 x 128
    %z = onnx.node "Reshape"(%p) ... -> tensor<?x1536xf32>
    %y = qgraph.linear %z, %v {name = "down"} ...
    ```
    B is the largest divisor of K up to `online-block` for which there is a Hadamard
    matrix and whose K B multiply-adds a row are at most a quarter of those of the
    layers. `qgraph.part` says that the product is no layer of the model: it stays
    float. A remark says what each costs.

    To be run before `qgraph-insert-observers`: statistics are of the channels as
    they are. A table that a layer shares is stored twice from then on, since only
    the layer's has the norm's gain.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
  let options = [
    Option<"seed", "seed", "uint64_t", "0", "Of the random signs">,
    Option<"rotateCache", "rotate-cache", "bool", "false",
           "Values that are kept between runs may be rotated: past inputs must be what the same "
           "model has given">,
    Option<"online", "online", "std::string", "\"none\"",
           "What is rotated while the model runs: none, or needed, the inputs of layers that the "
           "other rotations do not reach">,
    Option<"onlineBlock", "online-block", "int64_t", "128",
           "The most channels that such a rotation mixes, at least 8">,
    Option<"keepFloat", "keep-float", "std::string", "\"\"",
           "Layers that will stay float, as of qgraph-quantize-weights: nothing is rotated for them "
           "while the model runs">
  ];
  let statistics = [
    Statistic<"rotated", "rotated", "Layers whose inputs are rotated by what is in weights">,
    Statistic<"rotatedOnline", "online", "Layers whose inputs are rotated while the model runs">,
    Statistic<"skipped", "skipped", "Layers whose inputs are left as they are">
  ];
}

#endif // QUANTC_QUANTIZE_PASSES_TD

//===- QGraphOps.td - Operations of the qgraph dialect ------*- tablegen -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QGRAPH_QGRAPHOPS_TD
#define QUANTC_DIALECT_QGRAPH_QGRAPHOPS_TD

include "quantc/Dialect/QGraph/LayerInterface.td"
include "quantc/Dialect/QGraph/QGraphBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class QGraph_Op<string mnemonic, list<Trait> traits = []>
    : Op<QGraph_Dialect, mnemonic, traits>;
class QGraph_ComputeOp<string mnemonic, list<Trait> traits = []>
    : QGraph_Op<mnemonic, !listconcat([Pure,
        DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>], traits)>;

def QGraph_TensorOrCache : AnyTypeOf<[AnyRankedTensor, QGraph_CacheType]>;

def QGraph_FormulaAttr : I32EnumAttr<"Formula", "how choose_params finds scale and zero point", [
    I32EnumAttrCase<"Symmetric", 0, "symmetric">,
    I32EnumAttrCase<"SignedScale", 1, "signed_scale">,
    I32EnumAttrCase<"Asymmetric", 2, "asymmetric">,
    I32EnumAttrCase<"AsymmetricOffset", 3, "asymmetric_offset">,
    I32EnumAttrCase<"PowerOfTwo", 4, "power_of_two">,
    I32EnumAttrCase<"MeanAbs", 5, "mean_abs">]> {
  let cppNamespace = "::quantc::qgraph";
}

def QGraph_NormKindAttr : I32EnumAttr<"NormKind", "the kind of a normalization", [
    I32EnumAttrCase<"Layer", 0, "layer">, I32EnumAttrCase<"RMS", 1, "rms">]> {
  let cppNamespace = "::quantc::qgraph";
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

def QGraph_ConstantOp : QGraph_Op<"constant", [Pure, ConstantLike,
    AllTypesMatch<["value", "result"]>]> {
  let summary = "a tensor known at compile time";
  let description = [{
    `value` is `dense<...>` (up to 64 elements) or a `#qgraph.weight`. The result
    has the attribute's type.

    Example:

    ```mlir
    %0 = qgraph.constant dense<[1.0, 2.0]> : tensor<2xf32>
    ```
  }];
  let arguments = (ins TypedAttrInterface:$value);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "attr-dict $value";
  let builders = [OpBuilder<(ins "::mlir::TypedAttr":$value), [{
    build($_builder, $_state, value.getType(), value);
  }]>];
  let hasFolder = 1;
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Quantization
//===----------------------------------------------------------------------===//

def QGraph_QuantizeOp : QGraph_ComputeOp<"quantize", [AttrSizedOperandSegments]> {
  let summary = "real values to stored values";
  let description = [{
        stored = clamp(round((real - offset) / scale) + zero_point, qmin, qmax)

    in f32: subtract, divide, round half to even, add, clamp. With a `codebook`
    [C] stored is the index of the code nearest to (real - offset) / scale, the
    lower index on a tie. A float stored type rounds to its own values, half to
    even; `saturate = false` gives what ONNX's table gives beyond the largest
    value. NaN stores the lower end: qmin in an integer, index 0 of a codebook;
    a float stores its NaN, or +0 if it has none (FP6, FP4). This is
    numerics::quantize.

    `block` has an entry for each dimension: 0 the whole dimension shares a
    scale, 1 each index has its own, B groups of B (the last may be short).
    `scale` has the rank of `input` and dimension ceil(D/B) (1 for block 0).
    `zero_point` and `offset` have the shape of `scale` and exclude each other.
    `precision` rounds each real operation to f16 or bf16 (ONNX's attribute).

    Example:

    ```mlir
    %q = qgraph.quantize %x scale %s {block = array<i64: 1, 0>}
         : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xsi8>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$scale,
                       Optional<AnyRankedTensor>:$zero_point,
                       Optional<AnyRankedTensor>:$offset,
                       Optional<AnyRankedTensor>:$codebook,
                       DenseI64ArrayAttr:$block,
                       DefaultValuedAttr<BoolAttr, "true">:$saturate,
                       OptionalAttr<TypeAttr>:$precision);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `scale` $scale (`zero_point` $zero_point^)? (`offset` $offset^)?
    (`codebook` $codebook^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def QGraph_DequantizeOp : QGraph_ComputeOp<"dequantize", [AttrSizedOperandSegments]> {
  let summary = "stored values to real values";
  let description = [{
        real = scale * (decode(stored) - zero_point) + offset

    in f32: the subtraction is exact in integers, then convert, multiply, add;
    no fused multiply-add; one rounding to the result type. Operands and
    `block` as in `quantize`. A code past the end of the codebook is its last.
    This is numerics::dequantize.

    Example:

    ```mlir
    %w = qgraph.dequantize %q scale %s {block = array<i64: 1, 32>}
         : (tensor<8x64xsi4>, tensor<8x2xf16>) -> tensor<8x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$scale,
                       Optional<AnyRankedTensor>:$zero_point,
                       Optional<AnyRankedTensor>:$offset,
                       Optional<AnyRankedTensor>:$codebook,
                       DenseI64ArrayAttr:$block,
                       OptionalAttr<TypeAttr>:$precision);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `scale` $scale (`zero_point` $zero_point^)? (`offset` $offset^)?
    (`codebook` $codebook^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def QGraph_ChooseParamsOp : QGraph_ComputeOp<"choose_params", [AttrSizedResultSegments]> {
  let summary = "scale and zero point from the values themselves";
  let description = [{
    For each block of `input`, widened to f32 and limited to `clip` = [lo, hi]
    if there is one: lo and hi are the least and the greatest number, NaNs
    ignored (0 and 0 if there is none), times `clip_ratio`; absmax = max(-lo,
    hi); [qmin, qmax] is the range of `stored`. In f32, one rounding an
    operation:

    * `symmetric`: scale = absmax / qmax. qmin is not used: si8 stores -127..127.
    * `signed_scale`: scale = (-lo >= hi ? lo : hi) / qmin, so that the value of
      largest magnitude (the negative one on a tie) maps to qmin = -2^(b-1).
    * `asymmetric`: lo = min(lo, 0), hi = max(hi, 0); scale = (hi - lo) / (qmax -
      qmin); zero_point = round(clamp(qmin - lo / scale, qmin, qmax)). For `ui8`
      this is ONNX's DynamicQuantizeLinear.
    * `asymmetric_offset`: scale = (hi - lo) / (qmax - qmin); offset = lo - qmin *
      scale, rounded to its element type.
    * `power_of_two`: scale = 2^(floor(log2(absmax)) - emax), at least 2^-127, with
      2^emax the largest power of two <= qmax (OCP MX v1.0, 6.3); 1 for absmax 0.
    * `mean_abs`: scale = mean(|x|), summed in row order in 16 lanes
      (`Numerics/Order.h`); no `clip_ratio`, and NaN is not ignored.

    The scale is rounded to its element type (what is finite but too large there
    becomes the greatest finite value) and, if it is then zero, becomes 1: a block
    of zeros stores the zero point and dequantizes to 0. The rounded scale is what
    zero_point and offset are computed with. This is numerics::chooseParams.

    Example:

    ```mlir
    %s = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8}
         : tensor<4x8xf32> -> tensor<4x1xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, QGraph_FormulaAttr:$formula, TypeAttr:$stored,
                       DenseI64ArrayAttr:$block,
                       DefaultValuedAttr<F32Attr, "1.0f">:$clip_ratio,
                       OptionalAttr<DenseF32ArrayAttr>:$clip);
  let results = (outs AnyRankedTensor:$scale, Optional<AnyRankedTensor>:$zero_point,
                      Optional<AnyRankedTensor>:$offset);
  let assemblyFormat = [{
    $formula $input attr-dict `:` type($input) `->` type($scale) (`,` type($zero_point)^)?
    (`offset` type($offset)^)?
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def QGraph_ObserveOp : QGraph_ComputeOp<"observe", [AllTypesMatch<["input", "result"]>]> {
  let summary = "names a calibration site";
  let description = [{
    Passes its operand through. `site` is stable over compilations of the same
    model; statistics are filed under it.

    `factor` [C], C being the last dimension, is what a pass has multiplied the
    tensor's channels by since statistics were made: those of the tensor as it is
    now are the ones on file, scaled by it (`Analysis/Calibration.h`).

    Example:

    ```mlir
    %1 = qgraph.observe "fc1/input" %0 : tensor<4x8xf32>
    %3 = qgraph.observe "fc2/input" %2 {factor = dense<[0.5, 2.0]> : tensor<2xf32>} : tensor<?x2xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, StrAttr:$site,
                       OptionalAttr<TypedAttrInterface>:$factor);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$site $input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def QGraph_ReinterpretOp : QGraph_ComputeOp<"reinterpret"> {
  let summary = "the same bits under another element type";
  let description = [{
    Crosses the border between explicitly signed or small float elements and
    signless ones. Shape and width stay.

    Example:

    ```mlir
    %1 = qgraph.reinterpret %0 : tensor<4xsi8> to tensor<4xi8>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `to` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def QGraph_ElementOp : QGraph_Op<"element", [Pure,
    InferTypeOpAdaptor]> {
  let summary = "an element of a small tensor, as a value of the schedule";
  let description = [{
    Element `element` (row-major) of `input`: of integers an index value, of
    floats (f32, f64, bf16) a value of their type. The walk uses it where a
    shape, an axis, a start, a scale or a condition is given by values. Of an
    argument (perhaps reshaped) it is read before the run; of what the model
    computes it is *late*: every thread reads it when the schedule is there.

    Example:

    ```mlir
    %d = qgraph.element %shape[1] : tensor<3xsi64>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$element);
  let results = (outs AnyTypeOf<[Index, AnyFloat]>:$result);
  let assemblyFormat = "$input `[` $element `]` attr-dict `:` type($input)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def QGraph_RequireOp : QGraph_Op<"require"> {
  let summary = "says that two index values are equal in every valid run";
  let description = [{
    What the walk assumed of values that are only known at run time: `a` equals
    `b` or, with `or_one`, one of the two is 1. A run for which that does not
    hold fails with `text` (%a and %b stand for the values): before it begins, if
    the values follow from dimensions and elements of the arguments; where it
    stands, if they are late or it is inside a region.

    Example:

    ```mlir
    qgraph.require %elements, %size, "the shape has %a elements, the data %b"
    qgraph.require %a, %b or_one, "dimensions %a and %b do not broadcast"
    ```
  }];
  let arguments = (ins Index:$a, Index:$b, UnitAttr:$or_one, StrAttr:$text);
  let assemblyFormat = "$a `,` $b (`or_one` $or_one^)? `,` $text attr-dict";
}

//===----------------------------------------------------------------------===//
// Compute that quantization reasons about
//===----------------------------------------------------------------------===//

defvar epilogueText = [{
    `epilogue` is a list of `#qgraph.step`s applied in order to each result; what
    they refer to is in `epilogue_operands`, broadcast to the result's shape. If
    the last step is `Quantize` the result is si8.}];

/// A layer with weights: `sides` are input and weight with what belongs to
/// them, `sizes` index operands, `parameters` attributes of the op's own.
class QGraph_LayerOp<string mnemonic, dag sides, dag parameters, dag sizes = (ins)>
    : QGraph_ComputeOp<mnemonic, [AttrSizedOperandSegments, QGraph_LayerOpInterface]> {
  let arguments = !con(sides,
                       (ins Optional<AnyRankedTensor>:$bias,
                            Variadic<AnyRankedTensor>:$epilogue_operands),
                       sizes, parameters,
                       (ins DefaultValuedAttr<QGraph_StepArrayAttr, "{}">:$epilogue,
                            OptionalAttr<StrAttr>:$name));
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
}

defvar floatSides = (ins AnyRankedTensor:$input, AnyRankedTensor:$weight);
defvar quantizedSides = (ins AnyRankedTensor:$input, AnyRankedTensor:$input_scale,
                             Optional<AnyRankedTensor>:$input_zero_point,
                             AnyRankedTensor:$weight, AnyRankedTensor:$weight_scale,
                             Optional<AnyRankedTensor>:$weight_zero_point);
defvar blocks = (ins DenseI64ArrayAttr:$input_block, DenseI64ArrayAttr:$weight_block);
defvar window = (ins DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                     DenseI64ArrayAttr:$pads, DefaultValuedAttr<I64Attr, "1">:$groups);

def QGraph_LinearOp : QGraph_LayerOp<"linear", floatSides, (ins)> {
  let summary = "x * w^T + bias";
  let description = [{
        y[.., n] = epilogue(sum_k x[.., k] * w[n, k] + bias[n])

    f32: the sum is a chain of fused multiply-adds over k in index order, in
    blocks of 256 (`Numerics/Order.h`) that are then added in order; then the
    bias is added. `input` is [.., K], `weight` [N, K], `bias` [N].
  }] # epilogueText # [{

    Example:

    ```mlir
    %y = qgraph.linear %x, %w bias %b {epilogue = [#qgraph.step<"Gelu">]}
         : (tensor<?x384xf32>, tensor<1536x384xf32>, tensor<1536xf32>) -> tensor<?x1536xf32>
    ```
  }];
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? (`epilogue` `(` $epilogue_operands^ `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
}

def QGraph_QuantizedLinearOp : QGraph_LayerOp<"quantized_linear", quantizedSides, blocks> {
  let summary = "linear on stored values, integer sums";
  let description = [{
    Let g run over the groups of K that share both scales (`input_block` and
    `weight_block` on the last dimension; the finer is a divisor of the other):

        dot[g] = sum_{k in g} (x[.., k] - zx[.., g]) * (w[n, k] - zw[n, g])     exact, i32
        y      = epilogue(sum_g  f32(dot[g]) * (sx[.., g] * sw[n, g])  + bias[n])

    With one group y = fma(f32(dot), sx * sw, bias) (bias 0 where absent); with
    several, acc = fma(f32(dot[g]), sx * sw, acc) in order of g from 0, then the
    bias is added. Scales of f16 or bf16 are widened to f32 first. A result of
    si32 is dot itself, modulo 2^32: then there is one group, no bias and no
    epilogue, and the scales are not looked at.
  }] # epilogueText # [{

    Example:

    ```mlir
    %y = qgraph.quantized_linear %x scale %sx, %w scale %sw
           {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>}
         : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<8x64xsi8>, tensor<8x1xf32>) -> tensor<4x8xf32>
    ```
  }];
  let assemblyFormat = [{
    $input `scale` $input_scale (`zero_point` $input_zero_point^)? `,`
    $weight `scale` $weight_scale (`zero_point` $weight_zero_point^)?
    (`bias` $bias^)? (`epilogue` `(` $epilogue_operands^ `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasFolder = 1;
}

defvar windowText = [{
    `strides` and `dilations` have an entry for each spatial dimension, `pads` one
    for the begin of each and then one for the end of each (they may be negative:
    then the image is cut). The result's spatial extents are floor((extent + pads
    - reach) / stride) + 1 with reach = (taps - 1) * dilation + 1; those that are
    dynamic are given as `dims`, index values.}];

def QGraph_ConvOp : QGraph_LayerOp<"conv", floatSides, window, (ins Variadic<Index>:$dims)> {
  let summary = "convolution, channels last";
  let description = [{
    `input` is [N, spatial.., C], `weight` [O, taps.., C / groups], `bias` [O], the
    result [N, spatial.., O], with 1 to 3 spatial dimensions. Column o belongs to
    group g = o / (O / groups), which reads channels c0 = g * (C / groups) on:

        y[n, p.., o] = epilogue(sum_{t.., c} x[n, p * stride + t * dilation - pad.., c0 + c]
                                             * w[o, t.., c]  + bias[o])

    f32: the sum is that of `linear` over K = (taps, channels of the group), the
    taps in row-major order and the channel fastest: a chain of fused
    multiply-adds in index order, in blocks of 256 (`Numerics/Order.h`) that are
    then added in order; then the bias is added. A position outside the image is
    a 0 that is multiplied as any other.
  }] # windowText # "\n" # epilogueText # [{

    Example:

    ```mlir
    %y = qgraph.conv %x, %w bias %b {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>,
             pads = array<i64: 1, 1, 1, 1>, epilogue = [#qgraph.step<"Relu">]}
         : (tensor<?x8x8x16xf32>, tensor<32x3x3x16xf32>, tensor<32xf32>) -> tensor<?x4x4x32xf32>
    ```
  }];
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? (`epilogue` `(` $epilogue_operands^ `)`)?
    (`dims` `(` $dims^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
}

def QGraph_QuantizedConvOp : QGraph_LayerOp<"quantized_conv", quantizedSides,
    !con(blocks, window), (ins Variadic<Index>:$dims)> {
  let summary = "convolution of stored values, integer sums";
  let description = [{
    `conv` on stored integers, the whole sum with one pair of scales:

        dot = sum_{t.., c} (x[..] - zx) * (w[o, t.., c] - zw[o])       exact, i32
        y   = epilogue(fma(f32(dot), sx * sw[o], bias[o]))             (bias 0 where absent)

    A position outside the image has the zero point, so it adds nothing.
    `input_block` is 0 but for the batch, which may be 1 (a scale an image);
    `weight_block` is 0 but for the columns, which may be 1 (a scale a column).
    f16 scales are widened to f32 first.
  }] # windowText # "\n" # epilogueText # [{

    Example:

    ```mlir
    %y = qgraph.quantized_conv %x scale %sx zero_point %zx, %w scale %sw bias %b epilogue(%sy, %zy)
           {input_block = array<i64: 0, 0, 0, 0>, weight_block = array<i64: 1, 0, 0, 0>,
            strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>,
            epilogue = [#qgraph.step<"Relu">, #qgraph.step<"Quantize", scale = 0, zero_point = 1>]}
         : (tensor<1x8x8x16xsi8>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xsi8>, tensor<32x3x3x16xsi8>,
            tensor<32x1x1x1xf32>, tensor<32xf32>, tensor<1xf32>, tensor<1xsi8>) -> tensor<1x8x8x32xsi8>
    ```
  }];
  let assemblyFormat = [{
    $input `scale` $input_scale (`zero_point` $input_zero_point^)? `,`
    $weight `scale` $weight_scale (`zero_point` $weight_zero_point^)?
    (`bias` $bias^)? (`epilogue` `(` $epilogue_operands^ `)`)? (`dims` `(` $dims^ `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasFolder = 1;
}

def QGraph_MatmulOp : QGraph_ComputeOp<"matmul"> {
  let summary = "activation times activation";
  let description = [{
        y[.., m, n] = sum_k a[.., m, k] * b[.., k, n]

    with the leading dimensions broadcast as ONNX MatMul does; both operands
    have rank >= 2. `transpose_rhs` reads b as [.., n, k]. The order of the sum
    is that of `linear`.

    Example:

    ```mlir
    %y = qgraph.matmul %a, %b : (tensor<2x4x8xf32>, tensor<2x8x3xf32>) -> tensor<2x4x3xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs,
                       UnitAttr:$transpose_rhs, OptionalAttr<StrAttr>:$name);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def QGraph_QuantizedMatmulOp : QGraph_ComputeOp<"quantized_matmul",
    [AttrSizedOperandSegments, QGraph_EpilogueOpInterface]> {
  let summary = "activation times activation on stored values, integer sums";
  let description = [{
    `matmul` of stored integers of at most 8 bits. Let g run over blocks of 2^15
    values of K, whose sums cannot leave 32 bits:

        dot[g] = sum_{k in g} (a[.., m, k] - za[.., m]) * (b[.., k, n] - zb[.., n])    exact, i32
        y      = epilogue(sum_g  f32(dot[g]) * (sa[.., m] * sb[.., n]))

    as `quantized_linear` sums its groups: acc = fma(f32(dot[g]), sa * sb, acc) in
    order of g from 0. Scales of f16 or bf16 are widened to f32 first. A result
    of si32 is the sum over all of K, modulo 2^32: then there is no epilogue, and
    the scales are not looked at.

    A scale has the rank of its operand, 1 in the dimension of K, and in each
    other dimension the operand's extent or 1; a zero point has the shape of its
    scale. `transpose_rhs` reads b as [.., n, k].
  }] # epilogueText # [{

    Example:

    ```mlir
    %y = qgraph.quantized_matmul %a scale %sa zero_point %za, %b scale %sb {transpose_rhs}
         : (tensor<2x4x8xsi8>, tensor<1x1x1xf32>, tensor<1x1x1xsi8>, tensor<2x3x8xsi8>,
            tensor<1x3x1xf32>) -> tensor<2x4x3xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$lhs_scale,
                       Optional<AnyRankedTensor>:$lhs_zero_point,
                       AnyRankedTensor:$rhs, AnyRankedTensor:$rhs_scale,
                       Optional<AnyRankedTensor>:$rhs_zero_point,
                       Variadic<AnyRankedTensor>:$epilogue_operands,
                       UnitAttr:$transpose_rhs,
                       DefaultValuedAttr<QGraph_StepArrayAttr, "{}">:$epilogue,
                       OptionalAttr<StrAttr>:$name);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $lhs `scale` $lhs_scale (`zero_point` $lhs_zero_point^)? `,`
    $rhs `scale` $rhs_scale (`zero_point` $rhs_zero_point^)?
    (`epilogue` `(` $epilogue_operands^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Values of K whose sum is exact in 32 bits, whatever the codes are:
    /// 2^15 * 255 * 255 < 2^31.
    static constexpr int64_t kBlockK = 1 << 15;
  }];
}

def QGraph_EmbeddingOp : QGraph_ComputeOp<"embedding"> {
  let summary = "rows of a table";
  let description = [{
        y[.., d] = table[indices[..], d]          (times scale[indices[..], 0] if there is a scale)

    `table` is [V, D]; a stored table carries `scale` [V, 1]. A negative index
    counts from the end, as ONNX Gather has it; an index outside the table is
    reported at run time.

    Example:

    ```mlir
    %y = qgraph.embedding %t, %i : (tensor<100x16xf32>, tensor<?x?xsi64>) -> tensor<?x?x16xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$table, AnyRankedTensor:$indices,
                       Optional<AnyRankedTensor>:$scale, OptionalAttr<StrAttr>:$name);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $table `,` $indices (`scale` $scale^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def QGraph_NormOp : QGraph_ComputeOp<"norm", [AttrSizedOperandSegments]> {
  let summary = "layer or RMS normalization of the last dimension";
  let description = [{
    Over the last dimension D, sums in 16 lanes and a fixed tree (`Numerics/Order.h`):

    * `layer`: mean = sum(x) / D; var = sum((x - mean)^2) / D;
      y = (x - mean) * (1 / sqrt(var + epsilon)) * weight + bias
    * `rms`: y = x * (1 / sqrt(sum(x^2) / D + epsilon)) * weight + bias

    evaluated from the left, squares summed by fused multiply-add, `* weight +
    bias` one fused multiply-add. `weight` and `bias` are [D].

    Example:

    ```mlir
    %y = qgraph.norm layer %x weight %g bias %b {epsilon = 1.0e-5 : f32}
         : (tensor<?x384xf32>, tensor<384xf32>, tensor<384xf32>) -> tensor<?x384xf32>
    ```
  }];
  let arguments = (ins QGraph_NormKindAttr:$kind, AnyRankedTensor:$input,
                       Optional<AnyRankedTensor>:$weight, Optional<AnyRankedTensor>:$bias,
                       F32Attr:$epsilon, OptionalAttr<StrAttr>:$name);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $kind $input (`weight` $weight^)? (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def QGraph_AttentionOp : QGraph_ComputeOp<"attention"> {
  let summary = "scaled dot-product attention";
  let description = [{
        s[b,h,i,j] = (sum_d (q[b,i,h,d] * scale) * k[b,j,g,d]) + mask[b,h,i,j]
        y[b,i,h,:] = sum_j softmax_j(s)[j] * v[b,j,g,:]

    `query` is [B, S, H, D], `key` [B, T, G, D], `value` [B, T, G, E]; H is a
    multiple of G and head h reads g = h / (H/G). `mask` broadcasts to [B, H, S, T];
    a float mask is added, an i1 mask keeps where true. `causal` keeps j <= i + (T - S).
    The softmax is online over blocks of 64 keys (`Numerics/Order.h`). A row with no
    key kept gives zeros.

    `key` and `value` may be caches, whose tensors are [B, G, T, D] and [B, G, T, E];
    tensors are read in that order with `heads_first`.

    Example:

    ```mlir
    %y = qgraph.attention %q, %k, %v mask %m {scale = 0.125 : f32}
         : (tensor<?x?x12x32xf32>, tensor<?x?x12x32xf32>, tensor<?x?x12x32xf32>, tensor<?x1x1x?xf32>)
         -> tensor<?x?x12x32xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$query, QGraph_TensorOrCache:$key,
                       QGraph_TensorOrCache:$value, Optional<AnyRankedTensor>:$mask,
                       F32Attr:$scale, UnitAttr:$causal, OptionalAttr<StrAttr>:$name,
                       UnitAttr:$heads_first);
  let results = (outs AnyRankedTensor:$result);
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$query,
                                 "::mlir::Value":$key, "::mlir::Value":$value,
                                 "::mlir::Value":$mask, "::mlir::FloatAttr":$scale,
                                 "::mlir::UnitAttr":$causal, "::mlir::StringAttr":$name), [{
    build($_builder, $_state, result, query, key, value, mask, scale, causal, name,
          /*heads_first=*/::mlir::UnitAttr());
  }]>];
  let assemblyFormat = [{
    $query `,` $key `,` $value (`mask` $mask^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// The cache of a decoder
//===----------------------------------------------------------------------===//

def QGraph_CacheLoadOp : QGraph_Op<"cache_load", [Pure]> {
  let summary = "what is past, as a cache";
  let description = [{
    `past` is [B, heads, T, size].

    Example:

    ```mlir
    %0 = qgraph.cache_load %past : tensor<?x2x?x16xf32> to <f32, 2x16>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$past);
  let results = (outs QGraph_CacheType:$result);
  let assemblyFormat = "$past attr-dict `:` type($past) `to` type($result)";
  let hasVerifier = 1;
}

def QGraph_CacheAppendOp : QGraph_Op<"cache_append", [Pure, AllTypesMatch<["cache", "result"]>]> {
  let summary = "a cache with the positions that are new";
  let description = [{
    `fresh` is [B, S, heads, size], as a projection gives it; its positions stand
    behind those of `cache`.

    Example:

    ```mlir
    %1 = qgraph.cache_append %0, %k : <f32, 2x16>, tensor<?x?x2x16xf32>
    ```
  }];
  let arguments = (ins QGraph_CacheType:$cache, AnyRankedTensor:$fresh);
  let results = (outs QGraph_CacheType:$result);
  let assemblyFormat = "$cache `,` $fresh attr-dict `:` type($cache) `,` type($fresh)";
  let hasVerifier = 1;
}

def QGraph_CacheWriteOp : QGraph_Op<"cache_write", [Pure, AllTypesMatch<["cache", "result"]>]> {
  let summary = "a cache of fixed places with new positions at some of them";
  let description = [{
    `fresh` is [B, S, heads, size]: position s of sequence b goes to place
    `starts[b] + s`, with `circular` modulo the number of places; `starts` is [B].
    All other places keep what they have. With `places`, which is no less than the
    number of places of `cache`, there are so many; those that are added have zeros.

    Example:

    ```mlir
    %1 = qgraph.cache_write %0, %k at %starts : <f32, 2x16>, tensor<?x?x2x16xf32>, tensor<?xsi64>
    ```
  }];
  let arguments = (ins QGraph_CacheType:$cache, AnyRankedTensor:$fresh, AnyRankedTensor:$starts,
                       Optional<Index>:$places, UnitAttr:$circular);
  let results = (outs QGraph_CacheType:$result);
  let assemblyFormat = [{
    $cache `,` $fresh `at` $starts (`places` $places^)? attr-dict `:` type($cache) `,` type($fresh) `,` type($starts)
  }];
  let hasVerifier = 1;
}

def QGraph_CacheStoreOp : QGraph_ComputeOp<"cache_store"> {
  let summary = "a cache as a tensor";
  let description = [{
    The result is [B, heads, T, size].

    Example:

    ```mlir
    %present = qgraph.cache_store %1 : <f32, 2x16> to tensor<?x2x?x16xf32>
    ```
  }];
  let arguments = (ins QGraph_CacheType:$cache);
  let results = (outs AnyRankedTensor:$present);
  let assemblyFormat = "$cache attr-dict `:` type($cache) `to` type($present)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

//===----------------------------------------------------------------------===//
// Fusion
//===----------------------------------------------------------------------===//

def QGraph_RowsOp : QGraph_Op<"rows", [Pure,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>,
    SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "ops that are computed together, row by row";
  let description = [{
    The body is a straight list of ops that work on each row (the last
    dimension) by itself: elementwise nodes, `norm`, `embedding`,
    `choose_params` and `quantize` per token or group. They become one kernel
    that keeps a row in cache. The meaning is that of the ops one after another;
    values from outside are used as they are.

    Example:

    ```mlir
    %s, %q = qgraph.rows {
      %0 = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8}
           : tensor<4x8xf32> -> tensor<4x1xf32>
      %1 = qgraph.quantize %x scale %0 {block = array<i64: 1, 0>}
           : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xsi8>
      qgraph.yield %0, %1 : tensor<4x1xf32>, tensor<4x8xsi8>
    } : tensor<4x1xf32>, tensor<4x8xsi8>
    ```
  }];
  let arguments = (ins OptionalAttr<StrAttr>:$name);
  let results = (outs Variadic<AnyRankedTensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$body attr-dict `:` type($outputs)";
  let hasVerifier = 1;
}

def QGraph_YieldOp : QGraph_Op<"yield", [Pure, Terminator, ReturnLike,
    ParentOneOf<["RowsOp", "IfOp", "LoopOp"]>]> {
  let summary = "the results of a region";
  let description = [{
    Example: see `qgraph.rows`, `qgraph.if`, `qgraph.loop`.
  }];
  let arguments = (ins Variadic<AnyType>:$operands);
  let builders = [OpBuilder<(ins), [{ (void)$_state; }]>];
  let assemblyFormat = "attr-dict ($operands^ `:` type($operands))?";
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

def QGraph_IfOp : QGraph_Op<"if", [RecursiveMemoryEffects, NoRegionArguments, SingleBlock]> {
  let summary = "one of two regions";
  let description = [{
    Runs the first region if `condition` is not 0, else the second. A result is
    what that region yields. Element types and ranks of the two are those of the
    result; a dimension that is dynamic in the result's type is that of the
    yielded tensor, to be asked for by `tensor.dim`.

    Constraints: both regions yield one tensor for each result, of its element
    type and rank, and of its static dimensions.

    Example:

    ```mlir
    %r = qgraph.if %c {
      %0 = onnx.node "Relu"(%x) {version = 14 : i64} : (tensor<4xf32>) -> tensor<4xf32>
      qgraph.yield %0 : tensor<4xf32>
    } else {
      qgraph.yield %y : tensor<2xf32>
    } : tensor<?xf32>
    ```
  }];
  let arguments = (ins Index:$condition, OptionalAttr<StrAttr>:$name);
  let results = (outs Variadic<AnyRankedTensor>:$outputs);
  let regions = (region SizedRegion<1>:$then_body, SizedRegion<1>:$else_body);
  let assemblyFormat = [{
    $condition $then_body `else` $else_body attr-dict (`:` type($outputs)^)?
  }];
  let hasRegionVerifier = 1;
}

def QGraph_LoopOp : QGraph_Op<"loop", [RecursiveMemoryEffects, SingleBlock]> {
  let summary = "a region that runs several times";
  let description = [{
    ONNX's Loop with all of its operands present:

        carried = init; go = condition
        for i in 0 .. trips, while go != 0:
            go, carried, pieces = body(i, carried)

    The body's arguments are i and the carried tensors; it yields the condition
    (an index value), the carried tensors, then the pieces. Results are the last
    carried tensors, then for each piece a tensor [iterations, ...] of all of
    them in order. A dimension that is dynamic in the type of a carried argument
    may change from one iteration to the next; it and those of the results are
    asked for by `tensor.dim`. The dimensions of a piece may not change, which is
    checked where they are dynamic.

    Constraints: element types and ranks of init, argument, yielded value and
    result are equal; static dimensions agree.

    Example:

    ```mlir
    func.func @double(%n: index, %c: index, %x: tensor<4xf32>) -> (tensor<4xf32>, tensor<?x4xf32>) {
      %last, %all = qgraph.loop %n while %c init(%x : tensor<4xf32>) {
      ^bb0(%i: index, %a: tensor<4xf32>):
        %0 = onnx.node "Add"(%a, %a) {version = 14 : i64}
             : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
        qgraph.yield %c, %0, %0 : index, tensor<4xf32>, tensor<4xf32>
      } : tensor<4xf32>, tensor<?x4xf32>
      return %last, %all : tensor<4xf32>, tensor<?x4xf32>
    }
    ```
  }];
  let arguments = (ins Index:$trips, Index:$condition, Variadic<AnyRankedTensor>:$init,
                       OptionalAttr<StrAttr>:$name);
  let results = (outs Variadic<AnyRankedTensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $trips `while` $condition (`init` `(` $init^ `:` type($init) `)`)? $body attr-dict
    (`:` type($outputs)^)?
  }];
  let hasRegionVerifier = 1;
}

#endif // QUANTC_DIALECT_QGRAPH_QGRAPHOPS_TD

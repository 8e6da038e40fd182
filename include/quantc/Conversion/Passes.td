//===- Passes.td - Conversions between the levels ----------*- tablegen -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_PASSES_TD
#define QUANTC_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertONNXToQGraph : Pass<"convert-onnx-to-qgraph", "::mlir::ModuleOp"> {
  let summary = "The forward walk: types, shapes, and what quantization reasons about";
  let description = [{
    Walks each function that has `onnx.node`s once, from its arguments to its
    results, and rebuilds it. For every value it knows the element type, each
    dimension as an index value (a number, a `tensor.dim` of an argument, or
    arithmetic on these, equal dimensions being the same value), and for small
    tensors also their elements in this form. So shape computations vanish.

    * What quantization reasons about becomes `qgraph`: `linear`, `matmul`,
      `embedding`, `norm`, `attention`, `quantize`, `dequantize`,
      `choose_params`. Layer and RMS normalization, GELU and attention are
      recognised in their decomposed spellings.
    * The rest stays `onnx.node`, typed, in one canonical form per operator
      (lib/Conversion/ONNXToQGraph/README.md lists them).
    * A node without a handler is replaced by its schema's function body.
    * Every node that cannot be handled is reported, all of them in one run,
      with name, operator, domain, version and operand types.

    Dimension names are the strings of the arguments' `onnx.dims`. Dimensions
    of one name are equal; differently named ones are not assumed to be. What
    must hold of them is left on the function, for the check at run time:

    * `onnx.bounds`: a dictionary of name = [lowest, highest], given by `dims` or
      proven by the graph (adding the first `seq` of 512 rows of a table to
      `seq` rows says seq <= 512).
    * `onnx.checks`: a list of {dim = name, equals = name or number}, with
      `or_one` if a dimension of 1 is broadcast there.

    Before:

    ```mlir
    %0 = onnx.node "MatMul"(%x, %w) {version = 13 : i64}
       : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<*xf32>
    %1 = onnx.node "Add"(%0, %b) {version = 14 : i64}
       : (tensor<*xf32>, tensor<4xf32>) -> tensor<*xf32>
    ```

    After:

    ```mlir
    %0 = qgraph.linear %x, %w_transposed bias %b
       : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let options = [
    ListOption<"dims", "dims", "std::string",
               "Named dimensions to pin (batch=1) or to bound (seq=1..512)">
  ];
  let statistics = [
    Statistic<"expanded", "expanded", "Nodes replaced by their schema's function body">,
    Statistic<"recognized", "recognized", "Decomposed norms, GELUs and attentions recognised">
  ];
  let dependentDialects = ["::quantc::onnx_ir::ONNXDialect", "::quantc::qgraph::QGraphDialect",
                           "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

//===----------------------------------------------------------------------===//
// Fusion and packing (lib/Conversion/QGraphFusion, lib/Conversion/PackWeights)
//===----------------------------------------------------------------------===//

def RecognizeCache : Pass<"qgraph-recognize-cache", "::mlir::ModuleOp"> {
  let summary = "Past and present keys and values of a decoder become caches";
  let description = [{
    Where a function has the keys that attention reads as a result, and they are an
    argument with something behind it along the positions, both become one cache:
    likewise the values. So do places of a past that a TensorScatter gives the new
    positions, and a past with room made behind it, as GroupQueryAttention of
    com.microsoft has it (`cache_write`). The function's arguments and results stay.
    Attention that reads only one of its operands so, or keys that are computed from
    a past in another way, are left as they are.

    Before:

    ```mlir
    %present = onnx.node "Concat"(%past, %k) {node_attributes = {axis = 2 : si64}, ...}
    %keys = onnx.node "Transpose"(%present) {node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}, ...}
    %y = qgraph.attention %q, %keys, ...
    return %y, %present, ...
    ```

    After:

    ```mlir
    %0 = qgraph.cache_load %past : tensor<?x2x?x16xf32> to <f32, 2x16>
    %1 = qgraph.cache_append %0, %fresh : <f32, 2x16>, tensor<?x?x2x16xf32>
    %present = qgraph.cache_store %1 : <f32, 2x16> to tensor<?x2x?x16xf32>
    %y = qgraph.attention %q, %1, ...
    return %y, %present, ...
    ```
  }];
  let statistics = [Statistic<"recognized", "recognized", "Layers whose keys and values became caches">];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
}

def LowerCache : Pass<"qgraph-lower-cache", "::mlir::ModuleOp"> {
  let summary = "Caches become tensors [B, heads, T, size]";
  let description = [{
    `cache_append` becomes a Concat, `cache_write` a TensorScatter; attention reads
    the tensors as they are (`heads_first`), so that nothing transposes what is past.
    Nor is anything else transposed for attention: keys and values that both are
    transposes of such tensors are read from these.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
}

def PropagateLayout : Pass<"qgraph-propagate-layout", "::mlir::ModuleOp"> {
  let summary = "Transposes between convolutions are moved until they cancel";
  let description = [{
    qgraph computes channels last, ONNX channels first; so the walk leaves a
    transpose before and behind each convolution. This pass moves the latter down
    through everything that can as well be done before a transpose: elementwise
    operators (operands that are constants, or broadcast along the image, change
    with them), `quantize` and `dequantize`, pooling (`channels_last` is set),
    reductions, Concat, Softmax, Slice, Pad, Resize, LRN, Expand, Tile, and
    reshapes that merge or split neighbours. Where it meets the next convolution's
    transpose the two cancel; where it meets something else it stays. A transpose
    that only moves dimensions of 1 is a reshape, which costs nothing.

    Before:

    ```mlir
    %0 = qgraph.conv %x, %v ... -> tensor<1x8x8x16xf32>
    %1 = onnx.node "Transpose"(%0) {node_attributes = {perm = [0 : si64, 3 : si64, 1 : si64, 2 : si64]}, ...}
    %2 = onnx.node "Relu"(%1) {version = 14 : i64} : (tensor<1x16x8x8xf32>) -> tensor<1x16x8x8xf32>
    %3 = onnx.node "Transpose"(%2) {node_attributes = {perm = [0 : si64, 2 : si64, 3 : si64, 1 : si64]}, ...}
    %4 = qgraph.conv %3, %w ...
    ```

    After:

    ```mlir
    %0 = qgraph.conv %x, %v ... -> tensor<1x8x8x16xf32>
    %1 = onnx.node "Relu"(%0) {version = 14 : i64} : (tensor<1x8x8x16xf32>) -> tensor<1x8x8x16xf32>
    %2 = qgraph.conv %1, %w ...
    ```
  }];
  let statistics = [Statistic<"moved", "moved", "Ops that a transpose was moved past">];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
}

def NormalizeCodes : Pass<"qgraph-normalize-codes", "::mlir::ModuleOp"> {
  let summary = "Stored activations are si8, and moved as codes";
  let description = [{
    Two exact rewrites of what models with stored activations (QDQ, QLinear*)
    have:

    * Codes of ui8 with a constant zero point z become si8 with z - 128: results
      of `quantize`, constants, and what only moves them, if everybody who reads
      them is a `dequantize`, a quantized layer, or moves them on. Codes that are
      an argument are shifted at run time if a layer reads them.
    * A MaxPool, Reshape, Transpose, Slice, Gather, Expand, Tile or Concat behind
      `dequantize`s with one and the same constant scale and zero point is done on
      the codes, and then dequantized; so is a Relu, as Max with the zero point. A
      `quantize` by the parameters of the `dequantize` before it is none.

    Before:

    ```mlir
    %q = qgraph.quantize %x scale %s zero_point %z128 ... -> tensor<1x8x8x16xui8>
    %f = qgraph.dequantize %q scale %s zero_point %z128 ...
    %m = onnx.node "MaxPool"(%f) ...
    %r = qgraph.quantize %m scale %s zero_point %z128 ...
    ```

    After:

    ```mlir
    %q = qgraph.quantize %x scale %s ... -> tensor<1x8x8x16xsi8>
    %r = onnx.node "MaxPool"(%q) ... -> tensor<1x4x4x16xsi8>
    ```
  }];
  let statistics = [
    Statistic<"signedValues", "signed", "Values of ui8 that became si8">,
    Statistic<"movedCodes", "moved-codes", "Operators that work on codes">
  ];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect", "::mlir::tensor::TensorDialect"];
}

def FuseQuantized : Pass<"qgraph-fuse-quantized", "::mlir::ModuleOp"> {
  let summary = "Compute on stored values where that is equal over the reals";
  let description = [{
    ```mlir
    %x = qgraph.dequantize %qx scale %sx {block = array<i64: 1, 0>} : ...
    %w = qgraph.dequantize %qw scale %sw {block = array<i64: 1, 0>} : ...
    %y = qgraph.linear %x, %w bias %b : ...
    ```
    becomes
    ```mlir
    %y = qgraph.quantized_linear %qx scale %sx, %qw scale %sw bias %b
           {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>} : ...
    ```
    if both are integers of at most 8 bits with no offset and no codebook, the groups
    along K fit each other, and no group's sum can leave 32 bits. Likewise `conv` becomes `quantized_conv` (one
    scale for the input or an image, one for the weight or a column), `matmul`
    `quantized_matmul` (one scale for all of K on either side), and
    `embedding(dequantize(table))` with a symmetric scale a row becomes an embedding
    of the stored table with that scale; with one scale for the table, and perhaps a
    zero point, its rows are gathered as they are stored and dequantized then.

    A layer with one or two quantized operands that is not fused gets a remark that
    names the op in the way.
  }];
  let statistics = [
    Statistic<"matched", "matched", "Layers fused">,
    Statistic<"skipped", "skipped", "Layers with a quantized operand that were not fused">
  ];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
}

def FuseEpilogue : Pass<"qgraph-fuse-epilogue", "::mlir::ModuleOp"> {
  let summary = "Elementwise consumers of a linear layer become steps of its epilogue";
  let description = [{
    While the only reader of a layer (`linear`, `conv`, their quantized forms) is an
    elementwise operator on f32 that keeps the shape, it becomes a step of the
    epilogue: unary operators with their attributes; binary ones whose other operand
    has the same shape (a residual), or is one row (a scale of channels) or one
    number for all. A residual that is dequantized from si8 with one constant scale
    is read as codes. A `quantize` to si8 with one constant scale becomes the step
    `Quantize`, the last one; where the codes are only dequantized again for a
    further step, the two are `QuantizeDequantize`. (These multiply by the
    reciprocal of the scale, which is equal over the reals.) Pairs of quantize and
    dequantize that stay get a remark.
    Where the layer is the second operand, only Add and Mul qualify, which
    commute. The order of operations and so every bit stays. The fused layer stands
    where the last operator stood, so its operands need not be reordered. A layer
    takes up to 16 steps.

    Before:

    ```mlir
    %0 = qgraph.linear %x, %w bias %b : ...
    %1 = onnx.node "Gelu"(%0) {version = 20 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
    %2 = onnx.node "Add"(%1, %r) {version = 14 : i64} : ...
    ```

    After:

    ```mlir
    %2 = qgraph.linear %x, %w bias %b epilogue(%r)
           {epilogue = [#qgraph.step<"Gelu">, #qgraph.step<"Add", operand = 0>]} : ...
    ```
  }];
  let statistics = [Statistic<"steps", "steps", "Operators that became steps">];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
}

def FuseRows : Pass<"qgraph-fuse-rows", "::mlir::ModuleOp"> {
  let summary = "Group what works row by row into one kernel";
  let description = [{
    Ops that work on each row (the last dimension, of static size) by itself and are
    connected by values of the same rows move into one `qgraph.rows`: `embedding`,
    `norm`, `choose_params`, `quantize` and `dequantize` (integers of up to 16 bits, a
    scale a row or a group of it, a column, or one for all), and elementwise operators
    on f32. Operands from outside may be broadcast (a bias, a
    row of positions for a whole batch). Values that others read are yielded. A
    group is made of two ops to 32, and never such that an op outside would have
    to run between its members.

    Before:

    ```mlir
    %0 = qgraph.norm layer %x weight %g bias %b {epsilon = 1.0e-5 : f32} : ...
    %1 = qgraph.choose_params symmetric %0 {block = array<i64: 1, 0>, stored = si8} : ...
    %2 = qgraph.quantize %0 scale %1 {block = array<i64: 1, 0>} : ...
    ```

    After:

    ```mlir
    %3:3 = qgraph.rows {
      %0 = qgraph.norm layer %x weight %g bias %b {epsilon = 1.0e-5 : f32} : ...
      %1 = qgraph.choose_params symmetric %0 {block = array<i64: 1, 0>, stored = si8} : ...
      %2 = qgraph.quantize %0 scale %1 {block = array<i64: 1, 0>} : ...
      qgraph.yield %0, %1, %2 : ...
    } : ...
    ```
  }];
  let statistics = [
    Statistic<"groups", "groups", "Groups made">,
    Statistic<"members", "members", "Ops in them">
  ];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect"];
}

def PackWeights : Pass<"qgraph-pack-weights", "::mlir::ModuleOp"> {
  let summary = "Constant weights into the target's layout";
  let description = [{
    `linear` with a constant f32 weight [N, K] and `quantized_linear` with a constant
    integer weight of up to 8 bits, constant scales and zero points (one a column, or
    one a group of K) and a si8 or ui8 input become `qkernel.linear`. Weight, scales,
    zero points, sums and bias go into one new entry `<weight>@pack` in the layout of
    docs/design.md ("Packed weights"; `Numerics/PackPanels.h` has every byte). The
    module's `qkernel.target` says how signed weights are stored. `conv` and
    `quantized_conv` (si8 or ui8 input) become `qkernel.conv` likewise. Other layers stay as
    they are and are computed the plain way, each with a remark that says why.

    Before that each `dequantize` of constants that is left (of a bias, of a weight
    whose layer has a float input) is computed: a new entry `<weight>@dequantize`.

    Before:

    ```mlir
    %w = qgraph.constant #qgraph.weight<"m.safetensors", "fc"> : tensor<16x64xf32>
    %y = qgraph.linear %x, %w : (tensor<4x64xf32>, tensor<16x64xf32>) -> tensor<4x16xf32>
    ```

    After:

    ```mlir
    %p = qgraph.constant #qgraph.weight<"new", "fc@pack"> : tensor<4160xui8>
    %y = qkernel.linear %x, %p {format = "f32", group = 0, input_group = 0, k = 64, n = 16}
           : (tensor<4x64xf32>, tensor<4160xui8>) -> tensor<4x16xf32>
    ```
  }];
  let statistics = [
    Statistic<"matched", "matched", "Layers packed">,
    Statistic<"skipped", "skipped", "Layers left to the plain way">,
    Statistic<"evaluated", "evaluated", "Dequantized constants computed">,
    Statistic<"packedBytes", "packed-bytes", "Bytes of packed weights">
  ];
  let dependentDialects = ["::quantc::qkernel::QKernelDialect"];
}

//===----------------------------------------------------------------------===//
// Kernels (lib/Conversion/QGraphToQKernel, lib/Conversion/QKernelToLLVM)
//===----------------------------------------------------------------------===//

def LowerToKernels : Pass<"lower-to-kernels", "::mlir::ModuleOp"> {
  let summary = "Tensors to a schedule of kernel calls";
  let description = [{
    Each public function becomes a schedule that every thread of a team runs: memory
    for each tensor (an argument's, a result's, the weights', or a place in the arena
    that is free while the tensor lives), a `qkernel.call` for each op, a
    `qkernel.barrier` where a kernel reads or overwrites what other threads may still
    be at. Equal ops share a kernel; its body comes from the op's
    `KernelOpInterface`. Beside `@f` stand `@f_shapes`, which writes the results'
    dimensions, and `@f_arena`, which gives the bytes of arena a run needs. The
    module's `qkernel.weights` lists the constants in the order of the weights file.

    With `plain` every body is the plain one: scalar loops on thread 0.

    Ops without a kernel are reported, all of them in one run.

    Before:

    ```mlir
    func.func @main(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
      %0 = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x8xf32>) -> tensor<?x8xf32>
      return %0 : tensor<?x8xf32>
    }
    ```

    After:

    ```mlir
    func.func @main(%frame: !llvm.ptr, %thread: index, %threads: index) {
      %d = qkernel.dim %frame[0]
      %x = qkernel.buffer input %frame sizes(%d) : memref<?x8xf32>
      %y = qkernel.buffer output %frame sizes(%d) : memref<?x8xf32>
      qkernel.call @norm[%frame](%thread, %threads, %x, %y) : ...
      qkernel.mark %frame[0], %thread
      return
    }
    ```
  }];
  let options = [Option<"plain", "plain", "bool", "false", "Scalar loops on one thread">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
                           "::mlir::LLVM::LLVMDialect", "::quantc::qkernel::QKernelDialect"];
}

def ConvertQKernelToLLVM : Pass<"convert-qkernel-to-llvm", "::mlir::ModuleOp"> {
  let summary = "The schedule's ops to loads from the frame and calls of the runtime";
  let description = [{
    `buffer`, `dim` and `set_dim` become accesses to `quantc_frame`
    (runtime/include/quantc/abi.h), `call` a call through the frame's
    table of kernels (`qkernel.kernels` lists it, `--build-kernel-table` defines it), `barrier`, `mark` and `check` calls of
    the runtime's functions. What is left is upstream: loops, memrefs, vectors,
    arithmetic; and the functions get C types (`i64` for `index`).
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::LLVM::LLVMDialect"];
}

def BuildKernelTable : Pass<"build-kernel-table", "::mlir::ModuleOp"> {
  let summary = "The level's table of kernels";
  let description = [{
    Defines `@kernels`, a mutable array with the addresses of the functions that the
    module's `qkernel.kernels` lists; calls go through it. Runs when functions are
    `llvm.func`s.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // QUANTC_CONVERSION_PASSES_TD

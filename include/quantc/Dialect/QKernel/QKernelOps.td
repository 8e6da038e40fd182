//===- QKernelOps.td - Schedules, packed weights and tiles --*- tablegen -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QKERNEL_QKERNELOPS_TD
#define QUANTC_DIALECT_QKERNEL_QKERNELOPS_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "quantc/Dialect/QGraph/QGraphBase.td"

def QKernel_Dialect : Dialect {
  let name = "qkernel";
  let cppNamespace = "::quantc::qkernel";
  let summary = "Packed weights, the schedule of kernels, tiles of dot products";
  let description = [{
    Three things stand here. `linear` on packed weights is what the fused form
    becomes once the target's layout is known. The schedule ops (`buffer`,
    `dim`, `set_dim`, `call`, `barrier`, `mark`, `check`; `allocate`, `heap`,
    `exchange`, `require` for sizes that are only known while it runs) are what
    the entry function of a model consists of; every thread of a team runs it. `tile_dot`
    is the one operation that each instruction set lowers in its own way. See
    docs/rationale-qkernel.md.
  }];
  let dependentDialects = ["::quantc::qgraph::QGraphDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::vector::VectorDialect"];
  let useDefaultAttributePrinterParser = 1;
}

/// The `quantc_frame *` of quantc/abi.h.
def QKernel_Frame : Type<CPred<"::llvm::isa<::mlir::LLVM::LLVMPointerType>($_self)">, "frame pointer",
      "::mlir::LLVM::LLVMPointerType">,
    BuildableType<"::mlir::LLVM::LLVMPointerType::get($_builder.getContext())">;

class QKernel_Attr<string n, string m> : AttrDef<QKernel_Dialect, n> { let mnemonic = m; }
class QKernel_Op<string mnemonic, list<Trait> traits = []>
    : Op<QKernel_Dialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// The target
//===----------------------------------------------------------------------===//

def QKernel_TileAttr : QKernel_Attr<"Tile", "tile"> {
  let summary = "the register tile for one weight format";
  let description = [{
    `rows` rows of activations by `panels` panels of 16 columns are held in
    registers for weights of `format` (`f32`, `si8`, `si4`).
  }];
  let parameters = (ins StringRefParameter<"format">:$format, "int64_t":$rows, "int64_t":$panels);
  let assemblyFormat = "`<` $format `,` $rows `x` $panels `>`";
}

def QKernel_TargetAttr : QKernel_Attr<"Target", "target"> {
  let summary = "what the layers above may know of a target";
  let description = [{
    `arch` is the architecture (`x86_64`, `aarch64`) and `level` the instruction
    set level that is being compiled (empty while the module is shared by all
    levels). `unsigned_weights`: packed integer weights are stored with 2^(b-1)
    added, so that they are the unsigned operand of `vpdpbusd`. `tiles` is the
    register-tile table of the level.

    Example:

    ```mlir
    module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "avx2",
        unsigned_weights = true, tiles = [<"f32", 6 x 1>, <"si8", 4 x 1>, <"si4", 4 x 1>]>} {}
    ```
  }];
  let parameters = (ins StringRefParameter<"arch">:$arch, StringRefParameter<"level">:$level,
                        "bool":$unsigned_weights,
                        OptionalArrayRefParameter<"TileAttr">:$tiles);
  let assemblyFormat = [{
    `<` `arch` `=` $arch `,` `level` `=` $level `,` `unsigned_weights` `=` $unsigned_weights
    (`,` `tiles` `=` `[` $tiles^ `]`)? `>`
  }];
  let extraClassDeclaration = [{
    /// The name of the module attribute.
    static constexpr ::llvm::StringLiteral kAttrName{"qkernel.target"};
    /// The tile for weights of `format`; {1, 1} where the table has none.
    std::pair<int64_t, int64_t> getTile(::llvm::StringRef format) const;
  }];
}

//===----------------------------------------------------------------------===//
// Packed weights (tensors)
//===----------------------------------------------------------------------===//

def QKernel_LinearOp : QKernel_Op<"linear", [Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "linear or quantized_linear with packed weights";
  let description = [{
    The meaning is that of `qgraph.linear` (`format = "f32"`) or
    `qgraph.quantized_linear` (`si8`, `si4`; `input` is `si8` or `ui8`, with or
    without a zero point), or of a `qgraph.linear` of a dequantized weight (`si8`,
    `si4`, `f16`, `bf16`, the floats of 8, 6 and 4 bits, or `ui4` with a `codebook`
    of 16 values; `input` is f32 and has no scale), with weights [n, k], scale groups of
    `group` along K (0: one group) in the weight and `input_group` in the input,
    laid out as docs/design.md, "Packed weights", says. A bias is in the panels; where the model has none it is 0.
    `scale_type` is the type of the scales of groups in the panels, `f16`
    or `f32` (the default); a single group's are f32. With
    `weight_zero_points` the panels hold a zero point for each of their scales,
    with `weight_offsets` (float inputs only) a real offset, with `column_sums` the sum of the weights for each, which an input that is
    `ui8` or has a zero point needs.

    Example:

    ```mlir
    %y = qkernel.linear %x scale %s, %p {format = "si8", group = 0, input_group = 0, k = 64, n = 16}
         : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<1152xi8>) -> tensor<4x16xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, Optional<AnyRankedTensor>:$input_scale,
                       Optional<AnyRankedTensor>:$input_zero_point,
                       AnyRankedTensor:$packed,
                       Variadic<AnyRankedTensor>:$epilogue_operands,
                       StrAttr:$format, I64Attr:$n, I64Attr:$k, I64Attr:$group,
                       I64Attr:$input_group, OptionalAttr<TypeAttr>:$scale_type,
                       UnitAttr:$weight_zero_points, UnitAttr:$column_sums,
                       UnitAttr:$weight_offsets,
                       OptionalAttr<DenseF32ArrayAttr>:$codebook,
                       DefaultValuedAttr<QGraph_StepArrayAttr, "{}">:$epilogue,
                       OptionalAttr<StrAttr>:$name);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input (`scale` $input_scale^)? (`zero_point` $input_zero_point^)? `,` $packed
    (`epilogue` `(` $epilogue_operands^ `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def QKernel_ConvOp : QKernel_Op<"conv", [Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "conv or quantized_conv with packed weights";
  let description = [{
    The meaning is that of `qgraph.conv` (`format = "f32"`) or
    `qgraph.quantized_conv` (`si8`; one scale a column, no weight zero points; the
    input is `si8` or `ui8`)
    with weights [n, taps.., C / groups]. `packed` holds the panels of one group
    after the other, each those of a linear layer with n / groups columns and K =
    (taps, channels). For `si8` K is cut into *runs*, which a row of the image
    holds side by side: a row of taps with all channels or, with groups or a
    dilation along the last dimension, one tap's channels; each run is padded with
    zeros to a multiple of 4, the panels hold column sums, and the stored weights
    are signed on every target. A depthwise convolution (groups = n = C,
    at most 256 taps) has panels of n columns with K = taps; its weights are
    finite, so that a tap outside the image adds nothing.

    Example:

    ```mlir
    %y = qkernel.conv %x, %p {format = "f32", n = 16, taps = array<i64: 3, 3>,
             strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
             pads = array<i64: 1, 1, 1, 1>, groups = 1}
         : (tensor<1x8x8x4xf32>, tensor<2368xi8>) -> tensor<1x8x8x16xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, Optional<AnyRankedTensor>:$input_scale,
                       Optional<AnyRankedTensor>:$input_zero_point,
                       AnyRankedTensor:$packed,
                       Variadic<AnyRankedTensor>:$epilogue_operands,
                       Variadic<Index>:$dims,
                       StrAttr:$format, I64Attr:$n, DenseI64ArrayAttr:$taps,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$pads, I64Attr:$groups,
                       DefaultValuedAttr<QGraph_StepArrayAttr, "{}">:$epilogue,
                       OptionalAttr<StrAttr>:$name);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input (`scale` $input_scale^)? (`zero_point` $input_zero_point^)? `,` $packed
    (`epilogue` `(` $epilogue_operands^ `)`)? (`dims` `(` $dims^ `)`)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Channels of the input.
    int64_t getChannels();
    /// True if each channel is a group of its own with one column, and few
    /// taps.
    bool isDepthwise();
    /// Values of K that lie side by side in the image, and how many such runs
    /// there are. (A depthwise convolution has none.)
    int64_t getRunLength();
    int64_t getRuns();
    /// What the packed weight's panels are; `unsigned_weights` is not set.
    ::quantc::numerics::PanelLayout getPanelLayout();
  }];
}

//===----------------------------------------------------------------------===//
// The schedule
//===----------------------------------------------------------------------===//

def QKernel_BufferKindAttr : I32EnumAttr<"BufferKind", "where a buffer lives", [
    I32EnumAttrCase<"Input", 0, "input">, I32EnumAttrCase<"Output", 1, "output">,
    I32EnumAttrCase<"Weights", 2, "weights">, I32EnumAttrCase<"Arena", 3, "arena">]> {
  let cppNamespace = "::quantc::qkernel";
}

def QKernel_BufferOp : QKernel_Op<"buffer", [Pure, AttrSizedOperandSegments]> {
  let summary = "memory that the frame points to, as a memref";
  let description = [{
    `input`/`output`: the data of argument or result `index`. `weights`, `arena`:
    `offset` bytes into them. The memref is dense and row-major; `sizes` gives its dynamic
    dimensions.

    Example:

    ```mlir
    func.func @entry(%frame: !llvm.ptr, %m: index, %o: index) {
      %0 = qkernel.buffer arena %frame offset(%o) sizes(%m) : memref<?x384xf32>
      %1 = qkernel.buffer input %frame sizes(%m) {index = 1 : i64} : memref<?xi64>
      return
    }
    ```
  }];
  let arguments = (ins QKernel_BufferKindAttr:$kind, QKernel_Frame:$frame,
                       Optional<Index>:$offset, Variadic<Index>:$sizes,
                       DefaultValuedAttr<I64Attr, "0">:$index);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = [{
    $kind $frame (`offset` `(` $offset^ `)`)? (`sizes` `(` $sizes^ `)`)? attr-dict `:` type($result)
  }];
  let hasVerifier = 1;
}

def QKernel_DimOp : QKernel_Op<"dim", [Pure]> {
  let summary = "a dimension of the model's inputs";
  let description = [{
    Entry `index` of the frame's input dimensions (those of all inputs, one after another).

    Example:

    ```mlir
    %d = qkernel.dim %frame[3]
    ```
  }];
  let arguments = (ins QKernel_Frame:$frame, I64Attr:$index);
  let results = (outs Index:$result);
  let assemblyFormat = "$frame `[` $index `]` attr-dict";
}

def QKernel_InputValueOp : QKernel_Op<"input_value", [Pure]> {
  let summary = "an element of one of the model's inputs";
  let description = [{
    Element `element` (row-major) of input `input`, which holds elements of the
    result's type. It is there before the run, so a shape that an input gives as
    its values is known as early as one that is given by the inputs' dimensions.

    Example:

    ```mlir
    %v = qkernel.input_value %frame[1, 0] : i64
    ```
  }];
  let arguments = (ins QKernel_Frame:$frame, I64Attr:$input, I64Attr:$element);
  let results = (outs AnyTypeOf<[AnyInteger, AnyFloat]>:$result);
  let assemblyFormat = "$frame `[` $input `,` $element `]` attr-dict `:` type($result)";
}

def QKernel_SetDimOp : QKernel_Op<"set_dim"> {
  let summary = "writes a dimension of the model's outputs";
  let description = [{
    Example:

    ```mlir
    qkernel.set_dim %frame[0], %d
    ```
  }];
  let arguments = (ins QKernel_Frame:$frame, I64Attr:$index, Index:$value);
  let assemblyFormat = "$frame `[` $index `]` `,` $value attr-dict";
}

def QKernel_CallOp : QKernel_Op<"call", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "runs this thread's share of a kernel";
  let description = [{
    `kernel` is called through the level's table of kernels, `slot` being its
    place there (set when the table is laid out). The operands are the kernel's
    arguments.

    Example:

    ```mlir
    func.func private @relu_f32(!llvm.ptr, memref<?xf32>, memref<?xf32>, index, index)
    func.func @entry(%frame: !llvm.ptr, %thread: index, %threads: index, %x: memref<?xf32>,
                     %y: memref<?xf32>) {
      qkernel.call @relu_f32[%frame](%x, %y, %thread, %threads)
        : memref<?xf32>, memref<?xf32>, index, index
      return
    }
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, QKernel_Frame:$frame, Variadic<AnyType>:$args);
  let assemblyFormat = "$kernel `[` $frame `]` `` `(` $args `)` attr-dict (`:` type($args)^)?";
}

def QKernel_BarrierOp : QKernel_Op<"barrier"> {
  let summary = "waits for all threads of the team";
  let description = [{
    Example:

    ```mlir
    qkernel.barrier %frame, %thread, %threads
    ```
  }];
  let arguments = (ins QKernel_Frame:$frame, Index:$thread, Index:$threads);
  let assemblyFormat = "$frame `,` $thread `,` $threads attr-dict";
}

def QKernel_MarkOp : QKernel_Op<"mark"> {
  let summary = "the end of a layer, for `--layers`";
  let description = [{
    Example:

    ```mlir
    qkernel.mark %frame[3], %thread
    ```
  }];
  let arguments = (ins QKernel_Frame:$frame, I64Attr:$layer, Index:$thread);
  let assemblyFormat = "$frame `[` $layer `]` `,` $thread attr-dict";
}

def QKernel_CheckOp : QKernel_Op<"check"> {
  let summary = "reports an error of the input's values to the caller";
  let description = [{
    Where `condition` is false the run fails with `code` (see `quantc/abi.h`) and
    the two numbers; it goes on with values that are safe, chosen by the kernel.

    Example:

    ```mlir
    qkernel.check %frame, %ok, 1, %i, %n
    ```
  }];
  let arguments = (ins QKernel_Frame:$frame, I1:$condition, I64Attr:$code, Index:$a, Index:$b);
  let assemblyFormat = "$frame `,` $condition `,` $code `,` $a `,` $b attr-dict";
}

//===----------------------------------------------------------------------===//
// The schedule: sizes that are only known while it runs
//===----------------------------------------------------------------------===//

def QKernel_AllocateOp : QKernel_Op<"allocate"> {
  let summary = "makes a slot of the session's heap large enough";
  let description = [{
    Slot `slot` has at least `bytes` bytes afterwards; what it held is lost unless
    `keep` is there. A slot never shrinks, so a run that is no larger than an
    earlier one allocates nothing. Thread 0 does it, then all meet. Where `bytes`
    is negative (a size that is nonsense), or there is no memory, the run ends
    with an error.

    Example:

    ```mlir
    qkernel.allocate %frame[2], %bytes, %thread, %threads
    ```
  }];
  let arguments = (ins QKernel_Frame:$frame, I64Attr:$slot, Index:$bytes, Index:$thread,
                       Index:$threads, UnitAttr:$keep);
  let assemblyFormat = [{
    $frame `[` $slot `]` `,` $bytes `,` $thread `,` $threads (`keep` $keep^)? attr-dict
  }];
}

def QKernel_HeapOp : QKernel_Op<"heap", [MemoryEffects<[MemRead]>, AttrSizedOperandSegments]> {
  let summary = "memory of a slot of the session's heap, as a memref";
  let description = [{
    As `qkernel.buffer`; but where a slot lies changes when it is allocated or
    exchanged, so this op may not be moved over these.

    Example:

    ```mlir
    %0 = qkernel.heap %frame[2] offset(%o) sizes(%n) : memref<?x4xf32>
    ```
  }];
  let arguments = (ins QKernel_Frame:$frame, I64Attr:$slot, Optional<Index>:$offset,
                       Variadic<Index>:$sizes);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = [{
    $frame `[` $slot `]` (`offset` `(` $offset^ `)`)? (`sizes` `(` $sizes^ `)`)? attr-dict
    `:` type($result)
  }];
  let hasVerifier = 1;
}

def QKernel_ExchangeOp : QKernel_Op<"exchange"> {
  let summary = "exchanges the memory of two slots";
  let description = [{
    Done by thread 0; stands between two barriers. What a loop's body has yielded
    becomes the carried tensor of the next iteration that way, without a copy.

    Example:

    ```mlir
    qkernel.exchange %frame[2, 3], %thread
    ```
  }];
  let arguments = (ins QKernel_Frame:$frame, I64Attr:$a, I64Attr:$b, Index:$thread);
  let assemblyFormat = "$frame `[` $a `,` $b `]` `,` $thread attr-dict";
}

def QKernel_RequireOp : QKernel_Op<"require"> {
  let summary = "ends the run with an error";
  let description = [{
    Where `condition` is false the run ends here, with `code` and the two numbers
    as in `qkernel.check`. The condition is the same in all threads of the team,
    and all leave.

    Example:

    ```mlir
    qkernel.require %frame, %ok, 1, %i, %n, %thread
    ```
  }];
  let arguments = (ins QKernel_Frame:$frame, I1:$condition, I64Attr:$code, Index:$a, Index:$b,
                       Index:$thread);
  let assemblyFormat = "$frame `,` $condition `,` $code `,` $a `,` $b `,` $thread attr-dict";
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

def QKernel_TileDotOp : QKernel_Op<"tile_dot", [MemoryEffects<[MemRead]>,
    AllTypesMatch<["init", "results"]>]> {
  let summary = "one register tile of dot products";
  let description = [{
    For `rows` rows of `a` from row `m` on and `panels` panels of 16 columns,
    over `length` values of k from `k` on:

        acc[r, p][c] += sum_k a[m + r, k] * panel_p[k, c]

    The accumulators are `rows * panels` vectors of 16 lanes, row by row.
    Panel p's bytes for k start at `packed[offset + p * stride]`, in the layout
    of `format` (docs/design.md). `f32`: a fused multiply-add per k in index
    order. `si8`, `si4`: exact i32 sums of a (signed bytes) times the *stored*
    weight, so with unsigned weights the caller starts the accumulator at
    -2^(b-1) times the sum of a. `length` is a multiple of 4 (8 for `si4`) in
    the panels; `a` has that many bytes to read too. With `unsigned_input` (x86,
    `si8`) the bytes of a are unsigned and the stored weights signed.

    Example:

    ```mlir
    %acc2 = qkernel.tile_dot %a[%m, %k], %w[%o] stride %s length %n init(%acc)
              {format = "si8", panels = 1 : i64, rows = 1 : i64}
            : memref<?x?xi8>, memref<?xi8>, vector<16xi32>
    ```
  }];
  let arguments = (ins AnyMemRef:$a, Index:$m, Index:$k, AnyMemRef:$packed, Index:$offset,
                       Index:$stride, Index:$length, Variadic<AnyVectorOfNonZeroRank>:$init,
                       StrAttr:$format, I64Attr:$rows, I64Attr:$panels,
                       UnitAttr:$unsigned_input);
  let results = (outs Variadic<AnyVectorOfNonZeroRank>:$results);
  let assemblyFormat = [{
    $a `[` $m `,` $k `]` `,` $packed `[` $offset `]` `stride` $stride `length` $length
    `init` `(` $init `)` attr-dict `:` type($a) `,` type($packed) `,` type($init)
  }];
  let hasVerifier = 1;
}

#endif // QUANTC_DIALECT_QKERNEL_QKERNELOPS_TD

//===- QGraphBase.td - The qgraph dialect, attributes, enums -*- tablegen -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QGRAPH_QGRAPHBASE_TD
#define QUANTC_DIALECT_QGRAPH_QGRAPHBASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"

def QGraph_Dialect : Dialect {
  let name = "qgraph";
  let cppNamespace = "::quantc::qgraph";
  let summary = "Quantization, written down explicitly";
  let description = [{
    There is one way to write a quantized value:

        real   = scale * (decode(stored) - zero_point) + offset
        stored = clamp(round((real - offset) / scale) + zero_point, qmin, qmax)

    `decode` is the identity or a `codebook` look-up (then `quantize` takes the
    nearest code). Every scheme (per tensor, channel, token, group or block,
    symmetric or asymmetric, static or dynamic, doubly quantized) is a
    composition of `quantize`, `dequantize` and `choose_params`; a granularity
    is the `block` list, a scheme is which operands are there. See
    docs/rationale-qgraph.md.
  }];
  let dependentDialects = ["::quantc::onnx_ir::ONNXDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let extraClassDeclaration = [{
    /// The weights that `#qgraph.weight` attributes of this context refer to.
    ::quantc::WeightStores &getWeights() { return *weights; }
    /// Where passes keep what they have finished; one that keeps nothing unless
    /// whoever runs them has given another.
    ::quantc::Journal &getJournal() { return *journal; }
    /// Gives another; returns the one before.
    std::unique_ptr<::quantc::Journal> setJournal(std::unique_ptr<::quantc::Journal> other) {
      std::swap(journal, other);
      return other;
    }
  private:
    std::shared_ptr<::quantc::WeightStores> weights;
    std::unique_ptr<::quantc::Journal> journal = std::make_unique<::quantc::Journal>();
  public:
  }];
}

def QGraph_CacheType : TypeDef<QGraph_Dialect, "Cache"> {
  let mnemonic = "cache";
  let summary = "the keys or the values of all positions that a decoder has seen";
  let description = [{
    `heads` x `size` elements a position. How many sequences there are and how many
    positions is known at run time. As a tensor it is [B, heads, T, size].

    Example:

    ```mlir
    func.func private @step(!qgraph.cache<f32, 2x16>) -> !qgraph.cache<f32, 2x16>
    ```
  }];
  let parameters = (ins "::mlir::Type":$elementType, "int64_t":$heads, "int64_t":$size);
  let assemblyFormat = "`<` $elementType `,` custom<HeadsBySize>($heads, $size) `>`";
  let genVerifyDecl = 1;
}

class QGraph_Attr<string n, string m, list<Trait> traits = []>
    : AttrDef<QGraph_Dialect, n, traits> { let mnemonic = m; }

def QGraph_WeightAttr : QGraph_Attr<"Weight", "weight", [TypedAttrInterface]> {
  let summary = "a reference to an entry of the weight store";
  let description = [{
    `store` names a safetensors file relative to the IR file, or is `new` for
    the overlay of entries that this process has made; `name` is the entry. The
    bytes are the tensor in row-major order; elements below a byte are packed,
    the lower-indexed element in the lower bits (ONNX's order).

    Example:

    ```mlir
    %w = qgraph.constant #qgraph.weight<"model.safetensors", "fc.weight"> : tensor<384x384xf32>
    ```
  }];
  let parameters = (ins StringRefParameter<"store">:$store, StringRefParameter<"entry">:$name,
                        AttributeSelfTypeParameter<"type">:$type);
  let assemblyFormat = "`<` $store `,` $name `>`";
}

def QGraph_StepAttr : QGraph_Attr<"Step", "step"> {
  let summary = "one step of an epilogue";
  let description = [{
    `op` is a row of the elementwise table (its ONNX name). With `operand` the
    step is binary, its second operand being that entry of the op's
    `epilogue_operands` (broadcast over the leading dimensions); `attributes`
    are the node's own. `scale` and `zero_point` are entries too, of one element
    each: an operand with a scale is stored, and its real value is
    scale * (operand - zero_point) (0 without one).

    Two steps are no rows of the table. They take a scale s, one for which
    `roundsAsDivision` (quantc/Numerics/Reciprocal.h) is true, and perhaps a zero
    point z of si8:

    * `Quantize`, the last step: clamp(round(y / s) + z, qmin, qmax), the range
      being that of the result's element type, which is si8: what
      `qgraph.quantize` does.
    * `QuantizeDequantize`: s * (clamp(round(y / s) + z, -128, 127) - z), what a
      value is that was stored in between.

    Rounding is half to even, NaN stores qmin, the product with s is one
    rounding.

    Example: `#qgraph.step<"Gelu">`, `#qgraph.step<"Add", operand = 0>`,
    `#qgraph.step<"Add", operand = 0, scale = 1, zero_point = 2>`,
    `#qgraph.step<"Quantize", scale = 3>`.
  }];
  let parameters = (ins StringRefParameter<"op">:$op,
                        DefaultValuedParameter<"int64_t", "-1">:$operand,
                        DefaultValuedParameter<"int64_t", "-1">:$scale,
                        DefaultValuedParameter<"int64_t", "-1">:$zero_point,
                        OptionalParameter<"::mlir::DictionaryAttr">:$attributes);
  let assemblyFormat = [{
    `<` $op (`,` struct($operand, $scale, $zero_point, $attributes)^)? `>`
  }];
  let extraClassDeclaration = [{
    /// The steps that are no rows of the elementwise table.
    static constexpr ::llvm::StringLiteral kQuantize{"Quantize"};
    static constexpr ::llvm::StringLiteral kQuantizeDequantize{"QuantizeDequantize"};
    bool isQuantize() const { return getOp() == kQuantize; }
    bool isQuantizeDequantize() const { return getOp() == kQuantizeDequantize; }
    /// True for a row of the elementwise table.
    bool isElementwise() const { return !isQuantize() && !isQuantizeDequantize(); }
  }];
}
def QGraph_StepArrayAttr : TypedArrayAttrBase<QGraph_StepAttr, "epilogue steps">;

#endif // QUANTC_DIALECT_QGRAPH_QGRAPHBASE_TD

//===- ONNXOps.td - The onnx dialect: one generic node ------*- tablegen -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_ONNX_ONNXOPS_TD
#define QUANTC_DIALECT_ONNX_ONNXOPS_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def ONNX_Dialect : Dialect {
  let name = "onnx";
  let cppNamespace = "::quantc::onnx_ir";
  let summary = "ONNX as it stands in the file: one generic op";
  let description = [{
    A model is imported one op per node, and nothing is decided on the way: the
    operator's meaning is given by (`domain`, `op_type`, `version`), as the ONNX
    specification numbers them. The forward walk `--convert-onnx-to-qgraph`
    gives every result a ranked type; what quantization has nothing to say
    about stays an `onnx.node` until it is lowered to a kernel or exported.

    Element types are explicit about sign: INT64 is `si64`, UINT8 is `ui8`,
    BOOL is `i1`; the small types of ONNX 1.23 (INT4, FLOAT8E4M3FN, ...) are
    `si4`, `f8E4M3FN` and so on.
  }];
  let useDefaultTypePrinterParser = 1;
}

class ONNX_Type<string n, string m> : TypeDef<ONNX_Dialect, n> { let mnemonic = m; }

def ONNX_UnknownType : ONNX_Type<"Unknown", "unknown"> {
  let summary = "a type that the file does not tell and that is not yet inferred";
  let description = [{
    Before the walk, the result of a node whose schema is not known or whose
    inference had to stop. There is none after the walk.
  }];
}
def ONNX_SequenceType : ONNX_Type<"Sequence", "sequence"> {
  let summary = "a list of values of one type, of any length";
  let parameters = (ins "::mlir::Type":$element);
  let assemblyFormat = "`<` $element `>`";
}
def ONNX_OptionalType : ONNX_Type<"Optional", "optional"> {
  let summary = "a value or nothing, known at run time";
  let parameters = (ins "::mlir::Type":$element);
  let assemblyFormat = "`<` $element `>`";
}

def ONNX_NodeOp : Op<ONNX_Dialect, "node", [AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "one ONNX node";
  let description = [{
    `op_type` and `domain` are the node's own (the domain of standard ONNX is
    the empty string); `version` is the since-version of the operator's schema
    that the model's opset import selects. `attributes` holds the node's
    attributes by their ONNX names: INT as `si64`, FLOAT as `f32`, STRING as a
    string, lists as arrays of these, TENSOR as elements.

    An absent optional input is an `onnx.none`. Subgraphs (the bodies of `If`,
    `Loop`, `Scan`) are `regions`, in the order of the attribute names listed in
    `subgraphs`.

    After the walk every result type is ranked, and each dynamic dimension of a
    result is given by one operand of `dims`, over all results in order. Before
    the walk `dims` is empty.

    Before the walk a type that nobody knows yet is `!onnx.unknown`.

    Constraints: every operand is a tensor, `none`, a sequence or an optional;
    `dims` is empty or has one value for every dynamic dimension of the results.

    Example:

    ```mlir
    %0 = onnx.node "Softmax"(%x) dims(%n)
           {node_attributes = {axis = -1 : si64}, version = 13 : i64}
         : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$inputs, Variadic<Index>:$dims,
                       StrAttr:$op_type, DefaultValuedStrAttr<StrAttr, "">:$domain,
                       I64Attr:$version,
                       DefaultValuedAttr<DictionaryAttr, "{}">:$node_attributes,
                       OptionalAttr<StrAttr>:$name,
                       OptionalAttr<StrArrayAttr>:$subgraph_names);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region VariadicRegion<AnyRegion>:$subgraphs);
  let assemblyFormat = [{
    $op_type `(` $inputs `)` (`dims` `(` $dims^ `)`)? (`subgraphs` $subgraphs^)?
    attr-dict `:` functional-type($inputs, $outputs)
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// The attribute of this ONNX name, or null.
    ::mlir::Attribute getNodeAttr(::llvm::StringRef name) {
      return getNodeAttributes().get(name);
    }
    int64_t getIntAttr(::llvm::StringRef name, int64_t otherwise);
    float getFloatAttr(::llvm::StringRef name, float otherwise);
    ::llvm::StringRef getStringAttr(::llvm::StringRef name, ::llvm::StringRef otherwise);
    ::llvm::SmallVector<int64_t> getIntsAttr(::llvm::StringRef name);
    /// Input `i`, or null where it is absent (past the end, or `onnx.none`).
    ::mlir::Value getInput(unsigned i);
    /// True for an operator of the standard domain with this name.
    bool is(::llvm::StringRef opType) {
      return getDomain().empty() && getOpType() == opType;
    }
  }];
}

def ONNX_NoneOp : Op<ONNX_Dialect, "none", [Pure]> {
  let summary = "an optional input that is absent";
  let description = [{
    Example:

    ```mlir
    %0 = onnx.none
    ```
  }];
  let results = (outs NoneType:$result);
  let assemblyFormat = "attr-dict";
}

def ONNX_ReturnOp : Op<ONNX_Dialect, "return", [Terminator, Pure, HasParent<"NodeOp">]> {
  let summary = "ends a subgraph";
  let description = [{
    The results of a subgraph region, in the order of the ONNX graph's outputs.

    Example: see `onnx.node` with `subgraphs`.
  }];
  let arguments = (ins Variadic<AnyType>:$operands);
  let assemblyFormat = "attr-dict ($operands^ `:` type($operands))?";
}

#endif // QUANTC_DIALECT_ONNX_ONNXOPS_TD

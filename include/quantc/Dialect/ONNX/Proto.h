//===- Proto.h - What the ONNX schemas know about a node --------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The ONNX C++ library behind an interface of MLIR types: schema look-up, type
// and shape inference of one `onnx.node`, and expansion of an operator's
// function body. No header of ONNX or protobuf is included here and no
// exception leaves these functions, so code without exceptions can use them.
// ProtoMessages.h is the other half, for code that handles ONNX messages.
//
// Library: QuantcONNXProto.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_ONNX_PROTO_H
#define QUANTC_DIALECT_ONNX_PROTO_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "quantc/Dialect/ONNX/ONNXDialect.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>
#include <string>
#include <vector>

namespace quantc::onnx_ir {

//===----------------------------------------------------------------------===//
// Schemas
//===----------------------------------------------------------------------===//

/// The since-version of the schema of `opType` that is in force at version
/// `opset` of `domain` ("" is standard ONNX, as is "ai.onnx"); nothing if there
/// is no such operator, or not yet, or it has been withdrawn by then.
std::optional<int64_t> sinceVersion(llvm::StringRef opType,
                                    llvm::StringRef domain, int64_t opset);

/// The newest opset of `domain` that this build knows, 0 for a domain without
/// schemas.
int64_t latestOpset(llvm::StringRef domain);

/// The value of an attribute that the node does not carry and for which its
/// schema has a default; null if there is none.
mlir::Attribute defaultAttribute(NodeOp node, llvm::StringRef name);

/// The attribute of the node, else the schema's default, else null.
mlir::Attribute attributeOrDefault(NodeOp node, llvm::StringRef name);

/// The names of the schema's formal inputs (`outputs`: outputs), a variadic one
/// last; empty without a schema. For messages.
llvm::SmallVector<std::string> formalNames(NodeOp node, bool outputs = false);

/// The same of the inputs that a node must have; "" for those that are optional
/// or variadic.
llvm::SmallVector<std::string> requiredInputs(NodeOp node);

/// What the schema has against the element types of a node's inputs, null where
/// an input is no tensor or absent: one that is a float where only integers
/// may be, or two that have to be one type and are not. Types of the right kind
/// that only a later version knows are taken.
std::optional<std::string> objectionToTypes(NodeOp node,
                                            llvm::ArrayRef<mlir::Type> types);

//===----------------------------------------------------------------------===//
// Type and shape inference
//===----------------------------------------------------------------------===//

/// One dimension, or one element of a small integer tensor: a number, a symbol
/// (`name`, equal wherever it occurs), or unknown (neither).
struct Dim {
  std::optional<int64_t> value;
  std::string name;
};

/// What is known of a value before it is computed.
struct ValueInfo {
  /// A tensor (ranked or not), `none` for an absent input; null or
  /// `!onnx.unknown` if unknown.
  mlir::Type type;
  /// For a ranked tensor: a name for each dimension, "" where there is none.
  /// Names of static dimensions are ignored. May be empty: no names. The caller
  /// is free to name dimensions as it likes, e.g. one name for each `index`
  /// value it has, and to find by these names which input dimension a result's
  /// dimension equals.
  std::vector<std::string> dims;
  /// The value, where it is a constant (at least small integer tensors should
  /// be given: shapes, axes, pads, repeats); otherwise null.
  mlir::DenseElementsAttr constant;
  /// The elements of an integer tensor of rank 0 or 1 whose value is only
  /// partly known (a computed shape), in order. Ignored if there is a
  /// `constant`.
  std::optional<std::vector<Dim>> elements;
};

/// Infers the types of a subgraph's results, given those of its block arguments
/// (fewer than there are if the schema does not know them). Called by
/// `inferNodeTypes` for If, Loop, Scan and SequenceMap; the caller typically
/// walks the region now.
using InferSubgraph =
    llvm::function_ref<mlir::FailureOr<llvm::SmallVector<ValueInfo>>(
        mlir::Region &body, llvm::ArrayRef<ValueInfo> arguments)>;

/// The types of the node's results by the inference function of its schema.
/// Result dimensions carry the name of the input dimension they equal, "" if
/// the schema does not know one. `inputs` has one entry for each operand of the
/// node. With `elements` set for a result where the schema propagates data
/// (Shape, Gather, Concat, ... of partly known shapes). A result whose type
/// stays unknown has a null type; that is no error.
///
/// Errors (emitted at the node, naming operator, version and what the schema
/// says): no schema, or the inputs contradict it.
mlir::FailureOr<llvm::SmallVector<ValueInfo>>
inferNodeTypes(NodeOp node, llvm::ArrayRef<ValueInfo> inputs,
               InferSubgraph inferSubgraph = nullptr);

//===----------------------------------------------------------------------===//
// Function bodies
//===----------------------------------------------------------------------===//

/// True if the node's operator is defined by a function body in its schema
/// (also one that depends on attributes and input types, and may then still
/// decline).
bool hasFunctionBody(NodeOp node);

/// Makes the value of a constant that a function body contains.
using MakeConstant = llvm::function_ref<mlir::Value(
    mlir::OpBuilder &, mlir::Location, mlir::DenseElementsAttr)>;

/// Builds the nodes of the operator's function body at the builder's insertion
/// point, one `onnx.node` each, with attributes bound, versions of the body's
/// opset, names `<node>/<op>` made unique by position, and the node's location
/// under the name. Result types are what inference gives with `inputs`, else
/// `!onnx.unknown`. `results` gets one value for each result of `node` (null
/// for one that the body does not produce); `node` itself is left as it is.
/// Constants are made by `makeConstant`, or stay `onnx.node "Constant"` without
/// it.
///
/// Returns false if there is no body for these inputs. Errors are emitted at
/// the node.
mlir::FailureOr<bool>
expandFunctionBody(NodeOp node, llvm::ArrayRef<ValueInfo> inputs,
                   mlir::OpBuilder &builder,
                   llvm::SmallVectorImpl<mlir::Value> &results,
                   MakeConstant makeConstant = nullptr);

} // namespace quantc::onnx_ir

#endif // QUANTC_DIALECT_ONNX_PROTO_H

//===- ProtoMessages.h - ONNX messages to MLIR and back ---------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For code that reads or writes ONNX files (Import, Export), which is built
// with exceptions. Everybody else wants Proto.h.
//
// Element types are those of the specification of TensorProto.DataType, with
// the sign written out: INT64 is si64, UINT4 ui4, BOOL i1, FLOAT8E4M3FN
// f8E4M3FN. Functions that can fail take `why`, which then says what is wrong;
// the caller adds where.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_ONNX_PROTOMESSAGES_H
#define QUANTC_DIALECT_ONNX_PROTOMESSAGES_H

#include "quantc/Dialect/ONNX/Proto.h"

#include "onnx/onnx_pb.h"

#include <functional>
#include <memory>

namespace quantc::onnx_ir {

//===----------------------------------------------------------------------===//
// Schemas
//===----------------------------------------------------------------------===//

/// The domain of ONNX Runtime's own operators.
constexpr const char *kMicrosoftDomain = "com.microsoft";

/// Adds the operators of other domains that quantc knows to ONNX's registry,
/// once. Everything declared here and in Proto.h does it by itself; to be called
/// before ONNX's own functions are.
void registerSchemas();

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// The MLIR type of a TensorProto.DataType; null for STRING, COMPLEX64,
/// COMPLEX128, UNDEFINED and numbers this version does not know.
mlir::Type elementTypeFromProto(int32_t dataType, mlir::MLIRContext *context);
/// The TensorProto.DataType of an element type, UNDEFINED (0) if it has none.
int32_t elementTypeToProto(mlir::Type type);
/// "FLOAT8E4M3FN", or "number 77".
std::string dataTypeName(int32_t dataType);

/// A tensor type with the names of its dimensions, or a sequence or optional of
/// such (without names). Null (and `why`) for other kinds of types and for
/// element types without an MLIR type.
mlir::Type typeFromProto(const onnx::TypeProto &proto,
                         mlir::MLIRContext *context,
                         llvm::SmallVectorImpl<std::string> &dims,
                         std::string &why);
/// Fills `proto` (left without a value if `type` is null, `none` or unknown).
void typeToProto(mlir::Type type, llvm::ArrayRef<std::string> dims,
                 onnx::TypeProto &proto);

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// The elements of a tensor in row-major order as ONNX's raw_data has them:
/// below a byte packed with the first element in the lowest bits, BOOL one byte
/// each.
struct TensorBytes {
  llvm::ArrayRef<char> bytes; ///< points into the message or into `owned`
  std::unique_ptr<std::string> owned; ///< set where a conversion was needed
};

/// Bytes that a tensor of this type takes in raw_data; nothing if the number
/// does not fit 63 bits or a dimension is negative.
std::optional<int64_t> rawSize(llvm::ArrayRef<int64_t> dims, unsigned bits);

/// The bytes of a tensor that is not external. The number of bytes is checked
/// against shape and type.
std::optional<TensorBytes> tensorBytes(const onnx::TensorProto &tensor,
                                       std::string &why);

/// Elements in raw_data order as a dense attribute.
mlir::DenseElementsAttr denseFromBytes(mlir::RankedTensorType type,
                                       llvm::ArrayRef<char> bytes);
/// The other way: appends raw_data's bytes.
void denseToBytes(mlir::DenseElementsAttr value, std::string &bytes);

/// The ranked tensor type of a TensorProto.
mlir::RankedTensorType tensorTypeFromProto(const onnx::TensorProto &tensor,
                                           mlir::MLIRContext *context,
                                           std::string &why);
mlir::DenseElementsAttr tensorFromProto(const onnx::TensorProto &tensor,
                                        mlir::MLIRContext *context,
                                        std::string &why);
/// With the elements in raw_data; the element type must have a DataType.
void tensorToProto(mlir::DenseElementsAttr value, onnx::TensorProto &tensor);

/// Writes the sparse tensor's elements into an equal dense one (raw_data).
bool densify(const onnx::SparseTensorProto &sparse, onnx::TensorProto &dense,
             std::string &why);
/// The value of a Constant node, which has one of seven attributes for it.
bool constantValue(const onnx::NodeProto &node, onnx::TensorProto &value,
                   std::string &why);

//===----------------------------------------------------------------------===//
// Attributes and nodes
//===----------------------------------------------------------------------===//

/// INT as si64, FLOAT as f32, STRING as a string, lists as arrays of these,
/// TENSOR as elements, TYPE_PROTO as a type. Null (and `why`) for graphs and
/// sparse tensors.
mlir::Attribute attributeFromProto(const onnx::AttributeProto &attribute,
                                   mlir::MLIRContext *context,
                                   std::string &why);
/// The other way. An empty list takes `type` (an AttributeProto.AttributeType)
/// as its type. False for attributes that came from nowhere in ONNX.
bool attributeToProto(llvm::StringRef name, mlir::Attribute value,
                      onnx::AttributeProto &attribute,
                      int32_t type = onnx::AttributeProto::INTS);

/// The node with its attributes but without subgraphs, its inputs named by
/// position ("i0", ..., "" where absent) and its outputs too ("o0", ...).
void nodeToProto(NodeOp op, onnx::NodeProto &node);

//===----------------------------------------------------------------------===//
// Inference
//===----------------------------------------------------------------------===//

using InferSubgraphByName =
    std::function<std::optional<llvm::SmallVector<ValueInfo>>(
        llvm::StringRef attribute, llvm::ArrayRef<ValueInfo> arguments)>;

/// `inferNodeTypes` for a node that is no operation yet; its input and output
/// names are taken for nothing but whether they are empty. `version` is that of
/// the domain.
bool inferTypes(const onnx::NodeProto &node, int64_t version,
                llvm::ArrayRef<ValueInfo> inputs, mlir::MLIRContext *context,
                const InferSubgraphByName &inferSubgraph,
                llvm::SmallVectorImpl<ValueInfo> &results, std::string &why);

} // namespace quantc::onnx_ir

#endif // QUANTC_DIALECT_ONNX_PROTOMESSAGES_H

//===- Sequences.h - Sequences and optionals as tensors ---------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A sequence whose elements are known one by one is a list of tensors. Any
// other is two tensors: `data`, the elements of all of them in no order that
// matters, and `table`, one row of kTableWidth integers for each: its rank,
// where it begins in `data`, its dimensions. An optional has an integer of 0 or
// 1 beside. So what computes sequences are tensor programs, and they pass
// regions and the border of the model like tensors.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_SEQUENCES_H
#define QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_SEQUENCES_H

#include "Walk.h"

namespace quantc::onnx_to_qgraph {

/// The greatest rank of a tensor in a sequence; QUANTC_LIST_RANK of
/// quantc/abi.h.
constexpr int64_t kListRank = 8;
constexpr int64_t kTableWidth = kListRank + 2;

struct ListInfo {
  mlir::Type elementType;
  /// What the shapes of all elements agree in; nothing if their ranks are not
  /// known to be equal, or if it is empty.
  std::optional<llvm::SmallVector<int64_t>> shape;
  /// The elements, if they are known one by one.
  std::optional<std::vector<TensorInfo>> items;
  TensorInfo data, table;
  /// Taken for one without elements, as long as nothing is known to be added.
  bool assumedEmpty = false;

  bool isEmpty() const { return assumedEmpty || (items && items->empty()); }
};

/// What a value is, apart from its elements: what two branches must agree in,
/// and what tells how it is made of tensors.
struct Kind {
  bool isOptional = false, isList = false;
  mlir::Type elementType; // null: not known
  std::optional<llvm::SmallVector<int64_t>> shape;
  /// An empty list, whose elements can become anything.
  bool isEmpty = false;

  bool isTensor() const { return !isOptional && !isList; }
  unsigned parts() const { return (isOptional ? 1 : 0) + (isList ? 2 : 1); }
  bool operator==(const Kind &other) const {
    return isOptional == other.isOptional && isList == other.isList &&
           elementType == other.elementType && shape == other.shape &&
           isEmpty == other.isEmpty;
  }
  /// As ONNX writes it, with element types of MLIR.
  mlir::Type type(mlir::MLIRContext *context) const;
};

/// Whether there is a value at all: a tensor, a sequence or an optional.
inline bool isThere(const TensorInfo &info) {
  return info || info.list || info.present;
}
Kind kindOf(const TensorInfo &info);
/// The kind of an ONNX type of the model; nothing if it cannot be handled.
std::optional<Kind> kindOf(mlir::Type type, bool isKnownEmpty = false);
/// What both are; nothing if they are different things.
std::optional<Kind> merge(const Kind &a, const Kind &b);

/// The tensors that stand for a value of this kind, and back.
llvm::SmallVector<TensorInfo> pack(Walk &walk, const TensorInfo &info,
                                   const Kind &kind);
TensorInfo unpack(Walk &walk, const Kind &kind,
                  llvm::ArrayRef<TensorInfo> parts);

/// What may be missing, where the model declares that it is there.
TensorInfo asDeclared(Walk &walk, TensorInfo info, mlir::Type type);

TensorInfo makeList(mlir::Type elementType, std::vector<TensorInfo> items);
Dim lengthOf(Walk &walk, const TensorInfo &list);
/// Element `position`, from the end if negative; requires that there is one.
/// Nothing, after the node has its reason, if it cannot be told what it is.
std::optional<TensorInfo> elementAt(Node &node, const TensorInfo &list,
                                    Dim position);
/// With `item` at `position`, or at the end (null).
std::optional<TensorInfo> withElement(Node &node, const TensorInfo &list,
                                      TensorInfo item, Dim position);

} // namespace quantc::onnx_to_qgraph

#endif // QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_SEQUENCES_H

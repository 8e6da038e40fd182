//===- ChannelBasis.cpp - Rotations that move through the graph -----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Analysis/ChannelBasis.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/Layers.h"

using namespace mlir;
using namespace quantc::qgraph;
using quantc::onnx_ir::NodeOp;

namespace quantc {
namespace {

/// Operators that only move whole rows of channels.
constexpr StringLiteral kMoving[] = {"Reshape", "Transpose", "Slice", "Gather"};

bool isFloatConstant(Value value) {
  return isConstant(value) &&
         isa<FloatType>(getElementTypeOrSelf(value.getType()));
}

class BasisFinder {
public:
  BasisFinder(int64_t size, bool rotateCaches) : rotateCaches(rotateCaches) {
    result.size = size;
  }
  ChannelBasis find(Value tensor);

private:
  void add(Value value);
  void block(const Twine &why) {
    if (result.blocked.empty())
      result.blocked = why.str();
  }
  void visitMaker(Value value);
  void visitReader(OpOperand &use);
  void visitJoined(Operation *op, Value value);
  bool isKept(Value value) const;
  void addWeight(LinearOp layer, llvm::SetVector<Operation *> &into);
  void addGain(NormOp norm);
  void findReaders(NormOp norm, Value value,
                   llvm::SetVector<Operation *> &readers);
  bool joined(Operation *op, SmallVectorImpl<Value> &values);
  bool joinedNode(NodeOp node, SmallVectorImpl<Value> &values);

  bool rotateCaches;
  ChannelBasis result;
};

} // namespace

/// Takes a tensor in, if its channels are whole blocks.
void BasisFinder::add(Value value) {
  if (isa<CacheType>(value.getType())) {
    result.tensors.insert(value);
    return;
  }
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() == 0 || !isa<FloatType>(type.getElementType()) ||
      ShapedType::isDynamic(type.getShape().back()) ||
      type.getShape().back() % result.size != 0)
    return block(describeValue(value) + " has no whole blocks of " +
                 Twine(result.size) + " channels");
  result.tensors.insert(value);
}

/// The operands and results of an op that must be in one basis; false if no
/// rotation passes it.
bool BasisFinder::joined(Operation *op, SmallVectorImpl<Value> &values) {
  return TypeSwitch<Operation *, bool>(op)
      .Case([&](NodeOp node) { return joinedNode(node, values); })
      .Case([&](NormOp norm) {
        if (norm.getKind() != NormKind::RMS) {
          block(describeOp(norm) + " subtracts the mean of the channels");
          return false;
        }
        if (norm.getBias())
          return false;
        if (norm.getWeight())
          addGain(norm);
        values.assign({norm.getInput(), norm.getResult()});
        return true;
      })
      .Case([&](AttentionOp attention) {
        values.assign({attention.getValue(), attention.getResult()});
        return true;
      })
      .Case([&](CacheAppendOp append) {
        values.assign(
            {append.getCache(), append.getFresh(), append.getResult()});
        return true;
      })
      .Case([&](CacheWriteOp write) {
        values.assign({write.getCache(), write.getFresh(), write.getResult()});
        return true;
      })
      .Case<CacheLoadOp, CacheStoreOp>([&](Operation *op) {
        values.assign({op->getOperand(0), op->getResult(0)});
        return true;
      })
      .Default([](Operation *) { return false; });
}

bool BasisFinder::joinedNode(NodeOp node, SmallVectorImpl<Value> &values) {
  if (node.getInputs().empty() || node.getNumResults() != 1)
    return false;
  Value data = node.getInputs()[0], made = node.getResult(0);
  auto type = dyn_cast<RankedTensorType>(data.getType());
  if (!type)
    return false;
  int64_t last = type.getRank() - 1;
  values.assign({data, made});
  if (node.is("Reshape"))
    return true;
  if (node.is("Cast"))
    return isa<FloatType>(type.getElementType());
  if (node.is("Transpose"))
    return node.getIntsAttr("perm").back() == last;
  if (node.is("Gather"))
    return node.getIntAttr("axis", 0) != last;
  if (node.is("Slice"))
    return !llvm::is_contained(node.getIntsAttr("axes"), last);
  if (node.is("Concat")) {
    values.assign(node.getInputs().begin(), node.getInputs().end());
    values.push_back(made);
    return node.getIntAttr("axis", 0) != last;
  }
  if (node.is("Add") || node.is("Sub")) {
    // Of equal shapes as far as they are known: the channels are not broadcast.
    values.push_back(node.getInputs()[1]);
    return llvm::all_of(node.getInputs(), [&](Value input) {
      return input.getType() == made.getType();
    });
  }
  if (node.is("Mul") || node.is("Div"))
    for (unsigned scalar : {1, 0}) {
      if (scalar == 0 && node.is("Div"))
        continue;
      Value factor = node.getInputs()[scalar];
      auto extents = dyn_cast<RankedTensorType>(factor.getType());
      if (!extents || !extents.hasStaticShape() ||
          extents.getNumElements() != 1)
        continue;
      values[0] = node.getInputs()[1 - scalar];
      return true;
    }
  return false;
}

/// A gain that is not 1 commutes with no rotation: it goes into the weights
/// behind it.
void BasisFinder::addGain(NormOp norm) {
  if (!isFloatConstant(norm.getWeight()))
    return block("the gain of " + describeOp(norm) + " is no constant");
  if (!result.gains.contains(norm))
    findReaders(norm, norm.getResult(), result.gains[norm]);
}

/// The layers that read a norm's result, perhaps some of its rows.
void BasisFinder::findReaders(NormOp norm, Value value,
                              llvm::SetVector<Operation *> &readers) {
  int64_t channels = cast<RankedTensorType>(value.getType()).getShape().back();
  for (OpOperand &use : value.getUses()) {
    Operation *op = use.getOwner();
    if (isa<tensor::DimOp>(op))
      continue;
    if (isa<LinearOp>(op) && use.getOperandNumber() == 0) {
      readers.insert(op);
      continue;
    }
    auto node = dyn_cast<NodeOp>(op);
    SmallVector<Value> values;
    bool moves =
        node &&
        llvm::any_of(kMoving, [&](StringRef kind) { return node.is(kind); }) &&
        joinedNode(node, values) && llvm::is_contained(values, value) &&
        cast<RankedTensorType>(node.getResult(0).getType()).getShape().back() ==
            channels;
    if (!moves)
      return block("the gain of " + describeOp(norm) + " cannot be put into " +
                   describeOp(op));
    findReaders(norm, node.getResult(0), readers);
  }
}

void BasisFinder::addWeight(LinearOp layer,
                            llvm::SetVector<Operation *> &into) {
  if (layer.getWeight().getDefiningOp<DequantizeOp>())
    return block("the weight of " + describeOp(layer) +
                 " is quantized already");
  if (!isFloatConstant(layer.getWeight()) ||
      (layer.getBias() && !isFloatConstant(layer.getBias())))
    return block("the weights of " + describeOp(layer) +
                 " are known only while the model runs");
  into.insert(layer);
}

/// Past inputs and present outputs may be rotated if the caller says so; they
/// have a dimension of heads.
bool BasisFinder::isKept(Value value) const {
  constexpr int64_t kCacheRank = 4;
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return rotateCaches && type && type.getRank() == kCacheRank &&
         type.getShape().back() == result.size;
}

void BasisFinder::visitMaker(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op) {
    if (!isKept(value))
      block("an input of the model has them");
    return;
  }
  if (auto layer = dyn_cast<LinearOp>(op)) {
    if (!layer.getEpilogue().empty())
      return block(describeOp(op) + " has an epilogue");
    return addWeight(layer, result.producers);
  }
  if (auto embedding = dyn_cast<EmbeddingOp>(op)) {
    if (embedding.getScale() || !isFloatConstant(embedding.getTable()))
      return block("the table of " + describeOp(op) +
                   " is no constant of floats");
    result.tables.insert(op);
    return;
  }
  visitJoined(op, value);
}

void BasisFinder::visitReader(OpOperand &use) {
  Operation *op = use.getOwner();
  if (isa<tensor::DimOp>(op))
    return;
  if (isa<func::ReturnOp>(op)) {
    if (!isKept(use.get()))
      block("an output of the model has them");
    return;
  }
  auto layer = dyn_cast<LinearOp>(op);
  if (layer && use.getOperandNumber() == 0)
    return addWeight(layer, result.readers);
  visitJoined(op, use.get());
}

void BasisFinder::visitJoined(Operation *op, Value value) {
  SmallVector<Value> values;
  if (!joined(op, values) || !llvm::is_contained(values, value))
    return block("no rotation passes " + describeOp(op));
  for (Value one : values)
    add(one);
}

ChannelBasis BasisFinder::find(Value tensor) {
  add(tensor);
  for (size_t i = 0; i < result.tensors.size() && result.blocked.empty(); ++i) {
    Value value = result.tensors[i];
    visitMaker(value);
    for (OpOperand &use : value.getUses())
      visitReader(use);
  }
  return std::move(result);
}

ChannelBasis findChannelBasis(Value tensor, int64_t size, bool rotateCaches) {
  return BasisFinder(size, rotateCaches).find(tensor);
}

} // namespace quantc

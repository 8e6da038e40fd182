//===- Branches.cpp - If --------------------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where the condition is known, the branch stands in place of the node. Else
// both branches are walked into the regions of a qgraph.if. A dimension that
// both have, in terms of what is there before, is the result's; any other is
// asked of the result.
//
//===----------------------------------------------------------------------===//

#include "Regions.h"
#include "Sequences.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

RankedTensorType onnx_to_qgraph::typeOfKnown(Type element, ArrayRef<Dim> dims) {
  SmallVector<int64_t> shape;
  for (Dim dim : dims)
    shape.push_back(
        dim ? DimArithmetic::getConstant(dim).value_or(ShapedType::kDynamic)
            : ShapedType::kDynamic);
  return RankedTensorType::get(shape, element);
}

TensorInfo onnx_to_qgraph::regionResult(Walk &walk, Value result,
                                        ArrayRef<Dim> known) {
  Dims dims(known);
  for (auto [d, dim] : llvm::enumerate(dims))
    if (!dim)
      dim = walk.arith.symbol(tensor::DimOp::create(walk.builder, result, d),
                              {0, std::numeric_limits<int64_t>::max()});
  return walk.tensor(result, dims);
}

namespace {

/// What a branch yields, in terms of what is there before it.
struct Yielded {
  Type elementType;
  SmallVector<std::optional<DimArithmetic::Polynomial>> dims;
  std::string shape; // for messages
};

struct Branch {
  Block *block = new Block;
  SmallVector<Kind> kinds;     // of the node's results
  SmallVector<Yielded> values; // the tensors that they consist of
  SmallVector<Value> operands;
  bool failed = false;
};

} // namespace

static Branch walkBranch(Walk &walk, Block &old) {
  Branch branch;
  Walk::Scope scope = walk.openScope(branch.block);
  walk.walkBlock(old);
  for (Value operand : old.getTerminator()->getOperands()) {
    TensorInfo info = walk.info(operand);
    if (info.failed || !isThere(info)) {
      branch.failed = true;
      continue;
    }
    branch.kinds.push_back(kindOf(info));
    for (TensorInfo &part : pack(walk, info, branch.kinds.back())) {
      Yielded value{part.elementType, {}, ""};
      llvm::raw_string_ostream(value.shape) << walk.typeOf(part);
      for (Dim dim : part.dims)
        value.dims.push_back(walk.arith.inTermsOf(scope.dims, dim));
      branch.operands.push_back(walk.materialize(part));
      branch.values.push_back(std::move(value));
    }
  }
  walk.closeScope(std::move(scope));
  return branch;
}

static LogicalResult handleIf(Node &node) {
  Walk &walk = node.walk;
  onnx_ir::NodeOp op = node.op;
  auto names = op.getSubgraphNames();
  if (op.getSubgraphs().size() != 2 || !names)
    return node.unsupported("it has no two branches");
  bool thenFirst = cast<StringAttr>((*names)[0]).getValue() == "then_branch";
  Region &thenRegion = op.getSubgraphs()[thenFirst ? 0 : 1];
  Region &elseRegion = op.getSubgraphs()[thenFirst ? 1 : 0];
  Dim condition = node.element(0);
  if (!condition)
    return node.unsupported("its condition is not one value");
  if (std::optional<int64_t> number = DimArithmetic::getConstant(condition)) {
    Block &taken = (*number ? thenRegion : elseRegion).front();
    walk.walkBlock(taken);
    for (auto [i, operand] :
         llvm::enumerate(taken.getTerminator()->getOperands()))
      node.set(i, TensorInfo(walk.info(operand)));
    return success();
  }
  Value which = walk.arith.materialize(condition);
  Branch branches[] = {walkBranch(walk, thenRegion.front()),
                       walkBranch(walk, elseRegion.front())};
  auto abandon = [&] {
    for (Branch &branch : branches) {
      branch.block->dropAllDefinedValueUses();
      delete branch.block;
    }
  };
  if (branches[0].failed || branches[1].failed) {
    abandon();
    for (Value result : op.getOutputs())
      walk.info(result).failed = true;
    return success(); // reported
  }
  SmallVector<Kind> kinds;
  for (auto [i, a, b] : llvm::enumerate(branches[0].kinds, branches[1].kinds)) {
    std::optional<Kind> kind = merge(a, b);
    if (!kind) {
      std::string types;
      llvm::raw_string_ostream(types)
          << "its branches give " << a.type(op.getContext()) << " and "
          << b.type(op.getContext()) << " as result " << i
          << "; they must have one type and rank, unless the condition is "
             "known "
             "before the run";
      abandon();
      return node.unsupported(types);
    }
    kinds.push_back(*kind);
  }
  SmallVector<Dims> dims;
  SmallVector<Type> types;
  for (auto [i, a, b] :
       llvm::enumerate(branches[0].values, branches[1].values)) {
    Dims &known = dims.emplace_back();
    for (auto [left, right] : llvm::zip(a.dims, b.dims))
      known.push_back(
          left && right && *left == *right ? walk.arith.rebuild(*left) : Dim());
    types.push_back(typeOfKnown(a.elementType, known));
  }
  auto branch =
      qgraph::IfOp::create(walk.builder, types, which, walk.nameOf(op));
  for (auto [from, region] : {std::pair(&branches[0], &branch.getThenBody()),
                              {&branches[1], &branch.getElseBody()}}) {
    region->push_back(from->block);
    OpBuilder inner = OpBuilder::atBlockEnd(from->block);
    qgraph::YieldOp::create(inner, op.getLoc(), from->operands);
  }
  SmallVector<TensorInfo> parts;
  for (auto [i, known] : llvm::enumerate(dims))
    parts.push_back(regionResult(walk, branch.getResult(i), known));
  ArrayRef<TensorInfo> left = parts;
  for (auto [i, kind] : llvm::enumerate(kinds)) {
    node.set(i, unpack(walk, kind, left.take_front(kind.parts())));
    left = left.drop_front(kind.parts());
  }
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::branchHandlers() {
  static const Handler handlers[] = {{"", "If", 1, kNewest, handleIf}};
  return handlers;
}

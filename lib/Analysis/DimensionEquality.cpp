//===- DimensionEquality.cpp - Which dimensions are the same number -------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Analysis/DimensionEquality.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace quantc {

/// The operand, and its dimension, that dimension `fromEnd` (1 the last) of a
/// result equals to which both are broadcast; a null value if it can be either.
static std::pair<Value, unsigned> broadcastStep(Value a, Value b,
                                                unsigned fromEnd) {
  std::pair<Value, unsigned> found;
  for (Value operand : {a, b}) {
    auto type = cast<RankedTensorType>(operand.getType());
    if (type.getRank() < fromEnd)
      continue;
    unsigned dim = type.getRank() - fromEnd;
    if (type.getDimSize(dim) == 1)
      continue;
    if (found.first && !sameDimension(found.first, found.second, operand, dim))
      return {};
    if (!found.first)
      found = {operand, dim};
  }
  return found;
}

/// The operand of `op` and its dimension that dimension `dim` of result
/// `result` equals; a null value if that is not so simple. Only asked for
/// dynamic dimensions.
static std::pair<Value, unsigned> stepBack(Operation *op, unsigned result,
                                           unsigned dim) {
  using Step = std::pair<Value, unsigned>;
  unsigned rank =
      cast<RankedTensorType>(op->getResult(result).getType()).getRank();
  return llvm::TypeSwitch<Operation *, Step>(op)
      .Case<qgraph::QuantizeOp, qgraph::DequantizeOp, qgraph::ObserveOp,
            qgraph::ReinterpretOp, qgraph::NormOp>(
          [&](auto op) { return Step(op.getInput(), dim); })
      .Case<qgraph::ChooseParamsOp>([&](auto op) {
        return op.getBlock()[dim] == 1 ? Step(op.getInput(), dim) : Step();
      })
      .Case<qgraph::LinearOp, qgraph::QuantizedLinearOp>([&](auto op) {
        return dim + 1 < rank ? Step(op.getInput(), dim)
                              : Step(op.getWeight(), 0);
      })
      .Case<qgraph::ConvOp, qgraph::QuantizedConvOp>([&](auto op) {
        // Spatial ones are index values: convDimension.
        return dim == 0          ? Step(op.getInput(), 0)
               : dim + 1 == rank ? Step(op.getWeight(), 0)
                                 : Step();
      })
      .Case<qgraph::EmbeddingOp>([&](auto op) {
        return dim + 1 < rank ? Step(op.getIndices(), dim)
                              : Step(op.getTable(), 1);
      })
      .Case<qgraph::AttentionOp>([&](auto op) {
        return dim < 3 ? Step(op.getQuery(), dim) : Step(op.getValue(), 3);
      })
      .Case<qgraph::MatmulOp, qgraph::QuantizedMatmulOp>([&](auto op) {
        if (dim + 1 == rank) {
          unsigned rhsRank =
              cast<RankedTensorType>(op.getRhs().getType()).getRank();
          return Step(op.getRhs(), rhsRank - (op.getTransposeRhs() ? 2 : 1));
        }
        unsigned lhsRank =
            cast<RankedTensorType>(op.getLhs().getType()).getRank();
        return dim + 2 == rank
                   ? Step(op.getLhs(), lhsRank - 2)
                   : broadcastStep(op.getLhs(), op.getRhs(), rank - dim);
      })
      .Case<qgraph::RowsOp>([&](auto op) {
        return Step(op.getBody().front().getTerminator()->getOperand(result),
                    dim);
      })
      .Default(Step());
}

/// The index value that says a spatial dimension of a convolution's result, or
/// null.
static Value convDimension(Operation *op, RankedTensorType type, unsigned dim) {
  unsigned place = type.getDynamicDimIndex(dim) - type.isDynamicDim(0);
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<qgraph::ConvOp, qgraph::QuantizedConvOp>([&](auto op) {
        bool spatial = dim > 0 && dim + 1 < type.getRank();
        return spatial ? Value(op.getDims()[place]) : Value();
      })
      .Default(Value());
}

/// The first dimension of the function's arguments that has the name of this
/// one (the arguments' `onnx.dims`), or this one itself.
static DimensionRoot firstOfName(BlockArgument argument, unsigned dim) {
  auto function =
      dyn_cast_or_null<FunctionOpInterface>(argument.getOwner()->getParentOp());
  if (!function || argument.getOwner() != &function.getFunctionBody().front())
    return {argument, dim};
  auto namesOf = [&](BlockArgument other) {
    return function.getArgAttrOfType<ArrayAttr>(other.getArgNumber(),
                                                "onnx.dims");
  };
  ArrayAttr names = namesOf(argument);
  auto name = names && dim < names.size() ? dyn_cast<StringAttr>(names[dim])
                                          : StringAttr();
  if (!name || name.empty())
    return {argument, dim};
  for (BlockArgument other : function.getArguments())
    if (ArrayAttr others = namesOf(other))
      for (auto [i, otherName] : llvm::enumerate(others))
        if (otherName == name)
          return {other, static_cast<int64_t>(i)};
  return {argument, dim};
}

DimensionRoot traceIndex(Value index) {
  if (auto constant = getConstantIntValue(index))
    return {Value(), *constant};
  if (auto dim = index.getDefiningOp<tensor::DimOp>())
    if (auto constant = dim.getConstantIndex())
      if (isa<RankedTensorType>(dim.getSource().getType()))
        return traceDimension(dim.getSource(), *constant);
  return {index, -1};
}

DimensionRoot traceDimension(Value tensor, unsigned dim) {
  while (true) {
    auto type = cast<RankedTensorType>(tensor.getType());
    if (!type.isDynamicDim(dim))
      return {Value(), type.getDimSize(dim)};
    auto result = dyn_cast<OpResult>(tensor);
    if (!result)
      return firstOfName(cast<BlockArgument>(tensor), dim);
    Operation *op = result.getOwner();
    if (auto node = dyn_cast<onnx_ir::NodeOp>(op)) {
      if (node.getDims().empty())
        return {tensor, dim};
      unsigned place = 0;
      for (OpResult other : op->getResults()) {
        auto otherType = dyn_cast<RankedTensorType>(other.getType());
        if (other == result || !otherType)
          break;
        place += otherType.getNumDynamicDims();
      }
      return traceIndex(node.getDims()[place + type.getDynamicDimIndex(dim)]);
    }
    if (Value given = convDimension(op, type, dim))
      return traceIndex(given);
    auto [source, sourceDim] = stepBack(op, result.getResultNumber(), dim);
    if (!source)
      return {tensor, dim};
    tensor = source;
    dim = sourceDim;
  }
}

bool sameDimension(Value a, unsigned dimA, Value b, unsigned dimB) {
  return traceDimension(a, dimA) == traceDimension(b, dimB);
}

Broadcast classifyBroadcast(Value operand, Value result) {
  auto from = cast<RankedTensorType>(operand.getType());
  auto to = cast<RankedTensorType>(result.getType());
  if (from.getRank() > to.getRank())
    return Broadcast::Unknown;
  unsigned offset = to.getRank() - from.getRank();
  bool stretched = offset != 0, own = false, other = false;
  for (unsigned d = 0, e = from.getRank(); d != e; ++d) {
    if (sameDimension(operand, d, result, d + offset)) {
      own |= from.getDimSize(d) != 1;
      continue;
    }
    if (from.getDimSize(d) != 1)
      return Broadcast::Unknown;
    stretched = true;
    other |= own;
  }
  return other       ? Broadcast::Other
         : stretched ? Broadcast::Trailing
                     : Broadcast::None;
}

} // namespace quantc

//===- Linear.cpp - Products of matrices ----------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// MatMul and Gemm with a constant right side are `qgraph.linear`, whose weight
// is [N, K]; others are `qgraph.matmul`. An Add of a constant [N] that follows
// a linear is its bias.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

/// The operand of a transpose of the last two dimensions, or null.
static Value beforeTranspose(Value value) {
  auto op = value.getDefiningOp<onnx_ir::NodeOp>();
  if (!op || !op.is("Transpose"))
    return {};
  SmallVector<int64_t> permutation = op.getIntsAttr("perm");
  size_t rank = permutation.size();
  if (rank < 2)
    return {};
  std::swap(permutation[rank - 1], permutation[rank - 2]);
  return llvm::is_sorted(permutation) ? op.getInputs()[0] : Value();
}

//===----------------------------------------------------------------------===//
// MatMul
//===----------------------------------------------------------------------===//

FailureOr<TensorInfo> onnx_to_qgraph::multiply(Node &node, TensorInfo lhs,
                                               TensorInfo rhs) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  if (std::optional<TensorInfo> attention =
          walk.recognizeAttention(lhs, rhs, walk.nameOf(node.op)))
    return *attention;
  if (lhs.rank() == 0 || rhs.rank() == 0)
    return node.unsupported("an operand is a scalar");
  Dim inner = lhs.dims.back(),
      depth = rhs.dims[std::max<int64_t>(rhs.rank() - 2, 0)];
  if (!arith.require(inner, depth))
    return node.unsupported("the inner dimensions of its operands differ");
  if (rhs.rank() == 2 && isReal(lhs.elementType))
    if (Value weight = walk.transposedWeight(walk.materialize(rhs)))
      return walk.linear(lhs, weight, Value(), walk.nameOf(node.op));

  // Vectors are matrices with one row, or one column.
  bool dropRow = lhs.rank() == 1, dropColumn = rhs.rank() == 1;
  if (dropRow)
    lhs = walk.toRank(lhs, 2);
  if (dropColumn)
    rhs = walk.reshape(rhs, {rhs.dims[0], arith.constant(1)});
  TensorInfo left, right;
  left.dims.assign(lhs.dims.begin(), lhs.dims.end() - 2);
  right.dims.assign(rhs.dims.begin(), rhs.dims.end() - 2);
  std::optional<Dims> dims = walk.broadcast({&left, &right});
  if (!dims)
    return node.unsupported("the leading dimensions of its operands cannot be "
                            "broadcast together");
  dims->push_back(lhs.dims[lhs.rank() - 2]);
  dims->push_back(rhs.dims.back());
  TensorInfo result;
  if (isReal(lhs.elementType)) {
    Value b = walk.materialize(rhs);
    Value source = beforeTranspose(b);
    result = walk.tensor(qgraph::MatmulOp::create(
                             walk.builder, walk.typeOf(*dims, lhs.elementType),
                             walk.materialize(lhs), source ? source : b,
                             source ? walk.builder.getUnitAttr() : UnitAttr(),
                             walk.nameOf(node.op)),
                         *dims);
  } else {
    result = walk.node("MatMul", {&lhs, &rhs}, lhs.elementType, *dims);
  }
  if (dropRow)
    dims->erase(dims->end() - 2);
  if (dropColumn)
    dims->pop_back();
  return walk.reshape(result, *dims);
}

static LogicalResult handleMatMul(Node &node) {
  FailureOr<TensorInfo> result = multiply(node, node.in(0), node.in(1));
  if (failed(result))
    return failure();
  node.set(0, *result);
  return success();
}

//===----------------------------------------------------------------------===//
// Gemm
//===----------------------------------------------------------------------===//

/// A constant of N elements in any shape that broadcasts like [N], as [N].
static Value biasOf(Walk &walk, TensorInfo &info, int64_t n) {
  std::optional<SmallVector<int64_t>> shape = staticShape(info.dims);
  if (!shape || shape->empty() || shape->back() != n ||
      !isReal(info.elementType))
    return {};
  for (int64_t extent : ArrayRef(*shape).drop_back())
    if (extent != 1)
      return {};
  Value value = walk.materialize(info);
  return shape->size() == 1 && isWeight(value)
             ? value
             : walk.reshapedConstant(value, {n});
}

static LogicalResult handleGemm(Node &node) {
  Walk &walk = node.walk;
  TensorInfo a = node.in(0), b = node.in(1);
  if (a.rank() != 2 || b.rank() != 2)
    return node.unsupported("an operand is no matrix");
  if (!isReal(a.elementType))
    return failure();
  if (node.integer("transA", 0))
    a = walk.transpose(a, {1, 0});
  Value original = walk.materialize(b);
  bool transposed = node.integer("transB", 0);
  if (transposed)
    b = walk.transpose(b, {1, 0});
  if (!walk.arith.require(a.dims[1], b.dims[0]))
    return node.unsupported("the inner dimensions of its operands differ");
  double alpha = node.real("alpha", 1), beta = node.real("beta", 1);
  bool adds = node.has(2) && beta != 0;

  Value weight = transposed && isWeight(original)
                     ? original
                     : walk.transposedWeight(walk.materialize(b));
  Value bias;
  TensorInfo result;
  if (weight) {
    int64_t n = cast<RankedTensorType>(weight.getType()).getDimSize(0);
    if (adds && alpha == 1 && beta == 1)
      bias = biasOf(walk, node.in(2), n);
    result = walk.linear(a, weight, bias, walk.nameOf(node.op));
  } else {
    FailureOr<TensorInfo> product = multiply(node, a, b);
    if (failed(product))
      return failure();
    result = *product;
  }
  Type type = result.elementType;
  auto scaled = [&](TensorInfo info, double factor) {
    TensorInfo number = walk.scalar(factor, type);
    return factor == 1 ? info
                       : *walk.elementwise("Mul", {&info, &number}, type);
  };
  result = scaled(result, alpha);
  if (adds && !bias) {
    TensorInfo term = scaled(node.in(2), beta);
    FailureOr<TensorInfo> sum = walk.elementwise("Add", {&result, &term}, type);
    if (failed(sum))
      return node.unsupported("C does not broadcast to the result");
    result = *sum;
  }
  node.set(0, result);
  return success();
}

//===----------------------------------------------------------------------===//
// Bias
//===----------------------------------------------------------------------===//

/// linear(x, w) + constant [N], where nobody else uses the linear: its bias.
std::optional<TensorInfo> Walk::recognizeBias(Node &node) {
  if (node.type() != "Add")
    return std::nullopt;
  for (unsigned side : {0, 1}) {
    TensorInfo &product = node.in(side), &term = node.in(1 - side);
    auto linear = product.value
                      ? product.value.getDefiningOp<qgraph::LinearOp>()
                      : qgraph::LinearOp();
    if (!linear || linear.getBias() || !node.onlyUse(side) ||
        term.rank() > product.rank())
      continue;
    int64_t n =
        cast<RankedTensorType>(linear.getWeight().getType()).getDimSize(0);
    if (!term.value || !isWeight(term.value))
      continue;
    Value bias = biasOf(*this, term, n);
    if (!bias)
      continue;
    Value result = qgraph::LinearOp::create(
        builder, linear.getType(), linear.getInput(), linear.getWeight(), bias,
        ValueRange(), linear.getEpilogue(), linear.getNameAttr());
    return tensor(result, product.dims);
  }
  return std::nullopt;
}

ArrayRef<Handler> onnx_to_qgraph::linearHandlers() {
  static const Handler table[] = {
      {"", "MatMul", 1, kNewest, handleMatMul},
      {"", "Gemm", 1, kNewest, handleGemm},
  };
  return table;
}

//===- Attention.cpp - Scaled dot-product attention -----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `qgraph.attention` reads [B, S, H, D], which is what a projection gives after
// a reshape. Models transpose that to [B, H, S, D] and back: the transposes put
// in here cancel theirs.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

#include <cmath>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

/// A mask that is expanded need not be: attention broadcasts it. Of rank 4.
static TensorInfo narrowMask(Walk &walk, TensorInfo mask) {
  if (onnx_ir::NodeOp op = nodeOf(walk.materialize(mask), "Expand"))
    mask = walk.lookup(op.getInputs()[0]);
  return walk.toRank(mask, 4);
}

/// The heads [B, T, G, D] of which each is repeated in [B, T, H, D], as models
/// write grouped queries: a dimension of 1 is put behind G, expanded, and
/// joined with it. Nothing if they are not repeated.
static std::optional<TensorInfo> withoutRepeats(Walk &walk,
                                                const TensorInfo &heads) {
  Value value = heads.value;
  int64_t at = 2;
  if (onnx_ir::NodeOp moved = nodeOf(value, "Transpose")) {
    if (ArrayRef<int64_t>(moved.getIntsAttr("perm")) !=
        ArrayRef<int64_t>({0, 2, 1, 3}))
      return std::nullopt;
    value = moved.getInputs()[0];
    at = 1;
  }
  onnx_ir::NodeOp joined = nodeOf(value, "Reshape");
  onnx_ir::NodeOp repeated =
      joined ? nodeOf(joined.getInputs()[0], "Expand") : nullptr;
  onnx_ir::NodeOp split =
      repeated ? nodeOf(repeated.getInputs()[0], "Reshape") : nullptr;
  if (!split)
    return std::nullopt;
  TensorInfo given = walk.lookup(split.getInputs()[0]),
             inner = walk.lookup(split.getResult(0)),
             outer = walk.lookup(repeated.getResult(0)),
             result = walk.lookup(value);
  if (given.rank() != 4 || inner.rank() != 5 || outer.rank() != 5 ||
      result.rank() != 4)
    return std::nullopt;
  // given[.., G, ..], inner[.., G, 1, ..], outer[.., G, R, ..].
  auto is = [&](Dim a, Dim b) { return walk.arith.equal(a, b); };
  for (int64_t d = 0; d < 4; ++d) {
    int64_t wide = d <= at ? d : d + 1;
    if (!is(given.dims[d], inner.dims[wide]) ||
        !is(given.dims[d], outer.dims[wide]) ||
        (d != at && !is(given.dims[d], result.dims[d])))
      return std::nullopt;
  }
  if (!is(inner.dims[at + 1], walk.arith.constant(1)) ||
      !DimArithmetic::getConstant(result.dims[at]))
    return std::nullopt;
  return at == 1 ? walk.transpose(given, {0, 2, 1, 3}) : given;
}

/// All three operands [B, S, H, D]; the result too, of the query's type. Half
/// precision is computed in f32 and rounded once, at the end.
static TensorInfo buildAttention(Walk &walk, TensorInfo query, TensorInfo key,
                                 TensorInfo value, TensorInfo mask,
                                 double scale, bool causal, StringAttr name) {
  Dims dims = query.dims;
  dims.back() = value.dims.back();
  Type element = query.elementType, f32 = walk.builder.getF32Type();
  // Attention reads shared heads where they are.
  std::optional<TensorInfo> fewerKeys = withoutRepeats(walk, key),
                            fewerValues = withoutRepeats(walk, value);
  if (fewerKeys && fewerValues &&
      walk.arith.equal(fewerKeys->dims[2], fewerValues->dims[2])) {
    key = *fewerKeys;
    value = *fewerValues;
  }
  for (TensorInfo *operand : {&query, &key, &value})
    *operand = walk.convert(*operand, f32);
  Value maskValue;
  if (mask) {
    mask = narrowMask(walk, mask);
    if (!mask.elementType.isInteger(1))
      mask = walk.convert(mask, f32);
    maskValue = walk.materialize(mask);
  }
  Value value32 = qgraph::AttentionOp::create(
      walk.builder, walk.typeOf(dims, f32), walk.materialize(query),
      walk.materialize(key), walk.materialize(value), maskValue,
      walk.builder.getF32FloatAttr(scale),
      causal ? walk.builder.getUnitAttr() : UnitAttr(), name);
  TensorInfo result = walk.tensor(value32, dims);
  return walk.convert(result, element);
}

//===----------------------------------------------------------------------===//
// The operator
//===----------------------------------------------------------------------===//

/// [B, S, H * D] or [B, H, S, D] as [B, S, H, D].
static FailureOr<TensorInfo> toHeads(Node &node, TensorInfo &info,
                                     int64_t heads) {
  Walk &walk = node.walk;
  if (info.rank() == 4)
    return walk.transpose(info, {0, 2, 1, 3});
  if (info.rank() != 3 || heads <= 0)
    return node.unsupported("an operand has rank " + Twine(info.rank()) +
                            ", or a number of heads is missing");
  Dim width = walk.arith.div(info.dims[2], walk.arith.constant(heads));
  return walk.reshape(
      info, {info.dims[0], info.dims[1], walk.arith.constant(heads), width});
}

/// What is new, [B, S, H, D], behind a past [B, H, P, D].
static LogicalResult appendToPast(Node &node, unsigned input, TensorInfo &all) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &past = node.in(input);
  TensorInfo next = walk.transpose(all, {0, 2, 1, 3});
  if (past.rank() != 4 || !arith.require(past.dims[0], next.dims[0]) ||
      !arith.require(past.dims[1], next.dims[1]) ||
      !arith.require(past.dims[3], next.dims[3]))
    return node.unsupported("the dimensions of its past do not fit");
  Dims dims = next.dims;
  dims[2] = arith.add(past.dims[2], next.dims[2]);
  TensorInfo joined = walk.node("Concat", {&past, &next}, next.elementType,
                                dims, {{"axis", walk.integerAttr(2)}});
  all = walk.transpose(joined, {0, 2, 1, 3});
  return success();
}

/// [B, G, P + T, D] of a past [B, G, P, D] and what is new [B, G, T, D].
static std::optional<TensorInfo> behindPast(Walk &walk, TensorInfo &past,
                                            TensorInfo &fresh) {
  DimArithmetic &arith = walk.arith;
  if (past.rank() != 4 || past.elementType != fresh.elementType)
    return std::nullopt;
  for (int64_t d : {0, 1, 3})
    if (!arith.require(past.dims[d], fresh.dims[d]))
      return std::nullopt;
  Dims dims = fresh.dims;
  dims[2] = arith.add(past.dims[2], fresh.dims[2]);
  return walk.node("Concat", {&past, &fresh}, fresh.elementType, dims,
                   {{"axis", walk.integerAttr(2)}});
}

/// Of keys that lie in `places`, the first n of each sequence are there, and
/// input 6 has the n: which ones a query sees, [B, 1, 1 or S, places]. With a
/// triangle, the last query sees all n of them. Together with the node's mask;
/// an empty info where only the function body does both.
static TensorInfo maskOfPlaces(Node &node, Dim queries, Dim places,
                               bool causal) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &count = node.in(6);
  Dim zero = arith.constant(0), one = arith.constant(1);
  Type si64 = count.elementType, i1 = walk.builder.getI1Type();
  TensorInfo mask = node.has(3) ? node.in(3) : TensorInfo();
  // A mask of less keys counts the others as masked.
  if (count.rank() != 1 ||
      (mask && (mask.rank() == 0 || !arith.equal(mask.dims.back(), places))))
    return {};
  TensorInfo ends = walk.reshape(count, {count.dims[0], one, one, one});
  if (causal) {
    TensorInfo rows = walk.fromRamp(si64, {queries, one},
                                    {{one, zero}, arith.sub(one, queries)});
    ends = *walk.elementwise("Add", {&ends, &rows}, si64);
  }
  TensorInfo positions = walk.fromRamp(si64, {places}, {{one}, zero});
  TensorInfo kept = *walk.elementwise("Less", {&positions, &ends}, i1);
  if (!mask)
    return kept;
  FailureOr<TensorInfo> both = failure();
  if (mask.elementType.isInteger(1)) {
    both = walk.elementwise("And", {&kept, &mask}, i1);
  } else if (isReal(mask.elementType)) {
    TensorInfo none =
        walk.scalar(-std::numeric_limits<double>::infinity(), mask.elementType);
    both = walk.elementwise("Where", {&kept, &mask, &none}, mask.elementType);
  }
  return succeeded(both) ? *both : TensorInfo();
}

static LogicalResult handleAttention(Node &node) {
  Walk &walk = node.walk;
  if (!isReal(node.in(0).elementType))
    return failure();
  // The function body does the rest.
  if (node.has(4) != node.has(5) || node.resultUsed(3) ||
      node.real("softcap", 0) != 0 || (node.has(6) && node.has(4)) ||
      node.integer("left_window_size", -1) >= 0 ||
      node.integer("right_window_size", -1) >= 0)
    return failure();
  FailureOr<TensorInfo> query =
      toHeads(node, node.in(0), node.integer("q_num_heads", 0));
  FailureOr<TensorInfo> key =
      toHeads(node, node.in(1), node.integer("kv_num_heads", 0));
  FailureOr<TensorInfo> value =
      toHeads(node, node.in(2), node.integer("kv_num_heads", 0));
  if (failed(query) || failed(key) || failed(value))
    return failure();
  std::optional<int64_t> width = DimArithmetic::getConstant(query->dims[3]);
  if (!width)
    return node.unsupported("the size of a head is not fixed");
  DimArithmetic &arith = walk.arith;
  if (!arith.require(query->dims[0], key->dims[0]) ||
      !arith.require(query->dims[0], value->dims[0]) ||
      !arith.require(query->dims[3], key->dims[3]) ||
      !arith.require(key->dims[1], value->dims[1]) ||
      !arith.require(key->dims[2], value->dims[2]))
    return node.unsupported("the dimensions of its operands do not fit");
  bool causal = node.integer("is_causal", 0);
  TensorInfo mask = node.has(3) ? node.in(3) : TensorInfo();
  if (node.has(6)) {
    mask = maskOfPlaces(node, query->dims[1], key->dims[1], causal);
    if (!mask)
      return failure();
    causal = false;
  }
  // ONNX aligns the triangle at the first new key, qgraph at the end of all:
  // the same where there are as many new keys as queries.
  if (causal && !walk.arith.equal(query->dims[1], key->dims[1]))
    return failure();
  for (auto [i, all] : {std::pair(1u, &*key), std::pair(2u, &*value)}) {
    if (node.has(i + 3) && failed(appendToPast(node, i + 3, *all)))
      return failure();
    if (node.resultUsed(i))
      node.set(i, walk.transpose(*all, {0, 2, 1, 3}));
  }
  double scale = node.real("scale", 1 / std::sqrt(double(*width)));
  TensorInfo result = buildAttention(walk, *query, *key, *value, mask, scale,
                                     causal, walk.nameOf(node.op));
  if (node.in(0).rank() == 4)
    result = walk.transpose(result, {0, 2, 1, 3});
  else
    result =
        walk.reshape(result, {result.dims[0], result.dims[1],
                              walk.arith.mul(result.dims[2], result.dims[3])});
  node.set(0, result);
  return success();
}

//===----------------------------------------------------------------------===//
// Recognition
//===----------------------------------------------------------------------===//

namespace {
/// Goes through products with and quotients by a number.
Value withoutScale(Value value, double &scale) {
  while (true) {
    if (onnx_ir::NodeOp op = nodeOf(value, "Mul")) {
      std::optional<double> left = constantNumber(op.getInputs()[0]),
                            right = constantNumber(op.getInputs()[1]);
      if (!left && !right)
        return value;
      scale *= right ? *right : *left;
      value = op.getInputs()[right ? 0 : 1];
    } else if (onnx_ir::NodeOp op = nodeOf(value, "Div")) {
      std::optional<double> right = constantNumber(op.getInputs()[1]);
      if (!right)
        return value;
      scale /= *right;
      value = op.getInputs()[0];
    } else {
      return value;
    }
  }
}

bool sameShape(Value a, Value b) {
  return cast<RankedTensorType>(a.getType()).getShape() ==
         cast<RankedTensorType>(b.getType()).getShape();
}

/// What softmax is taken of.
struct Scores {
  qgraph::MatmulOp product;
  double scale = 1;
  Value mask; // added, or kept where true
};

/// scale * (q k^T) (+ mask), or where(mask, scale * (q k^T), a large negative
/// number). Looks through reshapes of nothing.
std::optional<Scores> matchScores(Walk &walk, Value value) {
  Scores scores;
  Value product = withoutScale(value, scores.scale);
  if (onnx_ir::NodeOp sum = nodeOf(product, "Add")) {
    for (int side : {0, 1}) {
      double scale = 1;
      Value inner = withoutScale(sum.getInputs()[side], scale);
      if (auto matmul = inner.getDefiningOp<qgraph::MatmulOp>();
          matmul && sameShape(inner, product)) {
        // scale * (inner + mask): the mask would have to be scaled as well.
        if (scores.scale != 1)
          return std::nullopt;
        Value mask = sum.getInputs()[1 - side];
        scores.mask = constantNumber(mask) == 0.0 ? Value() : mask;
        scores.scale = scale;
        scores.product = matmul;
        return scores;
      }
    }
    return std::nullopt;
  }
  if (onnx_ir::NodeOp where = nodeOf(product, "Where")) {
    if (scores.scale != 1)
      return std::nullopt;
    for (int side : {1, 2}) {
      std::optional<double> fill = constantNumber(where.getInputs()[3 - side]);
      double scale = 1;
      Value inner = withoutScale(where.getInputs()[side], scale);
      auto matmul = inner.getDefiningOp<qgraph::MatmulOp>();
      if (!matmul || !fill || *fill > -1e4 || !sameShape(inner, product))
        continue;
      // Adding a number as large gives the number itself, so the mask is 0 or
      // the number, added. With minus infinity it can stay a condition.
      Value condition = where.getInputs()[0];
      TensorInfo keep = walk.lookup(condition);
      if (std::isinf(*fill) && side == 1) {
        scores.mask = condition;
      } else {
        Type element =
            cast<RankedTensorType>(product.getType()).getElementType();
        TensorInfo zero = walk.scalar(0, element),
                   number = walk.scalar(*fill, element);
        SmallVector<TensorInfo *> operands{&keep, &zero, &number};
        if (side == 2)
          std::swap(operands[1], operands[2]);
        FailureOr<TensorInfo> mask =
            walk.elementwise("Where", operands, element);
        if (failed(mask))
          return std::nullopt;
        scores.mask = walk.materialize(*mask);
      }
      scores.scale = scale;
      scores.product = matmul;
      return scores;
    }
    return std::nullopt;
  }
  scores.product = product.getDefiningOp<qgraph::MatmulOp>();
  return scores.product ? std::optional(scores) : std::nullopt;
}
} // namespace

/// softmax(scale * q k^T + mask) v with q, k, v [B, H, S, D], at the last
/// product.
std::optional<TensorInfo> Walk::recognizeAttention(TensorInfo &probabilities,
                                                   TensorInfo &value,
                                                   StringAttr name) {
  if (!probabilities.value || probabilities.rank() != 4 || value.rank() != 4 ||
      !isReal(value.elementType))
    return std::nullopt;
  Value weights = probabilities.value;
  // Exporters replace the NaNs of rows that are masked as a whole by 0, which
  // is what attention gives there.
  if (onnx_ir::NodeOp where = nodeOf(weights, "Where"))
    if (onnx_ir::NodeOp isNaN = nodeOf(where.getInputs()[0], "IsNaN");
        isNaN && isNaN.getInputs()[0] == where.getInputs()[2] &&
        constantNumber(where.getInputs()[1]) == 0.0)
      weights = where.getInputs()[2];
  onnx_ir::NodeOp softmax = nodeOf(weights, "Softmax");
  if (!softmax || softmax.getIntAttr("axis", -1) != 3)
    return std::nullopt;
  std::optional<Scores> scores = matchScores(*this, softmax.getInputs()[0]);
  if (!scores)
    return std::nullopt;
  double scale = scores->scale;
  TensorInfo query = lookup(withoutScale(scores->product.getLhs(), scale));
  TensorInfo key = lookup(withoutScale(scores->product.getRhs(), scale));
  if (query.rank() != 4 || key.rank() != 4)
    return std::nullopt;
  bool transposed = scores->product.getTransposeRhs();
  Dims keyDims = key.dims;
  if (!transposed)
    std::swap(keyDims[2], keyDims[3]);
  // Broadcasts between the operands are not attention's.
  if (!arith.equal(query.dims[0], keyDims[0]) ||
      !arith.equal(query.dims[0], value.dims[0]) ||
      !arith.equal(query.dims[1], keyDims[1]) ||
      !arith.equal(query.dims[1], value.dims[1]) ||
      !arith.equal(keyDims[2], value.dims[2]))
    return std::nullopt;
  TensorInfo mask;
  if (scores->mask)
    mask = lookup(scores->mask);
  ++counts.recognized;
  TensorInfo q = transpose(query, {0, 2, 1, 3});
  TensorInfo k =
      transposed ? transpose(key, {0, 2, 1, 3}) : transpose(key, {0, 3, 1, 2});
  TensorInfo v = transpose(value, {0, 2, 1, 3});
  TensorInfo result = buildAttention(*this, q, k, v, mask, scale,
                                     /*causal=*/false, name);
  return transpose(result, {0, 2, 1, 3});
}

ArrayRef<Handler> onnx_to_qgraph::attentionHandlers() {
  static const Handler table[] = {
      {"", "Attention", 23, kNewest, handleAttention},
  };
  return table;
}

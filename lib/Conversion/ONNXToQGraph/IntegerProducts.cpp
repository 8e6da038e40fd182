//===- IntegerProducts.cpp - Products of matrices of stored values --------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// MatMulInteger with a constant right side is a `quantized_linear` whose result
// is the sum itself, si32; QLinearMatMul one between f32 and `quantize`. Of two
// computed matrices it is a `quantized_matmul`. What
// dynamic quantizers write, Mul(Cast(MatMulInteger), scales), is put together
// again: the Cast makes the sum real, the Mul gives it its scales. The values
// are those of ONNX's operators to the last bit.
//
// Weights that are stored as integers with a Cast, perhaps a Sub, and a Mul
// behind them are dequantized constants.
//
//===----------------------------------------------------------------------===//

#include "StoredConstants.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

#include <cmath>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

static int64_t countOf(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  return type.hasStaticShape() ? type.getNumElements() : ShapedType::kDynamic;
}

static bool isSingle(Walk &walk, const TensorInfo &info) {
  return llvm::all_of(info.dims,
                      [&](Dim dim) { return walk.arith.isConstant(dim, 1); });
}

static Value ones(Walk &walk, ArrayRef<int64_t> shape) {
  auto type = RankedTensorType::get(shape, walk.builder.getF32Type());
  return qgraph::ConstantOp::create(walk.builder,
                                    DenseElementsAttr::get(type, 1.0f));
}

//===----------------------------------------------------------------------===//
// Parameters of an operand
//===----------------------------------------------------------------------===//

namespace {
/// Scale and zero point of one side, of one shape, as qgraph takes them.
struct Side {
  Value scale, zeroPoint; // no zero point: null
  SmallVector<int64_t> block;
};
} // namespace

/// A constant of one element, repeated.
static Value repeated(Walk &walk, Value value, ArrayRef<int64_t> shape) {
  auto constant = value.getDefiningOp<qgraph::ConstantOp>();
  auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue())
                        : DenseElementsAttr();
  if (!dense)
    return {};
  return qgraph::ConstantOp::create(
      walk.builder,
      DenseElementsAttr::get(dense.getType().clone(shape),
                             ArrayRef(*dense.getValues<Attribute>().begin())));
}

/// The parameters of a weight [N, K], of which there is one or N. Null scale:
/// 1. Fails where they are no constants of these shapes.
static FailureOr<Side> weightSide(Walk &walk, TensorInfo *scale,
                                  TensorInfo *zeroPoint, int64_t n) {
  Side side;
  auto column = [&](TensorInfo *info) -> Value {
    if (!info)
      return {};
    std::optional<SmallVector<int64_t>> shape = staticShape(info->dims);
    int64_t count = shape ? computeProduct(*shape) : 0;
    if (!shape || (count != 1 && (count != n || shape->back() != n)))
      return {};
    return walk.reshapedConstant(walk.materialize(*info), {count, 1});
  };
  if (scale) {
    TensorInfo real = widened(walk, *scale);
    side.scale = column(&real);
  } else {
    side.scale = ones(walk, {1, 1});
  }
  if (zeroPoint && !isUniform(walk.materialize(*zeroPoint), 0)) {
    side.zeroPoint = column(zeroPoint);
    if (!side.zeroPoint)
      return failure();
  }
  if (!side.scale)
    return failure();
  int64_t count = countOf(side.scale);
  if (side.zeroPoint && countOf(side.zeroPoint) != count) {
    Value &single = count == 1 ? side.scale : side.zeroPoint;
    single = repeated(walk, single, {n, 1});
    if (!single)
      return failure();
    count = n;
  }
  side.block = {count == 1 ? 0 : 1, 0};
  return side;
}

/// The parameters of an input [.., K]: one for all, or one a row. Null
/// scale: 1.
static FailureOr<Side> inputSide(Walk &walk, TensorInfo &input,
                                 TensorInfo *scale, TensorInfo *zeroPoint) {
  if (zeroPoint && isUniform(walk.materialize(*zeroPoint), 0))
    zeroPoint = nullptr;
  bool single = (!scale || isSingle(walk, *scale)) &&
                (!zeroPoint || isSingle(walk, *zeroPoint));
  Dims dims(input.rank(), walk.arith.constant(1));
  Side side;
  side.block.assign(input.rank(), 0);
  if (!single) {
    dims = input.dims;
    dims.back() = walk.arith.constant(1);
    side.block.assign(input.rank(), 1);
    side.block.back() = 0;
  }
  // One a row is [M] beside a matrix, [.., M, 1] beside a stack of them.
  auto shaped = [&](TensorInfo info) -> Value {
    if (isSingle(walk, info)) {
      Dims one(dims.size(), walk.arith.constant(1));
      TensorInfo result = walk.reshape(info, one);
      result = walk.expand(result, dims);
      return walk.materialize(result);
    }
    if (info.rank() == 1 && input.rank() == 2)
      info = walk.reshape(info, {info.dims[0], walk.arith.constant(1)});
    return walk.arith.equal(info.dims, dims) ? walk.materialize(info) : Value();
  };
  TensorInfo one = walk.scalar(1, walk.builder.getF32Type());
  side.scale = shaped(scale ? widened(walk, *scale) : one);
  if (zeroPoint)
    side.zeroPoint = shaped(*zeroPoint);
  if (!side.scale || (zeroPoint && !side.zeroPoint))
    return failure();
  return side;
}

/// x [.., K] times the constant w [K, N]; null if it is none, or the parameters
/// have other shapes than ONNX gives them.
static qgraph::QuantizedLinearOp
quantizedLinear(Node &node, TensorInfo &x, TensorInfo *xScale,
                TensorInfo *xZero, TensorInfo &w, TensorInfo *wScale,
                TensorInfo *wZero, Type result) {
  Walk &walk = node.walk;
  if (w.rank() != 2 || x.rank() == 0 ||
      !walk.arith.require(x.dims.back(), w.dims[0]))
    return {};
  Value weight = walk.transposedWeight(walk.materialize(w));
  if (!weight || !isConstant(weight))
    return {};
  int64_t n = cast<RankedTensorType>(weight.getType()).getDimSize(0);
  FailureOr<Side> input = inputSide(walk, x, xScale, xZero);
  FailureOr<Side> columns = weightSide(walk, wScale, wZero, n);
  if (failed(input) || failed(columns))
    return {};
  Dims dims = x.dims;
  dims.back() = walk.arith.constant(n);
  return qgraph::QuantizedLinearOp::create(
      walk.builder, walk.typeOf(dims, result), walk.materialize(x),
      input->scale, input->zeroPoint, weight, columns->scale,
      columns->zeroPoint, /*bias=*/Value(), ValueRange(),
      walk.builder.getDenseI64ArrayAttr(input->block),
      walk.builder.getDenseI64ArrayAttr(columns->block),
      walk.builder.getArrayAttr({}), walk.nameOf(node.op));
}

/// The parameters of a factor [.., M, K], with one for each row or for all, or
/// (`columns`) of [.., K, N], as ONNX gives them: one number, [M] resp. [N], or
/// of the factor's rank. Null scale: 1.
static FailureOr<Side> factorSide(Walk &walk, TensorInfo &factor,
                                  TensorInfo *scale, TensorInfo *zeroPoint,
                                  bool columns) {
  if (zeroPoint && isUniform(walk.materialize(*zeroPoint), 0))
    zeroPoint = nullptr;
  int64_t rank = factor.rank(), own = columns ? rank - 1 : rank - 2;
  Dim one = walk.arith.constant(1);
  Dims dims(rank, one);
  // In the factor's rank; what is not 1 in it is `dims`.
  auto shaped = [&](TensorInfo info) -> FailureOr<TensorInfo> {
    Dims shape(rank, one);
    if (isSingle(walk, info))
      return walk.reshape(info, shape);
    if (info.rank() == 1 && (columns || rank == 2)) {
      shape[own] = info.dims[0];
      info = walk.reshape(info, shape);
    }
    if (info.rank() != rank)
      return failure();
    for (int64_t d = 0; d < rank; ++d) {
      if (walk.arith.isConstant(info.dims[d], 1))
        continue;
      if ((d != own && d >= rank - 2) ||
          !walk.arith.equal(info.dims[d], factor.dims[d]))
        return failure();
      dims[d] = info.dims[d];
    }
    return info;
  };
  TensorInfo real =
      scale ? widened(walk, *scale) : walk.scalar(1, walk.builder.getF32Type());
  FailureOr<TensorInfo> scales = shaped(real), zeros = TensorInfo();
  if (zeroPoint)
    zeros = shaped(*zeroPoint);
  if (failed(scales) || failed(zeros))
    return failure();
  Side side;
  auto expanded = [&](TensorInfo &info) {
    TensorInfo result = walk.expand(info, dims);
    return walk.materialize(result);
  };
  side.scale = expanded(*scales);
  if (zeroPoint)
    side.zeroPoint = expanded(*zeros);
  return side;
}

/// a [.., M, K] times b [.., K, N], both computed; nothing if one is no matrix,
/// or the parameters have other shapes than ONNX gives them.
static std::optional<TensorInfo>
quantizedMatmul(Node &node, TensorInfo &a, TensorInfo *aScale,
                TensorInfo *aZero, TensorInfo &b, TensorInfo *bScale,
                TensorInfo *bZero, Type result) {
  Walk &walk = node.walk;
  if (a.rank() < 2 || b.rank() < 2)
    return std::nullopt;
  TensorInfo left, right;
  left.dims.assign(a.dims.begin(), a.dims.end() - 2);
  right.dims.assign(b.dims.begin(), b.dims.end() - 2);
  std::optional<Dims> dims = walk.broadcast({&left, &right});
  if (!dims || !walk.arith.require(a.dims.back(), b.dims[b.rank() - 2]))
    return std::nullopt;
  FailureOr<Side> rows = factorSide(walk, a, aScale, aZero, /*columns=*/false);
  FailureOr<Side> columns =
      factorSide(walk, b, bScale, bZero, /*columns=*/true);
  if (failed(rows) || failed(columns))
    return std::nullopt;
  dims->push_back(a.dims[a.rank() - 2]);
  dims->push_back(b.dims.back());
  Value product = qgraph::QuantizedMatmulOp::create(
      walk.builder, walk.typeOf(*dims, result), walk.materialize(a),
      rows->scale, rows->zeroPoint, walk.materialize(b), columns->scale,
      columns->zeroPoint, ValueRange(), UnitAttr(),
      walk.builder.getArrayAttr({}), walk.nameOf(node.op));
  return walk.tensor(product, *dims);
}

static TensorInfo *optional(Node &node, unsigned i) {
  return node.has(i) ? &node.in(i) : nullptr;
}

//===----------------------------------------------------------------------===//
// MatMulInteger, QLinearMatMul
//===----------------------------------------------------------------------===//

static void remarkComputed(Node &node) {
  node.op.emitRemark()
      << "'" << node.op.getName().value_or(node.type()) << "' (" << node.type()
      << ") is left to the plain way: an operand is no matrix, or its "
         "parameters are not those of a row or a column";
}

static LogicalResult handleMatMulInteger(Node &node) {
  Type si32 = node.walk.builder.getIntegerType(32, /*isSigned=*/true);
  qgraph::QuantizedLinearOp linear =
      quantizedLinear(node, node.in(0), nullptr, optional(node, 2), node.in(1),
                      nullptr, optional(node, 3), si32);
  if (linear) {
    node.set(0, node.walk.lookup(linear));
    return success();
  }
  std::optional<TensorInfo> product =
      quantizedMatmul(node, node.in(0), nullptr, optional(node, 2), node.in(1),
                      nullptr, optional(node, 3), si32);
  if (!product) { // the node stays as it is
    remarkComputed(node);
    return failure();
  }
  node.set(0, *product);
  return success();
}

/// The product as f32 where the right side is computed; where that cannot be
/// one op of qgraph, MatMulInteger, times both scales.
static FailureOr<TensorInfo>
computedProduct(Node &node, TensorInfo a, TensorInfo &aScale, TensorInfo &aZero,
                TensorInfo b, TensorInfo &bScale, TensorInfo &bZero) {
  Walk &walk = node.walk;
  if (a.rank() < 2 || b.rank() < 2)
    return node.unsupported("an operand is no matrix");
  if (std::optional<TensorInfo> product =
          quantizedMatmul(node, a, &aScale, &aZero, b, &bScale, &bZero,
                          walk.builder.getF32Type()))
    return *product;
  TensorInfo left, right;
  left.dims.assign(a.dims.begin(), a.dims.end() - 2);
  right.dims.assign(b.dims.begin(), b.dims.end() - 2);
  std::optional<Dims> dims = walk.broadcast({&left, &right});
  if (!dims || !walk.arith.require(a.dims.back(), b.dims[b.rank() - 2]))
    return node.unsupported("the dimensions of its operands do not fit");
  dims->push_back(a.dims[a.rank() - 2]);
  dims->push_back(b.dims.back());
  remarkComputed(node);
  Type si32 = walk.builder.getIntegerType(32, /*isSigned=*/true);
  TensorInfo sum =
      walk.node("MatMulInteger", {&a, &b, &aZero, &bZero}, si32, *dims);
  Type f32 = walk.builder.getF32Type();
  TensorInfo result = walk.convert(sum, f32), rows = aScale;
  if (rows.rank() == 1 && !isSingle(walk, rows))
    rows = walk.reshape(rows, {rows.dims[0], walk.arith.constant(1)});
  FailureOr<TensorInfo> scales = walk.elementwise("Mul", {&rows, &bScale}, f32);
  if (succeeded(scales))
    scales = walk.elementwise("Mul", {&result, &*scales}, f32);
  if (failed(scales))
    return node.unsupported("its scales do not broadcast to the product");
  return scales;
}

/// Rounding to stored values of the type of the zero point.
static LogicalResult requantize(Node &node, TensorInfo &product,
                                unsigned scaleInput) {
  Walk &walk = node.walk;
  if (!node.has(scaleInput + 1) || !isSingle(walk, node.in(scaleInput)) ||
      !isSingle(walk, node.in(scaleInput + 1)))
    return node.unsupported("the scale and the zero point of its result must "
                            "be single numbers");
  TensorInfo &zeroPoint = node.in(scaleInput + 1);
  Dims ones(product.rank(), walk.arith.constant(1));
  TensorInfo scale = widened(walk, node.in(scaleInput));
  scale = walk.reshape(scale, ones);
  TensorInfo zero = walk.reshape(zeroPoint, ones);
  Value shift = walk.materialize(zero);
  Value result = qgraph::QuantizeOp::create(
      walk.builder, walk.typeOf(product.dims, zeroPoint.elementType),
      walk.materialize(product), walk.materialize(scale),
      isUniform(shift, 0) ? Value() : shift, Value(), Value(),
      walk.builder.getDenseI64ArrayAttr(
          SmallVector<int64_t>(product.rank(), 0)),
      walk.builder.getBoolAttr(true), TypeAttr());
  node.set(0, walk.tensor(result, product.dims));
  return success();
}

static LogicalResult handleQLinearMatMul(Node &node) {
  Walk &walk = node.walk;
  // A scale for each row of the result: the node stays as it is.
  if (!isSingle(walk, node.in(6)) || !isSingle(walk, node.in(7))) {
    remarkComputed(node);
    return failure();
  }
  Type f32 = walk.builder.getF32Type();
  TensorInfo xScale = widened(walk, node.in(1)),
             wScale = widened(walk, node.in(4));
  TensorInfo product;
  if (qgraph::QuantizedLinearOp linear =
          quantizedLinear(node, node.in(0), &xScale, &node.in(2), node.in(3),
                          &wScale, &node.in(5), f32)) {
    product = walk.lookup(linear);
  } else {
    FailureOr<TensorInfo> computed = computedProduct(
        node, node.in(0), xScale, node.in(2), node.in(3), wScale, node.in(5));
    if (failed(computed))
      return failure();
    product = *computed;
  }
  return requantize(node, product, 6);
}

//===----------------------------------------------------------------------===//
// QGemm
//===----------------------------------------------------------------------===//

/// C * (aScale * bScale) as f32 [N], where all are constants; null if not.
static Value scaledBias(Walk &walk, TensorInfo &c, TensorInfo &aScale,
                        TensorInfo &bScale, int64_t n) {
  std::optional<ConstantTensor> sums = readConstant(walk.materialize(c));
  std::optional<ConstantTensor> a = readConstant(walk.materialize(aScale));
  std::optional<ConstantTensor> b = readConstant(walk.materialize(bScale));
  if (!sums || !a || !b || sums->getType().getNumElements() != n ||
      sums->getType().getRank() == 0 || sums->getType().getShape().back() != n)
    return {};
  std::vector<float> factors = b->readFloats(), bias;
  float first = a->readFloats().front();
  for (auto [i, sum] : llvm::enumerate(sums->readIntegers()))
    bias.push_back(static_cast<float>(sum) *
                   (first * factors[factors.size() == 1 ? 0 : i]));
  return newReals(walk, RankedTensorType::get({n}, walk.builder.getF32Type()),
                  entryBaseName(*sums, "bias") + "@scaled", bias);
}

static LogicalResult handleQGemm(Node &node) {
  Walk &walk = node.walk;
  Type f32 = walk.builder.getF32Type();
  TensorInfo a = node.in(0), b = node.in(3), aScale = node.in(1),
             bScale = node.in(4),
             alpha = walk.scalar(node.real("alpha", 1), f32);
  if (a.rank() != 2 || b.rank() != 2)
    return node.unsupported("an operand is no matrix");
  if (node.integer("transA", 0))
    a = walk.transpose(a, {1, 0});
  if (node.integer("transB", 0))
    b = walk.transpose(b, {1, 0});
  if (node.real("alpha", 1) != 1)
    aScale = *walk.elementwise("Mul", {&aScale, &alpha}, f32);
  TensorInfo product;
  Value bias;
  if (qgraph::QuantizedLinearOp linear = quantizedLinear(
          node, a, &aScale, &node.in(2), b, &bScale, &node.in(5), f32)) {
    if (node.has(6))
      bias = scaledBias(walk, node.in(6), aScale, bScale,
                        linear.getType().getShape().back());
    if (bias) {
      // The bias stands in front of the layer that reads it.
      bias.getDefiningOp()->moveBefore(linear);
      linear.getBiasMutable().assign(bias);
    }
    product = walk.lookup(linear);
  } else {
    FailureOr<TensorInfo> computed =
        computedProduct(node, a, aScale, node.in(2), b, bScale, node.in(5));
    if (failed(computed))
      return failure();
    product = *computed;
  }
  if (node.has(6) && !bias) {
    TensorInfo sum = walk.convert(node.in(6), f32);
    FailureOr<TensorInfo> factor =
        walk.elementwise("Mul", {&aScale, &bScale}, f32);
    FailureOr<TensorInfo> term =
        succeeded(factor) ? walk.elementwise("Mul", {&sum, &*factor}, f32)
                          : factor;
    if (succeeded(term))
      term = walk.elementwise("Add", {&product, &*term}, f32);
    if (failed(term))
      return node.unsupported("C does not broadcast to the product");
    product = *term;
  }
  if (node.has(7))
    return requantize(node, product, 7);
  node.set(0, product);
  return success();
}

//===----------------------------------------------------------------------===//
// Recognition
//===----------------------------------------------------------------------===//

/// The op that gives input `i` and nothing else, if it is an OpT whose sums are
/// `real`, or are integers.
template <typename OpT>
static OpT sumBehind(Node &node, unsigned i, bool real) {
  TensorInfo &info = node.in(i);
  auto op = info.value ? info.value.getDefiningOp<OpT>() : OpT();
  if (!op || !node.onlyUse(i) ||
      cast<RankedTensorType>(op.getType()).getElementType().isF32() != real)
    return {};
  return op;
}

static qgraph::QuantizedLinearOp linearBehind(Node &node, unsigned i,
                                              bool real) {
  auto linear = sumBehind<qgraph::QuantizedLinearOp>(node, i, real);
  if (!linear || linear.getBias() || !linear.getEpilogue().empty())
    return {};
  return linear;
}

/// Cast(MatMulInteger) to f32: the same sum as f32.
static std::optional<TensorInfo> recognizeCast(Node &node) {
  Walk &walk = node.walk;
  Operation *sum = linearBehind(node, 0, /*real=*/false);
  if (!sum)
    sum = sumBehind<qgraph::QuantizedMatmulOp>(node, 0, /*real=*/false);
  if (!sum)
    return std::nullopt;
  Value copy = walk.builder.clone(*sum)->getResult(0);
  copy.setType(
      cast<RankedTensorType>(copy.getType()).clone(walk.builder.getF32Type()));
  return walk.tensor(copy, node.in(0).dims);
}

/// A product of two computed factors, as real numbers without scales yet, times
/// the scale of both, or the product of their scales.
static std::optional<TensorInfo> recognizeProductScales(Node &node,
                                                        unsigned side) {
  Walk &walk = node.walk;
  auto product =
      sumBehind<qgraph::QuantizedMatmulOp>(node, side, /*real=*/true);
  TensorInfo factor = node.in(1 - side);
  if (!product || !isUniform(product.getLhsScale(), 1) ||
      !isUniform(product.getRhsScale(), 1) || !isSingle(walk, factor) ||
      !factor.elementType.isF32() || factor.rank() > node.in(side).rank())
    return std::nullopt;
  TensorInfo aScale = factor, bScale = walk.scalar(1, factor.elementType);
  if (onnx_ir::NodeOp mul = nodeOf(walk.materialize(factor), "Mul")) {
    aScale = walk.lookup(mul.getInputs()[0]);
    bScale = walk.lookup(mul.getInputs()[1]);
  }
  auto zeroOf = [&](Value zero) {
    return zero ? std::optional(walk.lookup(zero)) : std::nullopt;
  };
  TensorInfo a = walk.lookup(product.getLhs()),
             b = walk.lookup(product.getRhs());
  std::optional<TensorInfo> aZero = zeroOf(product.getLhsZeroPoint()),
                            bZero = zeroOf(product.getRhsZeroPoint());
  std::optional<TensorInfo> result =
      quantizedMatmul(node, a, &aScale, aZero ? &*aZero : nullptr, b, &bScale,
                      bZero ? &*bZero : nullptr, factor.elementType);
  if (result)
    result->value.getDefiningOp<qgraph::QuantizedMatmulOp>().setNameAttr(
        product.getNameAttr());
  return result;
}

/// A product of real sums that have no scales yet with those that `factor` is:
/// one number, a constant for each column, or one times the other.
static std::optional<TensorInfo> recognizeScales(Node &node, unsigned side) {
  Walk &walk = node.walk;
  qgraph::QuantizedLinearOp sum = linearBehind(node, side, /*real=*/true);
  TensorInfo &product = node.in(side), factor = node.in(1 - side);
  if (!sum || !isUniform(sum.getInputScale(), 1) ||
      !isUniform(sum.getWeightScale(), 1) || factor.rank() > product.rank() ||
      !factor.elementType.isF32())
    return std::nullopt;
  std::optional<TensorInfo> one, columns;
  auto isColumns = [&](TensorInfo &info) {
    Value value = walk.materialize(info);
    return isConstant(value) &&
           (isSingle(walk, info) ||
            (info.rank() > 0 &&
             countOf(value) == sum.getType().getShape().back() &&
             walk.arith.equal(info.dims.back(), product.dims.back())));
  };
  if (onnx_ir::NodeOp mul = nodeOf(walk.materialize(factor), "Mul")) {
    TensorInfo a = walk.lookup(mul.getInputs()[0]),
               b = walk.lookup(mul.getInputs()[1]);
    if (isSingle(walk, a) && isColumns(b))
      one = a, columns = b;
    else if (isSingle(walk, b) && isColumns(a))
      one = b, columns = a;
  }
  if (!one && isColumns(factor))
    columns = factor;
  else if (!one && isSingle(walk, factor))
    one = factor;
  if (!one && !columns)
    return std::nullopt;

  TensorInfo x = walk.lookup(sum.getInput()), xZero, wZero;
  if (sum.getInputZeroPoint()) {
    // One a row would need the scale in that shape.
    xZero = walk.lookup(sum.getInputZeroPoint());
    if (!isSingle(walk, xZero))
      return std::nullopt;
  }
  if (sum.getWeightZeroPoint()) {
    Value zero = sum.getWeightZeroPoint();
    wZero = walk.lookup(walk.reshapedConstant(zero, {countOf(zero)}));
  }
  int64_t n = sum.getType().getShape().back();
  FailureOr<Side> input =
      inputSide(walk, x, one ? &*one : nullptr, xZero ? &xZero : nullptr);
  FailureOr<Side> weight = weightSide(walk, columns ? &*columns : nullptr,
                                      wZero ? &wZero : nullptr, n);
  if (failed(input) || failed(weight))
    return std::nullopt;
  Value result = qgraph::QuantizedLinearOp::create(
      walk.builder, sum.getType(), sum.getInput(), input->scale,
      input->zeroPoint, sum.getWeight(), weight->scale, weight->zeroPoint,
      Value(), ValueRange(), walk.builder.getDenseI64ArrayAttr(input->block),
      walk.builder.getDenseI64ArrayAttr(weight->block), sum.getEpilogue(),
      sum.getNameAttr());
  return walk.tensor(result, product.dims);
}

/// Mul(Cast(w), s) or Mul(Sub(Cast(w), z), s) of constants: integers w,
/// dequantized. z are whole numbers of the type of w.
static std::optional<TensorInfo> recognizeStoredWeight(Node &node,
                                                       unsigned side) {
  Walk &walk = node.walk;
  TensorInfo &factor = node.in(1 - side);
  Value value = node.in(side).value, shift;
  if (!value || !isReal(factor.elementType) || !factor.value ||
      !isConstant(factor.value))
    return std::nullopt;
  if (onnx_ir::NodeOp sub = nodeOf(value, "Sub")) {
    value = sub.getInputs()[0];
    shift = sub.getInputs()[1];
    if (onnx_ir::NodeOp converted = nodeOf(shift, "Cast"))
      shift = converted.getInputs()[0];
    if (!isConstant(shift))
      return std::nullopt;
  }
  onnx_ir::NodeOp converted = nodeOf(value, "Cast");
  Value stored = converted ? converted.getInputs()[0] : Value();
  if (!stored || !isConstant(stored))
    return std::nullopt;
  auto type = dyn_cast<RankedTensorType>(stored.getType());
  auto integer = dyn_cast<IntegerType>(type.getElementType());
  auto scaleType = cast<RankedTensorType>(factor.value.getType());
  int64_t rank = type.getRank();
  if (!integer || integer.isSignless() || integer.getWidth() > 8 ||
      !walk.arith.equal(node.in(side).dims, walk.lookup(stored).dims) ||
      scaleType.getRank() > rank)
    return std::nullopt;

  // Blocks from how the scale is broadcast.
  SmallVector<int64_t> shape(rank - scaleType.getRank(), 1), block;
  llvm::append_range(shape, scaleType.getShape());
  for (auto [extent, own] : llvm::zip_equal(type.getShape(), shape)) {
    if (own != 1 && own != extent)
      return std::nullopt;
    block.push_back(own == 1 ? 0 : 1);
  }
  Value scale = walk.reshapedConstant(factor.value, shape), zeroPoint;
  if (shift) {
    // In the shape of the scale, as integers of the stored type.
    std::optional<ConstantTensor> given = readConstant(shift);
    if (!given)
      return std::nullopt;
    std::vector<float> numbers;
    if (isReal(given->getType().getElementType()))
      numbers = given->readFloats();
    else
      for (int32_t number : given->readIntegers())
        numbers.push_back(number);
    if (numbers.size() == 1)
      numbers.resize(computeProduct(shape), numbers.front());
    SmallVector<int64_t> own(rank - given->getType().getRank(), 1);
    llvm::append_range(own, given->getType().getShape());
    if (int64_t(numbers.size()) != computeProduct(shape) ||
        (given->getType().getNumElements() != 1 && own != shape))
      return std::nullopt;
    unsigned width = integer.getWidth();
    double least = integer.isSigned() ? -std::ldexp(1.0, width - 1) : 0;
    double most = std::ldexp(1.0, width - integer.isSigned()) - 1;
    for (float number : numbers)
      if (!(number >= least && number <= most) ||
          number != std::nearbyint(number))
        return std::nullopt;
    auto zeroType = RankedTensorType::get(shape, integer);
    zeroPoint =
        newIntegers(walk, zeroType, entryBaseName(*given, "") + "@codes",
                    [&](int64_t i) { return int32_t(numbers[i]); });
    if (!zeroPoint)
      return std::nullopt;
  }
  Type real = node.in(side).elementType;
  Value result = qgraph::DequantizeOp::create(
      walk.builder, type.clone(real), stored, scale, zeroPoint, Value(),
      Value(), walk.builder.getDenseI64ArrayAttr(block), TypeAttr());
  return walk.tensor(result, node.in(side).dims);
}

std::optional<TensorInfo> Walk::recognizeStored(Node &node) {
  if (node.type() == "Cast" || node.type() == "CastLike")
    return recognizeCast(node);
  if (node.type() != "Mul" || node.version() < 7)
    return std::nullopt;
  for (unsigned side : {0, 1}) {
    std::optional<TensorInfo> result = recognizeScales(node, side);
    if (!result)
      result = recognizeProductScales(node, side);
    if (!result)
      result = recognizeStoredWeight(node, side);
    if (result)
      return result;
  }
  return std::nullopt;
}

ArrayRef<Handler> onnx_to_qgraph::integerProductHandlers() {
  static const Handler table[] = {
      {"", "MatMulInteger", 10, kNewest, handleMatMulInteger},
      {"", "QLinearMatMul", 10, kNewest, handleQLinearMatMul},
      {"com.microsoft", "QGemm", 1, kNewest, handleQGemm},
  };
  return table;
}

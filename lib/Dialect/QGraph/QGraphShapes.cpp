//===- QGraphShapes.cpp - Dimensions of results -----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every op states the dimensions of its results in terms of those of its
// operands, never by tensor.dim of an operand that another op has made: so all
// sizes of a model end at the dimensions of its inputs.
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QGraph/Shapes.h"

#include "quantc/Dialect/QGraph/QGraphDialect.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qgraph;

//===----------------------------------------------------------------------===//
// Shapes.h
//===----------------------------------------------------------------------===//

static bool isDynamic(Value tensor) {
  return !cast<RankedTensorType>(tensor.getType()).hasStaticShape();
}

namespace {
/// What one call of getDims has written so far, for the calls that come back to
/// it from reifyResultShapes. An op with several results asks for the
/// dimensions of each, and so for those of one operand several times; a chain
/// of such ops would be as many times longer with each of them.
class Written {
public:
  Written() : outermost(!current) {
    if (outermost)
      current = this;
  }
  ~Written() {
    if (outermost)
      current = nullptr;
  }
  llvm::DenseMap<Value, SmallVector<OpFoldResult>> &dims() {
    return current->map;
  }

private:
  static thread_local Written *current;
  bool outermost;
  llvm::DenseMap<Value, SmallVector<OpFoldResult>> map;
};
thread_local Written *Written::current = nullptr;
} // namespace

SmallVector<OpFoldResult> qgraph::getDims(OpBuilder &builder, Value tensor) {
  Written written;
  auto known = written.dims().find(tensor);
  if (known != written.dims().end())
    return known->second;
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<OpFoldResult> dims;
  if (isDynamic(tensor))
    if (auto op = tensor.getDefiningOp<ReifyRankedShapedTypeOpInterface>()) {
      ReifiedRankedShapedTypeDims shapes;
      if (succeeded(op.reifyResultShapes(builder, shapes)))
        dims = shapes[cast<OpResult>(tensor).getResultNumber()];
    }
  dims.resize(type.getRank());
  for (auto [i, dim] : llvm::enumerate(dims)) {
    if (!type.isDynamicDim(i))
      dim = builder.getIndexAttr(type.getDimSize(i));
    else if (!dim)
      dim = tensor::DimOp::create(builder, tensor.getLoc(), tensor, i)
                .getResult();
  }
  written.dims()[tensor] = dims;
  return dims;
}

SmallVector<OpFoldResult> qgraph::getCacheDims(OpBuilder &builder,
                                               Value cache) {
  if (auto load = cache.getDefiningOp<CacheLoadOp>())
    return getDims(builder, load.getPast());
  if (auto write = cache.getDefiningOp<CacheWriteOp>()) {
    SmallVector<OpFoldResult> dims = getCacheDims(builder, write.getCache());
    if (write.getPlaces())
      dims[2] = write.getPlaces();
    return dims;
  }
  auto append = cast<CacheAppendOp>(cache.getDefiningOp());
  SmallVector<OpFoldResult> dims = getCacheDims(builder, append.getCache());
  Location loc = append.getLoc();
  Value past = getIndexValue(builder, loc, dims[2]);
  Value fresh =
      getIndexValue(builder, loc, getDim(builder, append.getFresh(), 1));
  dims[2] = builder.createOrFold<arith::AddIOp>(loc, past, fresh);
  return dims;
}

OpFoldResult qgraph::getDim(OpBuilder &builder, Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return builder.getIndexAttr(type.getDimSize(dim));
  return getDims(builder, tensor)[dim];
}

Value qgraph::getIndexValue(OpBuilder &builder, Location loc,
                            OpFoldResult dim) {
  if (auto value = dyn_cast<Value>(dim))
    return value;
  int64_t constant =
      cast<IntegerAttr>(cast<Attribute>(dim)).getValue().getSExtValue();
  return arith::ConstantIndexOp::create(builder, loc, constant);
}

std::optional<numerics::Format> qgraph::getFormat(Type elementType) {
  if (auto integer = dyn_cast<IntegerType>(elementType)) {
    if (integer.isSignless())
      return std::nullopt;
    return numerics::integerFormat(integer.getWidth(), integer.isSigned());
  }
  std::string name;
  llvm::raw_string_ostream(name) << elementType;
  return numerics::parseFormat(name);
}

bool qgraph::isStoredType(Type elementType) {
  std::optional<numerics::Format> format = getFormat(elementType);
  return format && (numerics::info(*format).isInteger ||
                    numerics::info(*format).bits <= 16);
}

SmallVector<int64_t> qgraph::getScaleShape(ArrayRef<int64_t> shape,
                                           ArrayRef<int64_t> block) {
  SmallVector<int64_t> scale;
  for (auto [extent, size] : llvm::zip_equal(shape, block)) {
    if (size == 0)
      scale.push_back(1);
    else if (ShapedType::isDynamic(extent))
      scale.push_back(extent);
    else
      scale.push_back((extent + size - 1) / size);
  }
  return scale;
}

int64_t qgraph::convExtent(int64_t extent, int64_t taps, int64_t stride,
                           int64_t dilation, int64_t before, int64_t after) {
  if (ShapedType::isDynamic(extent) || ShapedType::isDynamic(taps))
    return ShapedType::kDynamic;
  int64_t room = extent + before + after - ((taps - 1) * dilation + 1);
  return room < 0 ? 0 : room / stride + 1;
}

//===----------------------------------------------------------------------===//
// Results shaped as an operand
//===----------------------------------------------------------------------===//

static LogicalResult reifyAs(OpBuilder &builder, Value operand,
                             ReifiedRankedShapedTypeDims &shapes) {
  shapes.push_back(getDims(builder, operand));
  return success();
}

LogicalResult QuantizeOp::reifyResultShapes(OpBuilder &builder,
                                            ReifiedRankedShapedTypeDims &s) {
  return reifyAs(builder, getInput(), s);
}
LogicalResult DequantizeOp::reifyResultShapes(OpBuilder &builder,
                                              ReifiedRankedShapedTypeDims &s) {
  return reifyAs(builder, getInput(), s);
}
LogicalResult ObserveOp::reifyResultShapes(OpBuilder &builder,
                                           ReifiedRankedShapedTypeDims &s) {
  return reifyAs(builder, getInput(), s);
}
LogicalResult ReinterpretOp::reifyResultShapes(OpBuilder &builder,
                                               ReifiedRankedShapedTypeDims &s) {
  return reifyAs(builder, getInput(), s);
}
LogicalResult NormOp::reifyResultShapes(OpBuilder &builder,
                                        ReifiedRankedShapedTypeDims &s) {
  return reifyAs(builder, getInput(), s);
}

LogicalResult
ChooseParamsOp::reifyResultShapes(OpBuilder &builder,
                                  ReifiedRankedShapedTypeDims &shapes) {
  SmallVector<OpFoldResult> dims = getDims(builder, getInput());
  for (auto [dim, block] : llvm::zip_equal(dims, getBlock())) {
    if (block == 0) {
      dim = builder.getIndexAttr(1);
    } else if (auto constant = getConstantIntValue(dim)) {
      dim = builder.getIndexAttr((*constant + block - 1) / block);
    } else if (block > 1) {
      Value size = arith::ConstantIndexOp::create(builder, getLoc(), block);
      dim =
          arith::CeilDivUIOp::create(builder, getLoc(), cast<Value>(dim), size)
              .getResult();
    }
  }
  shapes.assign(getNumResults(), dims);
  return success();
}

//===----------------------------------------------------------------------===//
// Compute
//===----------------------------------------------------------------------===//

/// [.., K] x [N, K] -> [.., N].
static LogicalResult reifyLinear(OpBuilder &builder, Value input, Value weight,
                                 ReifiedRankedShapedTypeDims &shapes) {
  SmallVector<OpFoldResult> dims = getDims(builder, input);
  dims.back() = getDim(builder, weight, 0);
  shapes.push_back(std::move(dims));
  return success();
}

LogicalResult LinearOp::reifyResultShapes(OpBuilder &builder,
                                          ReifiedRankedShapedTypeDims &shapes) {
  return reifyLinear(builder, getInput(), getWeight(), shapes);
}
LogicalResult
QuantizedLinearOp::reifyResultShapes(OpBuilder &builder,
                                     ReifiedRankedShapedTypeDims &shapes) {
  return reifyLinear(builder, getInput(), getWeight(), shapes);
}

/// The batch is the input's, the columns the weight's; what is dynamic of the
/// rest is given.
template <typename OpT>
static LogicalResult reifyConv(OpBuilder &builder, OpT op,
                               ReifiedRankedShapedTypeDims &shapes) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  SmallVector<OpFoldResult> dims = {getDim(builder, op.getInput(), 0)};
  auto next = op.getDims().begin();
  for (int64_t extent : type.getShape().drop_front().drop_back())
    dims.push_back(ShapedType::isDynamic(extent)
                       ? OpFoldResult(*next++)
                       : OpFoldResult(builder.getIndexAttr(extent)));
  dims.push_back(getDim(builder, op.getWeight(), 0));
  shapes.push_back(std::move(dims));
  return success();
}

LogicalResult ConvOp::reifyResultShapes(OpBuilder &builder,
                                        ReifiedRankedShapedTypeDims &shapes) {
  return reifyConv(builder, *this, shapes);
}
LogicalResult
QuantizedConvOp::reifyResultShapes(OpBuilder &builder,
                                   ReifiedRankedShapedTypeDims &shapes) {
  return reifyConv(builder, *this, shapes);
}

/// The dimension that two broadcast to: the one that is not 1. Both are equal
/// otherwise.
static OpFoldResult broadcast(OpBuilder &builder, Location loc, OpFoldResult a,
                              OpFoldResult b) {
  std::optional<int64_t> constantA = getConstantIntValue(a);
  std::optional<int64_t> constantB = getConstantIntValue(b);
  if (constantA)
    return *constantA == 1 ? b : a;
  if (constantB)
    return *constantB == 1 ? a : b;
  if (a == b)
    return a;
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  Value isOne = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                      cast<Value>(a), one);
  return arith::SelectOp::create(builder, loc, isOne, cast<Value>(b),
                                 cast<Value>(a))
      .getResult();
}

/// [.., M, K] x [.., K, N] -> [.., M, N].
template <typename OpT>
static LogicalResult reifyProduct(OpBuilder &builder, OpT op,
                                  ReifiedRankedShapedTypeDims &shapes) {
  SmallVector<OpFoldResult> lhs = getDims(builder, op.getLhs());
  SmallVector<OpFoldResult> rhs = getDims(builder, op.getRhs());
  OpFoldResult rows = lhs[lhs.size() - 2];
  OpFoldResult columns = rhs[rhs.size() - (op.getTransposeRhs() ? 2 : 1)];
  SmallVector<OpFoldResult> dims(std::max(lhs.size(), rhs.size()) - 2,
                                 builder.getIndexAttr(1));
  for (ArrayRef<OpFoldResult> side : {ArrayRef(lhs), ArrayRef(rhs)})
    for (size_t i = 0; i + 2 < side.size(); ++i) {
      OpFoldResult &dim = dims[dims.size() - (side.size() - 2) + i];
      dim = broadcast(builder, op.getLoc(), dim, side[i]);
    }
  dims.push_back(rows);
  dims.push_back(columns);
  shapes.push_back(std::move(dims));
  return success();
}

LogicalResult MatmulOp::reifyResultShapes(OpBuilder &builder,
                                          ReifiedRankedShapedTypeDims &shapes) {
  return reifyProduct(builder, *this, shapes);
}
LogicalResult
QuantizedMatmulOp::reifyResultShapes(OpBuilder &builder,
                                     ReifiedRankedShapedTypeDims &shapes) {
  return reifyProduct(builder, *this, shapes);
}

LogicalResult
EmbeddingOp::reifyResultShapes(OpBuilder &builder,
                               ReifiedRankedShapedTypeDims &shapes) {
  SmallVector<OpFoldResult> dims = getDims(builder, getIndices());
  dims.push_back(getDim(builder, getTable(), 1));
  shapes.push_back(std::move(dims));
  return success();
}

LogicalResult
AttentionOp::reifyResultShapes(OpBuilder &builder,
                               ReifiedRankedShapedTypeDims &shapes) {
  SmallVector<OpFoldResult> dims = getDims(builder, getQuery());
  auto cache = dyn_cast<CacheType>(getValue().getType());
  dims.back() = cache ? OpFoldResult(builder.getIndexAttr(cache.getSize()))
                      : getDim(builder, getValue(), 3);
  shapes.push_back(std::move(dims));
  return success();
}

LogicalResult
CacheStoreOp::reifyResultShapes(OpBuilder &builder,
                                ReifiedRankedShapedTypeDims &shapes) {
  shapes.push_back(getCacheDims(builder, getCache()));
  return success();
}

LogicalResult RowsOp::reifyResultShapes(OpBuilder &builder,
                                        ReifiedRankedShapedTypeDims &shapes) {
  // Sizes inside the body come from tensors outside: its ops have shapes of
  // their own and the body has no arguments.
  for (Value yielded : getBody().front().getTerminator()->getOperands())
    shapes.push_back(getDims(builder, yielded));
  return success();
}

//===- BlockWeights.cpp - Weights that are packed in blocks ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// com.microsoft's MatMulNBits and QMoE hold weights of 2, 4 or 8 bits packed
// into bytes. They become constants of ui2, ui4 or ui8, dequantized: where each
// row fills its bytes the constant shares the file's.
//
//===----------------------------------------------------------------------===//

#include "StoredConstants.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

#include <cmath>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

/// Element i of codes of `bits` bits, the lower-indexed in the lower bits.
static int32_t codeAt(ArrayRef<char> bytes, int64_t i, unsigned bits) {
  int64_t bit = i * bits;
  return (uint8_t(bytes[bit / 8]) >> (bit % 8)) & ((1u << bits) - 1);
}

namespace {
/// Weights [N, K] of a node, in blocks along K.
struct BlockWeights {
  int64_t n, k, block;
  unsigned bits;
  Value packed; // what `codes` are the bytes of
  std::optional<ConstantTensor> codes, scales, zeroPoints;
  /// For each k where it stands among those in the order of their groups;
  /// empty: they are in order.
  SmallVector<int64_t> order;

  int64_t groups() const { return llvm::divideCeil(k, block); }
};
} // namespace

//===----------------------------------------------------------------------===//
// g_idx
//===----------------------------------------------------------------------===//

/// The order in which the columns of equal groups stand together; fails where
/// the groups are no blocks then.
static LogicalResult readOrder(Node &node, unsigned input,
                               BlockWeights &weights) {
  if (!node.has(input))
    return success();
  std::optional<ConstantTensor> given =
      readConstant(node.walk.materialize(node.in(input)));
  if (!given)
    return node.unsupported("g_idx must be a constant");
  std::vector<int32_t> group = given->readIntegers();
  if (int64_t(group.size()) < weights.k)
    return node.unsupported("g_idx must have K elements");
  group.resize(weights.k);
  if (llvm::is_sorted(group)) {
    for (int64_t k = 0; k < weights.k; ++k)
      if (group[k] != k / weights.block)
        return node.unsupported("the groups of g_idx are no blocks");
    return success();
  }
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(weights.k));
  llvm::stable_sort(order,
                    [&](int64_t a, int64_t b) { return group[a] < group[b]; });
  for (int64_t k = 0; k < weights.k; ++k)
    if (group[order[k]] != k / weights.block)
      return node.unsupported("the groups of g_idx must have block_size "
                              "elements each");
  weights.order = std::move(order);
  return success();
}

/// x with its last dimension in that order.
static TensorInfo reordered(Walk &walk, TensorInfo &x,
                            ArrayRef<int64_t> order) {
  Type si64 = walk.builder.getIntegerType(64, /*isSigned=*/true);
  auto type = RankedTensorType::get({int64_t(order.size())}, si64);
  TensorInfo indices = walk.constant(DenseElementsAttr::get(type, order));
  return walk.node("Gather", {&x, &indices}, x.elementType, x.dims,
                   {{"axis", walk.integerAttr(x.rank() - 1)}});
}

//===----------------------------------------------------------------------===//
// The dequantized weight
//===----------------------------------------------------------------------===//

static Value codesOf(Walk &walk, const BlockWeights &weights) {
  auto type = RankedTensorType::get(
      {weights.n, weights.k},
      walk.builder.getIntegerType(weights.bits, /*isSigned=*/false));
  std::string name = entryBaseName(*weights.codes, "") + "@codes";
  ArrayRef<char> bytes = weights.codes->getBytes();
  int64_t row = weights.groups() * weights.block;
  if (row == weights.k && weights.order.empty())
    return sharedIntegers(walk, weights.packed, type, name);
  return newIntegers(walk, type, name, [&](int64_t i) {
    int64_t k = i % weights.k;
    if (!weights.order.empty())
      k = weights.order[k];
    return codeAt(bytes, i / weights.k * row + k, weights.bits);
  });
}

/// Zero points or offsets [N, groups]. Packed, they are rows of whole bytes;
/// floats that are whole numbers are zero points as well.
static LogicalResult zeroPointsOf(Walk &walk, const BlockWeights &weights,
                                  Value &zeroPoint, Value &offset) {
  int64_t groups = weights.groups();
  SmallVector<int64_t> shape{weights.n, groups};
  auto type = RankedTensorType::get(
      shape, walk.builder.getIntegerType(weights.bits, /*isSigned=*/false));
  if (!weights.zeroPoints) {
    int32_t middle = 1 << (weights.bits - 1);
    zeroPoint =
        newIntegers(walk, type, entryBaseName(*weights.codes, "") + "@middle",
                    [&](int64_t) { return middle; });
    return success(bool(zeroPoint));
  }
  std::string name = entryBaseName(*weights.zeroPoints, "");
  if (isa<IntegerType>(weights.zeroPoints->getType().getElementType())) {
    ArrayRef<char> bytes = weights.zeroPoints->getBytes();
    int64_t row = llvm::divideCeil(groups * weights.bits, 8u);
    if (int64_t(bytes.size()) != weights.n * row)
      return failure();
    zeroPoint = newIntegers(walk, type, name + "@codes", [&](int64_t i) {
      return codeAt(bytes.drop_front(i / groups * row), i % groups,
                    weights.bits);
    });
    return success(bool(zeroPoint));
  }
  std::vector<float> given = weights.zeroPoints->readFloats();
  if (int64_t(given.size()) != weights.n * groups)
    return failure();
  float most = float((1 << weights.bits) - 1);
  if (llvm::all_of(given, [&](float z) {
        return z >= 0 && z <= most && z == std::nearbyint(z);
      })) {
    zeroPoint = newIntegers(walk, type, name + "@codes",
                            [&](int64_t i) { return int32_t(given[i]); });
    return success(bool(zeroPoint));
  }
  // scale (q - z) = scale q + (- scale z).
  std::vector<float> scales = weights.scales->readFloats();
  for (auto [z, scale] : llvm::zip_equal(given, scales))
    z = -scale * z;
  offset =
      newReals(walk, RankedTensorType::get(shape, walk.builder.getF32Type()),
               name + "@offset", given);
  return success(bool(offset));
}

/// dequantize [N, K] of f32, or null with the reason reported.
static qgraph::DequantizeOp dequantized(Node &node,
                                        const BlockWeights &weights) {
  Walk &walk = node.walk;
  SmallVector<int64_t> shape{weights.n, weights.groups()};
  if (int64_t(weights.codes->getBytes().size()) !=
      weights.n * weights.groups() * weights.block * weights.bits / 8) {
    (void)node.unsupported("its weight has not the size that N, K, bits and "
                           "block_size say");
    return {};
  }
  if (weights.scales->getType().getNumElements() != computeProduct(shape)) {
    (void)node.unsupported("its scales must be one for each block");
    return {};
  }
  Value zeroPoint, offset;
  if (failed(zeroPointsOf(walk, weights, zeroPoint, offset))) {
    (void)node.unsupported("its zero points must be one for each block");
    return {};
  }
  Type scaleType = weights.scales->getType().getElementType();
  Value scale = newReals(walk, RankedTensorType::get(shape, scaleType),
                         entryBaseName(*weights.scales, "") + "@blocks",
                         weights.scales->readFloats());
  Value codes = codesOf(walk, weights);
  if (!scale || !codes)
    return {};
  return qgraph::DequantizeOp::create(
      walk.builder,
      RankedTensorType::get({weights.n, weights.k}, walk.builder.getF32Type()),
      codes, scale, zeroPoint, offset, Value(),
      walk.builder.getDenseI64ArrayAttr({1, weights.block}), TypeAttr());
}

//===----------------------------------------------------------------------===//
// MatMulNBits
//===----------------------------------------------------------------------===//

/// x rounded to si8, a scale for each row and block: what accuracy_level 4
/// allows.
static TensorInfo roundedInput(Walk &walk, TensorInfo &x, int64_t block) {
  Type si8 = walk.builder.getIntegerType(8, /*isSigned=*/true);
  SmallVector<int64_t> blocks(x.rank(), 1);
  blocks.back() = block;
  auto attribute = walk.builder.getDenseI64ArrayAttr(blocks);
  Dims dims = x.dims;
  dims.back() = walk.arith.ceilDiv(dims.back(), block);
  auto params = qgraph::ChooseParamsOp::create(
      walk.builder, walk.typeOf(dims, x.elementType), /*zero_point=*/Type(),
      /*offset=*/Type(), walk.materialize(x), qgraph::Formula::Symmetric, si8,
      attribute, APFloat(1.0f), DenseF32ArrayAttr());
  Value stored = qgraph::QuantizeOp::create(
      walk.builder, walk.typeOf(x.dims, si8), walk.materialize(x),
      params.getScale(), Value(), Value(), Value(), attribute,
      walk.builder.getBoolAttr(true), TypeAttr());
  Value real = qgraph::DequantizeOp::create(
      walk.builder, walk.typeOf(x.dims, x.elementType), stored,
      params.getScale(), Value(), Value(), Value(), attribute, TypeAttr());
  return walk.tensor(real, x.dims);
}

static LogicalResult handleMatMulNBits(Node &node) {
  Walk &walk = node.walk;
  BlockWeights weights;
  weights.n = node.integer("N", 0);
  weights.k = node.integer("K", 0);
  weights.block = node.integer("block_size", 0);
  weights.bits = unsigned(node.integer("bits", 4));
  if (weights.n < 1 || weights.k < 1 || weights.block < 8 ||
      (weights.bits != 2 && weights.bits != 4 && weights.bits != 8))
    return node.unsupported("bits must be 2, 4 or 8; N, K and block_size "
                            "positive");
  if (node.integer("weight_prepacked", 0))
    return node.unsupported("its weight is packed for one device; export the "
                            "model with weight_prepacked = 0");
  TensorInfo x = node.in(0);
  if (x.rank() == 0 ||
      !walk.arith.require(x.dims.back(), walk.arith.constant(weights.k)))
    return node.unsupported("A does not end with K");
  weights.packed = walk.materialize(node.in(1));
  weights.codes = readConstant(weights.packed);
  weights.scales = readConstant(walk.materialize(node.in(2)));
  if (!weights.codes || !weights.scales)
    return node.unsupported("its weight and scales must be constants");
  if (node.has(3)) {
    weights.zeroPoints = readConstant(walk.materialize(node.in(3)));
    if (!weights.zeroPoints)
      return node.unsupported("its zero points must be constants");
  }
  if (failed(readOrder(node, 4, weights)))
    return failure();
  qgraph::DequantizeOp weight = dequantized(node, weights);
  if (!weight)
    return failure();

  Type given = x.elementType, f32 = walk.builder.getF32Type();
  x = walk.convert(x, f32);
  if (!weights.order.empty())
    x = reordered(walk, x, weights.order);
  // A weight with real offsets takes part in no integer sum.
  if (node.integer("accuracy_level", 0) == 4 && !weight.getOffset())
    x = roundedInput(walk, x, weights.block);
  Value bias;
  if (node.has(5)) {
    TensorInfo real = widened(walk, node.in(5));
    bias = walk.materialize(real);
  }
  Dims dims = x.dims;
  dims.back() = walk.arith.constant(weights.n);
  Value product = qgraph::LinearOp::create(
      walk.builder, walk.typeOf(dims, f32), walk.materialize(x), weight, bias,
      ValueRange(), walk.builder.getArrayAttr({}), walk.nameOf(node.op));
  TensorInfo result = walk.tensor(product, dims);
  node.set(0, walk.convert(result, given));
  return success();
}

//===----------------------------------------------------------------------===//
// QMoE
//===----------------------------------------------------------------------===//

/// Weights [E, N, K] of experts, dequantized to `real`: a value of the old
/// body, before the node. Null with the reason reported.
static Value expertWeights(Node &node, OpBuilder &before, unsigned weights,
                           unsigned scales, unsigned zeroPoints, Type real) {
  Walk &walk = node.walk;
  BlockWeights all;
  all.bits = unsigned(node.integer("expert_weight_bits", 4));
  all.packed = walk.materialize(node.in(weights));
  all.codes = readConstant(all.packed);
  if (node.has(scales))
    all.scales = readConstant(walk.materialize(node.in(scales)));
  if (node.has(zeroPoints))
    all.zeroPoints = readConstant(walk.materialize(node.in(zeroPoints)));
  auto given = all.codes ? all.codes->getType() : RankedTensorType();
  if (!given || given.getRank() != 3 || !all.scales ||
      (node.has(zeroPoints) && !all.zeroPoints)) {
    (void)node.unsupported("the weights of its experts, their scales and zero "
                           "points must be constants");
    return {};
  }
  int64_t experts = given.getDimSize(0);
  all.n = experts * given.getDimSize(1);
  all.k = given.getDimSize(2) * 8 / all.bits;
  int64_t block = node.integer("block_size", -1);
  all.block = block > 0 ? block : all.k;
  if (all.zeroPoints && block <= 0 && all.bits < 8) {
    (void)node.unsupported("zero points of experts without blocks are not "
                           "supported below 8 bits");
    return {};
  }
  if (all.k % all.block != 0) {
    (void)node.unsupported("the width of its experts is no multiple of "
                           "block_size");
    return {};
  }
  qgraph::DequantizeOp flat = dequantized(node, all);
  if (!flat)
    return {};
  // The same with the experts apart, in the old body.
  SmallVector<int64_t> shape{experts, given.getDimSize(1), all.k};
  auto apart = [&](Value value) -> Value {
    if (!value)
      return {};
    auto type = cast<RankedTensorType>(value.getType());
    Value reshaped =
        walk.reshapedConstant(value, {experts, shape[1], type.getDimSize(1)});
    if (!reshaped)
      return {};
    return before.clone(*reshaped.getDefiningOp())->getResult(0);
  };
  Value codes = apart(flat.getInput()), scale = apart(flat.getScale());
  if (!codes || !scale)
    return {};
  return qgraph::DequantizeOp::create(
      before, node.op.getLoc(), RankedTensorType::get(shape, real), codes,
      scale, apart(flat.getZeroPoint()), apart(flat.getOffset()), Value(),
      before.getDenseI64ArrayAttr({1, 1, all.block}), TypeAttr());
}

/// MoE of the dequantized weights.
static LogicalResult handleQMoE(Node &node) {
  unsigned bits = unsigned(node.integer("expert_weight_bits", 4));
  if (node.string("quant_type", "int") != "int" ||
      (bits != 2 && bits != 4 && bits != 8))
    return node.unsupported("its weights must be integers of 2, 4 or 8 bits");
  for (unsigned i = 14; i < node.numInputs(); ++i)
    if (node.has(i))
      return node.unsupported("router_weights and scales of activations are "
                              "not supported");
  OpBuilder before(node.op);
  Type real = node.in(0).elementType;
  Value none;
  SmallVector<Value> operands{node.op.getInputs()[0], node.op.getInputs()[1]};
  // Weights, scales and biases of the three layers; then their zero points.
  for (unsigned layer : {0, 1, 2}) {
    unsigned first = 2 + 3 * layer;
    if (!node.has(first)) {
      if (!none)
        none = onnx_ir::NoneOp::create(before, node.op.getLoc());
      operands.append(2, none);
      continue;
    }
    Value weights =
        expertWeights(node, before, first, first + 1, 11 + layer, real);
    if (!weights)
      return failure();
    operands.push_back(weights);
    if (node.has(first + 2)) {
      operands.push_back(node.op.getInputs()[first + 2]);
      continue;
    }
    if (!none)
      none = onnx_ir::NoneOp::create(before, node.op.getLoc());
    operands.push_back(none);
  }
  NamedAttrList attributes;
  for (NamedAttribute attribute : node.op.getNodeAttributes())
    if (!llvm::is_contained({"expert_weight_bits", "block_size", "quant_type",
                             "accuracy_level", "weights_prepacked"},
                            attribute.getName().getValue()))
      attributes.append(attribute);
  auto experts = onnx_ir::NodeOp::create(
      before, node.op.getLoc(), node.op->getResultTypes(), operands,
      ValueRange(), "MoE", node.op.getDomain(), node.version(),
      attributes.getDictionary(node.op.getContext()), node.op.getNameAttr(),
      /*subgraph_names=*/ArrayAttr(), /*subgraphsCount=*/0);
  node.op->replaceAllUsesWith(experts->getResults());
  node.walk.replacedBefore(node.op);
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::blockWeightHandlers() {
  static const Handler table[] = {
      {"com.microsoft", "MatMulNBits", 1, kNewest, handleMatMulNBits},
      {"com.microsoft", "QMoE", 1, kNewest, handleQMoE},
  };
  return table;
}

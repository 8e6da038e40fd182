//===- PropagateLayout.cpp - Transposes down to where they cancel ---------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One pass over each block in order. An op that reads a tensor behind a
// transpose, and can as well be done before it, is; what it makes is then
// behind the transpose, which the ops after it meet. Two transposes in a row
// are one, or none.
//
// In what follows `outer` is the order of dimensions that an op has, `inner`
// the one before the transpose: outer dimension d is inner dimension perm[d].
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/DimensionEquality.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/ONNX/Proto.h"
#include "quantc/Dialect/QGraph/Shapes.h"

#include <cstring>

#define DEBUG_TYPE "qgraph-propagate-layout"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {
#define GEN_PASS_DEF_PROPAGATELAYOUT
#include "quantc/Conversion/Passes.h.inc"

namespace {

using Perm = SmallVector<int64_t>;

RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// 0, last, 1, 2, ...: channels last, as channels first.
Perm channelsFirst(int64_t rank) {
  Perm perm{0, rank - 1};
  for (int64_t d = 1; d + 1 < rank; ++d)
    perm.push_back(d);
  return perm;
}

/// True where the dimensions that move past each other are 1: the order of the
/// elements stays.
bool movesNothing(ArrayRef<int64_t> innerShape, ArrayRef<int64_t> perm) {
  Perm moved;
  for (int64_t axis : perm)
    if (innerShape[axis] != 1)
      moved.push_back(axis);
  return llvm::is_sorted(moved);
}

bool sameShape(Value a, Value b) {
  if (a.getType() != b.getType())
    return false;
  for (int64_t d = 0; d < typeOf(a).getRank(); ++d)
    if (!sameDimension(a, d, b, d))
      return false;
  return true;
}

/// The standard operator of this name that made the value, or null.
onnx_ir::NodeOp nodeOf(Value value, StringRef opType) {
  auto node = value.getDefiningOp<onnx_ir::NodeOp>();
  return node && node.is(opType) ? node : onnx_ir::NodeOp();
}

class PropagateLayoutPass
    : public impl::PropagateLayoutBase<PropagateLayoutPass> {
public:
  void runOnOperation() override {
    getOperation().walk([&](Block *block) {
      behind.clear();
      for (Operation &op : llvm::make_early_inc_range(*block))
        visit(&op);
      for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*block)))
        if (isOpTriviallyDead(&op))
          op.erase();
    });
  }

private:
  /// A value that is a transpose of another.
  struct Moved {
    Value source;
    Perm perm;
  };

  void visit(Operation *op);
  bool visitNode(onnx_ir::NodeOp node);
  bool visitTranspose(onnx_ir::NodeOp node);
  bool visitReshape(onnx_ir::NodeOp node);
  bool visitReduce(onnx_ir::NodeOp node);
  bool visitPool(onnx_ir::NodeOp node);
  bool visitBroadcasting(onnx_ir::NodeOp node, unsigned operands);
  template <typename OpT>
  bool visitQuantization(OpT op);
  void visitParams(ChooseParamsOp op);

  /// What the value is behind, if it is a transpose that is being moved.
  std::optional<Moved> movedOperand(Value value);
  /// The permutation of the first moved operand, or nothing.
  std::optional<Perm> permOf(ValueRange operands);
  /// True if the operand of an op of `perm.size()` dimensions is had in the
  /// inner order without moving data at run time.
  bool isFree(Value operand, ArrayRef<int64_t> perm);
  /// The operand in the inner order.
  Value inner(Value operand, ArrayRef<int64_t> perm);

  /// A node as `like`, but with these inputs, attributes and dimensions.
  Value makeNode(onnx_ir::NodeOp like, StringRef opType, ValueRange inputs,
                 RankedTensorType type, ArrayRef<OpFoldResult> dims,
                 DictionaryAttr attributes);
  Value makeTranspose(Value source, ArrayRef<int64_t> perm);
  Value makeReshape(Value source, RankedTensorType type,
                    ArrayRef<OpFoldResult> dims);
  /// `op` is computed by `replacement`, which is in the inner order of `perm`.
  void replace(Operation *op, Value replacement, ArrayRef<int64_t> perm);
  /// The node with its operands in the inner order; its one result too.
  bool sink(onnx_ir::NodeOp node, ValueRange inputs, ArrayRef<int64_t> perm,
            DictionaryAttr attributes);

  Attribute integers(ArrayRef<int64_t> values) {
    Builder b(&getContext());
    Type type = b.getIntegerType(64, /*isSigned=*/true);
    SmallVector<Attribute> list;
    for (int64_t value : values)
      list.push_back(b.getIntegerAttr(type, value));
    return b.getArrayAttr(list);
  }
  DictionaryAttr with(onnx_ir::NodeOp node, StringRef name, Attribute value) {
    NamedAttrList list(node.getNodeAttributes());
    list.set(name, value);
    return list.getDictionary(&getContext());
  }
  Attribute integer(int64_t value) {
    Builder b(&getContext());
    return b.getIntegerAttr(b.getIntegerType(64, /*isSigned=*/true), value);
  }

  OpBuilder builder{static_cast<MLIRContext *>(nullptr)};
  /// Values whose transposes are moved.
  DenseSet<Value> behind;
};

} // namespace

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

Value PropagateLayoutPass::makeNode(onnx_ir::NodeOp like, StringRef opType,
                                    ValueRange inputs, RankedTensorType type,
                                    ArrayRef<OpFoldResult> dims,
                                    DictionaryAttr attributes) {
  SmallVector<Value> sizes;
  for (auto [extent, dim] : llvm::zip_equal(type.getShape(), dims))
    if (ShapedType::isDynamic(extent))
      sizes.push_back(getIndexValue(builder, builder.getUnknownLoc(), dim));
  int64_t version =
      like ? int64_t(like.getVersion())
           : onnx_ir::sinceVersion(opType, "", onnx_ir::latestOpset(""))
                 .value_or(1);
  auto node = onnx_ir::NodeOp::create(
      builder, like ? like.getLoc() : inputs[0].getLoc(), TypeRange(type),
      inputs, sizes, opType, /*domain=*/"", version, attributes,
      like ? like.getNameAttr() : StringAttr(), /*subgraph_names=*/ArrayAttr(),
      /*subgraphsCount=*/0);
  return node.getResult(0);
}

Value PropagateLayoutPass::makeReshape(Value source, RankedTensorType type,
                                       ArrayRef<OpFoldResult> dims) {
  if (onnx_ir::NodeOp before = nodeOf(source, "Reshape"))
    source = before.getInputs()[0];
  Value result = makeNode({}, "Reshape", source, type, dims,
                          builder.getDictionaryAttr({}));
  if (!sameShape(result, source))
    return result;
  result.getDefiningOp()->erase();
  return source;
}

Value PropagateLayoutPass::makeTranspose(Value source, ArrayRef<int64_t> perm) {
  RankedTensorType type = typeOf(source);
  if (llvm::is_sorted(perm))
    return source;
  SmallVector<OpFoldResult> dims = getDims(builder, source);
  applyPermutationToVector(dims, perm);
  auto result = type.clone(applyPermutation(type.getShape(), perm));
  Value value;
  if (movesNothing(type.getShape(), perm))
    value = makeReshape(source, result, dims);
  else
    value = makeNode({}, "Transpose", source, result, dims,
                     builder.getDictionaryAttr(
                         builder.getNamedAttr("perm", integers(perm))));
  behind.insert(value);
  return value;
}

void PropagateLayoutPass::replace(Operation *op, Value replacement,
                                  ArrayRef<int64_t> perm) {
  op->getResult(0).replaceAllUsesWith(makeTranspose(replacement, perm));
  op->erase();
  ++moved;
}

bool PropagateLayoutPass::sink(onnx_ir::NodeOp node, ValueRange inputs,
                               ArrayRef<int64_t> perm,
                               DictionaryAttr attributes) {
  SmallVector<OpFoldResult> dims = getDims(builder, node.getResult(0));
  Perm inverse = invertPermutationVector(perm);
  applyPermutationToVector(dims, inverse);
  RankedTensorType type = typeOf(node.getResult(0));
  Value result = makeNode(
      node, node.getOpType(), inputs,
      type.clone(applyPermutation(type.getShape(), inverse)), dims, attributes);
  replace(node, result, perm);
  return true;
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

std::optional<PropagateLayoutPass::Moved>
PropagateLayoutPass::movedOperand(Value value) {
  auto node = value.getDefiningOp<onnx_ir::NodeOp>();
  if (!node)
    return std::nullopt;
  if (node.is("Transpose")) {
    Perm perm = node.getIntsAttr("perm");
    Value source = node.getInputs()[0];
    bool first = perm == channelsFirst(perm.size());
    if (behind.contains(value) ||
        (first &&
         (perm.size() > 3 || isa_and_nonnull<ConvOp>(source.getDefiningOp()))))
      return Moved{source, perm};
    return std::nullopt;
  }
  // [N, 1.., C] as [N, C, 1..].
  if (!node.is("Reshape"))
    return std::nullopt;
  Value source = node.getInputs()[0];
  ArrayRef<int64_t> from = typeOf(source).getShape(),
                    to = typeOf(value).getShape();
  int64_t rank = to.size();
  if (from.size() != to.size() || rank < 3 || from.back() == 1)
    return std::nullopt;
  Perm perm = channelsFirst(rank);
  if (!llvm::all_of(from.drop_front().drop_back(),
                    [](int64_t extent) { return extent == 1; }) ||
      applyPermutation(from, perm) != SmallVector<int64_t>(to) ||
      !sameDimension(source, 0, value, 0))
    return std::nullopt;
  return Moved{source, perm};
}

std::optional<Perm> PropagateLayoutPass::permOf(ValueRange operands) {
  for (Value operand : operands)
    if (std::optional<Moved> moved = movedOperand(operand))
      return moved->perm;
  return std::nullopt;
}

/// The shape with 1s in front up to the rank.
static SmallVector<int64_t> extended(ArrayRef<int64_t> shape, size_t rank) {
  SmallVector<int64_t> result(rank - shape.size(), 1);
  llvm::append_range(result, shape);
  return result;
}

bool PropagateLayoutPass::isFree(Value operand, ArrayRef<int64_t> perm) {
  auto type = dyn_cast<RankedTensorType>(operand.getType());
  if (!type || type.getRank() > int64_t(perm.size()))
    return false;
  if (std::optional<Moved> moved = movedOperand(operand))
    if (ArrayRef<int64_t>(moved->perm) == perm)
      return true;
  if (isConstant(operand))
    return type.getElementTypeBitWidth() % 8 == 0 || type.getNumElements() == 1;
  return movesNothing(extended(type.getShape(), perm.size()),
                      invertPermutationVector(perm));
}

/// The elements of a constant, each of `width` bytes, in another order.
static void permuteBytes(ArrayRef<char> from, MutableArrayRef<char> to,
                         ArrayRef<int64_t> shape, ArrayRef<int64_t> perm,
                         size_t width) {
  SmallVector<int64_t> strides = computeStrides(shape),
                       target = applyPermutation(shape, perm),
                       targetStrides = computeStrides(target);
  for (int64_t i = 0, e = computeProduct(shape); i < e; ++i) {
    int64_t source = 0;
    for (size_t d = 0; d < perm.size(); ++d)
      source += i / targetStrides[d] % target[d] * strides[perm[d]];
    std::memcpy(to.data() + i * width, from.data() + source * width, width);
  }
}

Value PropagateLayoutPass::inner(Value operand, ArrayRef<int64_t> perm) {
  if (std::optional<Moved> moved = movedOperand(operand))
    if (ArrayRef<int64_t>(moved->perm) == perm)
      return moved->source;
  RankedTensorType type = typeOf(operand);
  size_t rank = perm.size();
  if (type.getRank() == 0 ||
      (type.hasStaticShape() && type.getNumElements() == 1 &&
       type.getRank() <= 1))
    return operand;
  SmallVector<int64_t> outer = extended(type.getShape(), rank);
  Perm inverse = invertPermutationVector(perm);
  auto result = type.clone(applyPermutation(ArrayRef(outer), inverse));
  if (isConstant(operand)) {
    auto dense = dyn_cast<DenseElementsAttr>(
        operand.getDefiningOp<ConstantOp>().getValue());
    if (dense && (dense.isSplat() || movesNothing(outer, inverse)))
      return ConstantOp::create(builder, operand.getLoc(),
                                dense.reshape(result));
    llvm::Expected<ConstantTensor> constant = ConstantTensor::get(operand);
    if (!constant) {
      llvm::consumeError(constant.takeError());
      return {};
    }
    llvm::Expected<TypedAttr> permuted =
        makeConstant(result, entryBaseName(*constant, "") + "@layout",
                     [&](MutableArrayRef<char> out) {
                       permuteBytes(constant->getBytes(), out, outer, inverse,
                                    type.getElementTypeBitWidth() / 8);
                     });
    if (permuted)
      return ConstantOp::create(builder, operand.getLoc(), *permuted);
    llvm::consumeError(permuted.takeError());
    return {};
  }
  SmallVector<OpFoldResult> dims(rank - type.getRank(),
                                 builder.getIndexAttr(1));
  llvm::append_range(dims, getDims(builder, operand));
  applyPermutationToVector(dims, inverse);
  return makeReshape(operand, result, dims);
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

bool PropagateLayoutPass::visitTranspose(onnx_ir::NodeOp node) {
  std::optional<Moved> moved = movedOperand(node.getInputs()[0]);
  if (!moved)
    return false;
  Perm perm = node.getIntsAttr("perm");
  for (int64_t &axis : perm)
    axis = moved->perm[axis];
  node.getResult(0).replaceAllUsesWith(makeTranspose(moved->source, perm));
  node.erase();
  return true;
}

namespace {
/// Dimensions of the operand of a reshape that are, together, dimensions of its
/// result.
struct Group {
  Perm from, to;
};
} // namespace

/// The groups, in order; nothing where that cannot be told.
static std::optional<SmallVector<Group>> groupsOf(Value source, Value result) {
  ArrayRef<int64_t> from = typeOf(source).getShape(),
                    to = typeOf(result).getShape();
  size_t i = 0, j = 0;
  SmallVector<Group> groups;
  while (i < from.size() || j < to.size()) {
    Group group;
    bool both = i < from.size() && j < to.size();
    if (both && from[i] == to[j] && sameDimension(source, i, result, j)) {
      group.from.push_back(i++);
      group.to.push_back(j++);
    } else if (i < from.size() && (from[i] == 1 || !both)) {
      if (from[i] != 1)
        return std::nullopt;
      group.from.push_back(i++);
    } else if (to[j] == 1 || !both) {
      if (to[j] != 1)
        return std::nullopt;
      group.to.push_back(j++);
    } else if (i + 1 == from.size() || j + 1 == to.size()) {
      while (i < from.size())
        group.from.push_back(i++);
      while (j < to.size())
        group.to.push_back(j++);
    } else {
      int64_t a = 1, b = 1;
      do {
        bool takeFrom = a <= b;
        size_t &next = takeFrom ? i : j;
        ArrayRef<int64_t> shape = takeFrom ? from : to;
        if (next == shape.size() || ShapedType::isDynamic(shape[next]))
          return std::nullopt;
        (takeFrom ? a : b) *= shape[next];
        (takeFrom ? group.from : group.to).push_back(next++);
      } while (a != b || group.to.empty());
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

/// A reshape that merges and splits dimensions which are neighbours before the
/// transpose too.
bool PropagateLayoutPass::visitReshape(onnx_ir::NodeOp node) {
  Value operand = node.getInputs()[0], result = node.getResult(0);
  if (nodeOf(operand, "Reshape")) {
    SmallVector<OpFoldResult> dims = getDims(builder, result);
    result.replaceAllUsesWith(makeReshape(operand, typeOf(result), dims));
    node.erase();
    return true;
  }
  std::optional<Moved> moved = movedOperand(operand);
  if (!moved)
    return false;
  std::optional<SmallVector<Group>> groups = groupsOf(operand, result);
  if (!groups)
    return false;

  // The groups in the inner order; one that only adds a 1 follows the one
  // before.
  SmallVector<std::pair<int64_t, unsigned>> keys;
  int64_t key = -1;
  for (auto [i, group] : llvm::enumerate(*groups)) {
    for (auto [n, d] : llvm::enumerate(group.from))
      key = n == 0 ? moved->perm[d] : std::min(key, moved->perm[d]);
    keys.push_back({key, i});
  }
  llvm::stable_sort(keys, [](auto a, auto b) { return a.first < b.first; });
  ArrayRef<int64_t> innerShape = typeOf(moved->source).getShape();
  Perm order, places(typeOf(result).getRank());
  SmallVector<int64_t> shape;
  SmallVector<OpFoldResult> outerDims = getDims(builder, result), dims;
  for (auto [unused, i] : keys) {
    const Group &group = (*groups)[i];
    // Neighbours: nothing but 1s between them.
    Perm own;
    for (int64_t d : group.from) {
      order.push_back(moved->perm[d]);
      if (innerShape[moved->perm[d]] != 1)
        own.push_back(moved->perm[d]);
    }
    llvm::sort(own);
    for (size_t n = 1; n < own.size(); ++n)
      for (int64_t d = own[n - 1] + 1; d < own[n]; ++d)
        if (innerShape[d] != 1)
          return false;
    for (int64_t d : group.to) {
      places[d] = shape.size();
      shape.push_back(typeOf(result).getDimSize(d));
      dims.push_back(outerDims[d]);
    }
  }
  Value source = moved->source;
  if (!movesNothing(innerShape, order)) {
    // The group's own order changes: that must be done, and pays only where the
    // rest of the transpose goes on.
    if (movesNothing(shape, places))
      return false;
    source = makeTranspose(source, order);
    behind.erase(source);
  }
  replace(node, makeReshape(source, typeOf(result).clone(shape), dims), places);
  return true;
}

bool PropagateLayoutPass::visitReduce(onnx_ir::NodeOp node) {
  std::optional<Moved> moved = movedOperand(node.getInputs()[0]);
  if (!moved || node.getInputs().size() != 1)
    return false;
  Perm axes, outerAxes = node.getIntsAttr("axes");
  int64_t rank = moved->perm.size();
  for (int64_t axis : outerAxes)
    axes.push_back(moved->perm[axis]);
  llvm::sort(axes);
  DictionaryAttr attributes = with(node, "axes", integers(axes));
  if (node.getIntAttr("keepdims", 1))
    return sink(node, moved->source, moved->perm, attributes);
  // What is left: inner dimensions in order, outer ones likewise.
  Perm place(rank, -1), perm;
  for (int64_t d = 0, next = 0; d < rank; ++d)
    if (!llvm::is_contained(axes, d))
      place[d] = next++;
  for (int64_t d = 0; d < rank; ++d)
    if (!llvm::is_contained(outerAxes, d))
      perm.push_back(place[moved->perm[d]]);
  return sink(node, moved->source, perm, attributes);
}

bool PropagateLayoutPass::visitPool(onnx_ir::NodeOp node) {
  std::optional<Moved> moved = movedOperand(node.getInputs()[0]);
  if (!moved || moved->perm != channelsFirst(moved->perm.size()) ||
      node.getIntAttr("channels_last", 0))
    return false;
  if (node->getNumResults() > 1) {
    if (isa<RankedTensorType>(node.getResult(1).getType()))
      return false;
  }
  return sink(node, moved->source, moved->perm,
              with(node, "channels_last", integer(1)));
}

/// The first `operands` inputs broadcast to the result.
bool PropagateLayoutPass::visitBroadcasting(onnx_ir::NodeOp node,
                                            unsigned operands) {
  OperandRange inputs = node.getInputs();
  size_t rank = typeOf(node.getResult(0)).getRank();
  std::optional<Perm> perm = permOf(inputs.take_front(operands));
  if (!perm || perm->size() != rank)
    return false;
  for (Value input : inputs.take_front(operands))
    if (!isa<NoneType>(input.getType()) && !isFree(input, *perm))
      return false;
  SmallVector<Value> sources;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    bool moves = i < operands && !isa<NoneType>(input.getType());
    sources.push_back(moves ? inner(input, *perm) : Value(input));
    if (!sources.back())
      return false;
  }
  return sink(node, sources, *perm, node.getNodeAttributes());
}

bool PropagateLayoutPass::visitNode(onnx_ir::NodeOp node) {
  if (!node.getDomain().empty() || node.getNumRegions() != 0 ||
      node.getInputs().empty() ||
      !isa<RankedTensorType>(node.getResult(0).getType()))
    return false;
  StringRef name = node.getOpType();
  if (name == "Transpose")
    return visitTranspose(node);
  if (name == "Reshape")
    return visitReshape(node);
  if (name == "MaxPool" || name == "AveragePool" || name == "LpPool" ||
      name == "LRN")
    return visitPool(node);
  if (node->getNumResults() != 1)
    return false;
  if (const onnx_ir::ElementwiseOp *row = onnx_ir::lookupElementwise(name))
    return visitBroadcasting(
        node, row->operands
                  ? std::min<unsigned>(row->operands, node.getInputs().size())
                  : node.getInputs().size());
  if (name.starts_with("Reduce"))
    return visitReduce(node);

  OperandRange inputs = node.getInputs();
  if (name == "Concat") {
    std::optional<Perm> perm = permOf(inputs);
    if (!perm ||
        !llvm::all_of(inputs, [&](Value v) { return isFree(v, *perm); }))
      return false;
    SmallVector<Value> sources;
    for (Value input : inputs) {
      sources.push_back(inner(input, *perm));
      if (!sources.back())
        return false;
    }
    int64_t axis = (*perm)[node.getIntAttr("axis", 0)];
    return sink(node, sources, *perm, with(node, "axis", integer(axis)));
  }

  // One operand, and perhaps parameters.
  std::optional<Moved> moved = movedOperand(inputs[0]);
  if (!moved)
    return false;
  ArrayRef<int64_t> perm = moved->perm;
  SmallVector<Value> sources(inputs);
  sources[0] = moved->source;
  auto mapped = [&](StringRef attribute) {
    Perm axes = node.getIntsAttr(attribute);
    for (int64_t &axis : axes)
      axis = perm[axis < 0 ? axis + perm.size() : axis];
    return integers(axes);
  };
  if (name == "Softmax" || name == "LogSoftmax") {
    int64_t axis = perm[node.getIntAttr("axis", 0)];
    return sink(node, sources, perm, with(node, "axis", integer(axis)));
  }
  if (name == "Slice" && inputs.size() == 1)
    return sink(node, sources, perm, with(node, "axes", mapped("axes")));
  if (name == "Resize" || name == "Upsample") {
    // Without axes the scales are those of all dimensions in order.
    Attribute axes = node.getNodeAttr("axes") ? mapped("axes") : integers(perm);
    return sink(node, sources, perm, with(node, "axes", axes));
  }
  if (name == "Pad" && node.getNodeAttr("pads")) {
    Perm pads = node.getIntsAttr("pads"), innerPads(pads.size());
    for (size_t d = 0; d < perm.size(); ++d) {
      innerPads[perm[d]] = pads[d];
      innerPads[perm[d] + perm.size()] = pads[d + perm.size()];
    }
    return sink(node, sources, perm, with(node, "pads", integers(innerPads)));
  }
  if ((name == "Expand" || name == "Tile") && inputs.size() == 1 &&
      typeOf(node.getResult(0)).getRank() == int64_t(perm.size()))
    return sink(node, sources, perm, node.getNodeAttributes());
  return false;
}

/// quantize and dequantize: the parameters have the tensor's rank.
template <typename OpT>
bool PropagateLayoutPass::visitQuantization(OpT op) {
  std::optional<Moved> moved = movedOperand(op.getInput());
  if (!moved)
    return false;
  ArrayRef<int64_t> perm = moved->perm;
  Value parameters[] = {op.getScale(), op.getZeroPoint(), op.getOffset()};
  for (Value &parameter : parameters)
    if (parameter && !isFree(parameter, perm))
      return false;
  for (Value &parameter : parameters)
    if (parameter && !(parameter = inner(parameter, perm)))
      return false;
  Perm inverse = invertPermutationVector(perm);
  auto copy = cast<OpT>(builder.clone(*op));
  copy.getInputMutable().set(moved->source);
  copy.getScaleMutable().set(parameters[0]);
  if (parameters[1])
    copy.getZeroPointMutable().assign(parameters[1]);
  if (parameters[2])
    copy.getOffsetMutable().assign(parameters[2]);
  copy.setBlock(applyPermutation(op.getBlock(), inverse));
  copy.getResult().setType(
      op.getType().clone(applyPermutation(op.getType().getShape(), inverse)));
  replace(op, copy.getResult(), perm);
  return true;
}

/// One scale for all: it does not matter in which order the values stand.
void PropagateLayoutPass::visitParams(ChooseParamsOp op) {
  std::optional<Moved> moved = movedOperand(op.getInput());
  if (moved && llvm::all_of(op.getBlock(), [](int64_t b) { return b == 0; }) &&
      op.getFormula() != Formula::MeanAbs)
    op.getInputMutable().set(moved->source);
}

void PropagateLayoutPass::visit(Operation *op) {
  builder = OpBuilder(op);
  if (auto node = dyn_cast<onnx_ir::NodeOp>(op))
    visitNode(node);
  else if (auto quantize = dyn_cast<QuantizeOp>(op))
    visitQuantization(quantize);
  else if (auto dequantize = dyn_cast<DequantizeOp>(op))
    visitQuantization(dequantize);
  else if (auto params = dyn_cast<ChooseParamsOp>(op))
    visitParams(params);
}

} // namespace quantc

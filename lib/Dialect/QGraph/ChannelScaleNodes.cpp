//===- ChannelScaleNodes.cpp - Factors on channels of onnx.node -----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Elementwise operators by their row of the elementwise table; operators that
// move elements, or combine those of one channel linearly, by the canonical
// forms that the forward walk leaves (lib/Conversion/ONNXToQGraph/README.md).
//
//===----------------------------------------------------------------------===//

#include "ChannelScaleModels.h"

#include "quantc/Dialect/ONNX/Elementwise.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qgraph;
using onnx_ir::ChannelEffect;
using onnx_ir::NodeOp;

namespace {

bool isFloatTensor(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && isa<FloatType>(type.getElementType());
}

int64_t rankOf(Value value) { return tensorType(value).getRank(); }

SmallVector<unsigned> allBut(unsigned rank, ArrayRef<int64_t> dims) {
  SmallVector<unsigned> rest;
  for (unsigned d = 0; d < rank; ++d)
    if (!llvm::is_contained(dims, d))
      rest.push_back(d);
  return rest;
}

/// Passes a map between operand 0 and result 0, in either direction.
ChannelAnswer pass(ChannelEnd end, ChannelMap map) {
  ChannelAnswer answer;
  answer.passes.push_back(
      {end.isResult ? ChannelEnd::operand(0) : ChannelEnd::result(),
       std::move(map)});
  return answer;
}

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

/// The result, as wide as the operand's map says.
void passToResult(ChannelAnswer &answer, NodeOp node, const ChannelMap &map) {
  answer.passes.push_back(
      {ChannelEnd::result(), map.toRank(rankOf(node.getResult(0)))});
}

/// All operands of the result's type have the factors of the result.
ChannelAnswer joint(NodeOp node, ChannelEnd end, const ChannelMap &map) {
  Type element = tensorType(node.getResult(0)).getElementType();
  auto takesPart = [&](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type && type.getElementType() == element;
  };
  ChannelAnswer answer;
  if (!end.isResult && !takesPart(node.getOperand(end.index)))
    return ChannelAnswer::blocked("it selects by them");
  ChannelMap wide = map.toRank(rankOf(node.getResult(0)));
  if (!end.isResult) {
    // The result binds the other operands.
    passToResult(answer, node, map);
    return answer;
  }
  for (auto [i, input] : llvm::enumerate(node.getInputs()))
    if (takesPart(input))
      bindOperand(answer, node, i, wide);
  return answer;
}

/// x * y and x / y. A constant of channels takes the factors of either end; a
/// scalar, or another activation, is left as it is. What is passed is passed to
/// one of the operands.
ChannelAnswers product(NodeOp node, ChannelEnd end, const ChannelMap &map,
                       bool divides) {
  ChannelMap wide = map.toRank(rankOf(node.getResult(0)));
  // Operand `i` has the factors of the result, those of a divisor inverse.
  auto connect = [&](unsigned i) {
    bool inverse = divides && i == 1;
    ChannelAnswer answer;
    if (end.isResult)
      passOperand(answer, node, i, inverse ? wide.inverse() : wide);
    else if (end.index == i)
      passToResult(answer, node, inverse ? map.inverse() : map);
    else
      answer = ChannelAnswer::blocked("it multiplies them with another "
                                      "activation that has factors");
    return answer;
  };
  for (unsigned c : {1, 0}) {
    Value constant = node.getInputs()[c];
    if (!constant.getDefiningOp<ConstantOp>())
      continue;
    unsigned other = 1 - c;
    // c absorbs what is asked of the result, and undoes what the operand has.
    ChannelAnswer cut;
    if (!end.isResult && end.index == c) {
      cut = ChannelAnswer::blocked("it is a parameter of it");
    } else {
      bool divisor = divides && c == 1;
      bool inverse =
          end.isResult ? divisor : !divisor && !(divides && other == 1);
      absorb(cut, node, c, inverse ? wide.inverse() : wide);
    }
    if (tensorType(constant).getNumElements() > 1)
      return {cut, connect(other)};
    return {connect(other), cut};
  }
  return {connect(0), connect(1)};
}

ChannelAnswers elementwise(const onnx_ir::ElementwiseOp &row, NodeOp node,
                           ChannelEnd end, const ChannelMap &map) {
  if (node.is("Mul") || node.is("Div"))
    return product(node, end, map, node.is("Div"));
  ChannelAnswer answer;
  switch (row.effect) {
  case ChannelEffect::None:
    return {ChannelAnswer::blocked("it is not homogeneous")};
  case ChannelEffect::Any:
  case ChannelEffect::Positive:
    if (!end.isResult && end.index != 0)
      return {ChannelAnswer::blocked("it is a parameter of it")};
    if (end.isResult)
      passOperand(answer, node, 0, map);
    else
      passToResult(answer, node, map);
    break;
  case ChannelEffect::Joint:
  case ChannelEffect::JointPositive:
    answer = joint(node, end, map);
    break;
  }
  answer.positive = row.effect == ChannelEffect::Positive ||
                    row.effect == ChannelEffect::JointPositive;
  return {answer};
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

ChannelAnswer transpose(NodeOp node, ChannelEnd end, const ChannelMap &map) {
  SmallVector<int64_t> perm = node.getIntsAttr("perm");
  if (!end.isResult)
    return pass(end, map.transposed(perm));
  SmallVector<int64_t> back(perm.size());
  for (auto [d, from] : llvm::enumerate(perm))
    back[from] = d;
  return pass(end, map.transposed(back));
}

ChannelAnswer reshape(NodeOp node, ChannelEnd end, const ChannelMap &map) {
  ArrayRef<int64_t> data = tensorType(node.getOperand(0)).getShape(),
                    result = tensorType(node.getResult(0)).getShape();
  std::optional<ChannelMap> moved =
      end.isResult ? map.reshaped(result, data) : map.reshaped(data, result);
  if (!moved)
    return ChannelAnswer::blocked(
        "it joins channels with a dimension that is dynamic");
  return pass(end, *moved);
}

/// Element i of an axis is start + i * step.
ChannelAnswer slice(NodeOp node, ChannelEnd end, const ChannelMap &map) {
  SmallVector<int64_t> axes = node.getIntsAttr("axes"),
                       starts = node.getIntsAttr("starts"),
                       steps = node.getIntsAttr("steps");
  RankedTensorType data = tensorType(node.getOperand(0)),
                   result = tensorType(node.getResult(0));
  ChannelMap moved(map);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    if (moved.extents[axis] == 1)
      continue;
    if (data.isDynamicDim(axis) || result.isDynamicDim(axis) ||
        i >= starts.size() || i >= steps.size())
      return ChannelAnswer::blocked("it takes channels that are only known at "
                                    "run time");
    SmallVector<int64_t> indices;
    for (int64_t k = 0; k < result.getDimSize(axis); ++k)
      indices.push_back(starts[i] + k * steps[i]);
    moved = end.isResult ? moved.placed(axis, indices, data.getDimSize(axis))
                         : moved.selected(axis, indices);
  }
  return pass(end, moved);
}

ChannelAnswer concat(NodeOp node, ChannelEnd end, const ChannelMap &map) {
  int64_t axis = node.getIntAttr("axis", 0), extent = 0;
  bool varies = map.extents[axis] != 1;
  ChannelAnswer answer;
  for (auto [i, input] : llvm::enumerate(node.getInputs())) {
    SmallVector<int64_t> indices;
    if (varies) {
      int64_t size = tensorType(input).getDimSize(axis);
      if (ShapedType::isDynamic(size))
        return ChannelAnswer::blocked("it joins channels and what is dynamic");
      indices = llvm::to_vector(llvm::seq(extent, extent + size));
      extent += size;
    }
    if (end.isResult)
      bindOperand(answer, node, i, varies ? map.selected(axis, indices) : map);
    else if (end.index == i && !varies)
      answer.passes.push_back({ChannelEnd::result(), map});
    else if (end.index == i)
      answer.passes.push_back(
          {ChannelEnd::result(),
           map.placed(axis, indices,
                      tensorType(node.getResult(0)).getDimSize(axis))});
  }
  return answer;
}

ChannelAnswer expand(NodeOp node, ChannelEnd end, const ChannelMap &map) {
  RankedTensorType data = tensorType(node.getOperand(0)),
                   result = tensorType(node.getResult(0));
  // Tile repeats dimensions of other extents than 1.
  for (int64_t d = 0; d < data.getRank(); ++d) {
    int64_t wide = d + result.getRank() - data.getRank();
    bool varies = map.extents[end.isResult ? wide : d] != 1;
    if (varies && data.getDimSize(d) != 1 &&
        data.getDimSize(d) != result.getDimSize(wide))
      return ChannelAnswer::blocked("it repeats channels");
  }
  ChannelAnswer answer;
  if (end.isResult)
    passOperand(answer, node, 0, map);
  else
    passToResult(answer, node, map);
  return answer;
}

/// Whole slices by index: dimension `axis` of the data becomes those of the
/// indices.
ChannelAnswer gather(NodeOp node, ChannelEnd end, const ChannelMap &map) {
  if (!end.isResult && end.index != 0)
    return ChannelAnswer::blocked("they are indices");
  int64_t axis = node.getIntAttr("axis", 0), wide = rankOf(node.getOperand(1));
  ChannelAnswer answer;
  ChannelMap moved(map);
  if (!end.isResult) {
    moved = shareAllBut(answer, end, map, allBut(map.rank(), axis));
    moved.extents.erase(moved.extents.begin() + axis);
    moved.extents.insert(moved.extents.begin() + axis, wide, 1);
  } else {
    auto dims = llvm::to_vector(llvm::seq(axis, axis + wide));
    moved = shareAllBut(answer, end, map, allBut(map.rank(), dims));
    moved.extents.erase(moved.extents.begin() + axis,
                        moved.extents.begin() + axis + wide);
    moved.extents.insert(moved.extents.begin() + axis, 1);
  }
  llvm::append_range(answer.passes, pass(end, moved).passes);
  return answer;
}

//===----------------------------------------------------------------------===//
// Linear within a channel
//===----------------------------------------------------------------------===//

/// What is computed along these dimensions must have equal factors; the others
/// are untouched.
ChannelAnswer along(NodeOp node, ChannelEnd end, const ChannelMap &map,
                    ArrayRef<int64_t> dims) {
  if (!map.variesOnlyAlong(allBut(map.rank(), dims)))
    return ChannelAnswer::blocked("it combines elements of several channels");
  return pass(end, map);
}

ChannelAnswer reduce(NodeOp node, ChannelEnd end, const ChannelMap &map) {
  if (node.getInputs().size() != 1)
    return ChannelAnswer::blocked("its axes are only known at run time");
  SmallVector<int64_t> axes = node.getIntsAttr("axes");
  int64_t rank = rankOf(node.getOperand(0));
  if (axes.empty())
    axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  bool keeps = node.getIntAttr("keepdims", 1) != 0;
  ChannelMap moved(map);
  if (end.isResult && !keeps)
    for (int64_t axis : axes)
      moved.extents.insert(moved.extents.begin() + axis, 1);
  if (!moved.variesOnlyAlong(allBut(rank, axes)))
    return ChannelAnswer::blocked("it combines elements of several channels");
  if (!end.isResult && !keeps)
    for (int64_t axis : llvm::reverse(axes))
      moved.extents.erase(moved.extents.begin() + axis);
  return pass(end, moved);
}

/// Pools of images [N, C, spatial..], or [N, spatial.., C].
ChannelAnswer pool(NodeOp node, ChannelEnd end, const ChannelMap &map) {
  if (node->getNumResults() != 1)
    return ChannelAnswer::blocked("its indices are an output too");
  bool last = node.getIntAttr("channels_last", 0) != 0;
  SmallVector<int64_t> spatial;
  for (int64_t d = last ? 1 : 2; d < map.rank() - (last ? 1 : 0); ++d)
    spatial.push_back(d);
  return along(node, end, map, spatial);
}

/// Dimensions whose extents change are interpolated along.
ChannelAnswer resize(NodeOp node, ChannelEnd end, const ChannelMap &map) {
  if (!end.isResult && end.index != 0)
    return ChannelAnswer::blocked("it is a parameter of it");
  if (node.getStringAttr("coordinate_transformation_mode", "half_pixel") ==
      "tf_crop_and_resize")
    return ChannelAnswer::blocked("it puts a value outside the image");
  RankedTensorType data = tensorType(node.getOperand(0)),
                   result = tensorType(node.getResult(0));
  SmallVector<int64_t> changed;
  for (int64_t d = 0; d < data.getRank(); ++d)
    if (data.isDynamicDim(d) || data.getDimSize(d) != result.getDimSize(d))
      changed.push_back(d);
  return along(node, end, map, changed);
}

ChannelAnswer pad(NodeOp node, ChannelEnd end, const ChannelMap &map) {
  SmallVector<int64_t> pads = node.getIntsAttr("pads");
  int64_t rank = rankOf(node.getResult(0));
  if (int64_t(pads.size()) != 2 * rank || (!end.isResult && end.index != 0))
    return ChannelAnswer::blocked("its pads are only known at run time");
  if (Value value = node.getInput(1)) {
    auto constant = value.getDefiningOp<ConstantOp>();
    auto dense = constant ? dyn_cast<DenseFPElementsAttr>(constant.getValue())
                          : DenseFPElementsAttr();
    if (!dense || !llvm::all_of(dense.getValues<APFloat>(),
                                [](const APFloat &x) { return x.isZero(); }))
      return ChannelAnswer::blocked("it pads with another value than 0");
  }
  SmallVector<int64_t> padded;
  for (int64_t d = 0; d < rank; ++d)
    if (pads[d] != 0 || pads[d + rank] != 0)
      padded.push_back(d);
  return along(node, end, map, padded);
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

struct Row {
  ChannelAnswer (*answer)(NodeOp, ChannelEnd, const ChannelMap &);
  bool positive = false;
};

const Row *lookupRow(StringRef opType) {
  static const llvm::StringMap<Row> rows = {
      {"Transpose", {transpose}},
      {"Reshape", {reshape}},
      {"Slice", {slice}},
      {"Concat", {concat}},
      {"Expand", {expand}},
      {"Tile", {expand}},
      {"Gather", {gather}},
      {"ReduceSum", {reduce}},
      {"ReduceMean", {reduce}},
      {"ReduceMax", {reduce, true}},
      {"ReduceMin", {reduce, true}},
      {"ReduceL1", {reduce, true}},
      {"ReduceL2", {reduce, true}},
      {"MaxPool", {pool, true}},
      {"GlobalMaxPool", {pool, true}},
      {"AveragePool", {pool}},
      {"GlobalAveragePool", {pool}},
      {"Resize", {resize}},
      {"Pad", {pad}},
  };
  auto found = rows.find(opType);
  return found == rows.end() ? nullptr : &found->second;
}

struct NodeModel : ChannelScaleOpInterface::ExternalModel<NodeModel, NodeOp> {
  ChannelAnswers getChannelAnswers(Operation *op, ChannelEnd end,
                                   const ChannelMap &map) const {
    auto node = cast<NodeOp>(op);
    if (!node.getDomain().empty() || node->getNumResults() == 0)
      return {ChannelAnswer::blocked("nothing is known of this operator")};
    if (!isFloatTensor(end.in(op)) || !isFloatTensor(node.getResult(0)))
      return {ChannelAnswer::blocked("they become something else than floats")};
    if (const onnx_ir::ElementwiseOp *row =
            onnx_ir::lookupElementwise(node.getOpType()))
      return elementwise(*row, node, end, map);
    const Row *row = lookupRow(node.getOpType());
    if (!row)
      return {ChannelAnswer::blocked("it is not linear within a channel")};
    ChannelAnswer answer = row->answer(node, end, map);
    answer.positive = row->positive;
    return {answer};
  }
};

} // namespace

void qgraph::attachChannelScaleNodeModel(MLIRContext *context) {
  NodeOp::attachInterface<NodeModel>(*context);
}

//===- Nodes.cpp - onnx.nodes as nodes of the file ------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the walk's canonical forms (lib/Conversion/ONNXToQGraph/README.md) leave
// out, because the types say it, is put in again. A node that is not in such a
// form, as in a module before the walk, is written as it is.
//
//===----------------------------------------------------------------------===//

#include "Writer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;
using onnx_ir::NodeOp;

static Type elementOf(Value value) {
  auto type = dyn_cast<TensorType>(value.getType());
  return type ? type.getElementType() : Type();
}

static SmallVector<Name> inputsOf(Writer &w, NodeOp op) {
  SmallVector<Name> inputs;
  for (unsigned i = 0, e = op.getInputs().size(); i < e; ++i)
    inputs.push_back(op.getInput(i) ? w.use(op.getInput(i)) : Name());
  return inputs;
}

/// The node under the name `opType`, with these inputs, with the attributes of
/// the op but `dropped`, and with those that are added.
static onnx::NodeProto &write(Writer &w, NodeOp op, StringRef opType,
                              ArrayRef<Name> inputs,
                              ArrayRef<StringRef> dropped = {},
                              Attributes added = {}, int64_t version = 0) {
  SmallVector<Name> outputs;
  StringRef base = op.getName().value_or("");
  if (base.empty())
    base = opType;
  for (Value result : op.getOutputs()) {
    bool absent = isa<NoneType>(result.getType());
    outputs.push_back(absent ? Name() : w.nameFor(result, base));
    if (!absent)
      w.define(result, outputs.back());
  }
  onnx::NodeProto &node = w.add(opType, inputs, outputs, version);
  onnx::NodeProto own;
  onnx_ir::nodeToProto(op, own);
  node.set_name(own.name());
  node.set_domain(own.domain());
  for (onnx::AttributeProto &attribute : *own.mutable_attribute())
    if (!llvm::is_contained(dropped, attribute.name()))
      node.add_attribute()->Swap(&attribute);
  for (auto [name, value] : added)
    if (value)
      onnx_ir::attributeToProto(name, value, *node.add_attribute());
  return node;
}

LogicalResult Writer::plainNode(NodeOp op) {
  if (op.getDomain() == "quantc")
    return unsupported(op, "it is an operator of quantc's own");
  SmallVector<Name> inputs = inputsOf(*this, op);
  onnx::NodeProto &node =
      write(*this, op, op.getOpType(), inputs, {}, {}, op.getVersion());
  if (op.getSubgraphs().empty())
    return success();
  ArrayAttr names = op.getSubgraphNamesAttr();
  for (auto [i, region] : llvm::enumerate(op.getSubgraphs())) {
    StringRef name = cast<StringAttr>(names[i]).getValue();
    onnx::AttributeProto &attribute = *node.add_attribute();
    attribute.set_name(name.str());
    attribute.set_type(onnx::AttributeProto::GRAPH);
    if (mlir::failed(subgraph(region, name, *attribute.mutable_g())))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

/// The dimensions of the first result; null ones are reported.
static FailureOr<SmallVector<OpFoldResult>> resultDims(Writer &w, NodeOp op) {
  SmallVector<OpFoldResult> dims = w.dimsOf(op.getResult(0));
  if (llvm::is_contained(dims, OpFoldResult()))
    return w.unsupported(op, "a dimension of its result is not known");
  return dims;
}

/// A dimension that the input has at the same place is written 0, a single
/// other dynamic one -1.
static LogicalResult reshapeNode(Writer &w, NodeOp op) {
  if (op.getInputs().size() != 1)
    return w.plainNode(op);
  auto dims = resultDims(w, op);
  if (failed(dims))
    return failure();
  SmallVector<OpFoldResult> from = w.dimsOf(op.getInput(0));
  // A literal 0 would be copied; what is read from the inputs may be 0 or -1.
  bool literal = llvm::any_of(*dims, [](OpFoldResult dim) {
    return isConstantIntValue(dim, 0) || !isExtent(dim, /*ofDims=*/true);
  });
  SmallVector<size_t> open;
  bool copies = false;
  for (size_t i = 0; i < dims->size() && !literal; ++i) {
    OpFoldResult &dim = (*dims)[i];
    if (getConstantIntValue(dim))
      continue;
    bool copied = i < from.size() && from[i] == dim;
    copies |= copied;
    if (copied)
      dim = w.builder.getIndexAttr(0);
    else
      open.push_back(i);
  }
  // With a copied 0, -1 would be 0 divided by 0.
  if (open.size() == 1 && !copies)
    (*dims)[open.front()] = w.builder.getIndexAttr(-1);
  Name input = w.use(op.getInput(0));
  Name shape = w.shape(*dims);
  if (!llvm::all_of(*dims, [](OpFoldResult dim) {
        return isConstantIntValue(dim, -1) || isExtent(dim);
      }))
    shape = w.node("Max", {shape, w.intList({0})},
                   w.builder.getIntegerType(64, /*isSigned=*/true));
  write(w, op, "Reshape", {input, shape}, {},
        {{"allowzero", literal ? w.integer(1) : Attribute()}});
  return success();
}

static LogicalResult expand(Writer &w, NodeOp op) {
  if (op.getInputs().size() != 1)
    return w.plainNode(op);
  auto dims = resultDims(w, op);
  if (failed(dims))
    return failure();
  Name input = w.use(op.getInput(0));
  write(w, op, "Expand", {input, w.shape(*dims)});
  return success();
}

/// How often a dimension is repeated: another one divided by it.
static Name repeats(Writer &w, OpFoldResult whole, Value input, int64_t d) {
  OpFoldResult part = w.dimsOf(input)[d];
  std::optional<int64_t> all = getConstantIntValue(whole), one;
  if (part)
    one = getConstantIntValue(part);
  if (all && one)
    return w.intList({*one ? *all / *one : 1});
  if (whole == part)
    return w.intList({1});
  if (auto value = dyn_cast<Value>(whole))
    if (auto product = value.getDefiningOp<arith::MulIOp>())
      for (unsigned side : {0, 1}) {
        Value factor = product->getOperand(side);
        bool same = one ? isConstantIntValue(factor, *one)
                        : part && OpFoldResult(factor) == part;
        if (same)
          return w.scalar(product->getOperand(1 - side));
      }
  Type si64 = w.builder.getIntegerType(64, /*isSigned=*/true);
  Name divisor = part ? w.scalar(part) : w.dim(input, d);
  if (!one)
    divisor = w.node("Max", {divisor, w.intList({1})}, si64);
  return w.node("Div", {w.scalar(whole), divisor}, si64);
}

static LogicalResult tile(Writer &w, NodeOp op) {
  if (op.getInputs().size() != 1)
    return w.plainNode(op);
  auto dims = resultDims(w, op);
  if (failed(dims))
    return failure();
  Name input = w.use(op.getInput(0));
  SmallVector<Name> parts;
  for (auto [d, whole] : llvm::enumerate(*dims))
    parts.push_back(repeats(w, whole, op.getInput(0), d));
  Name list =
      w.node("Concat", parts, w.builder.getIntegerType(64, /*isSigned=*/true),
             {{"axis", w.integer(0)}});
  write(w, op, "Tile", {input, list});
  return success();
}

//===----------------------------------------------------------------------===//
// Slice, Range, Pad
//===----------------------------------------------------------------------===//

/// ends = starts + lengths * steps, all but a negative one, which would count
/// from the end and stands for "from the beginning on".
static LogicalResult slice(Writer &w, NodeOp op) {
  bool old = op.getVersion() < 10;
  if (!old && !op.getNodeAttr("axes") && op.getInputs().size() >= 3)
    return w.plainNode(op);
  SmallVector<int64_t> axes = op.getIntsAttr("axes"),
                       starts = op.getIntsAttr("starts"),
                       ends = op.getIntsAttr("ends"),
                       steps = op.getIntsAttr("steps");
  constexpr int64_t first = std::numeric_limits<int64_t>::min();
  Name data = w.use(op.getInput(0)), startList, endList, stepList;
  if (old) {
    for (int64_t i = axes.size(), e = starts.size(); i < e; ++i)
      axes.push_back(i);
    write(w, op, "Slice",
          {data, w.intList(starts), w.intList(ends), w.intList(axes)},
          {"axes", "starts", "ends"});
    return success();
  }
  auto dims = resultDims(w, op);
  if (failed(dims))
    return failure();
  SmallVector<OpFoldResult> lengths;
  for (int64_t axis : axes)
    lengths.push_back((*dims)[axis]);
  startList =
      op.getNodeAttr("starts") ? w.intList(starts) : w.use(op.getInput(1));
  stepList = op.getNodeAttr("steps") ? w.intList(steps) : w.use(op.getInput(4));
  if (op.getNodeAttr("starts") && ends.size() == axes.size()) {
    for (auto [step, end] : llvm::zip(steps, ends))
      if (step < 0 && end < 0)
        end = first;
    endList = w.intList(ends);
  } else {
    Type si64 = w.builder.getIntegerType(64, /*isSigned=*/true);
    auto all = [](ArrayRef<int64_t> list, int64_t value) {
      return llvm::all_of(list, [&](int64_t i) { return i == value; });
    };
    bool forward = op.getNodeAttr("steps") &&
                   llvm::all_of(steps, [](int64_t step) { return step > 0; });
    endList = w.shape(lengths);
    if (!op.getNodeAttr("steps") || !all(steps, 1))
      endList = w.node("Mul", {endList, stepList}, si64);
    if (!op.getNodeAttr("starts") || !all(starts, 0))
      endList = w.node("Add", {startList, endList}, si64);
    if (!forward) {
      Name below =
          w.node("Less", {endList, w.intList({0})}, w.builder.getI1Type());
      endList = w.node("Where", {below, w.intList({first}), endList}, si64);
    }
  }
  write(w, op, "Slice", {data, startList, endList, w.intList(axes), stepList},
        {"axes", "starts", "ends", "steps"});
  return success();
}

/// start + i * delta for as many i as the result has elements.
static LogicalResult range(Writer &w, NodeOp op) {
  if (op.getInputs().size() == 3 && op.getInput(1))
    return w.plainNode(op);
  auto dims = resultDims(w, op);
  if (failed(dims))
    return failure();
  Type si64 = w.builder.getIntegerType(64, /*isSigned=*/true),
       element = elementOf(op.getResult(0));
  std::optional<int64_t> length = getConstantIntValue(dims->front());
  if (op.getInputs().empty()) {
    int64_t start = op.getIntAttr("start", 0),
            delta = op.getIntAttr("delta", 1);
    Name limit;
    if (length) {
      limit = w.number(double(start + *length * delta), element);
    } else {
      limit = w.scalar(dims->front());
      if (delta != 1)
        limit = w.node("Mul", {limit, w.intList({delta})}, si64);
      if (start != 0)
        limit = w.node("Add", {limit, w.intList({start})}, si64);
      limit = w.castTo(w.reshape(limit, si64, w.intList({})), element);
    }
    write(w, op, "Range",
          {w.number(double(start), element), limit,
           w.number(double(delta), element)},
          {"start", "delta"});
    return success();
  }
  // Of floats: positions times delta, so that rounding cannot change how many
  // there are.
  Name limit = length ? w.number(double(*length), si64)
                      : w.reshape(w.scalar(dims->front()), si64, w.intList({}));
  Name positions =
      w.node("Range", {w.number(0, si64), limit, w.number(1, si64)}, si64);
  Name scaled = w.node(
      "Mul", {w.castTo(positions, element), w.use(op.getInput(2))}, element);
  w.node("Add", {w.use(op.getInput(0)), scaled}, element, {}, op.getResult(0),
         op.getName().value_or(""));
  return success();
}

static LogicalResult pad(Writer &w, NodeOp op) {
  if (!op.getNodeAttr("pads"))
    return w.plainNode(op);
  Name data = w.use(op.getInput(0)), value;
  if (op.getInput(1))
    value = w.use(op.getInput(1));
  else if (op.getVersion() < 11)
    value = w.number(op.getFloatAttr("value", 0), elementOf(op.getResult(0)));
  write(w, op, "Pad", {data, w.intList(op.getIntsAttr("pads")), value},
        {"pads", "value"});
  return success();
}

//===----------------------------------------------------------------------===//
// Attributes that are operands in the file
//===----------------------------------------------------------------------===//

/// `name` is the second operand, a list.
static LogicalResult listOperand(Writer &w, NodeOp op) {
  if (!op.getNodeAttr("axes") || op.getInputs().size() > 1)
    return w.plainNode(op);
  uint64_t last = op.getOpType() == "ReduceSum" ? 13 : 18;
  if (op.getVersion() < last)
    return w.plainNode(op);
  Name data = w.use(op.getInput(0));
  write(w, op, op.getOpType(), {data, w.intList(op.getIntsAttr("axes"))},
        {"axes"});
  return success();
}

/// CumSum and CumProd's axis, Trilu's diagonal: the second operand, a scalar.
static LogicalResult scalarOperand(Writer &w, NodeOp op) {
  StringRef name = op.getOpType() == "Trilu" ? "k" : "axis";
  if (!op.getNodeAttr(name) || op.getInputs().size() > 1)
    return w.plainNode(op);
  Name data = w.use(op.getInput(0));
  Name operand = w.number(double(op.getIntAttr(name, 0)),
                          w.builder.getIntegerType(64, /*isSigned=*/true));
  write(w, op, op.getOpType(), {data, operand}, {name});
  return success();
}

/// One that attention has taken back is written only if it is used otherwise.
static LogicalResult transposeNode(Writer &w, NodeOp op) {
  bool taken = op.getIntsAttr("perm") == kSwapHeads &&
               llvm::all_of(op->getUsers(), [](Operation *user) {
                 return isa<qgraph::AttentionOp>(user);
               });
  if (!taken)
    return w.plainNode(op);
  Value result = op.getResult(0);
  w.defineLater(result, [&w, op, result]() -> Name {
    return succeeded(w.plainNode(op)) ? w.lookup(result) : Name();
  });
  return success();
}

static LogicalResult castNode(Writer &w, NodeOp op) {
  if (op.getNodeAttr("to"))
    return w.plainNode(op);
  Name data = w.use(op.getInput(0));
  write(w, op, "Cast", {data}, {},
        {{"to", w.dataType(op, elementOf(op.getResult(0)))}});
  return success();
}

//===----------------------------------------------------------------------===//
// Operators whose older versions say the same in another way
//===----------------------------------------------------------------------===//

/// Before version 11, positions were those of today's "asymmetric" and rounded
/// down.
static LogicalResult resize(Writer &w, NodeOp op) {
  if (op.getOpType() == "Resize" && op.getVersion() >= 11)
    return w.plainNode(op);
  SmallVector<Name> inputs = inputsOf(w, op);
  if (inputs.size() != 2)
    return w.plainNode(op);
  Builder &b = w.builder;
  write(w, op, "Resize", {inputs[0], "", inputs[1]}, {},
        {{"coordinate_transformation_mode", b.getStringAttr("asymmetric")},
         {"nearest_mode", b.getStringAttr("floor")}});
  return success();
}

static LogicalResult gridSample(Writer &w, NodeOp op) {
  StringRef mode = op.getStringAttr("mode", "bilinear");
  if (op.getVersion() >= 20 || (mode != "bilinear" && mode != "bicubic"))
    return w.plainNode(op);
  write(w, op, "GridSample", inputsOf(w, op), {"mode"},
        {{"mode", w.builder.getStringAttr(mode.drop_front(2))}});
  return success();
}

static LogicalResult roiAlign(Writer &w, NodeOp op) {
  if (op.getVersion() >= 16)
    return w.plainNode(op);
  write(w, op, "RoiAlign", inputsOf(w, op), {},
        {{"coordinate_transformation_mode",
          w.builder.getStringAttr("output_half_pixel")}});
  return success();
}

static LogicalResult scatter(Writer &w, NodeOp op) {
  write(w, op, "ScatterElements", inputsOf(w, op));
  return success();
}

LogicalResult Writer::exportNode(NodeOp op) {
  using Handler = LogicalResult (*)(Writer &, NodeOp);
  static const llvm::StringMap<Handler> table{
      {"Reshape", reshapeNode},
      {"Expand", expand},
      {"Tile", tile},
      {"Slice", slice},
      {"Range", range},
      {"Pad", pad},
      {"ReduceSum", listOperand},
      {"ReduceMean", listOperand},
      {"ReduceMax", listOperand},
      {"ReduceMin", listOperand},
      {"ReduceProd", listOperand},
      {"ReduceL1", listOperand},
      {"ReduceL2", listOperand},
      {"ReduceSumSquare", listOperand},
      {"ReduceLogSum", listOperand},
      {"ReduceLogSumExp", listOperand},
      {"CumSum", scalarOperand},
      {"CumProd", scalarOperand},
      {"Trilu", scalarOperand},
      {"Cast", castNode},
      {"Transpose", transposeNode},
      {"Upsample", resize},
      {"Resize", resize},
      {"GridSample", gridSample},
      {"RoiAlign", roiAlign},
      {"Scatter", scatter},
  };
  auto it = table.find(op.getOpType());
  if (it == table.end() || !op.getDomain().empty())
    return plainNode(op);
  return it->second(*this, op);
}

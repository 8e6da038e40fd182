//===- Iteration.cpp - Loop and SequenceMap -------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A body is walked with the carried tensors' dimensions taken for those that
// they begin with. Where what it yields has another one, that dimension is
// taken for one that changes, and the body is walked again, until nothing is
// found to change. So shapes that stay are known inside the body as they are
// outside.
//
//===----------------------------------------------------------------------===//

#include "Iteration.h"
#include "Regions.h"
#include "Sequences.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

namespace {

/// Each walk of a body walks those inside it two or three times.
constexpr unsigned kMostNested = 8;

class LoopBuilder {
public:
  LoopBuilder(Node &node, const LoopSpec &spec)
      : node(node), walk(node.walk), spec(spec) {}

  /// Last carried tensors, then what is collected; nothing if there were
  /// errors.
  std::optional<SmallVector<TensorInfo>> build();

private:
  /// What one walk of the body has found.
  struct Attempt {
    Block *block = nullptr;
    bool good = true, changed = false;
    SmallVector<Value> yields;
    struct Piece {
      Type elementType;
      SmallVector<std::optional<DimArithmetic::Polynomial>> dims;
    };
    SmallVector<Piece> pieces;
    bool endless = true; // the condition stays true
    std::string problem;
  };
  Attempt attempt();

  Node &node;
  Walk &walk;
  const LoopSpec &spec;
  SmallVector<SmallVector<bool>> varies; // of each carried tensor's dimensions
};

} // namespace

LoopBuilder::Attempt LoopBuilder::attempt() {
  Attempt result;
  DimArithmetic &arith = walk.arith;
  result.block = new Block;
  Location loc = node.op.getLoc();
  Value iteration = result.block->addArgument(walk.builder.getIndexType(), loc);
  Walk::Scope scope = walk.openScope(result.block);
  SmallVector<TensorInfo> carried;
  for (auto [init, varying] : llvm::zip(spec.init, varies)) {
    Dims known = init.dims;
    for (auto [dim, changes] : llvm::zip(known, varying))
      if (changes)
        dim = Dim();
    Value argument =
        result.block->addArgument(typeOfKnown(init.elementType, known), loc);
    carried.push_back(regionResult(walk, argument, known));
  }
  LoopSpec::Body body;
  Dim number = arith.symbol(iteration, {0, kUnlimited - 1});
  result.good = spec.walkBody(number, carried, body);
  for (auto [i, value] : llvm::enumerate(body.carried)) {
    if (!value)
      continue;
    const TensorInfo &argument = carried[i];
    if (value.elementType != argument.elementType ||
        value.rank() != argument.rank()) {
      result.good = false;
      llvm::raw_string_ostream(result.problem)
          << "carried tensor " << i << " is " << walk.typeOf(argument)
          << " before an iteration and " << walk.typeOf(value)
          << " after it; its type and rank must stay";
      continue;
    }
    for (int64_t d = 0; d < value.rank(); ++d)
      if (!varies[i][d] && !arith.equal(value.dims[d], argument.dims[d]))
        varies[i][d] = result.changed = true;
  }
  result.changed |= body.again;
  if (result.problem.empty())
    result.problem = body.problem;
  if (result.good && !result.changed) {
    result.endless = !body.condition || arith.isConstant(body.condition, 1);
    Dim condition = body.condition ? body.condition : arith.constant(1);
    result.yields.push_back(arith.materialize(condition));
    for (TensorInfo &value : body.carried)
      result.yields.push_back(walk.materialize(value));
    for (TensorInfo &value : body.pieces) {
      result.yields.push_back(walk.materialize(value));
      Attempt::Piece &piece = result.pieces.emplace_back();
      piece.elementType = value.elementType;
      for (Dim dim : value.dims)
        piece.dims.push_back(arith.inTermsOf(scope.dims, dim));
    }
  }
  walk.closeScope(std::move(scope));
  return result;
}

std::optional<SmallVector<TensorInfo>> LoopBuilder::build() {
  DimArithmetic &arith = walk.arith;
  SmallVector<Value> init;
  for (const TensorInfo &value : spec.init) {
    varies.emplace_back(value.rank(), false);
    TensorInfo copy = value;
    init.push_back(walk.materialize(copy));
  }
  Value trips = arith.materialize(spec.trips),
        condition = arith.materialize(spec.condition);
  Attempt found;
  unsigned errors = walk.errorCount();
  for (bool widened = false;;) {
    std::vector<Diagnostic> messages =
        walk.holdMessages([&] { found = attempt(); });
    if (found.good && !found.changed) {
      walk.show(std::move(messages));
      break;
    }
    found.block->dropAllDefinedValueUses();
    delete found.block;
    if (!found.changed && widened) {
      walk.show(std::move(messages));
      if (!found.problem.empty())
        (void)node.unsupported(found.problem);
      return std::nullopt;
    }
    if (!found.changed) {
      // Perhaps only because a dimension was taken for one that stays.
      for (SmallVector<bool> &dims : varies)
        dims.assign(dims.size(), true);
      widened = true;
    }
    walk.forgetErrors(errors);
  }

  SmallVector<Dims> dims;
  SmallVector<Type> types;
  for (auto [value, varying] : llvm::zip(spec.init, varies)) {
    Dims &known = dims.emplace_back(value.dims);
    for (auto [dim, changes] : llvm::zip(known, varying))
      if (changes)
        dim = Dim();
    types.push_back(typeOfKnown(value.elementType, known));
  }
  bool counted = found.endless && arith.isConstant(spec.condition, 1) &&
                 !arith.isConstant(spec.trips, kUnlimited);
  for (Attempt::Piece &piece : found.pieces) {
    Dims &known = dims.emplace_back();
    known.push_back(counted ? spec.trips : Dim());
    for (auto &dim : piece.dims)
      known.push_back(dim ? arith.rebuild(*dim) : Dim());
    types.push_back(typeOfKnown(piece.elementType, known));
  }
  auto loop = qgraph::LoopOp::create(walk.builder, types, trips, condition,
                                     init, walk.nameOf(node.op));
  loop.getBody().push_back(found.block);
  OpBuilder inner = OpBuilder::atBlockEnd(found.block);
  qgraph::YieldOp::create(inner, node.op.getLoc(), found.yields);
  SmallVector<TensorInfo> results;
  for (auto [i, known] : llvm::enumerate(dims))
    results.push_back(regionResult(walk, loop.getResult(i), known));
  return results;
}

/// How many nodes with bodies a node is in, and itself.
static unsigned nesting(Operation *op) {
  unsigned depth = 0;
  for (; isa_and_nonnull<onnx_ir::NodeOp>(op); op = op->getParentOp())
    ++depth;
  return depth;
}

LogicalResult onnx_to_qgraph::finishLoop(Node &node, const LoopSpec &spec,
                                         SmallVector<TensorInfo> &results) {
  if (nesting(node.op) > kMostNested)
    return node.unsupported("loops are nested more than " + Twine(kMostNested) +
                            " deep; take the inner ones apart");
  unsigned errors = node.walk.errorCount();
  auto built = LoopBuilder(node, spec).build();
  if (built) {
    results = std::move(*built);
    return success();
  }
  if (node.walk.errorCount() == errors)
    return failure(); // with a reason
  for (Value result : node.op.getOutputs())
    node.walk.info(result).failed = true;
  return success();
}

/// A scalar, or the tensor of one element that `type` says.
static TensorInfo oneElement(Walk &walk, Type type, unsigned width,
                             Element value) {
  Dims dims;
  if (auto ranked = dyn_cast<RankedTensorType>(type))
    dims.assign(ranked.getRank(), walk.arith.constant(1));
  Type element = width == 1 ? Type(walk.builder.getI1Type())
                            : Type(walk.builder.getIntegerType(width, true));
  return walk.fromElements(element, dims, {value});
}

/// A tensor of which only the dimensions are known, as it is in a loop.
static TensorInfo onlyTensor(Walk &walk, TensorInfo &info) {
  Value value = walk.materialize(info);
  return walk.tensor(value, Dims(info.dims));
}

/// Yields a carried value of this kind. Where it has become another one, that
/// is the kind from then on, and the body is walked again.
static bool passOn(Walk &walk, Kind &kind, const TensorInfo &value,
                   LoopSpec::Body &yields) {
  Kind now = kindOf(value);
  std::optional<Kind> both = merge(kind, now);
  if (!both && kind.isTensor() && now.isTensor()) {
    yields.carried.push_back(value); // what differs is reported there
    return true;
  }
  if (!both) {
    Builder &builder = walk.builder;
    llvm::raw_string_ostream(yields.problem)
        << "a carried value is " << kind.type(builder.getContext())
        << " before an iteration and " << now.type(builder.getContext())
        << " after it";
    return false;
  }
  // That a list has become empty says nothing.
  if (!(*both == kind) && !kind.isTensor()) {
    kind = *both;
    yields.again = true;
  }
  for (TensorInfo &part : pack(walk, value, kind))
    yields.carried.push_back(part);
  return true;
}

//===----------------------------------------------------------------------===//
// Loop
//===----------------------------------------------------------------------===//

static LogicalResult handleLoop(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  onnx_ir::NodeOp op = node.op;
  if (op.getSubgraphs().size() != 1)
    return node.unsupported("it has no body");
  Block &body = op.getSubgraphs()[0].front();
  Operation *terminator = body.getTerminator();
  unsigned carried = node.numInputs() < 2 ? 0 : node.numInputs() - 2;
  unsigned results = op.getNumResults();
  if (body.getNumArguments() != carried + 2 ||
      terminator->getNumOperands() != results + 1 || results < carried)
    return node.unsupported("its body has other inputs or outputs than it");

  LoopSpec spec;
  spec.trips = arith.constant(kUnlimited);
  if (node.numInputs() > 0 && node.has(0)) {
    spec.trips = node.element(0);
    if (!spec.trips)
      return node.unsupported("its number of iterations is not one value");
    spec.trips = arith.max(spec.trips, arith.constant(0));
  }
  spec.condition = arith.constant(1);
  if (node.numInputs() > 1 && node.has(1)) {
    spec.condition = node.element(1);
    if (!spec.condition)
      return node.unsupported("its condition is not one value");
  }
  // What is carried consists of tensors.
  SmallVector<Kind> kinds;
  for (unsigned i = 0; i < carried; ++i) {
    TensorInfo value = node.in(i + 2);
    if (!isThere(value))
      return node.unsupported("carried value " + Twine(i) + " is missing");
    kinds.push_back(kindOf(value));
    for (TensorInfo &part : pack(walk, value, kinds.back()))
      spec.init.push_back(onlyTensor(walk, part));
  }
  auto walkBody = [&](Dim iteration, ArrayRef<TensorInfo> values,
                      LoopSpec::Body &yields) {
    walk.info(body.getArgument(0)) =
        oneElement(walk, body.getArgument(0).getType(), 64, iteration);
    walk.info(body.getArgument(1)) =
        oneElement(walk, body.getArgument(1).getType(), 1, arith.constant(1));
    for (auto [argument, kind] :
         llvm::zip(body.getArguments().drop_front(2), kinds)) {
      TensorInfo value = unpack(walk, kind, values.take_front(kind.parts()));
      walk.info(argument) = value;
      values = values.drop_front(kind.parts());
    }
    unsigned errors = walk.errorCount();
    walk.walkBlock(body);
    bool good = walk.errorCount() == errors;
    for (unsigned i = 0; i <= results; ++i) {
      TensorInfo value = walk.info(terminator->getOperand(i));
      if (value.failed || !isThere(value)) {
        good = false;
      } else if (i == 0 &&
                 !(value.elementType && value.elementType.isInteger(1))) {
        yields.problem = "its body's condition must be BOOL";
        good = false;
      } else if (i == 0) {
        std::optional<Elements> list = walk.readElements(value);
        if (list && list->size() == 1)
          yields.condition = list->front();
        good &= bool(yields.condition);
      } else if (i <= carried) {
        good &= passOn(walk, kinds[i - 1], value, yields);
      } else {
        good &= bool(value);
        yields.pieces.push_back(value);
      }
    }
    return good;
  };
  spec.walkBody = walkBody;
  SmallVector<TensorInfo> built;
  if (failed(finishLoop(node, spec, built)))
    return failure();
  if (built.empty())
    return success(); // reported, or it has no results
  ArrayRef<TensorInfo> left = built;
  for (auto [i, kind] : llvm::enumerate(kinds)) {
    TensorInfo value = unpack(walk, kind, left.take_front(kind.parts()));
    node.set(i, asDeclared(walk, value, op.getResult(i).getType()));
    left = left.drop_front(kind.parts());
  }
  for (auto [i, value] : llvm::enumerate(left))
    node.set(carried + i, value);
  return success();
}

//===----------------------------------------------------------------------===//
// SequenceMap
//===----------------------------------------------------------------------===//

/// The body for each element of the first sequence: other sequences give theirs
/// at the same position, tensors are the same for all.
static LogicalResult handleSequenceMap(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  onnx_ir::NodeOp op = node.op;
  if (op.getSubgraphs().size() != 1 || node.numInputs() < 1 || !node.in(0).list)
    return node.unsupported("it has no body or no sequence");
  Block &body = op.getSubgraphs()[0].front();
  Operation *terminator = body.getTerminator();
  if (body.getNumArguments() != node.numInputs() ||
      terminator->getNumOperands() != op.getNumResults())
    return node.unsupported("its body has other inputs or outputs than it");
  SmallVector<TensorInfo> inputs;
  for (unsigned i = 0; i < node.numInputs(); ++i)
    inputs.push_back(node.in(i));
  Dim length = lengthOf(walk, inputs[0]);
  for (TensorInfo &input : inputs)
    if (input.list &&
        !arith.require(lengthOf(walk, input), length,
                       /*orOne=*/false, "sequences of %a and %b elements"))
      return node.unsupported("its sequences differ in length");
  auto walkAt = [&](Dim position) {
    for (auto [argument, input] : llvm::zip(body.getArguments(), inputs)) {
      std::optional<TensorInfo> item =
          input.list ? elementAt(node, input, position) : input;
      if (!item)
        return false;
      walk.info(argument) = *item;
    }
    unsigned errors = walk.errorCount();
    walk.walkBlock(body);
    bool good = walk.errorCount() == errors;
    for (Value operand : terminator->getOperands())
      good &= walk.info(operand) && !walk.info(operand).failed;
    return good;
  };
  if (std::optional<int64_t> number = DimArithmetic::getConstant(length)) {
    std::vector<std::vector<TensorInfo>> lists(op.getNumResults());
    unsigned errors = walk.errorCount();
    for (int64_t i = 0; i < *number; ++i) {
      if (!walkAt(arith.constant(i))) {
        if (walk.errorCount() == errors)
          return failure();
        for (Value result : op.getOutputs())
          walk.info(result).failed = true;
        return success();
      }
      for (auto [list, operand] : llvm::zip(lists, terminator->getOperands()))
        list.push_back(walk.info(operand));
    }
    for (auto [i, list] : llvm::enumerate(lists)) {
      Type type = list.empty() ? Type() : list.front().elementType;
      if (!type)
        if (auto known =
                kindOf(op.getResult(i).getType(), /*isKnownEmpty=*/true))
          type = known->elementType;
      if (!type)
        return node.unsupported("the type of its elements is not known");
      node.set(i, makeList(type, std::move(list)));
    }
    return success();
  }
  LoopSpec spec;
  spec.trips = length;
  spec.condition = arith.constant(1);
  SmallVector<Kind> kinds;
  for (Value operand : terminator->getOperands()) {
    std::optional<Kind> declared = kindOf(operand.getType());
    if (!declared)
      if (auto tensor = dyn_cast<TensorType>(operand.getType())) {
        declared.emplace();
        declared->elementType = tensor.getElementType();
      }
    if (!declared)
      return node.unsupported("the type of its elements is not known");
    TensorInfo empty = makeList(declared->elementType, {});
    kinds.push_back(kindOf(empty));
    for (TensorInfo &part : pack(walk, empty, kinds.back()))
      spec.init.push_back(onlyTensor(walk, part));
  }
  auto walkBody = [&](Dim iteration, ArrayRef<TensorInfo> values,
                      LoopSpec::Body &yields) {
    SmallVector<TensorInfo> lists;
    for (const Kind &kind : kinds) {
      lists.push_back(unpack(walk, kind, values.take_front(kind.parts())));
      values = values.drop_front(kind.parts());
    }
    if (!walkAt(iteration))
      return false;
    for (auto [i, operand] : llvm::enumerate(terminator->getOperands())) {
      std::optional<TensorInfo> list =
          withElement(node, lists[i], walk.info(operand), Dim());
      if (!list || !passOn(walk, kinds[i], *list, yields))
        return false;
    }
    return true;
  };
  spec.walkBody = walkBody;
  SmallVector<TensorInfo> built;
  if (failed(finishLoop(node, spec, built)))
    return failure();
  ArrayRef<TensorInfo> left = built;
  for (auto [i, kind] : llvm::enumerate(kinds)) {
    if (left.empty())
      break; // reported
    node.set(i, unpack(walk, kind, left.take_front(kind.parts())));
    left = left.drop_front(kind.parts());
  }
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::iterationHandlers() {
  static const Handler handlers[] = {
      {"", "Loop", 1, kNewest, handleLoop},
      {"", "Scan", 8, kNewest, handleScan},
      {"", "SequenceMap", 17, kNewest, handleSequenceMap},
  };
  return handlers;
}

//===- Schedule.cpp - From tensors to a schedule of kernel calls ----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An index value is *early* if it follows from the inputs, their dimensions and
// elements: it is computed once, before the run. It is *late* if it depends on
// what the run computes, or stands in a region: it is computed where it stands.
//
//===----------------------------------------------------------------------===//

#include "Schedule.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Iterators.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace quantc::qkernel {

Scheduler::Scheduler(func::FuncOp func, WeightList &weights,
                     KernelLibrary &kernels)
    : func(func), weights(weights), kernels(kernels) {}

LogicalResult Scheduler::run() {
  OpBuilder builder(func.getBody());
  Location loc = func.getLoc();
  Block &block = entry();
  auto pointer = LLVM::LLVMPointerType::get(func.getContext());
  frame = block.addArgument(pointer, loc);
  thread = block.addArgument(builder.getIndexType(), loc);
  threads = block.addArgument(builder.getIndexType(), loc);

  raiseRequirements();
  ownYields(block);
  if (!collect(block))
    return failure();
  hoistIndexOps();
  assignStorage();
  if (failed(emit()))
    return failure();
  emitSideFunctions();
  finish();
  return success();
}

/// Puts each requirement behind what its values come from: passes that reorder
/// kernels see no use of it, and the kernels that rely on it must come later.
void Scheduler::raiseRequirements() {
  func.walk([](qgraph::RequireOp op) {
    Operation *last = nullptr;
    for (Value operand : op->getOperands())
      if (Operation *maker = operand.getDefiningOp();
          maker && maker->getBlock() == op->getBlock() &&
          (!last || last->isBeforeInBlock(maker)))
        last = maker;
    if (last)
      op->moveAfter(last);
    else
      op->moveBefore(&op->getBlock()->front());
  });
}

/// Finds the ops that become kernels, and reports all that cannot.
bool Scheduler::collect(Block &block) {
  bool good = true;
  for (Operation &op : block.without_terminator()) {
    if (isa<qgraph::IfOp, qgraph::LoopOp>(op)) {
      for (Region &region : op.getRegions())
        good &= collect(region.front());
      continue;
    }
    bool isTensorOp = llvm::any_of(
        op.getResultTypes(), [](Type type) { return isa<TensorType>(type); });
    if (!isTensorOp || isa<qgraph::ConstantOp>(op) || isView(&op))
      continue;
    std::string why = "there is no kernel for this op";
    auto kernel = dyn_cast<KernelOpInterface>(&op);
    if (!kernel || failed(kernel.canEmit(why))) {
      InFlightDiagnostic error = op.emitError("cannot be compiled: ") << why;
      if (auto node = dyn_cast<onnx_ir::NodeOp>(&op)) {
        error.attachNote() << "ONNX node '" << node.getName().value_or("")
                           << "', "
                           << (node.getDomain().empty() ? "ai.onnx"
                                                        : node.getDomain())
                           << "." << node.getOpType() << " version "
                           << node.getVersion();
      }
      good = false;
      continue;
    }
    kernelOps.push_back(&op);
  }
  return good;
}

static bool isIndexOp(Operation *op) {
  return !op->hasTrait<OpTrait::IsTerminator>() && op->getNumRegions() == 0 &&
         isMemoryEffectFree(op) && op->getNumResults() > 0 &&
         llvm::none_of(op->getResultTypes(), [](Type type) {
           return isa<TensorType, NoneType>(type);
         });
}

//===----------------------------------------------------------------------===//
// Early and late
//===----------------------------------------------------------------------===//

bool Scheduler::isLate(Value value) {
  auto known = late.find(value);
  if (known != late.end())
    return known->second;
  bool result = findLate(value);
  late[value] = result;
  return result;
}

bool Scheduler::findLate(Value value) {
  if (auto type = dyn_cast<RankedTensorType>(value.getType());
      type && type.hasStaticShape())
    return false;
  Operation *op = value.getDefiningOp();
  if (!op)
    return cast<BlockArgument>(value).getOwner() != &entry();
  if (op->getBlock() != &entry() || isa<qgraph::IfOp, qgraph::LoopOp>(op))
    return true;
  if (auto element = dyn_cast<qgraph::ElementOp>(op))
    return !isa<BlockArgument>(viewRoot(element.getInput()));
  if (isa<qgraph::ConstantOp>(op))
    return false;
  // Where the dimensions are given, the operands do not matter.
  if (auto node = dyn_cast<onnx_ir::NodeOp>(op))
    if (!node.getDims().empty())
      return llvm::any_of(node.getDims(), [&](Value v) { return isLate(v); });
  bool found = false;
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (!op->isAncestor(operand.getParentBlock()->getParentOp()))
        found |= isLate(operand);
  });
  return found;
}

Value Scheduler::resolve(Value value) {
  if (!isLate(value))
    return canonicalIndex(value);
  Operation *op = value.getDefiningOp();
  if (!op)
    return value;
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    OpBuilder builder(op);
    OpFoldResult size = dims(dim.getSource())[*dim.getConstantIndex()];
    return getValueOrCreateConstantIndexOp(builder, op->getLoc(), size);
  }
  if (isIndexOp(op) && resolved.insert(op).second)
    for (OpOperand &operand : op->getOpOperands())
      operand.set(resolve(operand.get()));
  return value;
}

SmallVector<OpFoldResult> Scheduler::resolvedDims(OpBuilder builder,
                                                  Value tensor) {
  SmallVector<OpFoldResult> sizes = qgraph::getDims(builder, tensor);
  for (OpFoldResult &size : sizes) {
    if (std::optional<int64_t> constant = getConstantIntValue(size))
      size = builder.getIndexAttr(*constant);
    else
      size = resolve(cast<Value>(size));
  }
  return sizes;
}

/// Moves all arithmetic on dimensions that are early to the head of the
/// function and resolves it to dimensions of the arguments, each computed once.
void Scheduler::hoistIndexOps() {
  Block &block = entry();
  SmallVector<Operation *> indexOps;
  for (Operation &op : block)
    if (isIndexOp(&op) && llvm::none_of(op.getResults(), [&](Value result) {
          return isLate(result);
        }))
      indexOps.push_back(&op);
  OpBuilder builder(func.getContext());
  builder.setInsertionPointToStart(&block);
  // Marks behind which nothing canonical, and nothing of the prologue, stands.
  canonicalEnd = arith::ConstantIndexOp::create(builder, func.getLoc(), 0);
  prologueEnd = arith::ConstantIndexOp::create(builder, func.getLoc(), 0);
  for (Operation *op : indexOps) {
    auto dim = dyn_cast<tensor::DimOp>(op);
    if (dim && !isa<BlockArgument>(dim.getSource())) {
      builder.setInsertionPoint(prologueEnd);
      auto sizes = qgraph::getDims(builder, dim.getSource());
      OpFoldResult size = sizes[*dim.getConstantIndex()];
      dim.replaceAllUsesWith(
          getValueOrCreateConstantIndexOp(builder, dim.getLoc(), size));
      late.erase(dim.getResult());
      dim.erase();
      continue;
    }
    op->moveBefore(prologueEnd);
  }
}

/// What the frame holds of `op`, if it is a dimension or an element of an
/// argument; a dimension or element of another value is left alone.
Value Scheduler::readFrame(Operation *op) {
  OpBuilder builder(canonicalEnd);
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    auto argument = dyn_cast<BlockArgument>(dim.getSource());
    if (!argument)
      return {};
    int64_t index = *dim.getConstantIndex();
    for (BlockArgument before :
         func.getArguments().take_front(argument.getArgNumber()))
      if (auto type = dyn_cast<RankedTensorType>(before.getType()))
        index += type.getRank();
    return DimOp::create(builder, op->getLoc(), frame, index);
  }
  auto element = dyn_cast<qgraph::ElementOp>(op);
  if (!element)
    return {};
  auto argument = dyn_cast<BlockArgument>(viewRoot(element.getInput()));
  if (!argument)
    return {};
  Type type = tensorType(argument).getElementType();
  Value value = InputValueOp::create(
      builder, op->getLoc(), kernelElementType(type), frame,
      static_cast<int64_t>(argument.getArgNumber()), element.getElement());
  if (isa<FloatType>(type))
    return value;
  Type index = builder.getIndexType();
  if (type.isUnsignedInteger() || type.isInteger(1))
    return arith::IndexCastUIOp::create(builder, op->getLoc(), index, value);
  return arith::IndexCastOp::create(builder, op->getLoc(), index, value);
}

Value Scheduler::canonicalIndex(Value value) {
  if (Value known = canonical.lookup(value))
    return known;
  if (isLate(value))
    return value;
  Operation *op = value.getDefiningOp();
  if (!op)
    return value;
  for (OpOperand &operand : op->getOpOperands())
    if (!isa<TensorType>(operand.get().getType()))
      operand.set(canonicalIndex(operand.get()));
  std::string key;
  llvm::raw_string_ostream os(key);
  os << op->getName().getStringRef() << op->getAttrDictionary();
  for (Value operand : op->getOperands())
    os << ' ' << operand.getAsOpaquePointer();
  Value &first = canonicalByKey[key];
  if (!first) {
    Value fromFrame = readFrame(op);
    first = fromFrame ? fromFrame : value;
    // Before all that may come to use it: an equal op may stand further up.
    if (!fromFrame &&
        llvm::none_of(op->getOperandTypes(), llvm::IsaPred<TensorType>))
      op->moveBefore(canonicalEnd);
  }
  canonical[value] = first;
  return first;
}

SmallVector<OpFoldResult> Scheduler::dims(Value tensor) {
  auto [known, isNew] = dimsOf.try_emplace(tensor);
  if (!isNew)
    return known->second;
  assert(!isLate(tensor) && "a late tensor's dimensions are noted where it is");
  SmallVector<OpFoldResult> sizes =
      resolvedDims(OpBuilder(prologueEnd), tensor);
  dimsOf[tensor] = sizes;
  return sizes;
}

/// Erases the tensors and gives the function its final signature.
void Scheduler::finish() {
  Block &block = entry();
  MLIRContext *context = func.getContext();
  func->setAttr("qkernel.layers", ArrayAttr::get(context, layers));
  func->setAttr("qkernel.signature", TypeAttr::get(func.getFunctionType()));
  if (slots > 0)
    func->setAttr("qkernel.slots",
                  IntegerAttr::get(IntegerType::get(context, 64), slots));
  if (ArrayAttr attrs = func.getAllArgAttrs())
    func->setAttr("qkernel.arguments", attrs);
  if (ArrayAttr attrs = func.getAllResultAttrs())
    func->setAttr("qkernel.results", attrs);
  func->removeAttr(func.getArgAttrsAttrName());
  func->removeAttr(func.getResAttrsAttrName());

  OpBuilder builder(block.getTerminator());
  func::ReturnOp::create(builder, func.getLoc());
  block.getTerminator()->erase();
  auto eraseDead = [&] {
    func.walk<WalkOrder::PostOrder, ReverseIterator>([&](Operation *op) {
      if (isPure(op) && op->use_empty() &&
          !op->hasTrait<OpTrait::IsTerminator>())
        op->erase();
    });
  };
  // Arithmetic that nobody needs, before the dimensions that it reads.
  eraseDead();
  // What is made of tensors; the ops inside such an op go with it.
  SmallVector<Operation *> tensors;
  func.walk<WalkOrder::PreOrder>([&](Operation *op) {
    bool isTensorOp = isa<qgraph::IfOp, qgraph::LoopOp, qgraph::RequireOp,
                          tensor::DimOp, qgraph::ElementOp>(op) ||
                      llvm::any_of(op->getResultTypes(), [](Type t) {
                        return isa<TensorType, NoneType>(t);
                      });
    if (!isTensorOp)
      return WalkResult::advance();
    tensors.push_back(op);
    return WalkResult::skip();
  });
  for (Operation *op : tensors) {
    op->dropAllReferences();
    // Arithmetic on dimensions, which goes next.
    op->dropAllUses();
  }
  for (Operation *op : tensors)
    op->erase();
  eraseDead();
  unsigned arguments = block.getNumArguments() - 3;
  block.eraseArguments(0, arguments);
  func.setFunctionType(builder.getFunctionType(block.getArgumentTypes(), {}));
}

} // namespace quantc::qkernel

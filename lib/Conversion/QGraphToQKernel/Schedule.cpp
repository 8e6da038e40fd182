//===- Schedule.cpp - From tensors to a schedule of kernel calls ----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Schedule.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
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
  Block &block = func.getBody().front();
  auto pointer = LLVM::LLVMPointerType::get(func.getContext());
  frame = block.addArgument(pointer, loc);
  thread = block.addArgument(builder.getIndexType(), loc);
  threads = block.addArgument(builder.getIndexType(), loc);

  if (failed(collect()))
    return failure();
  hoistIndexOps();
  assignStorage();
  if (failed(emit()))
    return failure();
  emitSideFunctions();
  finish();
  return success();
}

/// Finds the ops that become kernels, and reports all that cannot.
LogicalResult Scheduler::collect() {
  bool good = true;
  copyReturnedViews();
  for (Operation &op : func.getBody().front().without_terminator()) {
    if (auto element = dyn_cast<qgraph::ElementOp>(op);
        element && !isa<BlockArgument>(viewRoot(element.getInput()))) {
      element.emitError("cannot be compiled: the element is computed by the "
                        "model itself; only elements of its inputs are known "
                        "before a run");
      good = false;
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
  return success(good);
}

/// A result of the model needs memory of its own: where it is a view of an
/// argument, of a constant or of another result, it is copied.
void Scheduler::copyReturnedViews() {
  Operation *terminator = func.getBody().front().getTerminator();
  OpBuilder builder(terminator);
  llvm::DenseSet<Value> written;
  for (OpOperand &operand : terminator->getOpOperands()) {
    Value root = viewRoot(operand.get());
    bool owned =
        root.getDefiningOp() && !isa<qgraph::ConstantOp>(root.getDefiningOp());
    if (owned && written.insert(root).second)
      continue;
    SmallVector<Value> dynamic;
    for (OpFoldResult dim : qgraph::getDims(builder, operand.get()))
      if (auto value = dyn_cast<Value>(dim))
        dynamic.push_back(value);
    auto copy = onnx_ir::NodeOp::create(
        builder, terminator->getLoc(), TypeRange{operand.get().getType()},
        ValueRange{operand.get()}, dynamic, builder.getStringAttr("Identity"),
        builder.getStringAttr(""), builder.getI64IntegerAttr(1),
        builder.getDictionaryAttr({}), StringAttr(), ArrayAttr(), 0);
    operand.set(copy.getResult(0));
  }
}

static bool isIndexOp(Operation *op) {
  return !op->hasTrait<OpTrait::IsTerminator>() && op->getNumRegions() == 0 &&
         isMemoryEffectFree(op) && op->getNumResults() > 0 &&
         llvm::none_of(op->getResultTypes(), [](Type type) {
           return isa<TensorType, NoneType>(type);
         });
}

/// Moves all arithmetic on dimensions to the head of the function and resolves
/// it to dimensions of the arguments, each computed once.
void Scheduler::hoistIndexOps() {
  Block &block = func.getBody().front();
  SmallVector<Operation *> indexOps;
  for (Operation &op : block)
    if (isIndexOp(&op))
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
  OpBuilder builder(prologueEnd);
  SmallVector<OpFoldResult> sizes = qgraph::getDims(builder, tensor);
  for (OpFoldResult &size : sizes) {
    if (std::optional<int64_t> constant = getConstantIntValue(size))
      size = builder.getIndexAttr(*constant);
    else
      size = canonicalIndex(cast<Value>(size));
  }
  dimsOf[tensor] = sizes;
  return sizes;
}

/// False for a constant that only says which shape a view has.
static bool isRead(qgraph::ConstantOp constant) {
  return llvm::any_of(constant->getUses(), [](OpOperand &use) {
    return !isView(use.getOwner()) || use.getOperandNumber() == 0;
  });
}

void Scheduler::assignStorage() {
  Block &block = func.getBody().front();
  for (BlockArgument argument : block.getArguments())
    if (isa<TensorType>(argument.getType()))
      storage[argument] = {Place::Input, argument.getArgNumber()};
  for (OpOperand &operand : block.getTerminator()->getOpOperands())
    storage[viewRoot(operand.get())] = {Place::Output,
                                        operand.getOperandNumber()};
  for (auto constant : block.getOps<qgraph::ConstantOp>())
    if (isRead(constant))
      storage[constant] = {Place::Weights, weights.add(constant.getValue())};

  OpBuilder builder(prologueEnd);
  for (auto [position, op] : llvm::enumerate(kernelOps)) {
    for (Value result : op->getResults()) {
      SmallVector<OpFoldResult> sizes = dims(result);
      if (storage.count(result))
        continue;
      Monomial size;
      auto type = kernelMemRefType(cast<RankedTensorType>(result.getType()));
      size.bytes = type.getElementTypeBitWidth() / 8;
      for (OpFoldResult dim : sizes)
        size.multiply(dim);
      storage[result] = {Place::Arena,
                         arena.add(std::move(size), position, position)};
    }
    for (Value input : kernelInputs(op)) {
      auto place = storage.find(viewRoot(input));
      if (place != storage.end() && place->second.place == Place::Arena)
        arena.extend(place->second.index, position);
    }
    builder.setInsertionPoint(prologueEnd);
    Value bytes = cast<KernelOpInterface>(op).getScratchBytes(builder);
    scratchBytes.push_back(bytes ? canonicalIndex(bytes) : Value());
  }
  arena.pack();
}

bool Scheduler::conflict(const Access &a, const Access &b) const {
  if (!a.write && !b.write)
    return false;
  if (a.storage.place != b.storage.place)
    return false;
  if (a.storage.place == Place::Arena)
    return arena.get(a.storage.index).overlaps(arena.get(b.storage.index));
  return a.storage.index == b.storage.index;
}

bool Scheduler::needsBarrier(ArrayRef<Access> accesses) {
  for (const Access &now : accesses)
    for (const Access &before : sinceBarrier)
      if (conflict(now, before))
        return true;
  return false;
}

Value Scheduler::emitBuffer(OpBuilder &builder, Value tensor) {
  Location loc = func.getLoc();
  Storage place = storage.lookup(viewRoot(tensor));
  MemRefType type = kernelMemRefType(cast<RankedTensorType>(tensor.getType()));
  // A dynamic dimension may have turned out to be a number.
  SmallVector<Value> sizes;
  for (auto [d, size] : llvm::enumerate(dims(tensor)))
    if (type.isDynamicDim(d))
      sizes.push_back(getValueOrCreateConstantIndexOp(builder, loc, size));
  Value offset;
  int64_t index = 0;
  BufferKind kind;
  switch (place.place) {
  case Place::Input:
    kind = BufferKind::Input, index = place.index;
    break;
  case Place::Output:
    kind = BufferKind::Output, index = place.index;
    break;
  case Place::Weights:
    kind = BufferKind::Weights;
    offset = arith::ConstantIndexOp::create(builder, loc, place.index);
    break;
  case Place::Arena:
    kind = BufferKind::Arena;
    offset =
        arena.emitOffset(place.index, builder, loc, [](Value v) { return v; });
    break;
  }
  return BufferOp::create(builder, loc, type, kind, frame, offset, sizes,
                          index);
}

LogicalResult Scheduler::emit() {
  Block &block = func.getBody().front();
  OpBuilder builder(block.getTerminator());
  Location loc = func.getLoc();
  auto same = [](Value v) { return v; };
  Value perThread = largestScratch(builder, loc, scratchBytes, same);
  Value scratchBegin;
  if (perThread) {
    scratchBegin = arena.emitSize(builder, loc, same);
    scratchBegin = builder.createOrFold<arith::AddIOp>(
        loc, scratchBegin,
        builder.createOrFold<arith::MulIOp>(loc, perThread, thread));
  }
  bool good = true;
  for (auto [position, op] : llvm::enumerate(kernelOps)) {
    SmallVector<Access> accesses;
    SmallVector<Value> arguments;
    bool hasScratch = scratchBytes[position] != nullptr;
    func::FuncOp kernel = kernels.getOrCreate(op, hasScratch);
    if (!kernel) {
      good = false;
      continue;
    }
    for (Value input : kernelInputs(op))
      if (isa<TensorType>(input.getType()))
        accesses.push_back({storage.lookup(viewRoot(input)), /*write=*/false});
    for (Value result : op->getResults())
      accesses.push_back({storage.lookup(result), /*write=*/true});
    if (needsBarrier(accesses)) {
      BarrierOp::create(builder, loc, frame, thread, threads);
      sinceBarrier.clear();
    }
    llvm::append_range(sinceBarrier, accesses);

    arguments = {thread, threads};
    if (hasScratch) {
      auto type = MemRefType::get({ShapedType::kDynamic}, builder.getI8Type());
      arguments.push_back(
          BufferOp::create(builder, loc, type, BufferKind::Arena, frame,
                           scratchBegin, scratchBytes[position], 0));
    }
    for (Value input : kernelInputs(op)) {
      if (isa<TensorType>(input.getType()))
        arguments.push_back(emitBuffer(builder, input));
      else if (!isa<NoneType>(input.getType()))
        arguments.push_back(canonicalIndex(input));
    }
    for (Value result : op->getResults())
      arguments.push_back(emitBuffer(builder, result));
    CallOp::create(builder, loc, kernel.getSymName(), frame, arguments);
    auto name = op->getAttrOfType<StringAttr>("name");
    layers.push_back(builder.getStringAttr(name ? name.getValue() + " (" +
                                                      kernel.getSymName() + ")"
                                                : Twine(kernel.getSymName())));
    MarkOp::create(builder, loc, frame, static_cast<int64_t>(layers.size() - 1),
                   thread);
  }
  return success(good);
}

/// Erases the tensors and gives the function its final signature.
void Scheduler::finish() {
  Block &block = func.getBody().front();
  func->setAttr("qkernel.layers", ArrayAttr::get(func.getContext(), layers));
  func->setAttr("qkernel.signature", TypeAttr::get(func.getFunctionType()));
  if (ArrayAttr attrs = func.getAllArgAttrs())
    func->setAttr("qkernel.arguments", attrs);
  if (ArrayAttr attrs = func.getAllResultAttrs())
    func->setAttr("qkernel.results", attrs);
  func->removeAttr(func.getArgAttrsAttrName());
  func->removeAttr(func.getResAttrsAttrName());

  OpBuilder builder(block.getTerminator());
  func::ReturnOp::create(builder, func.getLoc());
  block.getTerminator()->erase();
  for (auto require :
       llvm::make_early_inc_range(block.getOps<qgraph::RequireOp>()))
    require.erase();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (llvm::any_of(op.getResultTypes(),
                     [](Type t) { return isa<TensorType, NoneType>(t); }) ||
        (isPure(&op) && op.use_empty() &&
         !op.hasTrait<OpTrait::IsTerminator>()))
      op.erase();
  unsigned tensors = block.getNumArguments() - 3;
  block.eraseArguments(0, tensors);
  func.setFunctionType(builder.getFunctionType(block.getArgumentTypes(), {}));
}

} // namespace quantc::qkernel

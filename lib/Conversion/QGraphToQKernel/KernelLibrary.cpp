//===- KernelLibrary.cpp - One kernel for each distinct op ----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Schedule.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace quantc::qkernel {

bool isView(Operation *op) {
  if (auto node = dyn_cast<onnx_ir::NodeOp>(op))
    return node.is("Reshape");
  return isa<qgraph::ObserveOp, qgraph::ReinterpretOp>(op);
}

Value viewRoot(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isView(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

SmallVector<Value> kernelInputs(Operation *op) {
  SmallVector<Value> inputs;
  if (auto node = dyn_cast<onnx_ir::NodeOp>(op)) {
    llvm::append_range(inputs, node.getInputs());
    return inputs;
  }
  if (op->getNumRegions() == 0) {
    llvm::append_range(inputs, op->getOperands());
    return inputs;
  }
  for (Region &region : op->getRegions())
    region.walk([&](Operation *inner) {
      for (Value operand : kernelInputs(inner))
        if (!region.isAncestor(operand.getParentRegion()) &&
            !llvm::is_contained(inputs, operand))
          inputs.push_back(operand);
    });
  return inputs;
}

/// Prints `op` without names, places and the identity of what it reads.
static void printKey(Operation *op, DenseMap<Value, std::string> &names,
                     llvm::raw_ostream &os) {
  os << op->getName().getStringRef() << '(';
  for (Value input : kernelInputs(op))
    os << names.lookup(input) << ':' << input.getType() << ',';
  os << ")[";
  for (NamedAttribute attr : op->getAttrs())
    if (attr.getName() != "name" && attr.getName() != "operandSegmentSizes")
      os << attr.getName().strref() << '=' << attr.getValue() << ',';
  if (Attribute segments = op->getAttr("operandSegmentSizes"))
    os << segments;
  os << "]->";
  for (Value result : op->getResults()) {
    names[result] = ("v" + Twine(names.size())).str();
    os << result.getType() << ',';
  }
  for (Region &region : op->getRegions())
    for (Operation &inner : region.getOps()) {
      os << '{';
      printKey(&inner, names, os);
      os << '}';
    }
  if (auto kernel = dyn_cast<KernelOpInterface>(op))
    os << kernel.getKernelKey();
}

std::string kernelKey(Operation *op) {
  DenseMap<Value, std::string> names;
  for (Value input : kernelInputs(op))
    names.try_emplace(input, ("i" + Twine(names.size())).str());
  std::string key;
  llvm::raw_string_ostream os(key);
  printKey(op, names, os);
  return key;
}

/// The type of a kernel argument for a value of the schedule.
static Type argumentType(Type type) {
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    return kernelMemRefType(tensor);
  return type;
}

func::FuncOp KernelLibrary::getOrCreate(Operation *op, bool hasScratch) {
  func::FuncOp &entry = byKey[kernelKey(op)];
  if (entry)
    return entry;

  auto interface = cast<KernelOpInterface>(op);
  std::string name = interface.getKernelName();
  if (unsigned count = names[name]++)
    name += "_" + std::to_string(count);

  MLIRContext *context = module.getContext();
  Location loc = UnknownLoc::get(context);
  Type index = IndexType::get(context);
  SmallVector<Type> types = {LLVM::LLVMPointerType::get(context), index, index};
  if (hasScratch)
    types.push_back(
        MemRefType::get({ShapedType::kDynamic}, IntegerType::get(context, 8)));
  SmallVector<Value> inputs = kernelInputs(op);
  for (Value input : inputs)
    if (!isa<NoneType>(input.getType()))
      types.push_back(argumentType(input.getType()));
  for (Value result : op->getResults())
    types.push_back(argumentType(result.getType()));

  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto func = func::FuncOp::create(builder, loc, name,
                                   builder.getFunctionType(types, {}));
  func.setPrivate();
  Block *block = func.addEntryBlock();
  builder.setInsertionPointToStart(block);

  KernelBody body{builder, loc};
  unsigned next = 0;
  body.frame = block->getArgument(next++);
  body.thread = block->getArgument(next++);
  body.threads = block->getArgument(next++);
  if (hasScratch)
    body.scratch = block->getArgument(next++);
  for (Value input : inputs)
    body.inputs.push_back(
        isa<NoneType>(input.getType()) ? Value() : block->getArgument(next++));
  for (unsigned i = 0; i < op->getNumResults(); ++i)
    body.outputs.push_back(block->getArgument(next++));
  body.fast = fast;

  scf::IfOp serial;
  if (!fast) {
    // A plain body is one thread's work.
    Value first = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                        body.thread, body.index(0));
    serial = scf::IfOp::create(builder, loc, first, /*withElseRegion=*/false);
    builder.setInsertionPointToStart(serial.thenBlock());
  }
  if (failed(interface.emitKernel(body)))
    return nullptr;
  builder.setInsertionPointToEnd(block);
  func::ReturnOp::create(builder, loc);
  entry = func;
  return func;
}

int64_t WeightList::add(TypedAttr value) {
  auto [known, isNew] = offsets.try_emplace(value, 0);
  if (!isNew)
    return known->second;
  auto type = kernelMemRefType(cast<RankedTensorType>(value.getType()));
  int64_t elementBits = type.getElementTypeBitWidth();
  int64_t offset = llvm::alignTo(end, Arena::kAlignment);
  end = offset + llvm::divideCeil(type.getNumElements() * elementBits, 8);
  known->second = offset;
  values.push_back(value);
  return offset;
}

ArrayAttr WeightList::getAttr(MLIRContext *context) const {
  return ArrayAttr::get(context, values);
}

} // namespace quantc::qkernel

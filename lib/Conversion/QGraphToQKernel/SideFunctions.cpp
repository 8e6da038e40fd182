//===- SideFunctions.cpp - Shapes and arena size of an entry --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// `@f_shapes` and `@f_arena` are run before the entry: copies of the arithmetic
// on dimensions that the entry's prologue holds.
//
//===----------------------------------------------------------------------===//

#include "Schedule.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace quantc::qkernel {

/// No dimension may be longer, so that no product of a few overflows.
static constexpr int64_t kLongest = int64_t(1) << 31;
/// Nor may a tensor whose size the inputs' values give have more elements.
static constexpr int64_t kMost = int64_t(1) << 31;

Value largestScratch(OpBuilder &builder, Location loc, ArrayRef<Value> sizes,
                     llvm::function_ref<Value(Value)> map) {
  Value result;
  for (Value size : sizes) {
    if (!size)
      continue;
    Value mapped = map(size);
    result = result ? builder.createOrFold<arith::MaxUIOp>(loc, result, mapped)
                    : mapped;
  }
  if (!result)
    return result;
  Value mask =
      arith::ConstantIndexOp::create(builder, loc, Arena::kAlignment - 1);
  Value inverse =
      arith::ConstantIndexOp::create(builder, loc, ~(Arena::kAlignment - 1));
  return builder.createOrFold<arith::AndIOp>(
      loc, builder.createOrFold<arith::AddIOp>(loc, result, mask), inverse);
}

/// Copies what computes `value` to another function; `mapping` knows the frame.
static Value cloneIndex(Value value, OpBuilder &builder, IRMapping &mapping) {
  if (Value known = mapping.lookupOrNull(value))
    return known;
  Operation *op = value.getDefiningOp();
  for (Value operand : op->getOperands())
    cloneIndex(operand, builder, mapping);
  builder.clone(*op, mapping);
  return mapping.lookup(value);
}

void Scheduler::emitDimensionChecks(OpBuilder &builder, Value shapesFrame) {
  auto checks = func->getAttrOfType<ArrayAttr>("onnx.checks");
  if (!checks)
    return;
  Location loc = func.getLoc();
  // Where each named dimension stands, and who has it.
  llvm::StringMap<std::pair<int64_t, std::string>> places;
  int64_t index = 0;
  for (BlockArgument argument : func.getBody().front().getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type)
      continue;
    auto names =
        func.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), "onnx.dims");
    auto input =
        func.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "onnx.name");
    for (int64_t d = 0; d < type.getRank(); ++d, ++index)
      if (names && type.isDynamicDim(d))
        places.try_emplace(cast<StringAttr>(names[d]).getValue(), index,
                           input ? input.getValue().str() : std::string());
  }
  for (auto check : checks.getAsRange<DictionaryAttr>()) {
    StringRef name = check.getAs<StringAttr>("dim").getValue();
    auto place = places.find(name);
    if (place == places.end())
      continue;
    Value dim = DimOp::create(builder, loc, shapesFrame, place->second.first),
          other;
    std::string text = llvm::formatv("dimension '{0}' of input '{1}' is %a",
                                     name, place->second.second);
    if (auto otherName = check.getAs<StringAttr>("equals")) {
      auto otherPlace = places.find(otherName.getValue());
      if (otherPlace == places.end())
        continue;
      other =
          DimOp::create(builder, loc, shapesFrame, otherPlace->second.first);
      text += llvm::formatv(
          ", but must equal dimension '{0}' of input '{1}', which is %b",
          otherName.getValue(), otherPlace->second.second);
    } else {
      int64_t number = check.getAs<IntegerAttr>("equals").getInt();
      other = arith::ConstantIndexOp::create(builder, loc, number);
      text += ", but must be %b";
    }
    Value fits = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                       dim, other);
    if (check.contains("or_one")) {
      Value one = arith::ConstantIndexOp::create(builder, loc, 1);
      for (Value side : {dim, other}) {
        Value isOne = arith::CmpIOp::create(
            builder, loc, arith::CmpIPredicate::eq, side, one);
        fits = arith::OrIOp::create(builder, loc, fits, isOne);
      }
      text += ", or 1";
    }
    emitCheck(builder, shapesFrame, fits, text, dim, other);
  }
}

/// A check with a text of this function's own.
void Scheduler::emitCheck(OpBuilder &builder, Value shapesFrame, Value fits,
                          StringRef text, Value a, Value b) {
  CheckOp::create(builder, func.getLoc(), shapesFrame, fits, ownCheck(text), a,
                  b);
}

int64_t Scheduler::ownCheck(StringRef text) {
  auto attribute = StringAttr::get(func.getContext(), text);
  auto known = llvm::find(ownTexts, attribute);
  int64_t number = known - ownTexts.begin() + 1;
  if (known == ownTexts.end())
    ownTexts.push_back(attribute);
  return static_cast<int64_t>(checkTexts().size()) + number;
}

void Scheduler::emitRequirements(OpBuilder &builder, IRMapping &mapping,
                                 Value shapesFrame) {
  Location loc = func.getLoc();
  for (auto op : func.getBody().front().getOps<qgraph::RequireOp>()) {
    Value a = cloneIndex(canonicalIndex(op.getA()), builder, mapping);
    Value b = cloneIndex(canonicalIndex(op.getB()), builder, mapping);
    Value fits =
        arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, a, b);
    if (op.getOrOne()) {
      Value one = arith::ConstantIndexOp::create(builder, loc, 1);
      for (Value side : {a, b}) {
        Value isOne = arith::CmpIOp::create(
            builder, loc, arith::CmpIPredicate::eq, side, one);
        fits = arith::OrIOp::create(builder, loc, fits, isOne);
      }
    }
    emitCheck(builder, shapesFrame, fits, op.getText(), a, b);
  }
}

/// True if `value` is computed from an element of an input. What is found out
/// is kept: the operands are shared.
static bool dependsOnValues(Value value, llvm::DenseMap<Value, bool> &known) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return false;
  auto [place, isNew] = known.try_emplace(value, false);
  if (!isNew)
    return place->second;
  bool result =
      isa<InputValueOp>(op) || llvm::any_of(op->getOperands(), [&](Value v) {
        return dependsOnValues(v, known);
      });
  known[value] = result;
  return result;
}

void Scheduler::emitSizeChecks(OpBuilder &builder, IRMapping &mapping,
                               Value shapesFrame) {
  Location loc = func.getLoc();
  llvm::DenseSet<Value> checked;
  llvm::DenseMap<Value, bool> depends;
  auto constant = [&](int64_t number) -> Value {
    return arith::ConstantIndexOp::create(builder, loc, number);
  };
  for (Operation *op : kernelOps)
    for (Value result : op->getResults()) {
      if (isLate(result))
        continue; // checked when it gets memory
      SmallVector<OpFoldResult> sizes = dims(result);
      SmallVector<Value> dynamic;
      bool checkProduct = false;
      for (auto [d, size] : llvm::enumerate(sizes)) {
        auto value = dyn_cast<Value>(size);
        if (!value)
          continue;
        dynamic.push_back(cloneIndex(value, builder, mapping));
        if (!dependsOnValues(value, depends))
          continue;
        checkProduct = true;
        if (!checked.insert(value).second)
          continue;
        Value length = dynamic.back();
        Value fits =
            arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ult,
                                  length, constant(kLongest));
        CheckOp::create(builder, loc, shapesFrame, fits, kNegativeSize, length,
                        constant(d));
      }
      if (!checkProduct || sizes.size() < 2)
        continue;
      // Each factor is below kLongest, and the product is cut off before it
      // could overflow.
      int64_t fixed = 1;
      for (OpFoldResult size : sizes)
        if (std::optional<int64_t> number = getConstantIntValue(size))
          fixed = std::min(fixed * std::min(*number, kLongest), kMost + 1);
      Value most = constant(kMost + 1), product = constant(fixed);
      for (Value size : dynamic)
        product = arith::MinUIOp::create(
            builder, loc, arith::MulIOp::create(builder, loc, product, size),
            most);
      Value fits = arith::CmpIOp::create(
          builder, loc, arith::CmpIPredicate::ult, product, most);
      CheckOp::create(builder, loc, shapesFrame, fits, kTooManyElements,
                      product, constant(kMost));
    }
}

func::FuncOp Scheduler::addSideFunction(StringRef suffix, bool takesThreads,
                                        TypeRange results) {
  OpBuilder builder(func.getContext());
  builder.setInsertionPointAfter(func);
  SmallVector<Type> arguments = {frame.getType()};
  if (takesThreads)
    arguments.push_back(builder.getIndexType());
  auto side = func::FuncOp::create(builder, func.getLoc(),
                                   (func.getSymName() + suffix).str(),
                                   builder.getFunctionType(arguments, results));
  side.addEntryBlock();
  return side;
}

void Scheduler::emitSideFunctions() {
  Location loc = func.getLoc();
  Block &block = func.getBody().front();
  OpBuilder builder(func.getContext());

  Type i64 = builder.getI64Type();
  func::FuncOp bytes = addSideFunction("_arena", /*takesThreads=*/true, {i64});
  builder.setInsertionPointToStart(&bytes.getBody().front());
  IRMapping arenaMapping;
  arenaMapping.map(frame, bytes.getArgument(0));
  auto clone = [&](Value value) {
    return cloneIndex(value, builder, arenaMapping);
  };
  Value size = arena.emitSize(builder, loc, clone);
  if (Value perThread = largestScratch(builder, loc, scratchSizes, clone))
    size = builder.createOrFold<arith::AddIOp>(
        loc, size,
        builder.createOrFold<arith::MulIOp>(loc, perThread,
                                            bytes.getArgument(1)));
  func::ReturnOp::create(
      builder, loc,
      ValueRange{arith::IndexCastOp::create(builder, loc, i64, size)});

  func::FuncOp shapes = addSideFunction("_shapes", /*takesThreads=*/false, {});
  Value shapesFrame = shapes.getArgument(0);
  builder.setInsertionPointToStart(&shapes.getBody().front());
  IRMapping mapping;
  mapping.map(frame, shapesFrame);
  emitDimensionChecks(builder, shapesFrame);
  emitRequirements(builder, mapping, shapesFrame);
  emitSizeChecks(builder, mapping, shapesFrame);
  if (!ownTexts.empty())
    func->setAttr("qkernel.checks", builder.getArrayAttr(ownTexts));
  int64_t index = 0;
  for (Value result : block.getTerminator()->getOperands())
    for (OpFoldResult size : dims(result)) {
      if (auto computed = dyn_cast<Value>(size); computed && isLate(computed))
        size = builder.getIndexAttr(-1); // the entry writes it
      Value value = isa<Attribute>(size)
                        ? arith::ConstantIndexOp::create(
                              builder, loc, *getConstantIntValue(size))
                        : cloneIndex(cast<Value>(size), builder, mapping);
      SetDimOp::create(builder, loc, shapesFrame, index++, value);
    }
  func::ReturnOp::create(builder, loc);
}

} // namespace quantc::qkernel

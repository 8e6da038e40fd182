//===- Elementwise.cpp - The table of elementwise operators ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/Elementwise.h"

#include "ElementwiseRow.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace quantc::onnx_ir {

namespace {

//===----------------------------------------------------------------------===//
// Which element types
//===----------------------------------------------------------------------===//

bool isBool(Type t) {
  return t.isInteger(1) && !t.isUnsignedInteger() && !t.isSignedInteger();
}
bool isInteger(Type t) {
  return isa<IntegerType>(t) && t.getIntOrFloatBitWidth() >= 8;
}
bool isFloatUpTo32(Type t) { return t.isF16() || t.isBF16() || t.isF32(); }
bool isFloat(Type t) { return isFloatUpTo32(t) || t.isF64(); }
bool isNumber(Type t) { return isFloat(t) || isInteger(t); }
bool isStored(Type t) { return isa<FloatType, IntegerType>(t); }

/// All operands that are there, and the result, are of this kind and of one
/// type.
template <bool (*Kind)(Type)>
bool all(ArrayRef<Type> types) {
  return llvm::all_of(
      types, [&](Type t) { return !t || (Kind(t) && t == types.back()); });
}
/// The operands are of this kind and of one type; the result is BOOL.
template <bool (*Kind)(Type)>
bool predicate(ArrayRef<Type> types) {
  return isBool(types.back()) && llvm::all_of(types.drop_back(), [&](Type t) {
           return t && Kind(t) && t == types.front();
         });
}
bool isComparable(Type t) { return isNumber(t) || isBool(t); }
bool acceptsPow(ArrayRef<Type> types) {
  return isNumber(types[0]) && isNumber(types[1]) && types[2] == types[0];
}
bool acceptsWhere(ArrayRef<Type> types) {
  return isBool(types[0]) && isStored(types[1]) && types[1] == types[2] &&
         types[2] == types[3];
}

//===----------------------------------------------------------------------===//
// Builders
//===----------------------------------------------------------------------===//

/// Gives `Build` f16 and bf16 operands as f32, and rounds a float result once.
template <Value (*Build)(Row &)>
Value computed(OpBuilder &builder, Location loc, ValueRange operands,
               ArrayRef<Type> types, DictionaryAttr attributes) {
  Row row{
      MathEmitter(builder, loc, operands[0].getType()), {}, types, attributes};
  for (Value operand : operands)
    row.x.push_back(operand ? row.m.widen(operand) : Value());
  Value y = Build(row);
  return isFloat(types.back()) ? row.m.narrow(y, types.back()) : y;
}

/// Gives `Build` the operands as they are.
template <Value (*Build)(Row &)>
Value stored(OpBuilder &builder, Location loc, ValueRange operands,
             ArrayRef<Type> types, DictionaryAttr attributes) {
  Row row{MathEmitter(builder, loc, operands[0].getType()),
          SmallVector<Value>(operands), types, attributes};
  return Build(row);
}

constexpr auto kAny = ChannelEffect::Any;
constexpr auto kPositive = ChannelEffect::Positive;
constexpr auto kJoint = ChannelEffect::Joint;
constexpr auto kJointPositive = ChannelEffect::JointPositive;
constexpr auto kNone = ChannelEffect::None;

const ElementwiseOp kTable[] = {
    // Arithmetic.
    {"Add", 2, computed<rows::add>, kJoint, all<isNumber>},
    {"Sub", 2, computed<rows::sub>, kJoint, all<isNumber>},
    {"Mul", 2, computed<rows::mul>, kAny, all<isNumber>},
    {"Div", 2, computed<rows::div>, kAny, all<isNumber>},
    {"Mod", 2, computed<rows::mod>, kNone, all<isNumber>},
    {"Pow", 2, computed<rows::pow>, kNone, acceptsPow},
    {"Min", 0, computed<rows::min>, kJointPositive, all<isNumber>},
    {"Max", 0, computed<rows::max>, kJointPositive, all<isNumber>},
    {"Sum", 0, computed<rows::sum>, kJoint, all<isFloat>},
    {"Mean", 0, computed<rows::mean>, kJoint, all<isFloat>},
    {"Neg", 1, computed<rows::neg>, kAny, all<isNumber>},
    {"Abs", 1, computed<rows::abs>, kPositive, all<isNumber>},
    {"Sign", 1, computed<rows::sign>, kNone, all<isNumber>},
    {"Clip", 0, computed<rows::clip>, kJointPositive, all<isNumber>},
    {"Relu", 1, computed<rows::relu>, kPositive, all<isNumber>},
    {"PRelu", 2, computed<rows::prelu>, kPositive, all<isNumber>},
    // Comparisons, logic, bits.
    {"Equal", 2, computed<rows::equal>, kNone, predicate<isComparable>},
    {"Less", 2, computed<rows::less>, kNone, predicate<isNumber>},
    {"LessOrEqual", 2, computed<rows::lessOrEqual>, kNone, predicate<isNumber>},
    {"Greater", 2, computed<rows::greater>, kNone, predicate<isNumber>},
    {"GreaterOrEqual", 2, computed<rows::greaterOrEqual>, kNone,
     predicate<isNumber>},
    {"And", 2, computed<rows::bitAnd>, kNone, all<isBool>},
    {"Or", 2, computed<rows::bitOr>, kNone, all<isBool>},
    {"Xor", 2, computed<rows::bitXor>, kNone, all<isBool>},
    {"Not", 1, computed<rows::bitNot>, kNone, all<isBool>},
    {"BitwiseAnd", 2, computed<rows::bitAnd>, kNone, all<isInteger>},
    {"BitwiseOr", 2, computed<rows::bitOr>, kNone, all<isInteger>},
    {"BitwiseXor", 2, computed<rows::bitXor>, kNone, all<isInteger>},
    {"BitwiseNot", 1, computed<rows::bitNot>, kNone, all<isInteger>},
    {"BitShift", 2, computed<rows::bitShift>, kNone, all<isInteger>},
    {"Where", 3, stored<rows::where>, kJoint, acceptsWhere},
    {"IsNaN", 1, computed<rows::isNaN>, kNone, predicate<isFloat>},
    {"IsInf", 1, computed<rows::isInf>, kNone, predicate<isFloat>},
    {"Cast", 1, stored<rows::cast>, kAny, acceptsCast},
    {"CastLike", 1, stored<rows::cast>, kNone, acceptsCast},
    // Functions of one float.
    {"Sqrt", 1, computed<rows::sqrt>, kNone, all<isFloat>},
    {"Reciprocal", 1, computed<rows::reciprocal>, kNone, all<isFloat>},
    {"Exp", 1, computed<rows::exp>, kNone, all<isFloat>},
    {"Log", 1, computed<rows::log>, kNone, all<isFloat>},
    {"Erf", 1, computed<rows::erf>, kNone, all<isFloat>},
    {"Tanh", 1, computed<rows::tanh>, kNone, all<isFloat>},
    {"Sigmoid", 1, computed<rows::sigmoid>, kNone, all<isFloat>},
    {"LeakyRelu", 1, computed<rows::leakyRelu>, kPositive, all<isFloat>},
    {"Elu", 1, computed<rows::elu>, kNone, all<isFloat>},
    {"Selu", 1, computed<rows::selu>, kNone, all<isFloat>},
    {"Celu", 1, computed<rows::celu>, kNone, all<isFloat>},
    {"HardSigmoid", 1, computed<rows::hardSigmoid>, kNone, all<isFloat>},
    {"HardSwish", 1, computed<rows::hardSwish>, kNone, all<isFloat>},
    {"ThresholdedRelu", 1, computed<rows::thresholdedRelu>, kNone,
     all<isFloat>},
    {"Softplus", 1, computed<rows::softplus>, kNone, all<isFloat>},
    {"Softsign", 1, computed<rows::softsign>, kNone, all<isFloat>},
    {"Gelu", 1, computed<rows::gelu>, kNone, all<isFloat>},
    {"Swish", 1, computed<rows::swish>, kNone, all<isFloat>},
    {"Mish", 1, computed<rows::mish>, kNone, all<isFloat>},
    {"Shrink", 1, computed<rows::shrink>, kNone, all<isFloat>},
    {"Floor", 1, computed<rows::floor>, kNone, all<isFloat>},
    {"Ceil", 1, computed<rows::ceil>, kNone, all<isFloat>},
    {"Round", 1, computed<rows::round>, kNone, all<isFloat>},
    {"Sin", 1, computed<rows::sin>, kNone, all<isFloat>},
    {"Cos", 1, computed<rows::cos>, kNone, all<isFloat>},
    {"Tan", 1, computed<rows::tan>, kNone, all<isFloat>},
    {"Asin", 1, computed<rows::asin>, kNone, all<isFloat>},
    {"Acos", 1, computed<rows::acos>, kNone, all<isFloat>},
    {"Atan", 1, computed<rows::atan>, kNone, all<isFloat>},
    {"Sinh", 1, computed<rows::sinh>, kNone, all<isFloat>},
    {"Cosh", 1, computed<rows::cosh>, kNone, all<isFloat>},
    {"Asinh", 1, computed<rows::asinh>, kNone, all<isFloat>},
    {"Acosh", 1, computed<rows::acosh>, kNone, all<isFloat>},
    {"Atanh", 1, computed<rows::atanh>, kNone, all<isFloat>},
};

} // namespace

Type valueType(Type elementType) {
  MLIRContext *context = elementType.getContext();
  unsigned width = elementType.getIntOrFloatBitWidth();
  if (isa<IntegerType>(elementType))
    return IntegerType::get(context,
                            isBool(elementType) ? 1 : std::max(8u, width));
  return width <= 8 ? Type(IntegerType::get(context, 8)) : elementType;
}

ArrayRef<ElementwiseOp> elementwiseTable() { return kTable; }

const ElementwiseOp *lookupElementwise(StringRef opType) {
  static const llvm::StringMap<const ElementwiseOp *> byName = [] {
    llvm::StringMap<const ElementwiseOp *> map;
    for (const ElementwiseOp &row : kTable)
      map[row.name] = &row;
    return map;
  }();
  return byName.lookup(opType);
}

} // namespace quantc::onnx_ir

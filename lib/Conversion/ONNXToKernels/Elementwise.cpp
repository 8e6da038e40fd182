//===- Elementwise.cpp - Kernels of elementwise nodes ---------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NodeKernels.h"

#include "quantc/Dialect/ONNX/Elementwise.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

/// How a dimension of an operand stands to the result's.
enum class Relation { Same, Repeated, Unsure };

Relation relation(MemRefType input, MemRefType output, int64_t d) {
  int64_t own = d - (output.getRank() - input.getRank());
  int64_t from = own < 0 ? 1 : input.getDimSize(own), to = output.getDimSize(d);
  if (from == 1)
    return to == 1 ? Relation::Same : Relation::Repeated;
  bool isSure = from != ShapedType::kDynamic || to == 1;
  return isSure ? Relation::Same : Relation::Unsure;
}

/// The operands the row is built on, absent ones at the end left out.
SmallVector<Value> operandsOf(NodeOp op, const onnx_ir::ElementwiseOp &row) {
  SmallVector<Value> operands(op.getInputs());
  if (row.operands && operands.size() > row.operands)
    operands.resize(row.operands);
  return operands;
}

SmallVector<Type> elementTypes(NodeOp op, const onnx_ir::ElementwiseOp &row) {
  SmallVector<Type> types;
  for (Value operand : operandsOf(op, row)) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    types.push_back(type ? type.getElementType() : Type());
  }
  types.push_back(resultElement(op));
  return types;
}

} // namespace

Access broadcastAccess(KernelBody &body, Value input, Value output,
                       Type element, const llvm::SmallBitVector &same) {
  auto from = cast<MemRefType>(input.getType()),
       to = cast<MemRefType>(output.getType());
  SmallVector<Value> strides = stridesOf(body, sizesOf(body, input));
  Access access;
  access.memory = body.flatten(input);
  access.element = element;
  int64_t missing = to.getRank() - from.getRank();
  SmallVector<bool> isSame;
  for (int64_t d = 0; d < to.getRank(); ++d) {
    Relation r = relation(from, to, d);
    isSame.push_back(r == Relation::Same || (r == Relation::Unsure && same[d]));
    Value zero = body.index(0);
    Value stride = d < missing ? zero : strides[d - missing];
    if (r == Relation::Repeated)
      stride = zero;
    else if (!isSame.back())
      stride = select(body,
                      equals(body, body.dim(input, d - missing), body.index(1)),
                      zero, stride);
    access.strides.push_back(stride);
  }
  for (int64_t d = 0; d < to.getRank(); ++d)
    access.joined.push_back(isSame[d] &&
                            (d + 1 == to.getRank() || isSame[d + 1]));
  return access;
}

Value sameShape(KernelBody &body, Value input, Value output,
                const llvm::SmallBitVector &known) {
  auto from = cast<MemRefType>(input.getType()),
       to = cast<MemRefType>(output.getType());
  Value all = body.constant(body.builder.getBoolAttr(true));
  int64_t missing = to.getRank() - from.getRank();
  for (int64_t d = missing; d < to.getRank(); ++d)
    if (!known[d] && relation(from, to, d) == Relation::Unsure)
      all =
          both(body, all,
               equals(body, body.dim(input, d - missing), body.dim(output, d)));
  return all;
}

/// The dimensions that `operands[which]` alone can have given the result: in
/// all others they are 1, or the other is the same tensor.
static llvm::SmallBitVector ownDimensions(ArrayRef<Value> operands,
                                          unsigned which, int64_t rank) {
  llvm::SmallBitVector own(rank, true);
  for (Value operand : operands) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type || operand == operands[which])
      continue;
    for (int64_t d = 0; d < type.getRank(); ++d)
      if (type.getDimSize(d) != 1)
        own.reset(d + rank - type.getRank());
  }
  return own;
}

LogicalResult acceptsElementwise(NodeOp op, std::string &why) {
  const onnx_ir::ElementwiseOp *row =
      onnx_ir::lookupElementwise(op.getOpType());
  SmallVector<Type> types = elementTypes(op, *row);
  if (types.size() > 1 && types.front() && row->accepts(types) &&
      (row->operands == 0 || types.size() == row->operands + 1))
    return success();
  llvm::raw_string_ostream os(why);
  os << op.getOpType() << " is not there for operands of type ";
  llvm::interleaveComma(op.getInputs().getTypes(), os);
  os << " and a result of type " << op.getResult(0).getType();
  return failure();
}

void emitElementwise(NodeOp op, KernelBody &body) {
  const onnx_ir::ElementwiseOp &row =
      *onnx_ir::lookupElementwise(op.getOpType());
  SmallVector<Type> types = elementTypes(op, row);
  Value output = body.outputs[0];
  SmallVector<Value> sizes = sizesOf(body, output);
  SmallVector<Value> operands = operandsOf(op, row);
  SmallVector<llvm::SmallBitVector> known;
  for (unsigned i = 0; i < operands.size(); ++i)
    known.push_back(ownDimensions(operands, i, sizes.size()));

  auto loops = [&](bool same) {
    SmallVector<Access> reads;
    for (unsigned i = 0; i < operands.size(); ++i)
      if (Value input = body.inputs[i])
        reads.push_back(broadcastAccess(
            body, input, output, types[i],
            same ? llvm::SmallBitVector(sizes.size(), true) : known[i]));
    emitLoops(body, sizes, reads, denseAccess(body, output, types.back()),
              [&](ArrayRef<Value> loaded) {
                SmallVector<Value> arguments;
                for (unsigned i = 0; i < operands.size(); ++i) {
                  arguments.push_back(body.inputs[i] ? loaded.front()
                                                     : Value());
                  if (body.inputs[i])
                    loaded = loaded.drop_front();
                }
                return row.build(body.builder, body.loc, arguments, types,
                                 op.getNodeAttributes());
              });
  };

  // Where dimensions may or may not be repeated, the likely case, that none is,
  // has loops of its own, which are joined; otherwise the strides are chosen at
  // run time.
  OpBuilder &b = body.builder;
  Value same = body.constant(b.getBoolAttr(true));
  for (unsigned i = 0; i < operands.size(); ++i)
    if (Value input = body.inputs[i])
      same = both(body, same, sameShape(body, input, output, known[i]));
  if (!body.fast || matchPattern(same, m_One()))
    return loops(/*same=*/false);
  auto choice = scf::IfOp::create(b, body.loc, same, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(choice.thenBlock());
  loops(/*same=*/true);
  b.setInsertionPointToStart(choice.elseBlock());
  loops(/*same=*/false);
}

} // namespace quantc::onnx_kernels

//===- FuseRows.cpp - Group what works row by row ---------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Groups are found first, over a whole block, and made afterwards. An op joins
// the groups of those who make its rows, unless some op outside would then have
// to run both after and before the group. Groups count as one op each in that
// question: two of them can be sound alone and wait for each other together.
//
//===----------------------------------------------------------------------===//

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/IR/BuiltinOps.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/DimensionEquality.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"

#define DEBUG_TYPE "qgraph-fuse-rows"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {
#define GEN_PASS_DEF_FUSEROWS
#include "quantc/Conversion/Passes.h.inc"

namespace {

//===----------------------------------------------------------------------===//
// Which ops work on rows
//===----------------------------------------------------------------------===//

/// f32 [.., D] with D known.
bool isRows(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getElementType().isF32() && type.getRank() > 0 &&
         !type.isDynamicDim(type.getRank() - 1);
}

/// A scale a row, or a group of one.
bool isRowBlock(RankedTensorType type, ArrayRef<int64_t> block) {
  for (int64_t d = 0; d + 1 < type.getRank(); ++d)
    if (!isPerIndex(type, block, d))
      return false;
  return true;
}

bool isRowNode(onnx_ir::NodeOp node) {
  if (!node.getDomain().empty() || node->getNumResults() != 1 ||
      node->getNumRegions() != 0 || node.getInputs().empty())
    return false;
  const onnx_ir::ElementwiseOp *row =
      onnx_ir::lookupElementwise(node.getOpType());
  Value result = node->getResult(0);
  if (!row || !isRows(result) ||
      (row->operands != 0 && row->operands != node.getInputs().size()))
    return false;
  Type f32 = Float32Type::get(node.getContext());
  SmallVector<Type> types(node.getInputs().size() + 1, f32);
  return row->accepts(types) &&
         llvm::all_of(node.getInputs(), [&](Value input) {
           auto type = dyn_cast<RankedTensorType>(input.getType());
           if (!type || type.getElementType() != f32)
             return false;
           Broadcast broadcast = classifyBroadcast(input, result);
           return broadcast == Broadcast::None ||
                  broadcast == Broadcast::Trailing;
         });
}

/// One scale for all rows, or one for each column.
bool isSharedBlock(RankedTensorType type, ArrayRef<int64_t> block) {
  unsigned last = type.getRank() - 1;
  for (unsigned d = 0; d < last; ++d)
    if (!isWhole(type, block, d) && type.getDimSize(d) != 1)
      return false;
  return isWhole(type, block, last) || isPerIndex(type, block, last);
}

/// True for stored types that row kernels read and write: integers of at most
/// 16 bits.
bool isRowStored(Type stored) {
  auto integer = dyn_cast<IntegerType>(stored);
  return integer && integer.getWidth() <= 16;
}

bool isRowEmbedding(EmbeddingOp embedding) {
  Type table = embedding.getTable().getType().getElementType();
  unsigned bits = table.getIntOrFloatBitWidth();
  return isRows(embedding.getResult()) &&
         (isa<FloatType>(table) ? bits >= 16 : bits == 8);
}

bool isRowChooseParams(ChooseParamsOp params) {
  return isRows(params.getInput()) && isRowStored(params.getStored()) &&
         params.getScale().getType().getElementType().isF32() &&
         (params.getFormula() == Formula::Symmetric ||
          params.getFormula() == Formula::Asymmetric) &&
         !params.getClip() &&
         isRowBlock(params.getInput().getType(), params.getBlock());
}

template <typename OpT>
bool isRowQuantization(OpT op, Value stored, Value real) {
  return isRows(real) &&
         isRowStored(
             cast<RankedTensorType>(stored.getType()).getElementType()) &&
         op.getScale().getType().getElementType().isF32() && !op.getOffset() &&
         !op.getCodebook() && !op.getPrecision() &&
         (isRowBlock(op.getInput().getType(), op.getBlock()) ||
          isSharedBlock(op.getInput().getType(), op.getBlock()));
}

bool isRowQuantize(QuantizeOp op) {
  return isRowQuantization(op, op.getResult(), op.getInput());
}

/// Not of constants: these are computed at compile time.
bool isRowDequantize(DequantizeOp op) {
  return !isConstant(op.getInput()) &&
         isRowQuantization(op, op.getInput(), op.getResult());
}

/// True if `op` can be a member of a group.
bool isRowOp(Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<NormOp>([](NormOp norm) {
        return isRows(norm.getInput()) && isRows(norm.getResult());
      })
      .Case<EmbeddingOp>(isRowEmbedding)
      .Case<ChooseParamsOp>(isRowChooseParams)
      .Case<QuantizeOp>(isRowQuantize)
      .Case<DequantizeOp>(isRowDequantize)
      .Case<onnx_ir::NodeOp>(isRowNode)
      .Default(false);
}

/// The operands that are rows of the same number and place as the results.
SmallVector<Value> rowOperands(Operation *op) {
  return llvm::TypeSwitch<Operation *, SmallVector<Value>>(op)
      .Case<NormOp, ChooseParamsOp>(
          [](auto op) { return SmallVector<Value>{op.getInput()}; })
      .Case<QuantizeOp, DequantizeOp>([](auto op) {
        SmallVector<Value> operands{op.getInput(), op.getScale()};
        if (op.getZeroPoint())
          operands.push_back(op.getZeroPoint());
        return operands;
      })
      .Case<onnx_ir::NodeOp>([](onnx_ir::NodeOp node) {
        SmallVector<Value> operands;
        for (Value input : node.getInputs())
          if (classifyBroadcast(input, node->getResult(0)) == Broadcast::None)
            operands.push_back(input);
        return operands;
      })
      .Default(SmallVector<Value>());
}

//===----------------------------------------------------------------------===//
// Groups of one block
//===----------------------------------------------------------------------===//

/// More than any model's norms and what is around them. A kernel is one loop
/// over the columns, and the time to compile one grows with its square.
constexpr size_t kMostMembers = 32;

class BlockGroups {
public:
  explicit BlockGroups(Block &block);

  /// The groups of two ops or more, members in order.
  SmallVector<SmallVector<Operation *>> take();

private:
  /// A node of the contracted graph: the members in order.
  using Group = SmallVector<Operation *>;

  void place(Operation *op);
  bool canMerge(unsigned a, unsigned b) const;
  void visitOperands(Operation *op,
                     function_ref<void(Operation *)> visit) const;

  Block &block;
  DenseMap<Operation *, unsigned> position, groupOf;
  std::vector<Group> groups; // every op's own at first; merged ones are emptied
};

BlockGroups::BlockGroups(Block &block) : block(block) {
  for (auto [i, op] : llvm::enumerate(block)) {
    position[&op] = i;
    groupOf[&op] = i;
    groups.push_back({&op});
  }
  for (Operation &op : block)
    if (isRowOp(&op))
      place(&op);
}

/// Calls `visit` for the ops of this block whose results `op`, or an op inside
/// it, reads.
void BlockGroups::visitOperands(Operation *op,
                                function_ref<void(Operation *)> visit) const {
  op->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (Operation *definition = operand.getDefiningOp())
        if (definition->getBlock() == &block)
          visit(definition);
  });
}

/// True if no op outside the two groups has to run between their members: no
/// way from an operand that comes from outside back to a member.
bool BlockGroups::canMerge(unsigned a, unsigned b) const {
  SmallVector<unsigned> work;
  llvm::DenseSet<unsigned> seen;
  bool comesBack = false;
  auto visitMakers = [&](unsigned id, bool inside) {
    for (Operation *member : groups[id])
      visitOperands(member, [&](Operation *maker) {
        unsigned next = groupOf.lookup(maker);
        if (next == a || next == b)
          comesBack |= !inside;
        else if (seen.insert(next).second)
          work.push_back(next);
      });
  };
  visitMakers(a, /*inside=*/true);
  visitMakers(b, /*inside=*/true);
  while (!work.empty() && !comesBack)
    visitMakers(work.pop_back_val(), /*inside=*/false);
  return !comesBack;
}

/// Joins `op` to the groups of its rows' makers, as many as can be.
void BlockGroups::place(Operation *op) {
  llvm::SmallSetVector<unsigned, 4> wanted;
  for (Value operand : rowOperands(op))
    if (Operation *maker = operand.getDefiningOp())
      if (maker->getBlock() == &block && isRowOp(maker))
        wanted.insert(groupOf[maker]);
  unsigned mine = groupOf[op];
  for (unsigned id : wanted) {
    if (id == mine || groups[id].size() + groups[mine].size() > kMostMembers ||
        !canMerge(id, mine))
      continue;
    Group &into = groups[mine], &from = groups[id];
    for (Operation *member : from)
      groupOf[member] = mine;
    into.append(from);
    llvm::sort(into, [&](Operation *a, Operation *b) {
      return position[a] < position[b];
    });
    from.clear();
  }
}

SmallVector<SmallVector<Operation *>> BlockGroups::take() {
  SmallVector<SmallVector<Operation *>> result;
  for (Group &group : groups)
    if (group.size() > 1)
      result.push_back(std::move(group));
  return result;
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

/// The name of a group: that of its last norm, else of its first member with a
/// name.
StringAttr nameOf(ArrayRef<Operation *> members) {
  StringRef name;
  for (Operation *op : members)
    if (StringRef own = getLayerName(op);
        !own.empty() && (name.empty() || isa<NormOp>(op)))
      name = own;
  return name.empty() ? StringAttr()
                      : StringAttr::get(members[0]->getContext(), name);
}

void makeRows(ArrayRef<Operation *> members) {
  llvm::SmallPtrSet<Operation *, 8> inside(members.begin(), members.end());
  SmallVector<Value> yielded;
  SmallVector<Location> locations;
  for (Operation *op : members) {
    locations.push_back(op->getLoc());
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(),
                       [&](Operation *user) { return !inside.contains(user); }))
        yielded.push_back(result);
  }
  OpBuilder builder(members.back());
  Location loc = builder.getFusedLoc(locations);
  auto rows = RowsOp::create(builder, loc, TypeRange(ValueRange(yielded)),
                             nameOf(members));
  Block *body = rows.getBody().empty() ? &rows.getBody().emplaceBlock()
                                       : &rows.getBody().front();
  for (Operation *op : members)
    op->moveBefore(body, body->end());
  for (auto [value, result] : llvm::zip_equal(yielded, rows.getResults()))
    value.replaceUsesWithIf(result, [&](OpOperand &use) {
      return !inside.contains(use.getOwner());
    });
  builder.setInsertionPointToEnd(body);
  YieldOp::create(builder, loc, yielded);
}

class FuseRowsPass : public impl::FuseRowsBase<FuseRowsPass> {
public:
  void runOnOperation() override {
    SmallVector<Block *> blocks;
    getOperation().walk([&](Block *block) {
      if (!isa_and_nonnull<RowsOp>(block->getParentOp()))
        blocks.push_back(block);
    });
    for (Block *block : blocks) {
      SmallVector<SmallVector<Operation *>> found = BlockGroups(*block).take();
      for (ArrayRef<Operation *> group : found) {
        makeRows(group);
        ++groups;
        members += group.size();
      }
      // A group stands where its last member stood; readers of the others
      // follow.
      if (!found.empty() && block->mightHaveTerminator())
        sortTopologically(block);
    }
  }
};

} // namespace
} // namespace quantc

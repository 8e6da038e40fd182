//===- Scopes.cpp - Walking into the regions of branches and loops --------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is made inside a region cannot be used outside, and what holds inside
// need not hold outside: a scope takes all that is known and puts it back. So a
// region can be walked again, under other assumptions.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

Walk::Scope Walk::openScope(Block *block) {
  Scope scope{infos,           dimsOf,      read,
              arith.state(),   arith.where, builder.saveInsertionPoint(),
              builder.getLoc()};
  builder.setInsertionPointToEnd(block);
  return scope;
}

void Walk::closeScope(Scope scope) {
  infos = std::move(scope.infos);
  dimsOf = std::move(scope.dimsOf);
  read = std::move(scope.read);
  arith.restore(std::move(scope.dims));
  arith.where = std::move(scope.where);
  builder.restoreInsertionPoint(scope.place);
  builder.setLoc(scope.location);
}

std::vector<Diagnostic> Walk::holdMessages(llvm::function_ref<void()> build) {
  std::vector<Diagnostic> held;
  ScopedDiagnosticHandler handler(builder.getContext(),
                                  [&](Diagnostic &diagnostic) {
                                    held.push_back(std::move(diagnostic));
                                    return success();
                                  });
  build();
  return held;
}

void Walk::show(std::vector<Diagnostic> messages) {
  for (Diagnostic &message : messages)
    builder.getContext()->getDiagEngine().emit(std::move(message));
}

bool Walk::isLate(Value value) {
  llvm::DenseSet<Value> seen;
  SmallVector<Value> work = {value};
  while (!work.empty()) {
    Value next = work.pop_back_val();
    if (!seen.insert(next).second)
      continue;
    Operation *op = next.getDefiningOp();
    if (!op) {
      if (next.getParentBlock() != newBody)
        return true;
      continue;
    }
    if (op->getBlock() != newBody)
      return true;
    if (isa<qgraph::ElementOp, tensor::DimOp>(op)) {
      // Of an argument, perhaps reshaped.
      Value source = op->getOperand(0);
      while (onnx_ir::NodeOp view = nodeOf(source, "Reshape"))
        source = view.getInputs()[0];
      if (source.getDefiningOp())
        return true;
      work.push_back(source);
      continue;
    }
    llvm::append_range(work, op->getOperands());
  }
  return false;
}

/// Inside a region, or of late values, what must hold is required where it is
/// met, before the nodes that rely on it.
bool Walk::placeCheck(const DimArithmetic::Check &check) {
  auto isLateDim = [&](Dim dim) {
    auto value = dyn_cast<Value>(dim);
    return value && isLate(value);
  };
  if (builder.getInsertionBlock() == newBody && !isLateDim(check.dim) &&
      !isLateDim(check.equals))
    return false;
  qgraph::RequireOp::create(builder, arith.materialize(check.dim),
                            arith.materialize(check.equals), check.orOne,
                            builder.getStringAttr(check.text));
  return true;
}

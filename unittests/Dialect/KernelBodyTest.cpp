//===- KernelBodyTest.cpp - What a kernel's body is made from ---*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QKernel/QKernelDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Verifier.h"

#include "gtest/gtest.h"

using namespace mlir;
using namespace quantc::qkernel;

namespace {

class KernelBodyTest : public testing::Test {
protected:
  KernelBodyTest() : builder(&context) {
    context.loadDialect<QKernelDialect, func::FuncDialect, scf::SCFDialect>();
  }

  /// Runs `emit` in a function with these memrefs and (thread, threads); true
  /// if the result verifies.
  bool emits(ArrayRef<Type> memrefs,
             llvm::function_ref<void(KernelBody &, ValueRange)> emit,
             bool fast = true) {
    Location loc = builder.getUnknownLoc();
    SmallVector<Type> types(memrefs);
    types.append(2, builder.getIndexType());
    module = ModuleOp::create(loc);
    builder.setInsertionPointToEnd(module->getBody());
    auto function = func::FuncOp::create(builder, loc, "kernel",
                                         builder.getFunctionType(types, {}));
    Block *block = function.addEntryBlock();
    builder.setInsertionPointToEnd(block);
    KernelBody body{builder, loc, {}, {}, {}, {}, {}, {}, fast};
    body.thread = block->getArgument(memrefs.size());
    body.threads = block->getArgument(memrefs.size() + 1);
    emit(body, block->getArguments().take_front(memrefs.size()));
    func::ReturnOp::create(builder, loc);
    return succeeded(verify(*module));
  }

  MemRefType f32(ArrayRef<int64_t> shape) {
    return MemRefType::get(shape, builder.getF32Type());
  }

  MLIRContext context;
  OpBuilder builder;
  OwningOpRef<ModuleOp> module;
};

constexpr int64_t kDynamic = ShapedType::kDynamic;

TEST_F(KernelBodyTest, ElementTypes) {
  auto integer = [&](unsigned width, IntegerType::SignednessSemantics sign) {
    return kernelElementType(IntegerType::get(&context, width, sign));
  };
  EXPECT_EQ(integer(64, IntegerType::Signed), builder.getI64Type());
  EXPECT_EQ(integer(4, IntegerType::Unsigned), builder.getI8Type());
  EXPECT_EQ(integer(1, IntegerType::Signless), builder.getI8Type());
  EXPECT_EQ(kernelElementType(Float8E4M3FNType::get(&context)),
            builder.getI8Type());
  EXPECT_EQ(kernelElementType(Float4E2M1FNType::get(&context)),
            builder.getI8Type());
  EXPECT_EQ(kernelElementType(builder.getBF16Type()), builder.getBF16Type());
  EXPECT_EQ(kernelMemRefType(
                RankedTensorType::get({2, kDynamic}, builder.getF32Type())),
            f32({2, kDynamic}));
}

TEST_F(KernelBodyTest, Views) {
  struct Case {
    SmallVector<int64_t> shape, flat, rows;
  } cases[] = {{{}, {1}, {1, 1}},
               {{5}, {5}, {1, 5}},
               {{kDynamic}, {kDynamic}, {1, kDynamic}},
               {{2, 3}, {6}, {2, 3}},
               {{2, kDynamic, 4}, {kDynamic}, {kDynamic, 4}},
               {{2, 3, kDynamic}, {kDynamic}, {6, kDynamic}}};
  for (const Case &test : cases)
    EXPECT_TRUE(emits({f32(test.shape)}, [&](KernelBody &body, ValueRange v) {
      EXPECT_EQ(body.flatten(v[0]).getType(), f32(test.flat));
      EXPECT_EQ(body.asRows(v[0]).getType(), f32(test.rows));
    }));
}

TEST_F(KernelBodyTest, Loops) {
  EXPECT_TRUE(emits({f32({kDynamic, 4})}, [&](KernelBody &body, ValueRange v) {
    body.loop(body.index(0), body.dim(v[0], 0), 2, [&](Value row) {
      SmallVector<Value> sum = body.loop(
          body.index(0), body.dim(v[0], 1), 1, {body.f32(0)},
          [&](Value column, ValueRange carried) -> SmallVector<Value> {
            return {carried[0]};
          });
      EXPECT_EQ(sum.size(), 1u);
      EXPECT_TRUE(sum[0].getType().isF32());
    });
  }));
}

/// The value of an index computed from constants.
int64_t evaluate(Value value) {
  Operation *op = value.getDefiningOp();
  SmallVector<Attribute> operands;
  for (Value operand : op->getOperands())
    operands.push_back(IntegerAttr::get(operand.getType(), evaluate(operand)));
  SmallVector<OpFoldResult> results;
  EXPECT_TRUE(succeeded(op->fold(operands, results)));
  return *getConstantIntValue(results.front());
}

TEST_F(KernelBodyTest, SharesCoverAllOnce) {
  for (int64_t total : {0, 1, 7, 64, 100})
    for (int64_t grain : {1, 16})
      for (int64_t threads : {1, 2, 3, 8}) {
        int64_t next = 0;
        for (int64_t thread = 0; thread < threads; ++thread)
          EXPECT_TRUE(emits({}, [&](KernelBody &body, ValueRange) {
            body.thread = body.index(thread);
            body.threads = body.index(threads);
            auto [lo, hi] = body.share(body.index(total), grain);
            EXPECT_EQ(evaluate(lo), next);
            next = evaluate(hi);
            EXPECT_TRUE(next % grain == 0 || next == total);
          }));
        EXPECT_EQ(next, total);
      }
}

TEST_F(KernelBodyTest, APlainBodyHasAll) {
  EXPECT_TRUE(emits(
      {},
      [&](KernelBody &body, ValueRange) {
        Value total = body.index(100);
        auto [lo, hi] = body.share(total, 16);
        EXPECT_EQ(evaluate(lo), 0);
        EXPECT_EQ(hi, total);
      },
      /*fast=*/false));
}

} // namespace

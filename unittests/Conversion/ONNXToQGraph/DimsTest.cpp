//===- DimsTest.cpp - Arithmetic on dimensions ----------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Random expressions are built with DimArithmetic and with plain integers; the
// IR that DimArithmetic makes is then evaluated and must agree, and so must
// what it has proven.
//
//===----------------------------------------------------------------------===//

#include "../../../lib/Conversion/ONNXToQGraph/Dims.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "gtest/gtest.h"

#include <random>

using namespace mlir;
using namespace quantc::onnx_to_qgraph;

namespace {

class DimsTest : public ::testing::Test {
protected:
  DimsTest() : builder(UnknownLoc::get(&context), &context), arith(builder) {
    context.loadDialect<arith::ArithDialect>();
    builder.setInsertionPointToEnd(&block);
    for (int i = 0; i < 3; ++i)
      symbols.push_back(arith.symbol(
          block.addArgument(builder.getIndexType(), builder.getLoc()), {0, 512},
          /*isInput=*/true));
  }

  /// The number that an index value has for these numbers of the arguments.
  int64_t evaluate(Value value, ArrayRef<int64_t> numbers) {
    if (auto argument = dyn_cast<BlockArgument>(value))
      return numbers[argument.getArgNumber()];
    Operation *op = value.getDefiningOp();
    if (auto constant = dyn_cast<arith::ConstantIndexOp>(op))
      return constant.value();
    SmallVector<int64_t> x;
    for (Value operand : op->getOperands())
      x.push_back(evaluate(operand, numbers));
    StringRef name = op->getName().getStringRef();
    if (name == "arith.addi")
      return x[0] + x[1];
    if (name == "arith.muli")
      return x[0] * x[1];
    if (name == "arith.divsi")
      return x[0] / x[1];
    if (name == "arith.minsi")
      return std::min(x[0], x[1]);
    if (name == "arith.maxsi")
      return std::max(x[0], x[1]);
    if (name == "arith.select")
      return x[0] ? x[1] : x[2];
    if (name == "arith.index_castui")
      return x[0];
    if (name == "arith.floordivsi")
      return (x[0] - ((x[0] % x[1]) + x[1]) % x[1]) / x[1];
    if (auto compare = dyn_cast<arith::CmpIOp>(op))
      return arith::applyCmpPredicate(compare.getPredicate(),
                                      APInt(64, x[0], /*isSigned=*/true),
                                      APInt(64, x[1], /*isSigned=*/true));
    ADD_FAILURE() << "not expected: " << name.str();
    return 0;
  }
  int64_t evaluate(Dim dim, ArrayRef<int64_t> numbers) {
    if (std::optional<int64_t> constant = DimArithmetic::getConstant(dim))
      return *constant;
    return evaluate(cast<Value>(dim), numbers);
  }

  MLIRContext context;
  Block block;
  ImplicitLocOpBuilder builder;
  DimArithmetic arith;
  Dims symbols;
};

TEST_F(DimsTest, EqualDimensionsAreOneValue) {
  Dim b = symbols[0], s = symbols[1];
  Dim left = arith.mul(arith.add(b, s), arith.add(b, s));
  Dim right = arith.add(
      arith.add(arith.mul(b, b), arith.mul(arith.mul(s, b), arith.constant(2))),
      arith.mul(s, s));
  EXPECT_EQ(left, right);
  EXPECT_EQ(arith.sub(arith.add(b, s), s), b);
}

TEST_F(DimsTest, DivisionLeavesTheHeads) {
  Dim b = symbols[0], s = symbols[1];
  Dim total = arith.product({b, s, arith.constant(384)});
  Dim known = arith.product({b, s, arith.constant(32)});
  EXPECT_EQ(DimArithmetic::getConstant(arith.div(total, known)), 12);
  EXPECT_EQ(arith.div(total, arith.mul(s, arith.constant(384))), b);
  EXPECT_EQ(DimArithmetic::getConstant(arith.mod(total, s)), 0);
  EXPECT_FALSE(arith.div(total, arith.constant(0)));
}

TEST_F(DimsTest, BoundsDecide) {
  Dim s = symbols[1];
  EXPECT_EQ(arith.min(s, arith.constant(512)), s);
  EXPECT_EQ(arith.max(s, arith.constant(0)), s);
  EXPECT_NE(arith.min(s, arith.constant(511)), s);
  EXPECT_TRUE(arith.different(s, arith.constant(513)));
  EXPECT_TRUE(arith.lessEqual(s, arith.add(s, symbols[0])));
  EXPECT_FALSE(arith.lessEqual(arith.add(s, symbols[0]), s));
}

TEST_F(DimsTest, MinimaAndMaximaDecide) {
  Dim a = symbols[0], b = symbols[1], c = symbols[2];
  Dim start = arith.min(a, c), stop = arith.min(b, c);
  EXPECT_TRUE(arith.lessEqual(start, a));
  EXPECT_TRUE(arith.lessEqual(start, c));
  EXPECT_FALSE(arith.lessEqual(a, start));
  EXPECT_FALSE(arith.lessEqual(start, b));
  EXPECT_TRUE(arith.lessEqual(a, arith.max(a, b)));
  EXPECT_FALSE(arith.lessEqual(arith.max(a, b), a));
  // A slice of c from `start` to `stop` ends within c, and is as long as it is.
  Dim length = arith.max(arith.sub(stop, start), arith.constant(0));
  Dim end = arith.add(start, length);
  EXPECT_EQ(arith.min(end, c), end);
  EXPECT_EQ(arith.max(arith.sub(end, start), arith.constant(0)), length);
  EXPECT_FALSE(arith.lessEqual(end, stop)); // not where stop < start
}

TEST_F(DimsTest, DivisorsAreGuardedOnce) {
  Dim divisor = arith.symbol(
      block.addArgument(builder.getIndexType(), builder.getLoc()), {-5, 5});
  auto by = [](Dim quotient) {
    return cast<Value>(quotient).getDefiningOp<arith::DivSIOp>().getRhs();
  };
  Value guarded = by(arith.div(symbols[0], divisor));
  EXPECT_NE(Dim(guarded), divisor);
  EXPECT_EQ(by(arith.div(symbols[1], guarded)), guarded);
  EXPECT_EQ(evaluate(arith.div(symbols[0], divisor), {7, 0, 0, 0}), 7);
  EXPECT_EQ(evaluate(arith.div(symbols[0], divisor), {7, 0, 0, -2}), -3);
}

TEST_F(DimsTest, BroadcastProvesBounds) {
  Dim s = symbols[1];
  Dim rows = arith.min(s, arith.constant(100));
  EXPECT_EQ(arith.broadcast(s, rows), s);
  EXPECT_EQ(arith.boundsOf(s).high, 100);
  EXPECT_EQ(arith.min(s, arith.constant(100)), s);
  EXPECT_FALSE(arith.broadcast(arith.constant(3), arith.constant(4)));
}

TEST_F(DimsTest, WhatIsNotProvenIsChecked) {
  Dim a = symbols[0], b = symbols[1];
  EXPECT_TRUE(arith.require(a, a));
  EXPECT_TRUE(arith.getChecks().empty());
  Dim three = arith.constant(3);
  EXPECT_TRUE(arith.require(arith.mul(a, three), arith.mul(b, three)));
  ASSERT_EQ(arith.getChecks().size(), 1u);
  EXPECT_EQ(Dim(arith.getChecks()[0].dim), a);
  EXPECT_EQ(arith.getChecks()[0].equals, b);
  // 3 * c = 12 says c = 4, 3 * c = 13 nothing can be.
  EXPECT_TRUE(arith.require(arith.mul(symbols[2], three), arith.constant(12)));
  EXPECT_EQ(arith.boundsOf(symbols[2]).low, 4);
  EXPECT_FALSE(arith.require(arith.mul(a, three), arith.constant(13)));
}

TEST_F(DimsTest, RandomExpressions) {
  std::mt19937 random(7);
  auto pick = [&](int n) { return int(random() % n); };
  const SmallVector<int64_t> numbers[] = {
      {1, 1, 1}, {2, 3, 5}, {512, 1, 7}, {0, 16, 512}, {9, 9, 9}};
  for (int round = 0; round < 300; ++round) {
    // Each expression with its value for each choice of the arguments.
    struct Expression {
      Dim dim;
      SmallVector<int64_t> values;
    };
    std::vector<Expression> made;
    for (int i = 0; i < 3; ++i) {
      Expression symbol{symbols[i], {}};
      for (const auto &choice : numbers)
        symbol.values.push_back(choice[i]);
      made.push_back(symbol);
    }
    for (int64_t constant : {1, 2, 3, 12, -1})
      made.push_back({arith.constant(constant),
                      SmallVector<int64_t>(std::size(numbers), constant)});
    for (int step = 0; step < 8; ++step) {
      const Expression a = made[pick(made.size())], b = made[pick(made.size())];
      Expression result;
      int operation = pick(8);
      bool divides = operation == 3 || operation == 4;
      if (divides && llvm::is_contained(b.values, 0))
        continue;
      switch (operation) {
      case 0:
        result.dim = arith.add(a.dim, b.dim);
        break;
      case 1:
        result.dim = arith.sub(a.dim, b.dim);
        break;
      case 2:
        result.dim = arith.mul(a.dim, b.dim);
        break;
      case 3:
        result.dim = arith.div(a.dim, b.dim);
        break;
      case 4:
        result.dim = arith.mod(a.dim, b.dim);
        break;
      case 5:
        result.dim = arith.min(a.dim, b.dim);
        break;
      case 6:
        result.dim = arith.max(a.dim, b.dim);
        break;
      default:
        result.dim = arith.compare(arith::CmpIPredicate::sle, a.dim, b.dim);
      }
      bool small = true;
      for (auto [x, y] : llvm::zip(a.values, b.values)) {
        int64_t value = 0;
        switch (operation) {
        case 0:
          value = x + y;
          break;
        case 1:
          value = x - y;
          break;
        case 2:
          value = x * y;
          break;
        case 3:
          value = x / y;
          break;
        case 4:
          value = ((x % y) + y) % y;
          break;
        case 5:
          value = std::min(x, y);
          break;
        case 6:
          value = std::max(x, y);
          break;
        default:
          value = x <= y;
        }
        small &= std::abs(value) < (int64_t(1) << 40);
        result.values.push_back(value);
      }
      if (!small)
        continue;
      Bounds bounds = arith.boundsOf(result.dim);
      for (auto [i, value] : llvm::enumerate(result.values)) {
        ASSERT_EQ(evaluate(result.dim, numbers[i]), value)
            << "operation " << operation << " of " << a.values[i] << " and "
            << b.values[i];
        ASSERT_LE(bounds.low, value);
        ASSERT_GE(bounds.high, value);
      }
      made.push_back(result);
    }
  }
}

/// At the ends of 64 bits sums and products wrap, comparisons do not.
TEST_F(DimsTest, Overflow) {
  constexpr int64_t least = std::numeric_limits<int64_t>::min(),
                    most = std::numeric_limits<int64_t>::max();
  auto number = [&](int64_t value) { return arith.constant(value); };
  auto is = [&](Dim dim, int64_t value) {
    return DimArithmetic::getConstant(dim) == value;
  };
  EXPECT_TRUE(is(arith.add(number(most), number(1)), least));
  EXPECT_TRUE(is(arith.mul(number(most), number(2)), -2));
  EXPECT_TRUE(is(arith.sub(number(0), number(least)), least));
  EXPECT_TRUE(is(arith.div(number(least), number(-1)), least));
  EXPECT_TRUE(is(arith.mod(number(least), number(-1)), 0));
  EXPECT_TRUE(is(arith.mod(number(most - 1), number(most)), most - 1));
  EXPECT_TRUE(is(arith.mod(number(-1), number(most)), most - 1));
  EXPECT_TRUE(is(arith.min(number(least), number(most)), least));
  EXPECT_TRUE(is(arith.max(number(least), number(most)), most));
  EXPECT_TRUE(arith.different(number(least), number(most)));
  Dim scaled = arith.mul(symbols[0], number(least));
  EXPECT_FALSE(arith.lessEqual(scaled, arith.mul(symbols[0], number(1))));
  EXPECT_TRUE(arith.div(scaled, number(-1)));
}

} // namespace

//===- TileDot.h - What a level says about dot products ---------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_TARGET_CPU_TILEDOT_H
#define QUANTC_LIB_TARGET_CPU_TILEDOT_H

#include "mlir/IR/PatternMatch.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"

namespace quantc::cpu {

/// Values in the form that a level's dot products take them; made once and used
/// for a whole row or column of a tile.
using Prepared = llvm::SmallVector<mlir::Value, 4>;

/// How a level multiplies integers. Weights come as vector<64xi8>: 16 columns
/// of 4 consecutive k, unsigned on x86 and signed on AArch64; an activation is
/// 4 consecutive signed bytes of one row, in an i32. With `unsignedInput`,
/// which x86 alone has, it is the other way round: bytes of an activation are
/// unsigned and those of a weight signed.
class IntegerDot {
public:
  IntegerDot(mlir::OpBuilder &builder, mlir::Location loc)
      : builder(builder), loc(loc) {}
  virtual ~IntegerDot() = default;

  bool unsignedInput = false;

  /// `bits` is the width of the stored weights: their products may need fewer
  /// bits.
  virtual Prepared prepareWeights(mlir::Value bytes, int64_t bits) = 0;
  virtual Prepared prepareActivation(mlir::Value word) = 0;
  /// sums (vector<16xi32>) + weights . activation, exact.
  virtual mlir::Value dot(mlir::Value sums, const Prepared &weights,
                          const Prepared &activation, int64_t bits) = 0;
  /// The low / high nibbles of vector<64xi8> as weights of one byte each.
  virtual mlir::Value lowNibbles(mlir::Value bytes) = 0;
  virtual mlir::Value highNibbles(mlir::Value bytes) = 0;
  /// Words of an activation row that are best loaded at once: one where words
  /// are broadcast from memory, several where they are lanes of a register.
  virtual int64_t wordsPerLoad() const { return 1; }
  /// Words of bytes in one turn of the loop over K.
  virtual int64_t unrolledWords() const { return 4; }
  /// Rows of a tile that go over K together.
  virtual int64_t rowsAtOnce() const { return 16; }
  /// Adds the first values of k of a tile to its sums in another way; returns
  /// how many.
  virtual int64_t addLeading(qkernel::TileDotOp op,
                             llvm::SmallVectorImpl<mlir::Value> &sums) {
    return 0;
  }

protected:
  /// The even and the odd bytes of 16-bit lanes, widened to these.
  std::pair<mlir::Value, mlir::Value> widenPairs(mlir::Value pairs,
                                                 bool isSigned);
  mlir::Value intrinsic(llvm::StringRef name, mlir::Type result,
                        mlir::ValueRange operands);
  mlir::Value bitcast(mlir::Type type, mlir::Value value);
  mlir::Value splat(mlir::Type type, mlir::Value scalar);
  mlir::Value splat(mlir::Type type, int64_t value);
  /// Lanes [begin, begin + size).
  mlir::Value slice(mlir::Value vector, int64_t begin, int64_t size);
  /// The parts one after another.
  mlir::Value concat(mlir::ValueRange parts);
  mlir::VectorType vec(int64_t lanes, unsigned bits);

  mlir::OpBuilder &builder;
  mlir::Location loc;
};

/// Unsigned nibbles, as x86 stores them.
class UnsignedNibbleDot : public IntegerDot {
public:
  using IntegerDot::IntegerDot;
  mlir::Value lowNibbles(mlir::Value bytes) override;
  mlir::Value highNibbles(mlir::Value bytes) override;
};

/// Signed nibbles, as AArch64 stores them.
class SignedNibbleDot : public IntegerDot {
public:
  using IntegerDot::IntegerDot;
  mlir::Value lowNibbles(mlir::Value bytes) override;
  mlir::Value highNibbles(mlir::Value bytes) override;
};

// One file each, oldest first.
std::unique_ptr<IntegerDot> makeAVX2Dot(mlir::OpBuilder &, mlir::Location);
std::unique_ptr<IntegerDot> makeAVX2VNNIDot(mlir::OpBuilder &, mlir::Location);
std::unique_ptr<IntegerDot> makeAVX512Dot(mlir::OpBuilder &, mlir::Location);
std::unique_ptr<IntegerDot> makeAVX512VNNIDot(mlir::OpBuilder &,
                                              mlir::Location);
std::unique_ptr<IntegerDot> makeAMXDot(mlir::OpBuilder &, mlir::Location);
std::unique_ptr<IntegerDot> makeNEONDot(mlir::OpBuilder &, mlir::Location);
std::unique_ptr<IntegerDot> makeDotProdDot(mlir::OpBuilder &, mlir::Location);

} // namespace quantc::cpu

#endif // QUANTC_LIB_TARGET_CPU_TILEDOT_H

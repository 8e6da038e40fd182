//===- Arena.h - Where the intermediate tensors live ------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The size of a tensor is a monomial: a number of bytes times a product of
// dynamic dimensions. Tensors of one product form a class and are packed by
// their numbers of bytes alone, since all of them scale alike; the classes
// stand one behind the other. So packing is static even where shapes are not.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QGRAPHTOQKERNEL_ARENA_H
#define QUANTC_CONVERSION_QGRAPHTOQKERNEL_ARENA_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"
#include <map>

namespace quantc::qkernel {

/// `bytes` times the product of `factors` (index values, sorted by address of
/// definition order so that equal products compare equal).
struct Monomial {
  int64_t bytes = 1;
  llvm::SmallVector<mlir::Value> factors;

  void multiply(mlir::OpFoldResult dim);
};

/// One tensor of the arena: live from operation `first` to `last`, both
/// included.
struct ArenaBuffer {
  Monomial size;
  int64_t first = 0, last = 0;
  unsigned sizeClass = 0; // set by pack()
  int64_t offset = 0;     // bytes per unit of the class' product; set by pack()

  bool overlaps(const ArenaBuffer &other) const {
    return sizeClass == other.sizeClass &&
           offset < other.offset + other.size.bytes &&
           other.offset < offset + size.bytes;
  }
};

class Arena {
public:
  /// Every offset is a multiple of this many bytes.
  static constexpr int64_t kAlignment = 64;

  unsigned add(Monomial size, int64_t first, int64_t last);
  void extend(unsigned buffer, int64_t last);
  const ArenaBuffer &get(unsigned buffer) const { return buffers[buffer]; }

  /// Chooses class and offset of every buffer: the larger ones first, each at
  /// the lowest place that is free over its life.
  void pack();

  /// Byte offset of a buffer / total bytes, as index values emitted at
  /// `builder`. `map` translates a factor to the value to use there.
  mlir::Value
  emitOffset(unsigned buffer, mlir::OpBuilder &builder, mlir::Location loc,
             llvm::function_ref<mlir::Value(mlir::Value)> map) const;
  mlir::Value emitSize(mlir::OpBuilder &builder, mlir::Location loc,
                       llvm::function_ref<mlir::Value(mlir::Value)> map) const;

private:
  struct SizeClass {
    llvm::SmallVector<mlir::Value> factors;
    int64_t bytes = 0;
  };
  mlir::Value emitClassSize(const SizeClass &sizeClass,
                            mlir::OpBuilder &builder, mlir::Location loc,
                            llvm::function_ref<mlir::Value(mlir::Value)> map,
                            int64_t bytes) const;

  std::vector<ArenaBuffer> buffers;
  std::vector<SizeClass> classes;
};

} // namespace quantc::qkernel

#endif // QUANTC_CONVERSION_QGRAPHTOQKERNEL_ARENA_H

//===- KernelBody.h - What a kernel's body is made from ---------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QKERNEL_KERNELBODY_H
#define QUANTC_DIALECT_QKERNEL_KERNELBODY_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include <functional>

namespace quantc::qkernel {

/// The memref that holds a tensor at the kernel level: dense, row-major, the
/// same shape, a signless element type; elements below a byte, and the small
/// float formats, take one `i8` each; `i1` is an `i8` of 0 or 1.
mlir::MemRefType kernelMemRefType(mlir::RankedTensorType type);
/// The element type alone: `si64` → `i64`, `ui4` → `i8`, `f8E4M3FN` → `i8`, ...
mlir::Type kernelElementType(mlir::Type elementType);

/// The type of a value that is a ranked tensor, else null.
mlir::RankedTensorType tensorType(mlir::Value value);

/// Codes of `qkernel.check`. The texts stand in the order of the codes, from 1
/// on; %a and %b are the check's numbers.
enum CheckCode : int64_t {
  kIndexOutside = 1,
  kNegativeSize = 2,
  kTooManyElements = 3,
  kAxisOutside = 4,
  kListShape = 5,
};
llvm::ArrayRef<llvm::StringLiteral> checkTexts();

/// A kernel under construction. `builder` stands inside the kernel function.
struct KernelBody {
  mlir::OpBuilder &builder;
  mlir::Location loc;
  /// One memref per tensor operand of the op, in order; absent operands
  /// (`onnx.none`) are null values. Operands of type index are passed as they
  /// are.
  llvm::SmallVector<mlir::Value> inputs;
  /// One memref per result; the body writes them whole.
  llvm::SmallVector<mlir::Value> outputs;
  mlir::Value frame, thread, threads;
  /// `memref<?xi8>` of this thread's scratch bytes, null if the op asked for
  /// none.
  mlir::Value scratch;
  /// Vectors and tiles, work shared by all threads; otherwise scalar loops,
  /// which only thread 0 runs.
  bool fast = false;

  mlir::Value index(int64_t value);
  mlir::Value constant(mlir::TypedAttr value);
  mlir::Value f32(float value);
  mlir::Value i32(int32_t value);
  /// Dimension `dim` of a memref; a constant where it is static.
  mlir::Value dim(mlir::Value memref, int64_t dim);
  /// The product of dimensions [from, to) of a memref.
  mlir::Value product(mlir::Value memref, int64_t from, int64_t to);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value minimum(mlir::Value a, mlir::Value b);
  /// ceil(a / b) of non-negative index values.
  mlir::Value ceilDiv(mlir::Value a, int64_t b);

  /// `a` where a > b (a < b), else `b`: a NaN in `a` loses. Scalars or vectors
  /// of floats.
  mlir::Value larger(mlir::Value a, mlir::Value b);
  mlir::Value smaller(mlir::Value a, mlir::Value b);
  /// numerics::expF32 of a scalar or a vector.
  mlir::Value exp(mlir::Value x);

  /// This thread's contiguous share [lo, hi) of `total` units, in multiples of
  /// `grain` (all of it on the single thread of a plain body). Independent of
  /// the ISA.
  std::pair<mlir::Value, mlir::Value> share(mlir::Value total,
                                            int64_t grain = 1);

  /// scf.for lo..hi step: `body(builder, iv)`, or with carried values.
  void loop(mlir::Value lo, mlir::Value hi, int64_t step,
            llvm::function_ref<void(mlir::Value)> body);
  llvm::SmallVector<mlir::Value>
  loop(mlir::Value lo, mlir::Value hi, int64_t step, mlir::ValueRange init,
       llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value,
                                                         mlir::ValueRange)>
           body);

  /// `memref` (dense, row-major) seen as rank 1, resp. as [rows, last
  /// dimension].
  mlir::Value flatten(mlir::Value memref);
  mlir::Value asRows(mlir::Value memref);
};

} // namespace quantc::qkernel

#endif // QUANTC_DIALECT_QKERNEL_KERNELBODY_H

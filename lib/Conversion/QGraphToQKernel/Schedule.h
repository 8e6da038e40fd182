//===- Schedule.h - From tensors to a schedule of kernel calls --*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QGRAPHTOQKERNEL_SCHEDULE_H
#define QUANTC_CONVERSION_QGRAPHTOQKERNEL_SCHEDULE_H

#include "Arena.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

namespace quantc::qkernel {

/// The values a kernel of `op` reads, in the order of its arguments: the
/// operands, for an op with a region also what the region uses from outside.
/// Index operands that only give result dimensions (`dims` of `onnx.node`) are
/// left out.
llvm::SmallVector<mlir::Value> kernelInputs(mlir::Operation *op);

/// A text that is equal for two ops exactly if one kernel serves both.
std::string kernelKey(mlir::Operation *op);

/// The value whose memory `value` shares: the operand of a reshape, or itself.
mlir::Value viewRoot(mlir::Value value);
/// True for an op whose result is its first operand under another shape or
/// type.
bool isView(mlir::Operation *op);

/// The constants of a module, in the order in which the weights file holds
/// them.
class WeightList {
public:
  /// The byte offset of a constant; equal constants share one.
  int64_t add(mlir::TypedAttr value);
  mlir::ArrayAttr getAttr(mlir::MLIRContext *context) const;

private:
  llvm::SmallVector<mlir::Attribute> values;
  llvm::DenseMap<mlir::Attribute, int64_t> offsets;
  int64_t end = 0;
};

/// The kernels of a module, one for each key.
class KernelLibrary {
public:
  KernelLibrary(mlir::ModuleOp module, bool fast)
      : module(module), fast(fast) {}
  /// The kernel for `op`, made if there is none yet; null after an error was
  /// reported.
  mlir::func::FuncOp getOrCreate(mlir::Operation *op, bool hasScratch);

private:
  mlir::ModuleOp module;
  bool fast;
  llvm::StringMap<mlir::func::FuncOp> byKey;
  llvm::StringMap<unsigned> names;
};

/// The largest of the kernels' scratch sizes (null: none) in whole cache lines,
/// or null if none needs any. `map` translates a size to the value to use.
mlir::Value largestScratch(mlir::OpBuilder &builder, mlir::Location loc,
                           llvm::ArrayRef<mlir::Value> sizes,
                           llvm::function_ref<mlir::Value(mlir::Value)> map);

/// Lowers one entry function in place, and adds `<name>_shapes` and
/// `<name>_arena`.
class Scheduler {
public:
  Scheduler(mlir::func::FuncOp func, WeightList &weights,
            KernelLibrary &kernels);
  mlir::LogicalResult run();

private:
  enum class Place { Input, Output, Weights, Arena, Heap };
  struct Storage {
    Place place;
    /// Argument, result, byte offset of the weight, arena buffer or slot of the
    /// session's heap.
    int64_t index = 0;
  };
  /// One iteration's part of what a loop collects, written behind those of the
  /// iterations before it.
  struct Piece {
    mlir::Value iteration;
    /// The dynamic dimensions that the last iteration's had, as they stand in
    /// the loop.
    llvm::SmallVector<mlir::Value> last;
    mlir::Value offset; // in bytes, once it has memory
  };
  struct Access {
    Storage storage;
    bool write;
  };

  // What becomes a kernel; index values (Schedule.cpp).
  mlir::Block &entry() { return func.getBody().front(); }
  void raiseRequirements();
  bool collect(mlir::Block &block);
  void hoistIndexOps();
  mlir::Value readFrame(mlir::Operation *op);
  mlir::Value canonicalIndex(mlir::Value value);
  llvm::SmallVector<mlir::OpFoldResult> dims(mlir::Value tensor);
  /// True for what is only known while the schedule runs: an index value that
  /// depends on computed elements or stands in a region; a tensor with such a
  /// dimension.
  bool isLate(mlir::Value value);
  bool findLate(mlir::Value value);
  /// A late index value (or any) without dimensions of tensors in it.
  mlir::Value resolve(mlir::Value value);
  /// The dimensions of a tensor, resolved: a late one's by what stands before
  /// the op that makes it, where the builder is.
  llvm::SmallVector<mlir::OpFoldResult> resolvedDims(mlir::OpBuilder builder,
                                                     mlir::Value tensor);

  // Where tensors live (Storage.cpp).
  void ownYields(mlir::Block &block);
  void assignStorage();
  void assignBlock(mlir::Block &block);
  void assignLoop(qgraph::LoopOp loop);
  void assignScratch(mlir::Operation *op);
  void extendInto(mlir::Operation *region);
  int64_t newSlot() { return slots++; }

  // The calls (Emit.cpp) and regions (Regions.cpp).
  mlir::LogicalResult emit();
  bool emitBlock(mlir::Block &block);
  bool emitCall(mlir::Operation *op);
  mlir::Value emitElement(mlir::OpBuilder &builder, qgraph::ElementOp op);
  void emitRequire(mlir::OpBuilder &builder, qgraph::RequireOp op);
  void emitAllocate(mlir::OpBuilder &builder, mlir::Value tensor);
  mlir::Value emitBuffer(mlir::OpBuilder &builder, mlir::Value tensor);
  mlir::Value emitScratch(mlir::OpBuilder &builder, mlir::Operation *op);
  void emitLateDims(mlir::OpBuilder &builder);
  void synchronize(mlir::OpBuilder &builder);
  bool emitIf(qgraph::IfOp op);
  bool emitLoop(qgraph::LoopOp op);
  bool needsBarrier(llvm::ArrayRef<Access> accesses);
  bool conflict(const Access &a, const Access &b) const;
  void emitSideFunctions();
  /// A function of the frame beside the entry, its body still empty.
  mlir::func::FuncOp addSideFunction(llvm::StringRef suffix, bool takesThreads,
                                     mlir::TypeRange results);
  /// Where a dimension comes from the inputs' values: that it is no nonsense.
  void emitSizeChecks(mlir::OpBuilder &builder, mlir::IRMapping &mapping,
                      mlir::Value shapesFrame);
  /// The checks of dimensions that the walk left on the function
  /// (`onnx.checks`), in `shapes`; their texts go to `qkernel.checks`.
  void emitDimensionChecks(mlir::OpBuilder &builder, mlir::Value shapesFrame);
  /// What the walk left as `qgraph.require`, in `shapes`.
  void emitRequirements(mlir::OpBuilder &builder, mlir::IRMapping &mapping,
                        mlir::Value shapesFrame);
  void emitCheck(mlir::OpBuilder &builder, mlir::Value shapesFrame,
                 mlir::Value fits, llvm::StringRef text, mlir::Value a,
                 mlir::Value b);
  /// The code of a check with this text.
  int64_t ownCheck(llvm::StringRef text);
  void finish();

  mlir::func::FuncOp func;
  WeightList &weights;
  KernelLibrary &kernels;
  mlir::Operation *canonicalEnd = nullptr, *prologueEnd = nullptr;
  mlir::Value scratchBegin;
  mlir::Value frame, thread, threads;
  llvm::SmallVector<mlir::Operation *> kernelOps;
  llvm::MapVector<mlir::Value, Storage> storage;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::OpFoldResult>> dimsOf;
  llvm::DenseMap<mlir::Value, mlir::Value> canonical;
  std::map<std::string, mlir::Value> canonicalByKey;
  llvm::DenseMap<mlir::Value, bool> late;
  llvm::DenseSet<mlir::Operation *> resolved;
  /// The scratch memory of ops: in the arena, where its size is early ...
  llvm::DenseMap<mlir::Operation *, mlir::Value> scratchBytes;
  llvm::SmallVector<mlir::Value> scratchSizes; // all of these
  /// ... else in a slot.
  llvm::DenseMap<mlir::Operation *, std::pair<mlir::Value, int64_t>>
      lateScratch;
  llvm::DenseMap<mlir::Value, Piece> pieces;
  int64_t position = 0; // of the next kernel in the order of the schedule
  int64_t slots = 0;
  llvm::SmallVector<Access> sinceBarrier;
  llvm::SmallVector<mlir::Attribute> layers;
  llvm::SmallVector<mlir::Attribute> ownTexts; // of `qkernel.checks`
  Arena arena;
};

} // namespace quantc::qkernel

#endif // QUANTC_CONVERSION_QGRAPHTOQKERNEL_SCHEDULE_H

//===- ConstantTensor.h - The bytes of constants ----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_ANALYSIS_CONSTANTTENSOR_H
#define QUANTC_ANALYSIS_CONSTANTTENSOR_H

#include "quantc/Dialect/QGraph/QGraphDialect.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace quantc {

/// Constants of up to this many elements are `dense`, larger ones entries of a
/// store.
inline constexpr int64_t kDenseElements = 64;

/// A constant's data as a store has it (WeightStore.h): little-endian,
/// row-major, elements of 1, 2 and 4 bits packed. Valid as long as this object
/// is.
class ConstantTensor {
public:
  /// The constant behind `value`: a `qgraph.constant`, whether dense or in a
  /// store. An error says which entry could not be read; for a value that is no
  /// constant it is "not a constant".
  static llvm::Expected<ConstantTensor> get(mlir::Value value);
  /// The same of what a constant holds.
  static llvm::Expected<ConstantTensor> get(mlir::TypedAttr value);

  mlir::RankedTensorType getType() const { return type; }
  llvm::ArrayRef<char> getBytes() const { return bytes; }
  /// The entry's name; empty for a dense constant.
  llvm::StringRef getName() const { return name; }

  /// Elements [begin, begin + count) of a tensor of f32, f16, bf16 or floats of
  /// 8 bits, written to `out`.
  void readFloats(int64_t begin, int64_t count, float *out) const;
  /// All of them.
  std::vector<float> readFloats() const;
  /// All elements of a tensor of integers of up to 32 bits.
  std::vector<int32_t> readIntegers() const;

private:
  mlir::RankedTensorType type;
  llvm::StringRef name;
  llvm::ArrayRef<char> bytes;
  std::shared_ptr<const void> owner;
};

/// The constant behind a value that may be null; none if it is no constant that
/// can be read.
std::optional<ConstantTensor> readConstant(mlir::Value value);

/// True if `value` is a `qgraph.constant`.
bool isConstant(mlir::Value value);

/// What a `dequantize` gives whose operands are constants or such ops. An error
/// says which operand is no constant or could not be read.
llvm::Expected<std::vector<float>> dequantizedFloats(qgraph::DequantizeOp op);

/// What a `dequantize` of constants gives, as a constant named after its stored
/// operand or, where that has no name, after `layer`: `<name>@dequantize`. An
/// error says which operand is no constant or could not be read.
llvm::Expected<mlir::TypedAttr> dequantizeConstant(qgraph::DequantizeOp op,
                                                   llvm::StringRef layer);

/// The name that a pass's new entry for this constant starts with: the entry's,
/// else the layer's followed by `.weight`, else `weight-` and a hash of the
/// bytes.
std::string entryBaseName(const ConstantTensor &constant,
                          llvm::StringRef layer);

/// A new constant whose bytes (as a store has them) `fill` writes: dense up to
/// kDenseElements elements, else an entry `name` of the overlay for new
/// weights, which may keep it out of memory. Where the overlay has other data
/// under that name, a hash of the bytes is appended to it.
llvm::Expected<mlir::TypedAttr>
makeConstant(mlir::RankedTensorType type, llvm::StringRef name,
             llvm::function_ref<void(llvm::MutableArrayRef<char>)> fill);

/// Writes floats as elements of a constant of f32, f16 or bf16.
void storeFloats(llvm::ArrayRef<float> values, mlir::Type element, char *out);

} // namespace quantc

#endif // QUANTC_ANALYSIS_CONSTANTTENSOR_H

//===- RoundWeights.cpp - One weight, rounded to nearest --------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RoundWeights.h"
#include "mlir/IR/Threading.h"
#include "quantc/Numerics/Packing.h"
#include "quantc/Numerics/ScaleSearch.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;

namespace quantc::qgraph {

/// Values that one task works on, about.
static constexpr int64_t kTaskValues = 1 << 16;

std::string RoundingFormat::key() const {
  return llvm::formatv("{0}/{1}/{2},{3}/{4}/{5}", numerics::formatName(stored),
                       numerics::schemeName(scheme), block[0], block[1],
                       numerics::formatName(scaleType), searchScales);
}

namespace {

/// Rows [begin, end) of a weight.
struct Rows {
  int64_t begin, end;
};

/// The length of a row: all dimensions but the first.
int64_t widthOf(RankedTensorType type) {
  int64_t width = 1;
  for (int64_t extent : type.getShape().drop_front())
    width *= extent;
  return width;
}

/// Cuts a weight into tasks of whole rows; a task begins at a multiple of 8
/// rows, so that packed elements of no two tasks share a byte.
SmallVector<Rows> tasksFor(RankedTensorType type) {
  int64_t rows = type.getDimSize(0),
          width = std::max<int64_t>(widthOf(type), 1);
  int64_t step = llvm::alignTo(std::max<int64_t>(kTaskValues / width, 1), 8);
  SmallVector<Rows> tasks;
  for (int64_t begin = 0; begin < rows; begin += step)
    tasks.push_back({begin, std::min(begin + step, rows)});
  return tasks;
}

/// The parts of the result that every task fills at its own place.
struct Result {
  MutableArrayRef<char> stored;
  std::vector<float> scale;
  std::vector<int32_t> zeroPoint;
  struct Squares {
    double error = 0, weight = 0;
  };
  std::vector<Squares> squares; // one a task, added in order
};

void roundRows(const ConstantTensor &weight, const RoundingFormat &format,
               Rows rows, size_t task, Result &result) {
  int64_t width = widthOf(weight.getType()),
          count = (rows.end - rows.begin) * width;
  std::vector<float> real(count);
  weight.readFloats(rows.begin * width, count, real.data());

  numerics::Encoding encoding;
  encoding.format = format.stored;
  numerics::Extents shape{rows.end - rows.begin, width};
  numerics::Extents block(format.block.begin(), format.block.end());
  numerics::QuantizedWeights rounded = numerics::chooseGroupParams(
      encoding, shape, block, format.scheme, real.data(), 1, format.scaleType);
  if (format.searchScales)
    numerics::searchScales(encoding, shape, block,
                           format.scheme == numerics::Scheme::SignedScale,
                           format.scaleType, real.data(), rounded.scale);
  numerics::ScaleArrays scales{
      rounded.scale.data(),
      rounded.zeroPoint.empty() ? nullptr : rounded.zeroPoint.data(), nullptr};
  rounded.stored.resize(count * numerics::storageBytes(format.stored));
  numerics::quantize(encoding, shape, block, scales, real.data(),
                     rounded.stored.data());

  int64_t groups = rounded.scaleShape[1];
  llvm::copy(rounded.scale, result.scale.begin() + rows.begin * groups);
  llvm::copy(rounded.zeroPoint,
             result.zeroPoint.begin() +
                 (rounded.zeroPoint.empty() ? 0 : rows.begin * groups));
  numerics::packCodes(format.stored, rounded.stored.data(), count,
                      reinterpret_cast<uint8_t *>(result.stored.data()) +
                          rows.begin * width *
                              numerics::packedBits(format.stored) / 8);

  std::vector<float> back(count);
  numerics::dequantize(encoding, shape, block, scales, rounded.stored.data(),
                       back.data());
  for (int64_t i = 0; i < count; ++i) {
    double difference = static_cast<double>(real[i]) - back[i];
    result.squares[task].error += difference * difference;
    result.squares[task].weight += static_cast<double>(real[i]) * real[i];
  }
}

/// A constant of scales in their own type.
llvm::Expected<TypedAttr> makeScale(RankedTensorType type, StringRef name,
                                    ArrayRef<float> values) {
  return makeConstant(type, name, [&](MutableArrayRef<char> bytes) {
    if (type.getElementType().isF32()) {
      std::memcpy(bytes.data(), values.data(), bytes.size());
      return;
    }
    for (auto [i, value] : llvm::enumerate(values)) {
      uint16_t code = numerics::f32ToF16(value);
      std::memcpy(bytes.data() + i * sizeof(code), &code, sizeof(code));
    }
  });
}

llvm::Expected<TypedAttr> makeZeroPoint(RankedTensorType type, StringRef name,
                                        ArrayRef<int32_t> values) {
  return makeConstant(type, name, [&](MutableArrayRef<char> bytes) {
    std::vector<uint8_t> codes(values.begin(), values.end());
    numerics::Format format = *numerics::integerFormat(
        type.getElementTypeBitWidth(), type.getElementType().isSignedInteger());
    numerics::packCodes(format, codes.data(), codes.size(),
                        reinterpret_cast<uint8_t *>(bytes.data()));
  });
}

IntegerType storedType(MLIRContext *context, const RoundingFormat &format) {
  const numerics::FormatInfo &row = numerics::info(format.stored);
  return IntegerType::get(context, row.bits,
                          row.isSigned ? IntegerType::Signed
                                       : IntegerType::Unsigned);
}

llvm::Error keep(llvm::Expected<TypedAttr> made, TypedAttr &attr) {
  if (made)
    attr = *made;
  return made.takeError();
}

/// Makes constants of the scales and zero points, in the weight's rank.
llvm::Error keepParameters(RankedTensorType type, const RoundingFormat &format,
                           ArrayRef<float> scale, ArrayRef<int32_t> zeroPoint,
                           StringRef name, RoundedWeight &rounded) {
  MLIRContext *context = type.getContext();
  Type element = format.scaleType == numerics::Format::F16
                     ? Type(Float16Type::get(context))
                     : Type(Float32Type::get(context));
  numerics::Extents shape =
      numerics::scaleShape({type.getDimSize(0), widthOf(type)},
                           {format.block.begin(), format.block.end()});
  SmallVector<int64_t> dims(type.getRank(), 1);
  dims.front() = shape.front();
  dims.back() = shape.back();
  auto scaleType = RankedTensorType::get(dims, element);
  if (llvm::Error error = keep(
          makeScale(scaleType, (name + ".scale").str(), scale), rounded.scale))
    return error;
  if (zeroPoint.empty())
    return llvm::Error::success();
  return keep(makeZeroPoint(scaleType.clone(storedType(context, format)),
                            (name + ".zero_point").str(), zeroPoint),
              rounded.zeroPoint);
}

} // namespace

llvm::Expected<RoundedWeight>
keepWeight(RankedTensorType type, const RoundingFormat &format,
           const numerics::QuantizedWeights &codes, StringRef name) {
  RoundedWeight kept;
  auto fill = [&](MutableArrayRef<char> bytes) {
    numerics::packCodes(format.stored, codes.stored.data(),
                        type.getNumElements(),
                        reinterpret_cast<uint8_t *>(bytes.data()));
  };
  if (llvm::Error error =
          keep(makeConstant(type.clone(storedType(type.getContext(), format)),
                            name, fill),
               kept.stored))
    return error;
  if (llvm::Error error = keepParameters(type, format, codes.scale,
                                         codes.zeroPoint, name, kept))
    return error;
  return kept;
}

void replaceOperands(DequantizeOp op, const RoundedWeight &weight) {
  OpBuilder builder(op);
  auto replace = [&](OpOperand *operand, TypedAttr attr) {
    if (!attr)
      return;
    Operation *old = operand->get().getDefiningOp();
    operand->set(ConstantOp::create(builder, op.getLoc(), attr));
    if (old->use_empty())
      old->erase();
  };
  replace(&op.getInputMutable(), weight.stored);
  replace(&op.getScaleMutable(), weight.scale);
  replace(weight.zeroPoint ? &op.getZeroPointMutable()[0] : nullptr,
          weight.zeroPoint);
}

bool isFinite(const ConstantTensor &weight) {
  SmallVector<Rows> tasks = tasksFor(weight.getType());
  int64_t width = widthOf(weight.getType());
  return succeeded(failableParallelForEach(
      weight.getType().getContext(), tasks, [&](Rows rows) {
        std::vector<float> real((rows.end - rows.begin) * width);
        weight.readFloats(rows.begin * width, real.size(), real.data());
        return success(
            llvm::all_of(real, [](float x) { return std::isfinite(x); }));
      }));
}

llvm::Expected<RoundedWeight> roundWeight(const ConstantTensor &weight,
                                          const RoundingFormat &format,
                                          StringRef name) {
  RankedTensorType type = weight.getType();
  MLIRContext *context = type.getContext();
  numerics::Extents shape{type.getDimSize(0), widthOf(type)};
  numerics::Extents block(format.block.begin(), format.block.end());
  numerics::Extents scaleShape = numerics::scaleShape(shape, block);
  bool asymmetric = format.scheme == numerics::Scheme::Asymmetric;

  // One scale for all cannot be found row by row.
  SmallVector<Rows> tasks = tasksFor(type);
  if (format.block[0] == 0)
    tasks = {{0, type.getDimSize(0)}};

  Result result;
  result.scale.resize(numerics::elementCount(scaleShape));
  result.zeroPoint.resize(asymmetric ? result.scale.size() : 0);
  result.squares.resize(tasks.size());
  RoundedWeight rounded;
  auto fill = [&](MutableArrayRef<char> bytes) {
    result.stored = bytes;
    parallelFor(context, 0, tasks.size(), [&](size_t i) {
      roundRows(weight, format, tasks[i], i, result);
    });
  };
  if (llvm::Error error = keep(
          makeConstant(type.clone(storedType(context, format)), name, fill),
          rounded.stored))
    return error;
  if (llvm::Error error = keepParameters(type, format, result.scale,
                                         result.zeroPoint, name, rounded))
    return error;

  double error = 0, norm = 0;
  for (const Result::Squares &squares : result.squares) {
    error += squares.error;
    norm += squares.weight;
  }
  rounded.error = norm > 0 ? std::sqrt(error / norm) : 0;
  return rounded;
}

} // namespace quantc::qgraph

//===- RoundWeights.cpp - One weight, rounded to nearest --------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RoundWeights.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Threading.h"
#include "quantc/Numerics/Packing.h"
#include "quantc/Numerics/ScaleSearch.h"
#include "quantc/Numerics/SuperBlocks.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <numeric>

using namespace mlir;

namespace quantc::qgraph {

/// Values that one task works on, about.
static constexpr int64_t kTaskValues = 1 << 16;

std::string RoundingFormat::key() const {
  return llvm::formatv(
      "{0}/{1}/{2},{3}/{4}/{5}/{6}/{7}/{8}/{9}", numerics::formatName(stored),
      numerics::schemeName(scheme), block[0], block[1],
      numerics::formatName(scaleType), searchScales,
      static_cast<const void *>(codebook), static_cast<int>(ggml),
      static_cast<int>(scales), hasScale);
}

llvm::Expected<RoundingFormat> getRoundingFormat(DequantizeOp weight,
                                                 numerics::Scheme scheme) {
  std::string name;
  llvm::raw_string_ostream(name)
      << weight.getInput().getType().getElementType();
  std::optional<numerics::Format> stored = numerics::parseFormat(name);
  if (!stored || !numerics::info(*stored).isInteger || weight.getCodebook())
    return llvm::createStringError("its weight is " + name +
                                   "; integers can be solved for");
  if (weight.getOffset())
    return llvm::createStringError("its weight has an offset");
  if (!weight.getScale() || !isConstant(weight.getScale()))
    return llvm::createStringError("its weight's scales are no constants");
  ArrayRef<int64_t> block = weight.getBlock();
  if (block.size() != 2)
    return llvm::createStringError("its weight is no matrix");
  RoundingFormat format;
  format.stored = *stored;
  format.scheme = weight.getZeroPoint() ? numerics::Scheme::Asymmetric : scheme;
  format.block = {block[0], block[1]};
  format.scaleType =
      cast<ShapedType>(weight.getScale().getType()).getElementType().isF16()
          ? numerics::Format::F16
          : numerics::Format::F32;
  return format;
}

numerics::GroupFormat groupFormat(const RoundingFormat &format,
                                  numerics::ScaleChoice choice) {
  numerics::GroupFormat group;
  group.encoding.format = format.stored;
  group.groupSize = format.block[1];
  group.scheme = format.scheme;
  group.scaleFormat = format.scaleType;
  group.choice = choice;
  return group;
}

std::optional<numerics::Scheme> parseSymmetricScheme(StringRef name) {
  std::optional<numerics::Scheme> scheme =
      numerics::parseScheme({name.data(), name.size()});
  if (scheme && *scheme != numerics::Scheme::Symmetric &&
      *scheme != numerics::Scheme::SignedScale)
    return std::nullopt;
  return scheme;
}

std::optional<numerics::ScaleChoice> parseScaleChoice(StringRef name) {
  using numerics::ScaleChoice;
  return llvm::StringSwitch<std::optional<ScaleChoice>>(name)
      .Case("formula", ScaleChoice::Formula)
      .Case("plain", ScaleChoice::Plain)
      .Case("diagonal", ScaleChoice::Diagonal)
      .Case("block", ScaleChoice::Block)
      .Case("sequential", ScaleChoice::Sequential)
      .Default(std::nullopt);
}

numerics::ParallelFor parallelIn(MLIRContext *context) {
  return [context](int64_t count, const std::function<void(int64_t)> &part) {
    parallelFor(context, 0, count, [&](size_t i) { part(i); });
  };
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
/// rows, so that packed elements of no two tasks share a byte, and at one of
/// the rows that share a scale (0: all do).
SmallVector<Rows> tasksFor(RankedTensorType type, int64_t sharing = 1) {
  int64_t rows = type.getDimSize(0),
          width = std::max<int64_t>(widthOf(type), 1);
  int64_t step =
      llvm::alignTo(std::max<int64_t>(kTaskValues / width, 1),
                    std::lcm<int64_t>(8, std::max<int64_t>(sharing, 1)));
  if (sharing == 0)
    step = std::max<int64_t>(rows, 1);
  SmallVector<Rows> tasks;
  for (int64_t begin = 0; begin < rows; begin += step)
    tasks.push_back({begin, std::min(begin + step, rows)});
  return tasks;
}

/// Scales and offsets of super-blocks as they are stored.
struct StoredScales {
  std::vector<uint8_t> scale, offset;         // of the groups
  std::vector<float> scaleScale, offsetScale; // of the super-blocks
};

/// The parts of the result that every task fills at its own place.
struct Result {
  MutableArrayRef<char> stored;
  std::vector<float> scale, offset;
  StoredScales storedScales;
  std::vector<int32_t> zeroPoint;
  bool knowsScales = false; // `scale` is filled before the tasks begin
  struct Squares {
    double error = 0, weight = 0;
  };
  std::vector<Squares> squares; // one a task, added in order
};

/// A task's values, and what Numerics is told of them.
struct Part {
  Part(const ConstantTensor &weight, const RoundingFormat &format, Rows rows)
      : rows(rows), width(widthOf(weight.getType())),
        count((rows.end - rows.begin) * width), real(count),
        shape{rows.end - rows.begin, width},
        block(format.block.begin(), format.block.end()) {
    weight.readFloats(rows.begin * width, count, real.data());
    encoding.format = format.stored;
    encoding.codebook = format.codebook;
  }

  Rows rows;
  int64_t width, count;
  std::vector<float> real;
  numerics::Extents shape, block;
  numerics::Encoding encoding;
};

/// Where the scales of a part begin among all.
int64_t firstScale(const Part &part) {
  return part.rows.begin / std::max<int64_t>(part.block[0], 1) *
         numerics::scaleShape(part.shape, part.block)[1];
}

numerics::QuantizedWeights chooseScales(const numerics::Encoding &encoding,
                                        const numerics::Extents &shape,
                                        const numerics::Extents &block,
                                        const RoundingFormat &format,
                                        const float *values) {
  numerics::QuantizedWeights chosen = numerics::chooseGroupParams(
      encoding, shape, block, format.scheme, values, 1, format.scaleType);
  if (format.searchScales)
    numerics::searchScales(encoding, shape, block,
                           format.scheme == numerics::Scheme::SignedScale,
                           format.scaleType, values, chosen.scale);
  return chosen;
}

numerics::QuantizedWeights chooseScales(const Part &part,
                                        const RoundingFormat &format) {
  return chooseScales(part.encoding, part.shape, part.block, format,
                      part.real.data());
}

numerics::SuperBlockFormat superBlockFormat(const RoundingFormat &format) {
  return {format.stored, format.block[1]};
}

/// Rows of super-blocks: fills what is stored of the scales at its place, and
/// `rounded` with the codes and what scales and offsets stand for.
void roundSuperBlocks(const Part &part, const RoundingFormat &format,
                      StoredScales &to, numerics::QuantizedWeights &rounded) {
  numerics::SuperBlockFormat super = superBlockFormat(format);
  int64_t groups = rounded.scaleShape[1],
          blocks = llvm::divideCeil(groups, super.groups());
  rounded.scale.resize(part.shape[0] * groups);
  rounded.offset.resize(super.hasOffsets() ? rounded.scale.size() : 0);
  auto decode = [](numerics::Format format, uint8_t code, float scale) {
    numerics::Encoding encoding;
    encoding.format = format;
    return numerics::dequantizeOne(encoding, code, scale, 0, false, 0);
  };
  numerics::forEachRun(
      part.shape, {1, numerics::kSuperBlock},
      [&](int64_t begin, int64_t length, int64_t block) {
        numerics::SuperBlockScales scales =
            numerics::encodeSuperBlock(super, part.real.data() + begin, length,
                                       rounded.stored.data() + begin);
        int64_t first = part.rows.begin * blocks + block;
        to.scaleScale[first] = scales.scale;
        if (super.hasOffsets())
          to.offsetScale[first] = scales.offset;
        int64_t inPart =
            block / blocks * groups + block % blocks * super.groups();
        int64_t inAll = part.rows.begin * groups + inPart;
        for (int64_t g = 0, n = llvm::divideCeil(length, super.group); g < n;
             ++g) {
          to.scale[inAll + g] = scales.scaleCodes[g];
          rounded.scale[inPart + g] =
              decode(super.scaleCodes(), scales.scaleCodes[g], scales.scale);
          if (!super.hasOffsets())
            continue;
          to.offset[inAll + g] = scales.offsetCodes[g];
          rounded.offset[inPart + g] = decode(
              numerics::Format::UI6, scales.offsetCodes[g], scales.offset);
        }
      });
}

numerics::QuantizedWeights
roundPart(const Part &part, const RoundingFormat &format, Result &result) {
  numerics::QuantizedWeights rounded;
  rounded.scaleShape = numerics::scaleShape(part.shape, part.block);
  int64_t groups = numerics::elementCount(rounded.scaleShape);
  rounded.stored.resize(part.count * numerics::storageBytes(format.stored));
  if (format.scales == numerics::ScaleCoding::SuperBlock) {
    roundSuperBlocks(part, format, result.storedScales, rounded);
    return rounded;
  }
  if (format.ggml != numerics::GGMLKind::None) {
    rounded.scale.resize(groups);
    rounded.offset.resize(result.offset.empty() ? 0 : groups);
    numerics::forEachRun(
        part.shape, part.block,
        [&](int64_t begin, int64_t length, int64_t group) {
          numerics::encodeGGML(
              format.ggml, format.stored, part.real.data() + begin, length,
              rounded.stored.data() + begin, &rounded.scale[group],
              rounded.offset.empty() ? nullptr : &rounded.offset[group]);
        });
    return rounded;
  }
  if (!format.hasScale) {
    rounded.scale.assign(groups, 1.0f);
  } else if (result.knowsScales) {
    auto first = result.scale.begin() + firstScale(part);
    rounded.scale.assign(first, first + groups);
  } else {
    numerics::QuantizedWeights chosen = chooseScales(part, format);
    rounded.scale = std::move(chosen.scale);
    rounded.zeroPoint = std::move(chosen.zeroPoint);
  }
  numerics::ScaleArrays scales{
      rounded.scale.data(),
      rounded.zeroPoint.empty() ? nullptr : rounded.zeroPoint.data(), nullptr};
  numerics::quantize(part.encoding, part.shape, part.block, scales,
                     part.real.data(), rounded.stored.data());
  return rounded;
}

void roundRows(const ConstantTensor &weight, const RoundingFormat &format,
               Rows rows, size_t task, Result &result) {
  Part part(weight, format, rows);
  numerics::QuantizedWeights rounded = roundPart(part, format, result);
  auto place = [&](auto &from, auto &to) {
    if (!from.empty())
      llvm::copy(from, to.begin() + firstScale(part));
  };
  if (format.hasScale && !result.knowsScales)
    place(rounded.scale, result.scale);
  place(rounded.zeroPoint, result.zeroPoint);
  place(rounded.offset, result.offset);
  numerics::packCodes(format.stored, rounded.stored.data(), part.count,
                      reinterpret_cast<uint8_t *>(result.stored.data()) +
                          rows.begin * part.width *
                              numerics::packedBits(format.stored) / 8);

  std::vector<float> back(part.count);
  numerics::ScaleArrays scales{
      rounded.scale.data(),
      rounded.zeroPoint.empty() ? nullptr : rounded.zeroPoint.data(),
      rounded.offset.empty() ? nullptr : rounded.offset.data()};
  numerics::dequantize(part.encoding, part.shape, part.block, scales,
                       rounded.stored.data(), back.data());
  Result::Squares &squares = result.squares[task];
  for (auto [before, after] : llvm::zip_equal(part.real, back)) {
    double difference = static_cast<double>(before) - after;
    squares.error += difference * difference;
    squares.weight += static_cast<double>(before) * before;
  }
}

/// A constant of numbers in a float format.
llvm::Expected<TypedAttr> makeReals(RankedTensorType type,
                                    numerics::Format format, const Twine &name,
                                    ArrayRef<float> values) {
  unsigned width = numerics::storageBytes(format);
  return makeConstant(type, name.str(), [&](MutableArrayRef<char> bytes) {
    for (auto [i, value] : llvm::enumerate(values)) {
      uint32_t code = numerics::encode(format, value);
      std::memcpy(bytes.data() + i * width, &code, width);
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

/// A format as an element type.
Type typeOf(MLIRContext *context, numerics::Format format) {
  return parseType(numerics::formatName(format), context);
}

llvm::Error keep(llvm::Expected<TypedAttr> made, TypedAttr &attr) {
  if (made)
    attr = *made;
  return made.takeError();
}

/// The shape of a weight's scales, in its rank.
RankedTensorType scaleTypeOf(RankedTensorType type,
                             const RoundingFormat &format) {
  numerics::Extents shape =
      numerics::scaleShape({type.getDimSize(0), widthOf(type)},
                           {format.block.begin(), format.block.end()});
  SmallVector<int64_t> dims(type.getRank(), 1);
  dims.front() = shape.front();
  dims.back() = shape.back();
  return RankedTensorType::get(dims,
                               typeOf(type.getContext(), format.scaleType));
}

/// Makes a constant of codes, one a byte.
llvm::Expected<TypedAttr> makeCodes(RankedTensorType shape,
                                    numerics::Format format, const Twine &name,
                                    ArrayRef<uint8_t> codes) {
  auto type = shape.clone(typeOf(shape.getContext(), format));
  return makeConstant(type, name.str(), [&](MutableArrayRef<char> bytes) {
    numerics::packCodes(format, codes.data(), codes.size(),
                        reinterpret_cast<uint8_t *>(bytes.data()));
  });
}

/// Makes constants of the scales and offsets of super-blocks.
llvm::Error keepSuperBlocks(RankedTensorType scaleType,
                            const RoundingFormat &format,
                            const StoredScales &scales, StringRef name,
                            RoundedWeight &rounded) {
  numerics::SuperBlockFormat super = superBlockFormat(format);
  rounded.scaleBlock = {1, super.groups()};
  auto halves = RankedTensorType::get(
      numerics::scaleShape(scaleType.getShape().vec(), {1, super.groups()}),
      Float16Type::get(scaleType.getContext()));
  if (llvm::Error error = keep(makeCodes(scaleType, super.scaleCodes(),
                                         name + ".scale", scales.scale),
                               rounded.scale))
    return error;
  if (llvm::Error error =
          keep(makeReals(halves, numerics::Format::F16, name + ".scale.scale",
                         scales.scaleScale),
               rounded.scaleScale))
    return error;
  if (!super.hasOffsets())
    return llvm::Error::success();
  if (llvm::Error error = keep(makeCodes(scaleType, numerics::Format::UI6,
                                         name + ".offset", scales.offset),
                               rounded.offset))
    return error;
  return keep(makeReals(halves, numerics::Format::F16, name + ".offset.scale",
                        scales.offsetScale),
              rounded.offsetScale);
}

/// Makes constants of scales that are stored themselves.
llvm::Error keepScales(RankedTensorType type,
                       const numerics::QuantizedScales &scales, StringRef name,
                       RoundedWeight &rounded) {
  MLIRContext *context = type.getContext();
  auto stored = type.clone(typeOf(context, numerics::Format::F8E4M3FN));
  auto fill = [&](MutableArrayRef<char> bytes) {
    std::memcpy(bytes.data(), scales.codes.data(), bytes.size());
  };
  if (llvm::Error error = keep(
          makeConstant(stored, (name + ".scale").str(), fill), rounded.scale))
    return error;
  rounded.scaleBlock.assign(scales.block.begin(), scales.block.end());
  auto shape = RankedTensorType::get(
      numerics::scaleShape(type.getShape().vec(), scales.block),
      Float32Type::get(context));
  if (llvm::Error error = keep(makeReals(shape, numerics::Format::F32,
                                         name + ".scale.scale", scales.scale),
                               rounded.scaleScale))
    return error;
  if (scales.offset.empty())
    return llvm::Error::success();
  return keep(makeReals(shape, numerics::Format::F32, name + ".scale.offset",
                        scales.offset),
              rounded.scaleOffset);
}

/// Makes constants of what belongs to the codes: scales, zero points and
/// offsets.
llvm::Error keepParameters(RankedTensorType scaleType,
                           const RoundingFormat &format, ArrayRef<float> scale,
                           ArrayRef<int32_t> zeroPoint, ArrayRef<float> offset,
                           StringRef name, RoundedWeight &rounded) {
  MLIRContext *context = scaleType.getContext();
  if (!rounded.scale)
    if (llvm::Error error =
            keep(makeReals(scaleType, format.scaleType, name + ".scale", scale),
                 rounded.scale))
      return error;
  if (!zeroPoint.empty())
    if (llvm::Error error =
            keep(makeZeroPoint(scaleType.clone(typeOf(context, format.stored)),
                               (name + ".zero_point").str(), zeroPoint),
                 rounded.zeroPoint))
      return error;
  if (!offset.empty() && !rounded.offset)
    if (llvm::Error error = keep(
            makeReals(scaleType, format.scaleType, name + ".offset", offset),
            rounded.offset))
      return error;
  if (!format.codebook)
    return llvm::Error::success();
  auto book = RankedTensorType::get(
      {static_cast<int64_t>(format.codebook->values.size())},
      Float32Type::get(context));
  return keep(makeReals(book, numerics::Format::F32, name + ".codebook",
                        format.codebook->values),
              rounded.codebook);
}

} // namespace

numerics::QuantizedWeights searchBlockScales(const RoundingFormat &format,
                                             int64_t n, int64_t k,
                                             const float *values) {
  RoundingFormat wanted = format;
  wanted.searchScales = format.scheme != numerics::Scheme::Asymmetric;
  numerics::Encoding encoding;
  encoding.format = format.stored;
  return chooseScales(encoding, {n, k},
                      {format.block.begin(), format.block.end()}, wanted,
                      values);
}

llvm::Expected<RoundedWeight>
keepWeight(RankedTensorType type, const RoundingFormat &format,
           const numerics::QuantizedWeights &codes, StringRef name) {
  RoundedWeight kept;
  auto fill = [&](MutableArrayRef<char> bytes) {
    numerics::packCodes(format.stored, codes.stored.data(),
                        type.getNumElements(),
                        reinterpret_cast<uint8_t *>(bytes.data()));
  };
  if (llvm::Error error = keep(
          makeConstant(type.clone(typeOf(type.getContext(), format.stored)),
                       name, fill),
          kept.stored))
    return error;
  if (llvm::Error error =
          keepParameters(scaleTypeOf(type, format), format, codes.scale,
                         codes.zeroPoint, codes.offset, name, kept))
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

  SmallVector<Rows> tasks =
      tasksFor(type, format.hasScale ? format.block[0] : 1);

  Result result;
  result.scale.resize(numerics::elementCount(scaleShape), 1.0f);
  result.zeroPoint.resize(asymmetric ? result.scale.size() : 0);
  bool isSuper = format.scales == numerics::ScaleCoding::SuperBlock;
  bool hasOffsets = isSuper ? superBlockFormat(format).hasOffsets()
                            : format.ggml == numerics::GGMLKind::Offset;
  result.offset.resize(hasOffsets ? result.scale.size() : 0);
  if (isSuper) {
    StoredScales &scales = result.storedScales;
    scales.scale.resize(result.scale.size());
    scales.offset.resize(result.offset.size());
    scales.scaleScale.resize(shape[0] *
                             llvm::divideCeil(shape[1], numerics::kSuperBlock));
    scales.offsetScale.resize(hasOffsets ? scales.scaleScale.size() : 0);
  }
  result.squares.resize(tasks.size());
  RoundedWeight rounded;
  RankedTensorType scaleType = scaleTypeOf(type, format);
  if (format.scales != numerics::ScaleCoding::Plain && !isSuper) {
    parallelFor(context, 0, tasks.size(), [&](size_t i) {
      Part part(weight, format, tasks[i]);
      std::vector<float> scale = chooseScales(part, format).scale;
      // Groups of zeros have a scale of 1, which would be an outlier among
      // those that are quantized together.
      std::vector<char> isZero(scale.size(), true);
      numerics::forEachRun(part.shape, part.block,
                           [&](int64_t begin, int64_t length, int64_t group) {
                             for (float x :
                                  ArrayRef(part.real).slice(begin, length))
                               isZero[group] &= x == 0;
                           });
      for (auto [value, zero] : llvm::zip_equal(scale, isZero))
        value = zero ? 0 : value;
      llvm::copy(scale, result.scale.begin() + firstScale(part));
    });
    numerics::QuantizedScales scales =
        numerics::quantizeScales(format.scales, scaleShape, result.scale);
    result.knowsScales = true;
    if (llvm::Error error = keepScales(scaleType, scales, name, rounded))
      return error;
  }
  auto fill = [&](MutableArrayRef<char> bytes) {
    result.stored = bytes;
    parallelFor(context, 0, tasks.size(), [&](size_t i) {
      roundRows(weight, format, tasks[i], i, result);
    });
  };
  if (llvm::Error error = keep(
          makeConstant(type.clone(typeOf(context, format.stored)), name, fill),
          rounded.stored))
    return error;
  if (isSuper)
    if (llvm::Error error = keepSuperBlocks(scaleType, format,
                                            result.storedScales, name, rounded))
      return error;
  if (llvm::Error error =
          keepParameters(scaleType, format, result.scale, result.zeroPoint,
                         result.offset, name, rounded))
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

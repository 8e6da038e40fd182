//===- WeightFormats.cpp - What weights may be stored as, by name ---------===//

#include "quantc/Numerics/WeightFormats.h"

#include <algorithm>
#include <cmath>

namespace quantc::numerics {
namespace {

/// Scales that double quantization puts into one block, at most.
constexpr int64_t kScaleBlock = 256;

/// Quantiles of the normal distribution, zero among them, scaled to [-1, 1].
const Codebook &normalFloat4() {
  static const Codebook kBook{
      {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
       -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f,
       0.0f, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f,
       0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
       0.7229568362236023f, 1.0f}};
  return kBook;
}

/// A sign, two bits of exponent and one of mantissa, as bitsandbytes orders
/// them, the largest 1.
const Codebook &float4() {
  static const Codebook kBook = [] {
    Codebook book;
    for (float sign : {1.0f, -1.0f})
      for (float value : {0.0f, 0.0625f, 8.0f, 12.0f, 4.0f, 6.0f, 2.0f, 3.0f})
        book.values.push_back(sign * value / 12.0f);
    return book;
  }();
  return kBook;
}

WeightFormat castRow(std::string_view name, Format stored) {
  WeightFormat row;
  row.name = name;
  row.stored = stored;
  row.scaleType = Format::F32;
  row.hasScale = false;
  return row;
}

WeightFormat codebookRow(std::string_view name, const Codebook &book) {
  WeightFormat row;
  row.name = name;
  row.stored = Format::UI4;
  row.codebook = &book;
  row.scaleType = Format::F32;
  row.groupSize = 64;
  row.scales = ScaleCoding::Centred;
  return row;
}

WeightFormat ggmlRow(std::string_view name, Format stored, GGMLKind kind) {
  WeightFormat row;
  row.name = name;
  row.stored = stored;
  row.ggml = kind;
  row.scaleType = Format::F16;
  row.groupSize = 32;
  row.groupIsFixed = true;
  return row;
}

WeightFormat superBlockRow(std::string_view name, Format stored,
                           int64_t group) {
  WeightFormat row;
  row.name = name;
  row.stored = stored;
  row.scaleType = Format::F32;
  row.groupSize = group;
  row.groupIsFixed = true;
  row.scales = ScaleCoding::SuperBlock;
  return row;
}

WeightFormat floatRow(std::string_view name, int64_t group) {
  WeightFormat row;
  row.name = name;
  row.stored = Format::F4E2M1FN;
  row.scaleType = Format::F32;
  row.groupSize = group;
  row.groupIsFixed = true;
  return row;
}

WeightFormat microscalingRow() {
  WeightFormat row = floatRow("mxfp4", 32);
  row.scaleType = Format::F8E8M0FNU;
  row.scheme = Scheme::PowerOfTwo;
  return row;
}

WeightFormat nvidiaRow() {
  WeightFormat row = floatRow("nvfp4", 16);
  row.scales = ScaleCoding::Tensor;
  return row;
}

WeightFormat binaryRow() {
  static const Codebook kSigns{{-1.0f, 1.0f}};
  WeightFormat row;
  row.name = "binary";
  row.stored = Format::UI1;
  row.codebook = &kSigns;
  row.scheme = Scheme::MeanAbs;
  row.scaleType = Format::F32;
  return row;
}

/// f16 and back, infinity included.
float throughF16(float x) { return f16ToF32(f32ToF16(x)); }

/// GGML's conversion of a number that it knows to be positive.
int32_t truncated(float x, int32_t most) {
  return x < static_cast<float>(most) ? static_cast<int32_t>(x) : most;
}

} // namespace

std::optional<WeightFormat> parseWeightFormat(std::string_view name) {
  static const std::vector<WeightFormat> kRows = {
      castRow("f16", Format::F16),
      castRow("bf16", Format::BF16),
      codebookRow("nf4", normalFloat4()),
      codebookRow("fp4", float4()),
      ggmlRow("q4_0", Format::SI4, GGMLKind::Signed),
      ggmlRow("q4_1", Format::UI4, GGMLKind::Offset),
      ggmlRow("q5_0", Format::SI5, GGMLKind::Signed),
      ggmlRow("q5_1", Format::UI5, GGMLKind::Offset),
      ggmlRow("q8_0", Format::SI8, GGMLKind::Symmetric),
      superBlockRow("q4_k", Format::UI4, 32),
      superBlockRow("q5_k", Format::UI5, 32),
      superBlockRow("q6_k", Format::SI6, 16),
      microscalingRow(),
      nvidiaRow(),
      binaryRow(),
  };
  for (const WeightFormat &row : kRows)
    if (name == row.name)
      return row;
  std::optional<Format> stored = parseFormat(name);
  if (!stored || info(*stored).bits > 8 || *stored == Format::F8E8M0FNU)
    return std::nullopt;
  WeightFormat plain;
  plain.name = info(*stored).name;
  plain.stored = *stored;
  return plain;
}

void encodeGGML(GGMLKind kind, Format stored, const float *real, int64_t length,
                uint8_t *codes, float *scale, float *offset) {
  int32_t levels = 1 << info(stored).bits, half = levels / 2;
  float least = real[0], most = real[0], extreme = real[0];
  for (int64_t i = 1; i < length; ++i) {
    least = std::min(least, real[i]);
    most = std::max(most, real[i]);
    extreme = std::fabs(real[i]) > std::fabs(extreme) ? real[i] : extreme;
  }
  float d = 0;
  switch (kind) {
  case GGMLKind::Offset:
    d = (most - least) / static_cast<float>(levels - 1);
    *offset = throughF16(least);
    break;
  case GGMLKind::Signed:
    d = extreme / static_cast<float>(-half);
    break;
  default:
    d = std::fabs(extreme) / static_cast<float>(half - 1);
  }
  float inverse = d != 0 ? 1.0f / d : 0.0f;
  inverse = std::isfinite(inverse) ? inverse : 0.0f;
  *scale = throughF16(d);
  for (int64_t i = 0; i < length; ++i) {
    int32_t code;
    switch (kind) {
    case GGMLKind::Offset:
      code = truncated((real[i] - least) * inverse + 0.5f, levels - 1);
      break;
    case GGMLKind::Signed:
      code = truncated(real[i] * inverse + (static_cast<float>(half) + 0.5f),
                       levels - 1) -
             half;
      break;
    default:
      code = static_cast<int32_t>(std::round(real[i] * inverse));
    }
    codes[i] = static_cast<uint8_t>(code);
  }
}

/// The mean of each block, in f64: blocks are small, and the order is the
/// rows'.
static std::vector<float> meansOf(const Extents &shape, const Extents &block,
                                  const std::vector<float> &scale) {
  int64_t blocks = elementCount(scaleShape(shape, block));
  std::vector<double> sums(blocks);
  std::vector<int64_t> counts(blocks);
  forEachRun(shape, block, [&](int64_t begin, int64_t length, int64_t b) {
    for (int64_t i = begin; i < begin + length; ++i)
      sums[b] += scale[i];
    counts[b] += length;
  });
  std::vector<float> means(blocks);
  for (int64_t b = 0; b < blocks; ++b)
    means[b] = static_cast<float>(sums[b] / static_cast<double>(counts[b]));
  return means;
}

QuantizedScales quantizeScales(ScaleCoding coding, const Extents &shape,
                               std::vector<float> &scale) {
  QuantizedScales result;
  int64_t groups = std::max<int64_t>(shape[1], 1);
  result.block = {0, 0};
  if (coding == ScaleCoding::Centred) {
    result.block = groups >= kScaleBlock ? Extents{1, kScaleBlock}
                                         : Extents{kScaleBlock / groups, 0};
    result.block = canonicalBlock(shape, result.block);
    result.offset = meansOf(shape, result.block, scale);
  }
  int64_t blocks = elementCount(scaleShape(shape, result.block));
  std::vector<Extrema> extrema(blocks);
  forEachRun(
      shape, result.block, [&](int64_t begin, int64_t length, int64_t b) {
        for (int64_t i = begin; i < begin + length; ++i)
          extrema[b].add(result.offset.empty() ? scale[i]
                                               : scale[i] - result.offset[b]);
      });
  Encoding encoding;
  encoding.format = Format::F8E4M3FN;
  result.scale.resize(blocks);
  for (int64_t b = 0; b < blocks; ++b)
    result.scale[b] =
        chooseParams(Scheme::Symmetric, encoding.range(), extrema[b]).scale;
  ScaleArrays arrays{result.scale.data(), nullptr,
                     result.offset.empty() ? nullptr : result.offset.data()};
  result.codes.resize(scale.size());
  quantize(encoding, shape, result.block, arrays, scale.data(),
           result.codes.data());
  dequantize(encoding, shape, result.block, arrays, result.codes.data(),
             scale.data());
  return result;
}

} // namespace quantc::numerics

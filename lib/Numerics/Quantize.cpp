//===- Quantize.cpp - The one formula, over arrays ------------------------===//

#include "quantc/Numerics/Quantize.h"

#include "quantc/Numerics/Order.h"

#include <algorithm>
#include <cmath>

namespace quantc::numerics {
namespace {

/// One rounding of a real operation.
float rounded(Format precision, float x) {
  return precision == Format::F32 ? x : decode(precision, encode(precision, x));
}

void store(void *base, unsigned bytes, int64_t index, uint32_t code) {
  switch (bytes) {
  case 1:
    static_cast<uint8_t *>(base)[index] = static_cast<uint8_t>(code);
    break;
  case 2:
    static_cast<uint16_t *>(base)[index] = static_cast<uint16_t>(code);
    break;
  default:
    static_cast<uint32_t *>(base)[index] = code;
  }
}

uint32_t load(const void *base, unsigned bytes, int64_t index) {
  switch (bytes) {
  case 1:
    return static_cast<const uint8_t *>(base)[index];
  case 2:
    return static_cast<const uint16_t *>(base)[index];
  default:
    return static_cast<const uint32_t *>(base)[index];
  }
}

/// mean(|x|) of every group, its elements in row-major order.
std::vector<float> meanMagnitudes(const Extents &shape, const Extents &block,
                                  const float *real, int64_t groups) {
  struct Sum {
    float lanes[kLanes] = {};
    int64_t count = 0;
  };
  std::vector<Sum> sums(groups);
  forEachRun(shape, block, [&](int64_t begin, int64_t length, int64_t group) {
    Sum &sum = sums[group];
    for (int64_t i = begin; i < begin + length; ++i)
      sum.lanes[sum.count++ % kLanes] += std::fabs(real[i]);
  });
  std::vector<float> means(groups);
  for (int64_t g = 0; g < groups; ++g) {
    float total =
        reduceLanes(sums[g].lanes, [](float a, float b) { return a + b; });
    means[g] =
        sums[g].count == 0 ? 0 : total / static_cast<float>(sums[g].count);
  }
  return means;
}

} // namespace

uint32_t Codebook::nearest(float x) const {
  auto [least, most] = std::minmax_element(values.begin(), values.end());
  x = x < *least ? *least : x;
  x = x > *most ? *most : x;
  uint32_t best = 0;
  float bestDistance = std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < values.size(); ++i) {
    float distance = std::fabs(x - values[i]);
    if (distance < bestDistance) {
      bestDistance = distance;
      best = static_cast<uint32_t>(i);
    }
  }
  return best;
}

StoredRange Encoding::range() const {
  if (!codebook)
    return storedRange(format);
  float most = 0;
  for (float value : codebook->values)
    most = std::max(most, std::fabs(value));
  return {-most, most};
}

uint32_t quantizeOne(const Encoding &encoding, float real, float scale,
                     int32_t zeroPoint, bool hasOffset, float offset) {
  Format precision = encoding.precision;
  if (hasOffset)
    real = rounded(precision, real - offset);
  float x = rounded(precision, real / scale);
  if (encoding.codebook)
    return encoding.codebook->nearest(x);
  const FormatInfo &row = info(encoding.format);
  if (!row.isInteger)
    return encode(encoding.format, x, encoding.saturate);
  // Far beyond every range, so that adding the zero point cannot bring it back;
  // NaN takes the lower end.
  x = x > -0x1p+40f ? x : -0x1p+40f;
  x = x < 0x1p+40f ? x : 0x1p+40f;
  int64_t value = static_cast<int64_t>(roundEven(x)) + zeroPoint;
  value = std::max(value, static_cast<int64_t>(row.qmin));
  value = std::min(value, static_cast<int64_t>(row.qmax));
  return static_cast<uint32_t>(value);
}

float dequantizeOne(const Encoding &encoding, uint32_t code, float scale,
                    int32_t zeroPoint, bool hasOffset, float offset) {
  Format precision = encoding.precision;
  float x;
  if (encoding.codebook)
    x = encoding.codebook
            ->values[code & (encoding.codebook->values.size() - 1)];
  else if (info(encoding.format).isInteger)
    x = static_cast<float>(decodeInteger(encoding.format, code) - zeroPoint);
  else
    x = decode(encoding.format, code);
  x = rounded(precision, rounded(precision, x) * scale);
  return hasOffset ? rounded(precision, x + offset) : x;
}

namespace {

/// What the elements of one run share.
struct RunParams {
  float scale;
  int32_t zeroPoint;
  bool hasOffset;
  float offset;

  RunParams(const ScaleArrays &scales, int64_t group)
      : scale(scales.scale[group]),
        zeroPoint(scales.zeroPoint ? scales.zeroPoint[group] : 0),
        hasOffset(scales.offset != nullptr),
        offset(hasOffset ? scales.offset[group] : 0) {}
};

/// Integers of at most 16 bits in f32, where clamping in f32 before rounding is
/// exact and gives the same codes; a loop that vectorizes.
template <typename Stored>
void quantizeRun(const FormatInfo &row, const RunParams &run, const float *real,
                 int64_t length, Stored *stored) {
  float least = static_cast<float>(row.qmin - run.zeroPoint);
  float most = static_cast<float>(row.qmax - run.zeroPoint);
  for (int64_t i = 0; i < length; ++i) {
    float x = run.hasOffset ? real[i] - run.offset : real[i];
    x = x / run.scale;
    x = x > least ? x : least;
    x = x < most ? x : most;
    // |x| < 2^22: adding 1.5 * 2^23 rounds half to even.
    x = (x + 0x1.8p+23f) - 0x1.8p+23f;
    stored[i] = static_cast<Stored>(static_cast<int32_t>(x) + run.zeroPoint);
  }
}

bool isSmall(int32_t zeroPoint) {
  return zeroPoint > -(1 << 20) && zeroPoint < (1 << 20);
}

} // namespace

void quantize(const Encoding &encoding, const Extents &shape,
              const Extents &block, const ScaleArrays &scales,
              const float *real, void *stored) {
  const FormatInfo &row = info(encoding.format);
  unsigned bytes = storageBytes(encoding.format);
  bool plain = row.isInteger && bytes <= 2 && !encoding.codebook &&
               encoding.precision == Format::F32;
  forEachRun(shape, block, [&](int64_t begin, int64_t length, int64_t group) {
    RunParams run(scales, group);
    if (plain && isSmall(run.zeroPoint)) {
      if (bytes == 1)
        quantizeRun(row, run, real + begin, length,
                    static_cast<uint8_t *>(stored) + begin);
      else
        quantizeRun(row, run, real + begin, length,
                    static_cast<uint16_t *>(stored) + begin);
      return;
    }
    for (int64_t i = begin; i < begin + length; ++i)
      store(stored, bytes, i,
            quantizeOne(encoding, real[i], run.scale, run.zeroPoint,
                        run.hasOffset, run.offset));
  });
}

void dequantize(const Encoding &encoding, const Extents &shape,
                const Extents &block, const ScaleArrays &scales,
                const void *stored, float *real) {
  unsigned bytes = storageBytes(encoding.format);
  // Up to 8 bits the values come from a table of all bytes. Subtracting the
  // zero point in f32 is exact there, as it is in integers.
  std::vector<float> values;
  if (bytes == 1 && encoding.precision == Format::F32)
    for (uint32_t code = 0; code < 256; ++code)
      values.push_back(dequantizeOne(encoding, code, 1, 0, false, 0));
  forEachRun(shape, block, [&](int64_t begin, int64_t length, int64_t group) {
    RunParams run(scales, group);
    if (!values.empty() && isSmall(run.zeroPoint)) {
      const uint8_t *codes = static_cast<const uint8_t *>(stored);
      bool isInteger = !encoding.codebook && info(encoding.format).isInteger;
      float zeroPoint = isInteger ? static_cast<float>(run.zeroPoint) : 0;
      for (int64_t i = begin; i < begin + length; ++i) {
        float x = (values[codes[i]] - zeroPoint) * run.scale;
        real[i] = run.hasOffset ? x + run.offset : x;
      }
      return;
    }
    for (int64_t i = begin; i < begin + length; ++i)
      real[i] = dequantizeOne(encoding, load(stored, bytes, i), run.scale,
                              run.zeroPoint, run.hasOffset, run.offset);
  });
}

QuantizedWeights chooseGroupParams(const Encoding &encoding,
                                   const Extents &shape, const Extents &block,
                                   Scheme scheme, const float *real, float clip,
                                   Format scaleFormat) {
  QuantizedWeights result;
  result.scaleShape = scaleShape(shape, block);
  int64_t groups = elementCount(result.scaleShape);
  result.scale.resize(groups);
  if (scheme == Scheme::MeanAbs) {
    std::vector<float> means = meanMagnitudes(shape, block, real, groups);
    for (int64_t g = 0; g < groups; ++g)
      result.scale[g] = finishScale(means[g], scaleFormat);
    return result;
  }
  std::vector<Extrema> extrema(groups);
  forEachRun(shape, block, [&](int64_t begin, int64_t length, int64_t group) {
    Extrema found = extrema[group];
    for (int64_t i = begin; i < begin + length; ++i)
      found.add(real[i]);
    extrema[group] = found;
  });
  if (scheme == Scheme::Asymmetric)
    result.zeroPoint.resize(groups);
  if (scheme == Scheme::AsymmetricOffset)
    result.offset.resize(groups);
  StoredRange range = encoding.range();
  for (int64_t g = 0; g < groups; ++g) {
    Params params = chooseParams(scheme, range, extrema[g], clip, scaleFormat);
    result.scale[g] = params.scale;
    if (scheme == Scheme::Asymmetric)
      result.zeroPoint[g] = params.zeroPoint;
    if (scheme == Scheme::AsymmetricOffset)
      result.offset[g] = params.offset;
  }
  return result;
}

QuantizedWeights quantizeWeights(const Encoding &encoding, const Extents &shape,
                                 const Extents &block, Scheme scheme,
                                 const float *real, float clip,
                                 Format scaleFormat) {
  QuantizedWeights result = chooseGroupParams(encoding, shape, block, scheme,
                                              real, clip, scaleFormat);
  result.stored.resize(elementCount(shape) * storageBytes(encoding.format));
  ScaleArrays scales;
  scales.scale = result.scale.data();
  if (!result.zeroPoint.empty())
    scales.zeroPoint = result.zeroPoint.data();
  if (!result.offset.empty())
    scales.offset = result.offset.data();
  quantize(encoding, shape, block, scales, real, result.stored.data());
  return result;
}

} // namespace quantc::numerics

//===- PackPanels.cpp - The packed layout of linear weights ---------------===//

#include "quantc/Numerics/PackPanels.h"

#include "quantc/Numerics/Packing.h"

#include <algorithm>
#include <cstring>

namespace quantc::numerics {

namespace {

constexpr int64_t kFloats = kPanel * int64_t(sizeof(float));

int64_t roundUp(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

/// Values of k that a group has room for: whole 64-byte vectors.
int64_t paddedGroup(const PanelLayout &layout) {
  int64_t length = layout.group == 0 ? layout.k : layout.group;
  return roundUp(length, layout.grain());
}

void storeFloat(uint8_t *out, float value) {
  std::memcpy(out, &value, sizeof(value));
}

float sourceScale(const PanelSource &source, int64_t index) {
  if (source.scaleSource == Format::F16)
    return f16ToF32(static_cast<const uint16_t *>(source.scales)[index]);
  return static_cast<const float *>(source.scales)[index];
}

/// Writes 16 numbers, `value(column)` or 0 beyond the columns, in the type of
/// the scales; returns where they end.
template <typename Value>
uint8_t *packParams(const PanelLayout &layout, int64_t columns, Value value,
                    uint8_t *out) {
  bool half = layout.scaleType == Format::F16;
  for (int64_t c = 0; c < kPanel; ++c) {
    float number = c < columns ? value(c) : 0.0f;
    if (half) {
      uint16_t code = f32ToF16(number);
      std::memcpy(out + 2 * c, &code, sizeof(code));
    } else {
      storeFloat(out + 4 * c, number);
    }
  }
  return out + kPanel * (half ? 2 : 4);
}

/// The scales of group `g`, and the offsets; returns where they end.
uint8_t *packScales(const PanelLayout &layout, const PanelSource &source,
                    int64_t first, int64_t columns, int64_t g, uint8_t *out) {
  auto index = [&](int64_t c) { return (first + c) * layout.groups() + g; };
  out = packParams(
      layout, columns, [&](int64_t c) { return sourceScale(source, index(c)); },
      out);
  if (!layout.offsets)
    return out;
  return packParams(
      layout, columns, [&](int64_t c) { return source.offsets[index(c)]; },
      out);
}

void packFloats(const PanelLayout &layout, const PanelSource &source,
                int64_t first, int64_t columns, uint8_t *out) {
  // A model's external data may begin at any byte, so nothing is read as a
  // float.
  const char *w = static_cast<const char *>(source.weights);
  std::memset(out, 0, layout.groupBytes());
  for (int64_t k = 0; k < layout.k; ++k, out += kFloats)
    for (int64_t c = 0; c < columns; ++c)
      std::memcpy(out + 4 * c,
                  w + 4 * ((first + c) * source.strideN + k * source.strideK),
                  4);
}

/// Reads the integers of a source as the panels hold them, before 2^(bits-1) is
/// added.
class Codes {
public:
  Codes(const PanelLayout &layout, const PanelSource &source)
      : layout(layout), source(source),
        format(source.codes.value_or(layout.format)), bits(packedBits(format)),
        bytes(static_cast<const uint8_t *>(source.weights)) {
    const FormatInfo &row = info(format);
    if (layout.zeroPoints && !row.isSigned)
      centre = 1 << (row.bits - 1);
    signBit = row.isSigned && !layout.keepsCodes() ? 1u << (row.bits - 1) : 0;
    mask = (1u << row.bits) - 1;
  }

  /// w[n, k] of group g.
  int32_t weight(int64_t n, int64_t k, int64_t g) const {
    int64_t element = n * source.strideN + k * source.strideK;
    uint32_t code = bits == 8
                        ? bytes[element]
                        : bytes[element * bits / 8] >> (element * bits % 8);
    code &= mask;
    int32_t value =
        static_cast<int32_t>(code ^ signBit) - static_cast<int32_t>(signBit);
    if (source.zeroPoints && !layout.zeroPoints)
      value -= given(n, g);
    return value - centre;
  }
  /// The zero point that is kept beside the weights.
  int32_t zeroPoint(int64_t n, int64_t g) const {
    return layout.zeroPoints ? (source.zeroPoints ? given(n, g) : 0) - centre
                             : 0;
  }

private:
  int32_t given(int64_t n, int64_t g) const {
    return source.zeroPoints[n * layout.groups() + g];
  }

  const PanelLayout &layout;
  const PanelSource &source;
  Format format;
  unsigned bits;
  const uint8_t *bytes;
  int32_t centre = 0;
  uint32_t signBit, mask;
};

/// The values of group `g` of f16 or bf16: rows of 16 columns.
void packHalves(const PanelLayout &layout, const PanelSource &source,
                int64_t first, int64_t columns, int64_t g, uint8_t *out) {
  const char *w = static_cast<const char *>(source.weights);
  std::memset(out, 0, layout.groupBytes());
  int64_t begin = g * layout.group;
  int64_t end =
      layout.group == 0 ? layout.k : std::min(layout.k, begin + layout.group);
  for (int64_t k = begin; k < end; ++k, out += 2 * kPanel)
    for (int64_t c = 0; c < columns; ++c)
      std::memcpy(out + 2 * c,
                  w + 2 * ((first + c) * source.strideN + k * source.strideK),
                  2);
}

/// The values of group `g`: 8-bit weights 4 of a column side by side; of 4-bit
/// weights two vectors like that, the second in the high nibbles of the first.
/// Its zero points and sums go to `behind`.
void packGroup(const PanelLayout &layout, const Codes &codes, int64_t first,
               int64_t columns, int64_t g, uint8_t *out, uint8_t *behind) {
  bool nibbles = layout.grain() == 8;
  uint8_t half = nibbles ? 0x8 : 0x80,
          offset = layout.unsignedWeights && !layout.keepsCodes() ? half : 0;
  std::memset(out, nibbles ? offset | offset << 4 : offset,
              layout.groupBytes());
  int64_t begin = g * layout.group;
  int64_t end =
      layout.group == 0 ? layout.k : std::min(layout.k, begin + layout.group);
  uint8_t *zeroPoints = behind;
  uint8_t *sums = behind + (layout.zeroPoints ? kPanel : 0);
  if (layout.zeroPoints)
    std::memset(zeroPoints, offset, kPanel);
  if (layout.columnSums)
    std::memset(sums, 0, kPanel * sizeof(int32_t));
  for (int64_t c = 0; c < columns; ++c) {
    int32_t zero = codes.zeroPoint(first + c, g), sum = 0;
    for (int64_t k = begin; k < end; ++k) {
      int32_t value = codes.weight(first + c, k, g);
      sum += value - zero;
      int64_t local = k - begin;
      if (!nibbles) { // + 128 modulo 256
        out[local / 4 * 64 + 4 * c + local % 4] =
            static_cast<uint8_t>(value) ^ offset;
        continue;
      }
      uint8_t code = (static_cast<uint8_t>(value) & 0xf) ^ offset;
      uint8_t &byte = out[local / 8 * 64 + 4 * c + local % 4];
      byte = local % 8 < 4 ? (byte & 0xf0) | code : (byte & 0x0f) | code << 4;
    }
    if (layout.zeroPoints)
      zeroPoints[c] = static_cast<uint8_t>(zero + offset);
    if (layout.columnSums)
      std::memcpy(sums + 4 * c, &sum, sizeof(sum));
  }
}

} // namespace

int64_t PanelLayout::grain() const {
  unsigned bits = info(format).bits;
  return bits <= 4 ? 8 : bits <= 8 ? 4 : 1;
}

int64_t PanelLayout::groups() const {
  if (format == Format::F32 || group == 0)
    return 1;
  return (k + group - 1) / group;
}

int64_t PanelLayout::groupBytes() const {
  if (format == Format::F32)
    return k * kFloats;
  int64_t values = paddedGroup(*this) * kPanel;
  return grain() == 8 ? values / 2 : grain() == 4 ? values : values * 2;
}

int64_t PanelLayout::paramBytes() const {
  if (format == Format::F32)
    return 0;
  int64_t scales = scaleType == Format::F16 ? kPanel * 2 : kFloats;
  return (offsets ? 2 : 1) * scales + (zeroPoints ? kPanel : 0) +
         (columnSums ? kPanel * int64_t(sizeof(int32_t)) : 0);
}

int64_t PanelLayout::panelBytes() const {
  return groups() * (groupBytes() + paramBytes()) + kFloats;
}

void packPanel(const PanelLayout &layout, const PanelSource &source,
               int64_t panel, uint8_t *out) {
  int64_t first = panel * kPanel;
  int64_t columns = std::min<int64_t>(kPanel, layout.n - first);
  if (layout.format == Format::F32) {
    packFloats(layout, source, first, columns, out);
    out += layout.groupBytes();
  } else {
    Codes codes(layout, source);
    for (int64_t g = 0; g < layout.groups(); ++g) {
      uint8_t *params = out + layout.groupBytes();
      uint8_t *behind = packScales(layout, source, first, columns, g, params);
      if (layout.grain() == 1)
        packHalves(layout, source, first, columns, g, out);
      else
        packGroup(layout, codes, first, columns, g, out, behind);
      out = params + layout.paramBytes();
    }
  }
  // Never -0: see numerics::PanelSource.
  for (int64_t c = 0; c < kPanel; ++c)
    storeFloat(out + 4 * c, source.bias && c < columns
                                ? source.bias[first + c] + 0.0f
                                : 0.0f);
}

} // namespace quantc::numerics

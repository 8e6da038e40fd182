//===- PackPanels.cpp - The packed layout of linear weights ---------------===//

#include "quantc/Numerics/PackPanels.h"

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
  return roundUp(length, layout.format == Format::SI4 ? 8 : 4);
}

void storeFloat(uint8_t *out, float value) {
  std::memcpy(out, &value, sizeof(value));
}

float sourceScale(const PanelSource &source, int64_t index) {
  if (source.scaleSource == Format::F16)
    return f16ToF32(static_cast<const uint16_t *>(source.scales)[index]);
  return static_cast<const float *>(source.scales)[index];
}

/// Writes the 16 scales of group `g`; returns where they end.
uint8_t *packScales(const PanelLayout &layout, const PanelSource &source,
                    int64_t first, int64_t columns, int64_t g, uint8_t *out) {
  bool half = layout.scaleType == Format::F16;
  for (int64_t c = 0; c < kPanel; ++c) {
    int64_t index = (first + c) * layout.groups() + g;
    float scale = c < columns ? sourceScale(source, index) : 0.0f;
    if (half) {
      uint16_t code = f32ToF16(scale);
      std::memcpy(out + 2 * c, &code, sizeof(code));
    } else {
      storeFloat(out + 4 * c, scale);
    }
  }
  return out + kPanel * (half ? 2 : 4);
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

/// The values of group `g` of 8-bit weights: 4 of a column side by side.
void packBytes(const PanelLayout &layout, const PanelSource &source,
               int64_t first, int64_t columns, int64_t g, uint8_t *out) {
  uint8_t zero = layout.unsignedWeights ? 0x80 : 0;
  std::memset(out, zero, layout.groupBytes());
  const uint8_t *w = static_cast<const uint8_t *>(source.weights);
  int64_t begin = g * layout.group;
  int64_t end =
      layout.group == 0 ? layout.k : std::min(layout.k, begin + layout.group);
  for (int64_t c = 0; c < columns; ++c) {
    const uint8_t *row = w + (first + c) * source.strideN;
    for (int64_t k = begin; k < end; ++k) {
      int64_t local = k - begin;
      out[local / 4 * 64 + 4 * c + local % 4] =
          row[k * source.strideK] ^ zero; // + 128 modulo 256
    }
  }
}

/// The values of group `g` of 4-bit weights: two vectors of packBytes, the
/// second in the high nibbles of the first.
void packNibbles(const PanelLayout &layout, const PanelSource &source,
                 int64_t first, int64_t columns, int64_t g, uint8_t *out) {
  uint8_t zero = layout.unsignedWeights ? 0x8 : 0;
  std::memset(out, zero | zero << 4, layout.groupBytes());
  const uint8_t *w = static_cast<const uint8_t *>(source.weights);
  int64_t begin = g * layout.group;
  int64_t end =
      layout.group == 0 ? layout.k : std::min(layout.k, begin + layout.group);
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t k = begin; k < end; ++k) {
      int64_t element = (first + c) * source.strideN + k * source.strideK;
      uint8_t code = (w[element / 2] >> (element % 2 * 4)) & 0xf;
      code ^= zero; // + 8 modulo 16
      int64_t local = k - begin;
      uint8_t &byte = out[local / 8 * 64 + 4 * c + local % 4];
      byte = local % 8 < 4 ? (byte & 0xf0) | code : (byte & 0x0f) | code << 4;
    }
  }
}

} // namespace

int64_t PanelLayout::groups() const {
  if (format == Format::F32 || group == 0)
    return 1;
  return (k + group - 1) / group;
}

int64_t PanelLayout::groupBytes() const {
  if (format == Format::F32)
    return k * kFloats;
  return paddedGroup(*this) * kPanel / (format == Format::SI4 ? 2 : 1);
}

int64_t PanelLayout::panelBytes() const {
  int64_t scales = 0;
  if (format != Format::F32)
    scales = scaleType == Format::F16 ? kPanel * 2 : kFloats;
  return groups() * (groupBytes() + scales) + kFloats;
}

void packPanel(const PanelLayout &layout, const PanelSource &source,
               int64_t panel, uint8_t *out) {
  int64_t first = panel * kPanel;
  int64_t columns = std::min<int64_t>(kPanel, layout.n - first);
  if (layout.format == Format::F32) {
    packFloats(layout, source, first, columns, out);
    out += layout.groupBytes();
  } else {
    for (int64_t g = 0; g < layout.groups(); ++g) {
      if (layout.format == Format::SI4)
        packNibbles(layout, source, first, columns, g, out);
      else
        packBytes(layout, source, first, columns, g, out);
      out = packScales(layout, source, first, columns, g,
                       out + layout.groupBytes());
    }
  }
  for (int64_t c = 0; c < kPanel; ++c)
    storeFloat(out + 4 * c,
               source.bias && c < columns ? source.bias[first + c] : 0.0f);
}

} // namespace quantc::numerics

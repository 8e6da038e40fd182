//===- PackPanelsTest.cpp - Packed panels against the index formula -------===//

#include "quantc/Numerics/PackPanels.h"

#include "quantc/Numerics/Packing.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

using namespace quantc::numerics;

namespace {

float floatAt(const std::vector<uint8_t> &bytes, int64_t offset) {
  float x;
  std::memcpy(&x, bytes.data() + offset, sizeof(x));
  return x;
}

std::vector<uint8_t> packAll(const PanelLayout &layout,
                             const PanelSource &source) {
  // A panel that is too long overwrites the one after it or this guard byte.
  std::vector<uint8_t> packed(layout.bytes() + 1, 0xcd);
  for (int64_t p = layout.panels(); p-- > 0;)
    packPanel(layout, source, p, packed.data() + p * layout.panelBytes());
  EXPECT_EQ(packed.back(), 0xcd);
  packed.pop_back();
  return packed;
}

struct IntCase {
  Format format;
  int64_t n, k, group;
  Format scaleType;
  bool unsignedWeights;
};

class PackIntegers : public testing::TestWithParam<IntCase> {};

TEST_P(PackIntegers, MatchesIndexFormula) {
  IntCase c = GetParam();
  PanelLayout layout{c.format, c.n,         c.k,
                     c.group,  c.scaleType, c.unsignedWeights};
  std::mt19937 random(7);
  bool nibbles = c.format == Format::SI4;
  int low = nibbles ? -8 : -128, high = nibbles ? 7 : 127;
  std::vector<int8_t> w(c.n * c.k);
  for (int8_t &x : w)
    x = std::uniform_int_distribution<int>(low, high)(random);
  int64_t groups = layout.groups();
  std::vector<uint16_t> scales(c.n * groups);
  for (uint16_t &s : scales)
    s = f32ToF16(std::uniform_real_distribution<float>(-1, 1)(random));
  std::vector<float> bias(c.n);
  for (float &b : bias)
    b = std::normal_distribution<float>()(random);

  std::vector<uint8_t> stored(w.size());
  std::memcpy(stored.data(), w.data(), w.size());
  if (nibbles) {
    std::vector<uint8_t> packed(packedSize(w.size(), 4));
    packBits(stored.data(), w.size(), 4, packed.data());
    stored = packed;
  }
  PanelSource source;
  source.weights = stored.data();
  source.strideN = c.k;
  source.scales = scales.data();
  source.scaleSource = Format::F16;
  source.bias = bias.data();
  std::vector<uint8_t> packed = packAll(layout, source);

  // The formula of the header, with everything spelled out.
  int64_t vectorK = nibbles ? 8 : 4;
  int64_t length = c.group == 0 ? c.k : c.group;
  int64_t vectors = (length + vectorK - 1) / vectorK;
  int64_t scaleBytes = c.scaleType == Format::F16 ? 2 : 4;
  int64_t groupStride = vectors * 64 + 16 * scaleBytes;
  int64_t panelStride = groups * groupStride + 64;
  int offset = c.unsignedWeights ? (nibbles ? 8 : 128) : 0;
  ASSERT_EQ(int64_t(packed.size()), (c.n + 15) / 16 * panelStride);
  for (int64_t column = 0; column < (c.n + 15) / 16 * 16; ++column) {
    int64_t panel = column / 16 * panelStride, lane = column % 16;
    bool real = column < c.n;
    for (int64_t g = 0; g < groups; ++g) {
      int64_t base = panel + g * groupStride;
      for (int64_t local = 0; local < vectors * vectorK; ++local) {
        int64_t k = g * length + local;
        int want = real && local < length && k < c.k ? w[column * c.k + k] : 0;
        uint8_t byte =
            packed[base + local / vectorK * 64 + 4 * lane + local % 4];
        int got;
        if (nibbles) {
          got = local % 8 < 4 ? byte & 15 : byte >> 4;
          got = c.unsignedWeights ? got - offset : (got ^ 8) - 8;
        } else {
          got = c.unsignedWeights ? byte - offset : int8_t(byte);
        }
        ASSERT_EQ(got, want) << "column " << column << " k " << k;
      }
      int64_t at = base + vectors * 64 + lane * scaleBytes;
      float want = real ? f16ToF32(scales[column * groups + g]) : 0;
      uint16_t code;
      std::memcpy(&code, packed.data() + at, 2);
      float got = scaleBytes == 2 ? f16ToF32(code) : floatAt(packed, at);
      ASSERT_EQ(got, want) << "column " << column << " group " << g;
    }
    ASSERT_EQ(floatAt(packed, panel + groups * groupStride + lane * 4),
              real ? bias[column] : 0);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, PackIntegers,
    testing::Values(IntCase{Format::SI8, 16, 64, 0, Format::F32, true},
                    IntCase{Format::SI8, 16, 64, 0, Format::F32, false},
                    IntCase{Format::SI8, 37, 31, 0, Format::F32, true},
                    IntCase{Format::SI8, 1, 1, 0, Format::F32, false},
                    IntCase{Format::SI8, 20, 96, 32, Format::F32, true},
                    IntCase{Format::SI8, 20, 70, 32, Format::F32, false},
                    IntCase{Format::SI4, 16, 64, 32, Format::F16, true},
                    IntCase{Format::SI4, 16, 64, 32, Format::F16, false},
                    IntCase{Format::SI4, 33, 77, 32, Format::F16, true},
                    IntCase{Format::SI4, 33, 75, 8, Format::F32, false},
                    IntCase{Format::SI4, 17, 45, 0, Format::F32, true}));

TEST(PackFloats, MatchesIndexFormulaThroughATranspose) {
  int64_t n = 21, k = 13;
  PanelLayout layout;
  layout.n = n;
  layout.k = k;
  std::vector<float> transposed(n * k); // [K, N]
  for (int64_t i = 0; i < n * k; ++i)
    transposed[i] = float(i) + 0.5f;
  PanelSource source;
  source.weights = transposed.data();
  source.strideN = 1;
  source.strideK = n;
  std::vector<uint8_t> packed = packAll(layout, source);
  ASSERT_EQ(int64_t(packed.size()), 2 * (k + 1) * 64);
  for (int64_t column = 0; column < 32; ++column) {
    int64_t panel = column / 16 * (k + 1) * 64, lane = column % 16 * 4;
    for (int64_t i = 0; i < k; ++i)
      EXPECT_EQ(floatAt(packed, panel + i * 64 + lane),
                column < n ? transposed[i * n + column] : 0);
    EXPECT_EQ(floatAt(packed, panel + k * 64 + lane), 0); // no bias
  }
}

/// sum (x - zx)(w - zw) from what the panels hold, as the header's formula has
/// it.
TEST(PackZeroPoints, GiveTheSums) {
  std::mt19937 random(11);
  for (bool isUnsigned : {false, true})
    for (int64_t group : {0, 8})
      for (Format codes : {Format::UI8, Format::UI4, Format::SI8}) {
        const FormatInfo &row = info(codes);
        PanelLayout layout;
        layout.format = row.bits == 4 ? Format::SI4 : Format::SI8;
        layout.n = 19;
        layout.k = 29;
        layout.group = group;
        layout.unsignedWeights = isUnsigned;
        layout.zeroPoints = layout.columnSums = true;
        std::uniform_int_distribution<int> any(int(row.qmin), int(row.qmax));
        std::vector<int32_t> w(layout.n * layout.k),
            zero(layout.n * layout.groups());
        for (int32_t &x : w)
          x = any(random);
        for (int32_t &z : zero)
          z = any(random);
        std::vector<uint8_t> stored(w.begin(), w.end());
        if (row.bits == 4) {
          std::vector<uint8_t> packed(packedSize(w.size(), 4));
          packBits(stored.data(), w.size(), 4, packed.data());
          stored = packed;
        }
        std::vector<float> scales(zero.size(), 1);
        PanelSource source;
        source.weights = stored.data();
        source.codes = codes;
        source.strideN = layout.k;
        source.scales = scales.data();
        source.zeroPoints = zero.data();
        std::vector<uint8_t> packed = packAll(layout, source);

        int64_t length = group == 0 ? layout.k : group, half = row.bits == 4;
        for (int64_t n = 0; n < layout.n; ++n)
          for (int64_t g = 0; g < layout.groups(); ++g) {
            const uint8_t *panel =
                packed.data() + n / 16 * layout.panelBytes() +
                g * (layout.groupBytes() + layout.paramBytes());
            const uint8_t *params = panel + layout.groupBytes() + 64;
            int64_t c = n % 16;
            int32_t z = isUnsigned ? params[c] : int8_t(params[c]), sum,
                    want = 0;
            std::memcpy(&sum, params + 16 + 4 * c, 4);
            int64_t end = std::min(layout.k, (g + 1) * length);
            for (int64_t k = g * length; k < end; ++k) {
              int64_t local = k - g * length;
              uint8_t byte = half ? panel[local / 8 * 64 + 4 * c + local % 4]
                                  : panel[local / 4 * 64 + 4 * c + local % 4];
              int32_t code = byte;
              if (half) {
                code = local % 8 < 4 ? byte & 15 : byte >> 4;
                if (!isUnsigned)
                  code = (code ^ 8) - 8;
              } else if (!isUnsigned) {
                code = int8_t(byte);
              }
              int32_t difference =
                  w[n * layout.k + k] - zero[n * layout.groups() + g];
              EXPECT_EQ(code - z, difference);
              want += difference;
            }
            EXPECT_EQ(sum, want);
          }
      }
}

/// Codes of floats and codebooks stay what they are, whatever the target does
/// to integers; offsets stand behind the scales, in their type.
TEST(PackCodes, MatchesIndexFormula) {
  std::mt19937 random(13);
  for (Format format :
       {Format::UI4, Format::F4E2M1FN, Format::F8E4M3FN, Format::F8E5M2,
        Format::F6E2M3FN, Format::F16, Format::BF16})
    for (int64_t group : {0, 32})
      for (bool offsets : {false, true}) {
        PanelLayout layout;
        layout.format = format;
        layout.n = 19;
        layout.k = 77;
        layout.group = group;
        layout.scaleType = group ? Format::F16 : Format::F32;
        layout.unsignedWeights = offsets;
        layout.offsets = offsets;
        int64_t bits = info(format).bits, groups = layout.groups();
        int64_t count = layout.n * layout.k;
        std::vector<uint16_t> w(count);
        for (uint16_t &code : w)
          code = static_cast<uint16_t>(random() & ((1u << bits) - 1));
        std::vector<uint8_t> stored(packedSize(count, packedBits(format)));
        for (int64_t i = 0; i < count; ++i)
          if (packedBits(format) == 4)
            stored[i / 2] |= static_cast<uint8_t>(w[i] << (i % 2 * 4));
          else
            std::memcpy(&stored[i * packedBits(format) / 8], &w[i],
                        packedBits(format) / 8);
        // Halves of whole numbers are f16s.
        std::vector<float> scales(layout.n * groups), added(layout.n * groups);
        for (auto *numbers : {&scales, &added})
          for (float &x : *numbers)
            x = static_cast<float>(random() % 512) / 2;
        PanelSource source;
        source.weights = stored.data();
        source.strideN = layout.k;
        source.scales = scales.data();
        source.offsets = offsets ? added.data() : nullptr;
        std::vector<uint8_t> packed = packAll(layout, source);

        int64_t grain = bits == 4 ? 8 : bits <= 8 ? 4 : 1;
        int64_t length = group == 0 ? layout.k : group;
        int64_t padded = (length + grain - 1) / grain * grain;
        int64_t values = padded * 16 *
                         (grain == 8   ? 1
                          : grain == 4 ? 2
                                       : 4) /
                         2;
        int64_t wide = group ? 2 : 4;
        int64_t stride = values + 16 * wide * (offsets ? 2 : 1);
        ASSERT_EQ(int64_t(packed.size()), 2 * (groups * stride + 64));
        auto numberAt = [&](int64_t at) {
          uint16_t code;
          std::memcpy(&code, packed.data() + at, 2);
          return wide == 2 ? f16ToF32(code) : floatAt(packed, at);
        };
        for (int64_t n = 0; n < layout.n; ++n)
          for (int64_t k = 0; k < layout.k; ++k) {
            int64_t g = k / length, local = k % length, c = n % 16;
            int64_t base = n / 16 * (groups * stride + 64) + g * stride;
            uint16_t got = 0;
            if (grain == 1) {
              std::memcpy(&got, &packed[base + local * 32 + 2 * c], 2);
            } else {
              got = packed[base + local / grain * 64 + 4 * c + local % 4];
              if (grain == 8)
                got = local % 8 < 4 ? got & 15 : got >> 4;
            }
            ASSERT_EQ(got, w[n * layout.k + k])
                << formatName(format) << " column " << n << " k " << k;
            ASSERT_EQ(numberAt(base + values + wide * c),
                      scales[n * groups + g]);
            if (offsets) {
              ASSERT_EQ(numberAt(base + values + wide * (16 + c)),
                        added[n * groups + g]);
            }
          }
      }
}

} // namespace

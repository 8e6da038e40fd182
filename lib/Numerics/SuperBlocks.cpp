//===- SuperBlocks.cpp - K-quants: scales in blocks of their own ----------===//

#include "quantc/Numerics/SuperBlocks.h"

#include "Clones.h"
#include "quantc/Numerics/ScaleSearch.h"

#include <algorithm>
#include <cmath>

namespace quantc::numerics {
namespace {

/// Pairs of scale and offset that are tried together: each has sums of its own,
/// in the order of the values, so the bits are those of one at a time.
constexpr int kTogether = 8;
typedef float Floats __attribute__((vector_size(4 * kTogether)));
typedef double Doubles __attribute__((vector_size(8 * kTogether)));

/// Scales tried for a range: range / (largest code + t), t from kFirst on.
constexpr int kSteps = 24;
constexpr double kFirst = -1.5, kStep = 0.15;
/// Then around the best of them, this far apart.
constexpr double kFine = 0.01;

struct Pair {
  float scale = 0, offset = 0;
};

/// A group's values, and their sum.
struct Group {
  Group(const float *x, int64_t count) : x(x), count(count) {
    for (int64_t i = 0; i < count; ++i)
      sum += x[i];
  }

  const float *x;
  int64_t count;
  double sum = 0;
};

/// What the codes that some pairs give make of a group.
struct Fits {
  Doubles q = {}, qq = {}, xq = {};

  /// The squared error of a pair with the codes of `which`, less the sum of
  /// squares, which no pair changes.
  double excess(const Group &group, int which, Pair pair) const {
    double s = pair.scale, o = pair.offset;
    return s * (s * qq[which] + 2 * (o * q[which] - xq[which])) +
           o * (o * static_cast<double>(group.count) - 2 * group.sum);
  }

  /// The best pair for the codes of `which`, its offset not positive.
  Pair best(const Group &group, int which) const {
    double n = static_cast<double>(group.count);
    double determinant = n * qq[which] - q[which] * q[which];
    Pair pair;
    if (determinant > 0) {
      double scale = (n * xq[which] - group.sum * q[which]) / determinant;
      double offset =
          (group.sum * qq[which] - q[which] * xq[which]) / determinant;
      pair = {static_cast<float>(scale), static_cast<float>(offset)};
      if (offset <= 0)
        return pair;
    }
    pair.scale =
        qq[which] > 0 ? static_cast<float>(xq[which] / qq[which]) : 0.0f;
    pair.offset = 0;
    return pair;
  }
};

/// Rounds to nearest as Quantize.h does, the pairs side by side; a scale of 0
/// gives some code, which makes no difference.
QUANTC_CLONES void fit(const float *x, int64_t count, const Floats *scales,
                       const Floats *offsets, float qmin, float qmax,
                       Fits *result) {
  // Below 2^22, to add it and take it away rounds to nearest even.
  constexpr float kRound = 12582912.0f;
  Floats scale = *scales, offset = *offsets;
  Floats least = qmin - Floats{}, most = qmax - Floats{};
  Doubles sum = {}, qq = {}, xq = {};
  for (int64_t i = 0; i < count; ++i) {
    Floats q = (x[i] - offset) / scale;
    q = q > least ? q : least;
    q = q < most ? q : most;
    q = (q + kRound) - kRound;
    Doubles wide = __builtin_convertvector(q, Doubles);
    sum += wide;
    qq += wide * wide;
    xq += static_cast<double>(x[i]) * wide;
  }
  result->q = sum;
  result->qq = qq;
  result->xq = xq;
}

Fits fitAll(const Group &group, const Pair *pairs, StoredRange range) {
  Floats scales, offsets;
  for (int c = 0; c < kTogether; ++c) {
    scales[c] = pairs[c].scale;
    offsets[c] = pairs[c].offset;
  }
  Fits fits;
  fit(group.x, group.count, &scales, &offsets, range.qmin, range.qmax, &fits);
  return fits;
}

/// Scale and offset of a group by itself.
class PairSearch {
public:
  PairSearch(const Group &group, StoredRange range)
      : group(group), range(range) {}

  Pair find() {
    float lo = 0, hi = group.x[0];
    for (int64_t i = 0; i < group.count; ++i) {
      lo = std::min(lo, group.x[i]);
      hi = std::max(hi, group.x[i]);
    }
    found = {0, lo};
    double width = static_cast<double>(hi) - lo;
    if (!(static_cast<float>(width) > 0))
      return found;
    least = INFINITY;
    for (int step = 0; step < kSteps; step += kTogether)
      attempt([&](int c) {
        double steps = range.qmax + kFirst + kStep * (step + c);
        return Pair{static_cast<float>(width / steps), lo};
      });
    // Two rounds: what is best for some codes gives others.
    for (int round = 0; round < 2; ++round) {
      Pair center = found;
      attempt([&](int c) {
        double by = 1 + kFine * (c - kTogether / 2);
        return Pair{static_cast<float>(center.scale * by), center.offset};
      });
    }
    return found;
  }

private:
  template <typename Make>
  void attempt(Make make) {
    Pair pairs[kTogether];
    for (int c = 0; c < kTogether; ++c)
      pairs[c] = make(c);
    Fits fits = fitAll(group, pairs, range);
    for (int c = 0; c < kTogether; ++c) {
      Pair pair = fits.best(group, c);
      double error = fits.excess(group, c, pair);
      if (error < least) {
        least = error;
        found = pair;
      }
    }
  }

  const Group &group;
  StoredRange range;
  Pair found;
  double least = 0;
};

/// The least f16 of at most `bits` significant bits that is not less than x >=
/// 0; the largest there is for what is larger.
float fewBits(float x, int bits) {
  if (!(x > 0))
    return 0;
  int exponent;
  std::frexp(x, &exponent);
  // Below 2^-14 f16 has fewer bits.
  int unit = std::max(exponent - bits, -24);
  double up =
      std::ldexp(std::ceil(std::ldexp(static_cast<double>(x), -unit)), unit);
  double most = std::ldexp((1 << bits) - 1, 16 - bits);
  return static_cast<float>(std::min(up, most));
}

int32_t nearestCode(float x, float unit, StoredRange range) {
  if (unit == 0)
    return 0;
  return static_cast<int32_t>(
      std::clamp(std::nearbyint(x / unit), range.qmin, range.qmax));
}

/// Encodes one super-block; keeps what its steps share.
class Encoder {
public:
  Encoder(const SuperBlockFormat &format, const float *real, int64_t length)
      : format(format), range(storedRange(format.stored)),
        scaleRange(storedRange(format.scaleCodes())) {
    for (int64_t begin = 0; begin < length; begin += format.group)
      groups.emplace_back(real + begin, std::min(format.group, length - begin));
  }

  SuperBlockScales encode(uint8_t *codes) {
    std::vector<Pair> pairs =
        format.hasOffsets() ? searchPairs() : searchSigned();
    float scale = 0, offset = 0;
    for (Pair pair : pairs) {
      scale = std::max(scale, std::fabs(pair.scale));
      offset = std::max(offset, -pair.offset);
    }
    bool hasOffsets = format.hasOffsets();
    result.scale = fewBits(scale / scaleRange.qmax, hasOffsets ? 5 : 4);
    result.offset = -fewBits(offset / offsetRange.qmax, 5);
    for (size_t g = 0; g < groups.size(); ++g) {
      Pair stored = choose(g, pairs[g]);
      for (int64_t i = 0; i < groups[g].count; ++i)
        *codes++ = static_cast<uint8_t>(codeOf(groups[g].x[i], stored));
    }
    return result;
  }

private:
  std::vector<Pair> searchPairs() const {
    std::vector<Pair> pairs;
    for (const Group &group : groups)
      pairs.push_back(PairSearch(group, range).find());
    return pairs;
  }

  /// Without offsets, and with either sign.
  std::vector<Pair> searchSigned() const {
    Encoding encoding;
    encoding.format = format.stored;
    std::vector<Pair> pairs;
    for (const Group &group : groups) {
      Extents shape{1, group.count}, block{1, 0};
      std::vector<float> scale = chooseGroupParams(encoding, shape, block,
                                                   Scheme::SignedScale, group.x)
                                     .scale;
      searchScales(encoding, shape, block, /*eitherSign=*/true, Format::F32,
                   group.x, scale);
      // What has no scale of its own has 1.
      bool isZero = std::all_of(group.x, group.x + group.count,
                                [](float x) { return x == 0; });
      pairs.push_back({isZero ? 0 : scale[0], 0});
    }
    return pairs;
  }

  /// The codes of a group's scale and offset near `wanted`, and what they stand
  /// for.
  Pair choose(size_t g, Pair wanted) {
    int32_t scale = nearestCode(wanted.scale, result.scale, scaleRange),
            offset = nearestCode(wanted.offset, result.offset, offsetRange);
    Pair found;
    double least = INFINITY;
    auto attempt = [&](auto codesOf) {
      std::pair<int32_t, int32_t> codes[kTogether];
      Pair pairs[kTogether];
      for (int c = 0; c < kTogether; ++c) {
        codes[c] = codesOf(c);
        auto &[s, o] = codes[c];
        s = std::clamp<int32_t>(s, scaleRange.qmin, scaleRange.qmax);
        o = std::clamp<int32_t>(o, offsetRange.qmin, offsetRange.qmax);
        pairs[c] = {result.scale * static_cast<float>(s),
                    result.offset * static_cast<float>(o)};
      }
      Fits fits = fitAll(groups[g], pairs, range);
      for (int c = 0; c < kTogether; ++c) {
        double error = fits.excess(groups[g], c, pairs[c]);
        if (error < least) {
          least = error;
          found = pairs[c];
          result.scaleCodes[g] = static_cast<uint8_t>(codes[c].first);
          result.offsetCodes[g] = static_cast<uint8_t>(codes[c].second);
        }
      }
    };
    if (!format.hasOffsets()) {
      attempt([&](int c) { return std::pair(scale + c - kTogether / 2, 0); });
      return found;
    }
    for (int by : {-1, 0, 1})
      attempt([&](int c) {
        return std::pair(scale + by, offset + c - kTogether / 2);
      });
    return found;
  }

  uint32_t codeOf(float x, Pair pair) const {
    Encoding encoding;
    encoding.format = format.stored;
    return pair.scale == 0
               ? 0
               : quantizeOne(encoding, x, pair.scale, /*zeroPoint=*/0,
                             /*hasOffset=*/format.hasOffsets(), pair.offset);
  }

  const SuperBlockFormat &format;
  StoredRange range, scaleRange, offsetRange = storedRange(Format::UI6);
  std::vector<Group> groups;
  SuperBlockScales result;
};

} // namespace

SuperBlockScales encodeSuperBlock(const SuperBlockFormat &format,
                                  const float *real, int64_t length,
                                  uint8_t *codes) {
  return Encoder(format, real, length).encode(codes);
}

} // namespace quantc::numerics

//===- CostModel.cpp - What a layer costs in each format ------------------===//

#include "quantc/Support/CostModel.h"

#include "llvm/ADT/StringSwitch.h"

#include <algorithm>

namespace quantc {

CostModel::~CostModel() = default;

CoreRates coreRates(llvm::StringRef level) {
  // Multiply-adds a second at about 3 GHz and two vector units: f32 has 4, 8 or
  // 16 lanes; an 8-bit dot product does 4 in the place of one, and takes three
  // instructions where there is no dot product in the instruction set. The
  // memory rate is that of a slow server core, which favours small formats
  // least.
  constexpr double kHertz = 6e9, kBytes = 14e9, kKernel = 0.5e-6;
  auto rates = [&](double lanes, double integerFactor) {
    return CoreRates{kBytes, kHertz * lanes, kHertz * lanes * integerFactor,
                     kHertz * lanes / 8, kKernel};
  };
  return llvm::StringSwitch<CoreRates>(level)
      .Case("amx", rates(16, 14))
      .Case("avx512vnni", rates(16, 4))
      .Case("avx512", rates(16, 4.0 / 3))
      .Case("avx2vnni", rates(8, 4))
      .Case("i8mm", rates(4, 8))
      .Case("dotprod", rates(4, 4))
      .Case("neon", rates(4, 4.0 / 3))
      .Default(rates(8, 4.0 / 3));
}

namespace {

class RooflineCostModel : public CostModel {
public:
  explicit RooflineCostModel(const CoreRates &rates) : rates(rates) {}

  Cost linear(const LinearShape &shape,
              const LinearFormat &format) const override {
    double m = shape.m, n = shape.n, k = shape.k;
    double groups =
        format.group == 0 ? 1 : (shape.k + format.group - 1) / format.group;
    bool integer = format.activationBits <= 8;
    Cost cost;
    cost.bytes = n * k * format.weightBits / 8 +
                 n * groups * format.scaleBits / 8 +
                 m * k * format.activationBits / 8 + m * n * 4;
    cost.tileOps = m * n * k;
    double compute = cost.tileOps / (integer ? rates.integerOpsPerSecond
                                             : rates.floatOpsPerSecond);
    // Each group's sum is converted, scaled and added in float.
    if (format.scaleBits != 0)
      compute += m * n * groups / rates.floatOpsPerSecond;
    cost.seconds = std::max(cost.bytes / rates.bytesPerSecond, compute) +
                   rates.secondsPerKernel;
    if (integer) {
      cost.bytes += m * k * 4;
      cost.seconds += m * k / rates.quantizePerSecond + rates.secondsPerKernel;
    }
    return cost;
  }

private:
  CoreRates rates;
};

} // namespace

std::unique_ptr<CostModel> createRooflineCostModel(const CoreRates &rates) {
  return std::make_unique<RooflineCostModel>(rates);
}

} // namespace quantc

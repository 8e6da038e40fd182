//===- CostModel.h - What a layer costs in each format ----------*- C++ -*-===//
//
// A roofline: the time of a layer is that of its bytes or that of its tile
// operations, whichever is longer, and a fixed time for each kernel. It ranks
// formats; it does not predict a measurement. Rates are those of one core.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_SUPPORT_COSTMODEL_H
#define QUANTC_SUPPORT_COSTMODEL_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <memory>

namespace quantc {

/// y [m, n] = x [m, k] * w [n, k]^T.
struct LinearShape {
  int64_t m = 1, n = 0, k = 0;
};

/// How a linear layer's operands are stored. The default is all float.
struct LinearFormat {
  unsigned weightBits = 32;
  /// Values along K that share a scale; 0: all.
  int64_t group = 0;
  unsigned scaleBits = 0;
  /// Bits of a quantized activation; 32: float. The time to quantize it counts.
  unsigned activationBits = 32;
};

struct Cost {
  double bytes = 0; ///< read and written: weights, scales, activations, results
  double tileOps = 0; ///< multiply-adds, as the instructions that do them count
  double seconds = 0;
};

class CostModel {
public:
  virtual ~CostModel();
  virtual Cost linear(const LinearShape &shape,
                      const LinearFormat &format) const = 0;
};

/// What one core can do.
struct CoreRates {
  double bytesPerSecond;      ///< memory read
  double floatOpsPerSecond;   ///< f32 multiply-adds
  double integerOpsPerSecond; ///< 8-bit multiply-adds
  double quantizePerSecond;   ///< activations quantized
  double secondsPerKernel;    ///< a call, a barrier, cold code
};

/// The rates of an instruction set level (`avx2`, `avx512vnni`, `neon`, ...);
/// those of the weakest level for a name it does not know.
CoreRates coreRates(llvm::StringRef level);

/// The roofline of these rates.
std::unique_ptr<CostModel> createRooflineCostModel(const CoreRates &rates);

} // namespace quantc

#endif // QUANTC_SUPPORT_COSTMODEL_H

//===- Packing.h - Several codes a byte -------------------------*- C++ -*-===//
//
// Sub-byte codes as ONNX packs them: a stream of bits, element 0 in the lowest
// bits of byte 0 (so the low nibble comes first), no padding between elements,
// zeros after the last. That is ONNX's order for its 1-, 2-, 4- and 6-bit
// types.
//
// Between passes and in files, quantc packs 1, 2 and 4 bits and keeps one
// element a byte for 3, 5, 6 and 7 (`packedBits`).
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_PACKING_H
#define QUANTC_NUMERICS_PACKING_H

#include "quantc/Numerics/Formats.h"

#include <cstdint>

namespace quantc::numerics {

/// Bits one element takes in quantc's own packed storage.
inline unsigned packedBits(Format format) {
  unsigned bits = info(format).bits;
  if (bits == 1 || bits == 2 || bits == 4)
    return bits;
  return 8 * storageBytes(format);
}

/// Bytes of `count` elements of `bits` bits.
inline int64_t packedSize(int64_t count, unsigned bits) {
  return (count * static_cast<int64_t>(bits) + 7) / 8;
}

/// Packs `count` codes of `bits` bits (1 to 8), one a byte in `codes` (bits
/// above `bits` are ignored), into `packedSize(count, bits)` bytes.
inline void packBits(const uint8_t *codes, int64_t count, unsigned bits,
                     uint8_t *packed) {
  uint32_t mask = (1u << bits) - 1, pending = 0;
  unsigned filled = 0;
  for (int64_t i = 0; i < count; ++i) {
    pending |= (codes[i] & mask) << filled;
    filled += bits;
    if (filled >= 8) {
      *packed++ = static_cast<uint8_t>(pending);
      pending >>= 8;
      filled -= 8;
    }
  }
  if (filled != 0)
    *packed = static_cast<uint8_t>(pending);
}

/// Packs `count` codes, one in storageBytes(format) bytes each, as quantc's own
/// packed storage has them (`packedBits`).
inline void packCodes(Format format, const uint8_t *codes, int64_t count,
                      uint8_t *packed) {
  unsigned bits = packedBits(format);
  if (bits < 8)
    packBits(codes, count, bits, packed);
  else
    std::memcpy(packed, codes, count * (bits / 8));
}

/// The reverse of packBits. Codes are sign-extended to the byte if `isSigned`.
inline void unpackBits(const uint8_t *packed, int64_t count, unsigned bits,
                       bool isSigned, uint8_t *codes) {
  uint32_t mask = (1u << bits) - 1, pending = 0;
  uint32_t signBit = isSigned ? 1u << (bits - 1) : 0;
  unsigned available = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (available < bits) {
      pending |= static_cast<uint32_t>(*packed++) << available;
      available += 8;
    }
    uint32_t code = pending & mask;
    codes[i] = static_cast<uint8_t>((code ^ signBit) - signBit);
    pending >>= bits;
    available -= bits;
  }
}

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_PACKING_H

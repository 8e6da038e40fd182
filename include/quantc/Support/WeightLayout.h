//===- WeightLayout.h - Where a compiled model's weights lie ----*- C++ -*-===//
//
// Generated code reads a weight at `frame->weights + offset`. The lowering that
// writes the offsets and Package that writes the file both place entries, one
// after another in the order in which they are added, with this class.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_SUPPORT_WEIGHTLAYOUT_H
#define QUANTC_SUPPORT_WEIGHTLAYOUT_H

#include <cstdint>
#include <vector>

namespace quantc {

/// Offsets of entries in the data section, which itself begins at a multiple of
/// 64 bytes in the file and in memory.
class WeightLayout {
public:
  static constexpr uint64_t kAlignment = 64;

  static constexpr uint64_t align(uint64_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }

  /// Places an entry of `bytes` bytes; returns its offset, a multiple of 64.
  uint64_t add(uint64_t bytes) {
    uint64_t offset = end;
    offsets.push_back(offset);
    end += align(bytes);
    return offset;
  }

  /// The offset of the i-th entry added.
  uint64_t offset(size_t i) const { return offsets[i]; }
  size_t size() const { return offsets.size(); }

  /// Bytes of the data section, a multiple of 64: a whole vector can be read
  /// wherever an entry's last one begins.
  uint64_t bytes() const { return end; }

private:
  std::vector<uint64_t> offsets;
  uint64_t end = 0;
};

} // namespace quantc

#endif // QUANTC_SUPPORT_WEIGHTLAYOUT_H

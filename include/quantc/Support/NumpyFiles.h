//===- NumpyFiles.h - NumPy's files -----------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reading .npy, versions 1 to 3, and .npz, a zip archive of .npy files:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_SUPPORT_NUMPYFILES_H
#define QUANTC_SUPPORT_NUMPYFILES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace quantc {

/// What a .npy file begins with.
inline constexpr llvm::StringLiteral kNpyMagic("\x93NUMPY");

/// The array in a .npy file, as it lies there.
struct NpyArray {
  /// NumPy's letter of the elements: `f`, `i`, `u`, `b`(ool), `c`(omplex), `V`
  /// for bytes without a meaning.
  char kind = 'f';
  int64_t bits = 0; ///< of an element, a multiple of 8
  bool isColumnMajor = false;
  std::vector<int64_t> shape;
  llvm::StringRef data; ///< as many bytes as the shape asks for, unaligned

  /// Writes the elements, row-major, to `data.size()` bytes.
  void copyTo(char *to) const;
};

/// The array in the bytes of a .npy file, which errors call `what`; points into
/// them. Errors: no such file or one that is cut off, elements that are
/// big-endian, objects or structures, a shape beyond any memory.
llvm::Expected<NpyArray> parseNpy(llvm::StringRef bytes,
                                  const llvm::Twine &what);

/// A .npz file in memory.
class NpzFile {
public:
  /// True for what begins like a zip archive.
  static bool is(llvm::StringRef bytes);

  /// Reads the directory of a file's bytes; they and `path`, which errors name,
  /// must stay. Errors: a damaged directory.
  static llvm::Expected<NpzFile> open(llvm::StringRef bytes,
                                      llvm::StringRef path);

  /// Of the arrays: the members without `.npy`.
  llvm::ArrayRef<std::string> names() const { return memberNames; }

  /// True if array `i` lies there uncompressed.
  bool isStored(size_t i) const { return entries[i].method == 0; }
  /// Bytes of its .npy file, uncompressed. No more than its compressed bytes
  /// can become, so that nothing absurd is allocated.
  uint64_t size(size_t i) const { return entries[i].size; }
  /// The .npy file of a stored array. Errors: it lies outside the file; its
  /// checksum is wrong.
  llvm::Expected<llvm::StringRef> stored(size_t i) const;
  /// Writes the .npy file of an array, stored or deflated, to `size(i)` bytes.
  /// Errors: those of `stored`, another kind of compression, damaged data.
  llvm::Error extract(size_t i, llvm::MutableArrayRef<char> to) const;

private:
  struct Entry {
    unsigned method; ///< 0: stored, 8: deflated
    uint32_t crc;    ///< of the uncompressed bytes
    uint64_t packed, size, offset;
  };

  llvm::Error damaged(llvm::StringRef why) const;
  llvm::Error readDirectory(size_t end);
  llvm::Error readEntry(uint64_t &at);
  static void readExtra(llvm::StringRef extra, Entry &entry);
  llvm::Expected<llvm::StringRef> packedBytes(size_t i) const;
  llvm::Error checkSum(size_t i, llvm::ArrayRef<char> data) const;

  llvm::StringRef bytes, path;
  std::vector<std::string> memberNames;
  std::vector<Entry> entries;
};

} // namespace quantc

#endif // QUANTC_SUPPORT_NUMPYFILES_H

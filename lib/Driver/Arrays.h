//===- Arrays.h - NumPy's files ---------------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The formats are quantc/Support/NumpyFiles.h's; what is written is stored, not
// compressed (numpy.savez).
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_ARRAYS_H
#define QUANTC_LIB_DRIVER_ARRAYS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace quantc::driver {

/// A dense row-major array.
struct Array {
  int64_t code = 0; ///< a DLDataTypeCode
  int64_t bits = 0; ///< of an element; below 8: packed, low bits first
  std::vector<int64_t> shape;

  Array() = default;
  /// Zeroed. The shape's product must not overflow (`fits`).
  Array(int64_t code, int64_t bits, std::vector<int64_t> shape);

  static bool fits(int64_t bits, llvm::ArrayRef<int64_t> shape);

  int64_t count() const;
  size_t bytes() const { return (count() * bits + 7) / 8; }
  char *data() const { return storage.get(); }

private:
  struct Free {
    void operator()(char *memory) const { std::free(memory); }
  };
  std::unique_ptr<char, Free> storage; ///< aligned to 64 bytes
};

/// `float32`, `int64`, ... of a DLPack type.
std::string typeText(int64_t code, int64_t bits);
/// `[2, 3]`
std::string shapeText(llvm::ArrayRef<int64_t> shape);

/// Reads the array `name` of FILE.npz, or FILE.npy. NumPy has no name for bf16
/// and the 8-bit floats: such an input takes two, resp. one byte of any type
/// (`V2`, `uint16`; `V1`, `uint8`), and one of less than 8 bits an integer a
/// byte; `code` and `bits` say what is wanted. Errors name the file.
llvm::Expected<Array> readArray(llvm::StringRef path, llvm::StringRef name,
                                int64_t code, int64_t bits);

/// Reads the arrays of a sequence: 0.npy, 1.npy, ... of a folder, `name/0`,
/// `name/1`, ... of FILE.npz, or the one of FILE.npy.
llvm::Expected<std::vector<Array>> readArrays(llvm::StringRef path,
                                              llvm::StringRef name,
                                              int64_t code, int64_t bits);

/// The text of an array as .npy; of a type that NumPy lacks, its bits as
/// unsigned integers, one a byte if it has less than 8.
std::string npyText(const Array &array);

/// Writes FILE.npz with these arrays, at once or not at all.
llvm::Error writeNpz(llvm::StringRef path,
                     llvm::ArrayRef<std::pair<std::string, Array>> arrays);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_ARRAYS_H

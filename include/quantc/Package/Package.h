//===- Package.h - A library, header, manifest and weights file -*- C++ -*-===//
//
// The last step of a compile for CPUs: object code per level becomes
//
//   PREFIX.so            exports quantc_entry and NAME_model, needs only libc
//   PREFIX.h             C99: declares NAME_model, names inputs and outputs
//   PREFIX.json          the manifest
//   PREFIX.safetensors   the weights, unless embedded
//
// The same input gives the same bytes. A failed call leaves no file.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_PACKAGE_PACKAGE_H
#define QUANTC_PACKAGE_PACKAGE_H

#include "quantc/Package/Object.h"
#include "quantc/Support/WeightStore.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace quantc {

/// An input or output of an entry.
struct PackageTensor {
  std::string name;
  int64_t code = 0; ///< a DLDataTypeCode (quantc/dlpack.h)
  int64_t bits = 0; ///< of an element
  /// >= 0: static; otherwise -(1 + index into PackageEntry.symbols), or of a
  /// sequence or an optional any negative number.
  llvm::SmallVector<int64_t, 4> dims;
  /// A sequence of such tensors; a value that may be missing.
  bool isSequence = false, isOptional = false;
  bool hasRank = true; ///< of a sequence's elements: whether all have one rank
};

/// A named dynamic dimension and its inclusive range.
struct PackageSymbol {
  std::string name;
  int64_t min = 0;
  int64_t max = std::numeric_limits<int64_t>::max();
};

/// DLPack's code and bits of an element type by MLIR's spelling (`f32`, `si64`,
/// `ui8`, `i1`, `bf16`, `f8E4M3FN`). Errors: no such type in DLPack.
llvm::Expected<std::pair<int64_t, int64_t>>
dlpackType(llvm::StringRef elementType);

struct PackageEntry {
  std::string name;
  std::vector<PackageTensor> inputs, outputs;
  std::vector<PackageSymbol> symbols;
  std::vector<std::string> layers; ///< what quantc_rt_mark counts
  std::vector<std::string>
      checks; ///< texts of quantc_rt_fail's codes 1, 2, ...
  int64_t slots = 0; ///< of the session's heap
  std::vector<CompiledLevel> levels;
};

struct PackageInput {
  /// "x86_64-linux-gnu" or "aarch64-linux-gnu", as the levels' objects.
  std::string triple;
  std::vector<PackageEntry> entries; ///< at least one; the first is the default
  /// In the order in which the lowering placed them in its WeightLayout.
  std::vector<WeightHandle> weights;
  std::string manifest; ///< JSON text
  bool embedWeights = false;
};

/// Where the tools and the runtime archives are; empty = where this build or
/// installation has them.
struct PackageOptions {
  std::string runtimeDirectory; ///< holds <triple>/libquantc-model-rt.a
  std::string linker;           ///< ld.lld
};

/// What was written.
struct PackageResult {
  std::string library, header, manifest;
  std::string weights; ///< empty if embedded or none
  uint64_t libraryBytes = 0, weightsBytes = 0;
};

/// The last part of `prefix` as a C identifier: the NAME of NAME_model().
std::string modelIdentifier(llvm::StringRef prefix);

/// Writes the files of `prefix`. Errors name the file, symbol or tool.
llvm::Expected<PackageResult>
packageLibrary(const PackageInput &input, llvm::StringRef prefix,
               const PackageOptions &options = {});

/// The text of PREFIX.h.
std::string headerText(const PackageInput &input, llvm::StringRef prefix);

} // namespace quantc

#endif // QUANTC_PACKAGE_PACKAGE_H

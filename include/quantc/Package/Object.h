//===- Object.h - LLVM modules to object code -------------------*- C++ -*-===//
//
// One instruction set level of an entry is one LLVM module that defines
//
//   void entry(ptr frame, i64 thread, i64 threads)
//   void shapes(ptr frame)
//   i64 arena(ptr frame, i64 threads)
//   @kernels, a mutable array of pointers      (optional)
//
// as runtime/include/quantc/abi.h says. Levels are lists of features, never CPU
// names: a CPU name promises more than machines of that name always have.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_PACKAGE_OBJECT_H
#define QUANTC_PACKAGE_OBJECT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace llvm {
class Module;
} // namespace llvm

namespace quantc {

/// What code is made for.
struct CodeOptions {
  std::string triple;                ///< "x86_64-linux-gnu"
  std::vector<std::string> features; ///< LLVM's names: "avx2", "+avx2", "-x"
  /// 0..3, of the code generator.
  unsigned codegenLevel = 3;
  /// 0..3, of LLVM's passes before it; 0 = none: MLIR's vector code is as fast
  /// without, scalar loops are not.
  unsigned passLevel = 0;
};

/// Object code of the module, which is changed by lowering it. No float
/// operations are fused or reordered unless the module says so. Errors: a
/// triple that this LLVM does not know, an unknown feature, invalid IR.
llvm::Expected<llvm::SmallVector<char, 0>>
emitObject(llvm::Module &module, const CodeOptions &options);

/// The same as assembly text.
llvm::Expected<std::string> emitAssembly(llvm::Module &module,
                                         const CodeOptions &options);

/// The features as bits of quantc_level_desc.features; baseline features have
/// none. Errors: a feature that the runtime could not check
/// (quantc/cpu_features.def), a machine that the runtime does not know.
llvm::Expected<uint64_t> featureBits(llvm::StringRef triple,
                                     llvm::ArrayRef<std::string> features);

/// An instruction set level, compiled.
struct CompiledLevel {
  std::string isa;          ///< as QUANTC_ISA names it: "avx2"
  int64_t rank = 0;         ///< the highest that runs is taken
  uint64_t features = 0;    ///< featureBits
  std::string symbolSuffix; ///< what the object's symbols end in
  int64_t kernelCount = 0;  ///< length of its kernel table
  /// Empty if its symbols are in the object of another entry.
  llvm::SmallVector<char, 0> object;
};

/// Makes the names of a level's module its own, so that levels and entries link
/// together: the four symbols above end in `.<entry number>.<isa>` and are
/// hidden, every other definition is internal. Returns that suffix. Errors: one
/// of the three functions is missing or has another type.
llvm::Expected<std::string>
isolateLevel(llvm::Module &module, llvm::StringRef isa, unsigned entryNumber);

/// isolateLevel, then emitObject. Safe to call from several threads for modules
/// of different contexts.
llvm::Expected<CompiledLevel> compileLevel(llvm::Module &module,
                                           llvm::StringRef isa, int64_t rank,
                                           unsigned entryNumber,
                                           const CodeOptions &options);

} // namespace quantc

#endif // QUANTC_PACKAGE_OBJECT_H

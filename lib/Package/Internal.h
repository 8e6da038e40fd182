//===- Internal.h - What Package's files share ------------------*- C++ -*-===//
#ifndef QUANTC_LIB_PACKAGE_INTERNAL_H
#define QUANTC_LIB_PACKAGE_INTERNAL_H

#include "quantc/Package/Package.h"

#include "quantc/Support/AtomicFile.h"

#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <optional>
#include <string>

namespace quantc::package {

/// The data section of the weights.
struct WeightsSection {
  uint64_t bytes = 0; ///< WeightLayout::bytes of the entries
  uint64_t hash = 0;  ///< quantc_hash
};

/// WeightsFile.cpp: writes the safetensors file whose data section is the
/// WeightLayout of `entries` in their order. The caller commits `file`.
llvm::Expected<WeightsSection>
writeWeights(AtomicFile &file, llvm::ArrayRef<WeightHandle> entries);

/// The data section in memory, for embedding.
llvm::Expected<std::vector<char>>
weightsImage(llvm::ArrayRef<WeightHandle> entries, WeightsSection &section);

/// Descriptor.cpp: the object with `quantc_rt_description` and NAME_model().
/// `weightsFile` is empty if there is none; `image` is the embedded data
/// section, or empty.
llvm::Expected<llvm::SmallVector<char, 0>>
emitDescription(const PackageInput &input, llvm::StringRef name,
                const WeightsSection &weights, llvm::StringRef weightsFile,
                llvm::ArrayRef<char> image);

/// Link.cpp: links objects and the runtime archive; returns the library.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
linkLibrary(llvm::StringRef triple, llvm::StringRef name,
            llvm::StringRef soname,
            llvm::ArrayRef<llvm::ArrayRef<char>> objects,
            const PackageOptions &options);

} // namespace quantc::package

#endif // QUANTC_LIB_PACKAGE_INTERNAL_H

//===- PackedWeights.cpp - The weights section of a library ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Pipelines/CodeGeneration.h"

#include "quantc/Dialect/QGraph/Weights.h"
#include "quantc/Numerics/Packing.h"
#include "quantc/Support/Errors.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace quantc {
namespace {

std::string spelling(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

/// Little-endian elements, one a byte below 8 bits.
std::vector<char> kernelBytes(DenseElementsAttr dense) {
  unsigned width =
      llvm::divideCeil(dense.getElementType().getIntOrFloatBitWidth(), 8u);
  std::vector<char> bytes;
  bytes.reserve(dense.getNumElements() * width);
  auto append = [&](const llvm::APInt &code, bool isSigned) {
    llvm::APInt wide = isSigned ? code.sextOrTrunc(64) : code.zextOrTrunc(64);
    for (unsigned i = 0; i < width; ++i)
      bytes.push_back(static_cast<char>(wide.extractBitsAsZExtValue(8, 8 * i)));
  };
  if (auto type = dyn_cast<IntegerType>(dense.getElementType()))
    for (const llvm::APInt &code : dense.getValues<llvm::APInt>())
      append(code, type.isSigned());
  else
    for (const llvm::APFloat &value : dense.getValues<llvm::APFloat>())
      append(value.bitcastToAPInt(), false);
  return bytes;
}

/// An entry that owns its bytes.
WeightHandle makeEntry(std::string name, WeightType type,
                       std::vector<char> bytes) {
  auto owner = std::make_shared<std::vector<char>>(std::move(bytes));
  llvm::ArrayRef<char> view(*owner);
  return std::make_shared<WeightEntry>(std::move(name), std::move(type), view,
                                       owner);
}

/// The entry with packed elements spread to one a byte.
WeightHandle spread(const WeightHandle &entry, IntegerType type,
                    std::string name) {
  unsigned bits = storedBits(entry->type.element);
  bool isSigned = type && type.isSigned();
  int64_t count = 1;
  for (int64_t extent : entry->type.shape)
    count *= extent;
  std::vector<char> bytes(count);
  numerics::unpackBits(reinterpret_cast<const uint8_t *>(entry->bytes.data()),
                       count, bits, isSigned,
                       reinterpret_cast<uint8_t *>(bytes.data()));
  return makeEntry(std::move(name),
                   {isSigned ? "si8" : "ui8", entry->type.shape},
                   std::move(bytes));
}

} // namespace

llvm::Expected<std::vector<WeightHandle>> weightsOf(ModuleOp module) {
  std::vector<WeightHandle> handles;
  auto list = module->getAttrOfType<ArrayAttr>("qkernel.weights");
  if (!list)
    return llvm::make_error<DefectError>(
        "the lowered module has no 'qkernel.weights'");
  WeightStores &stores = qgraph::getWeights(module);
  llvm::StringSet<> names;
  auto unique = [&](const std::string &name) {
    std::string result = name;
    for (unsigned i = 1; !names.insert(result).second; ++i)
      result = name + "#" + std::to_string(i);
    return result;
  };
  for (auto [i, attr] : llvm::enumerate(list)) {
    if (auto dense = dyn_cast<DenseElementsAttr>(attr)) {
      auto type = cast<RankedTensorType>(dense.getType());
      WeightType stored{spelling(type.getElementType()),
                        llvm::SmallVector<int64_t, 4>(type.getShape())};
      if (type.getElementType().getIntOrFloatBitWidth() < 8 &&
          stored.element != "i1")
        stored.element = "ui8";
      handles.push_back(makeEntry(unique("constant-" + std::to_string(i)),
                                  std::move(stored), kernelBytes(dense)));
      continue;
    }
    auto weight = dyn_cast<qgraph::WeightAttr>(attr);
    if (!weight)
      return llvm::make_error<DefectError>("'qkernel.weights' holds " +
                                           std::to_string(i) +
                                           ": neither dense nor a weight");
    llvm::Expected<WeightHandle> entry =
        stores.find(weight.getStore(), weight.getName());
    if (!entry)
      return entry.takeError();
    std::string name = unique((*entry)->name);
    Type element = cast<ShapedType>(weight.getType()).getElementType();
    unsigned bits = storedBits((*entry)->type.element);
    if (bits < 8)
      handles.push_back(
          spread(*entry, dyn_cast<IntegerType>(element), std::move(name)));
    else if (name != (*entry)->name)
      handles.push_back(std::make_shared<WeightEntry>(
          std::move(name), (*entry)->type, (*entry)->bytes, *entry));
    else
      handles.push_back(*entry);
  }
  return handles;
}

} // namespace quantc

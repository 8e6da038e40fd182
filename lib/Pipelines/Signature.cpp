//===- Signature.cpp - How a lowered entry is called ----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Pipelines/CodeGeneration.h"

#include "quantc/Dialect/ONNX/ONNXDialect.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Support/Errors.h"

#include "mlir/IR/SymbolTable.h"

using namespace mlir;

namespace quantc {
namespace {

/// The named dimensions of an entry, numbered as they are met.
class Symbols {
public:
  Symbols(PackageEntry &entry, DictionaryAttr bounds)
      : entry(entry), bounds(bounds) {}

  /// What PackageTensor.dims says of the dimension `name`.
  int64_t code(llvm::StringRef name) {
    auto [at, isNew] = numbers.try_emplace(name.str(), entry.symbols.size());
    if (isNew) {
      PackageSymbol symbol;
      symbol.name = name.str();
      auto range =
          bounds ? bounds.getAs<DenseI64ArrayAttr>(name) : DenseI64ArrayAttr();
      if (range && range.size() == 2) {
        symbol.min = range[0];
        symbol.max = range[1];
      }
      entry.symbols.push_back(symbol);
    }
    return -1 - at->second;
  }

private:
  PackageEntry &entry;
  DictionaryAttr bounds;
  std::map<std::string, int64_t> numbers;
};

/// Sets the DLPack type of the elements.
llvm::Error setElement(TensorType type, PackageTensor &result) {
  std::string element;
  llvm::raw_string_ostream(element) << type.getElementType();
  llvm::Expected<std::pair<int64_t, int64_t>> code = dlpackType(element);
  if (!code)
    return code.takeError();
  std::tie(result.code, result.bits) = *code;
  return llvm::Error::success();
}

llvm::Expected<PackageTensor> tensorOf(Type type, DictionaryAttr names,
                                       llvm::StringRef fallback,
                                       Symbols &symbols) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  PackageTensor result;
  if (auto name = names ? names.getAs<StringAttr>("onnx.name") : StringAttr())
    result.name = name.str();
  else
    result.name = fallback.str();
  if (!tensor)
    return llvm::createStringError(
        "'%s', an input or output of the model, is no tensor of known rank",
        result.name.c_str());
  if (llvm::Error error = setElement(tensor, result))
    return std::move(error);
  auto dims = names ? names.getAs<ArrayAttr>("onnx.dims") : ArrayAttr();
  for (auto [i, extent] : llvm::enumerate(tensor.getShape())) {
    if (!ShapedType::isDynamic(extent)) {
      result.dims.push_back(extent);
      continue;
    }
    std::string name;
    if (dims && i < dims.size())
      name = cast<StringAttr>(dims[i]).str();
    if (name.empty())
      name = result.name + ".dim" + std::to_string(i);
    result.dims.push_back(symbols.code(name));
  }
  return result;
}

/// A sequence or an optional, of which the walk has made several tensors.
llvm::Expected<PackageTensor> valueOf(Type type, llvm::StringRef name) {
  PackageTensor result;
  result.name = name.str();
  if (auto optional = dyn_cast<onnx_ir::OptionalType>(type)) {
    result.isOptional = true;
    type = optional.getElement();
  }
  if (auto sequence = dyn_cast<onnx_ir::SequenceType>(type)) {
    result.isSequence = true;
    type = sequence.getElement();
  }
  auto tensor = cast<TensorType>(type);
  if (llvm::Error error = setElement(tensor, result))
    return std::move(error);
  result.hasRank = tensor.hasRank();
  if (tensor.hasRank())
    for (int64_t extent : tensor.getShape())
      result.dims.push_back(ShapedType::isDynamic(extent) ? -1 : extent);
  return result;
}

/// The inputs or outputs of an entry whose tensors have these types.
llvm::Error addValues(TypeRange types, ArrayAttr attributes,
                      llvm::StringRef fallback, Symbols &symbols,
                      std::vector<PackageTensor> &values) {
  for (size_t i = 0; i < types.size();) {
    auto names = attributes && i < attributes.size()
                     ? dyn_cast<DictionaryAttr>(attributes[i])
                     : DictionaryAttr();
    auto declared = names ? names.getAs<TypeAttr>("onnx.type") : TypeAttr();
    std::string otherwise = (fallback + llvm::Twine(i)).str();
    llvm::Expected<PackageTensor> value = PackageTensor();
    if (!declared) {
      value = tensorOf(types[i++], names, otherwise, symbols);
    } else {
      llvm::StringRef name = names.getAs<StringAttr>("onnx.name").getValue();
      bool isOptional = isa<onnx_ir::OptionalType>(declared.getValue());
      if (!isOptional)
        name.consume_back(".data");
      value = valueOf(declared.getValue(), name);
      if (value)
        i += (isOptional ? 1 : 0) + (value->isSequence ? 2 : 1);
    }
    if (!value)
      return value.takeError();
    values.push_back(std::move(*value));
  }
  return llvm::Error::success();
}

} // namespace

static llvm::Expected<PackageEntry> entryOf(Operation *function) {
  PackageEntry entry;
  entry.name = SymbolTable::getSymbolName(function).str();
  auto type = dyn_cast<FunctionType>(
      function->getAttrOfType<TypeAttr>("qkernel.signature").getValue());
  Symbols symbols(entry,
                  function->getAttrOfType<DictionaryAttr>("onnx.bounds"));
  auto listOf = [&](llvm::StringRef name) {
    return function->getAttrOfType<ArrayAttr>(name);
  };
  if (llvm::Error error =
          addValues(type.getInputs(), listOf("qkernel.arguments"), "input",
                    symbols, entry.inputs))
    return std::move(error);
  if (llvm::Error error =
          addValues(type.getResults(), listOf("qkernel.results"), "output",
                    symbols, entry.outputs))
    return std::move(error);
  if (auto layers = function->getAttrOfType<ArrayAttr>("qkernel.layers"))
    for (auto layer : layers.getAsRange<StringAttr>())
      entry.layers.push_back(layer.str());
  // Codes of qkernel.check count through both lists.
  for (llvm::StringRef text : qkernel::checkTexts())
    entry.checks.push_back(text.str());
  if (auto checks = function->getAttrOfType<ArrayAttr>("qkernel.checks"))
    for (auto text : checks.getAsRange<StringAttr>())
      entry.checks.push_back(text.str());
  if (auto slots = function->getAttrOfType<IntegerAttr>("qkernel.slots"))
    entry.slots = slots.getInt();
  return entry;
}

llvm::Expected<std::vector<PackageEntry>> entriesOf(ModuleOp module) {
  std::vector<PackageEntry> entries;
  for (Operation &op : module.getBody()->getOperations()) {
    if (!op.hasAttr("qkernel.signature"))
      continue;
    llvm::Expected<PackageEntry> entry = entryOf(&op);
    if (!entry)
      return entry.takeError();
    entries.push_back(std::move(*entry));
  }
  if (entries.empty())
    return llvm::make_error<DefectError>("the lowered module has no entry");
  return entries;
}

} // namespace quantc

//===- Descriptor.cpp - The tables that the runtime reads -----------------===//
//
// quantc_rt_description and all that it points to
// (runtime/include/quantc/abi.h) as constants of an LLVM module. Every field
// there has 8 bytes, so a structure is a list of words, each an i64 or a
// pointer; the field order below is that of abi.h, which static_asserts hold in
// place.
//
//===----------------------------------------------------------------------===//

#include "Internal.h"

#include "quantc/abi.h"

#include "llvm/IR/Constants.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

using namespace llvm;

namespace quantc::package {
namespace {

static_assert(sizeof(quantc_tensor_info) == 7 * 8 &&
                  sizeof(quantc_symbol_info) == 3 * 8 &&
                  sizeof(quantc_entry_info) == 9 * 8 &&
                  sizeof(quantc_entry_desc) == 14 * 8 &&
                  sizeof(quantc_level_desc) == 8 * 8 &&
                  sizeof(quantc_model_desc) == 9 * 8,
              "the tables below are those of abi.h");

class Tables {
public:
  explicit Tables(Module &module)
      : module(module), context(module.getContext()),
        i64(Type::getInt64Ty(context)),
        pointer(PointerType::getUnqual(context)) {}

  using Words = SmallVector<Constant *, 16>;

  Constant *integer(int64_t value) {
    return ConstantInt::get(i64, static_cast<uint64_t>(value));
  }
  Constant *null() { return ConstantPointerNull::get(pointer); }

  /// A private constant; a null pointer for an empty one.
  Constant *text(StringRef value) {
    return constant(ConstantDataArray::getString(context, value), 1);
  }

  Constant *words(const Words &values) {
    return values.empty() ? null() : constant(structure(values), 8);
  }

  Constant *texts(ArrayRef<std::string> values) {
    Words pointers;
    for (const std::string &value : values)
      pointers.push_back(text(value));
    return words(pointers);
  }

  Constant *structure(const Words &values) {
    return ConstantStruct::getAnon(context, values);
  }

  Constant *constant(Constant *value, uint64_t alignment) {
    auto *global =
        new GlobalVariable(module, value->getType(), /*isConstant=*/true,
                           GlobalValue::PrivateLinkage, value);
    global->setUnnamedAddr(GlobalValue::UnnamedAddr::Global);
    global->setAlignment(Align(alignment));
    return global;
  }

  /// A symbol of a level's object.
  Constant *external(const Twine &name, bool function) {
    GlobalValue *value;
    if (function)
      value =
          Function::Create(FunctionType::get(Type::getVoidTy(context), false),
                           GlobalValue::ExternalLinkage, name, module);
    else
      value = new GlobalVariable(module, i64, /*isConstant=*/false,
                                 GlobalValue::ExternalLinkage, nullptr, name);
    value->setVisibility(GlobalValue::HiddenVisibility);
    value->setDSOLocal(true);
    return value;
  }

  void append(Words &words, ArrayRef<Constant *> more) {
    words.append(more.begin(), more.end());
  }

  Constant *tensors(ArrayRef<PackageTensor> list);
  Constant *symbols(ArrayRef<PackageSymbol> list);
  Constant *levels(ArrayRef<CompiledLevel> list);
  Constant *entries(ArrayRef<PackageEntry> list);

  Module &module;
  LLVMContext &context;
  Type *i64;
  PointerType *pointer;
};

Constant *Tables::tensors(ArrayRef<PackageTensor> list) {
  Words all;
  for (const PackageTensor &tensor : list) {
    Words dims;
    for (int64_t dim : tensor.dims)
      dims.push_back(integer(dim));
    append(all,
           {text(tensor.name),
            integer(tensor.isSequence ? QUANTC_SEQUENCE : QUANTC_TENSOR),
            integer(tensor.code), integer(tensor.bits),
            integer(tensor.hasRank ? int64_t(tensor.dims.size()) : -1),
            words(dims), integer(tensor.isOptional)});
  }
  return words(all);
}

Constant *Tables::symbols(ArrayRef<PackageSymbol> list) {
  Words all;
  for (const PackageSymbol &symbol : list)
    append(all, {text(symbol.name), integer(symbol.min), integer(symbol.max)});
  return words(all);
}

Constant *Tables::levels(ArrayRef<CompiledLevel> list) {
  Words all;
  for (const CompiledLevel &level : list) {
    auto function = [&](StringRef name) {
      return external(name + level.symbolSuffix, /*function=*/true);
    };
    append(all,
           {text(level.isa), integer(level.rank), integer(level.features),
            function("entry"), function("shapes"), function("arena"),
            level.kernelCount ? external("kernels" + level.symbolSuffix, false)
                              : null(),
            integer(level.kernelCount)});
  }
  return words(all);
}

Constant *Tables::entries(ArrayRef<PackageEntry> list) {
  Words all;
  for (const PackageEntry &entry : list)
    append(all, {text(entry.name), integer(entry.inputs.size()),
                 tensors(entry.inputs), integer(entry.outputs.size()),
                 tensors(entry.outputs), integer(entry.symbols.size()),
                 symbols(entry.symbols), integer(entry.layers.size()),
                 texts(entry.layers), integer(entry.levels.size()),
                 levels(entry.levels), integer(entry.checks.size()),
                 texts(entry.checks), integer(entry.slots)});
  return words(all);
}

/// quantc_model *NAME_model(void) { return quantc_rt_model(); }
void defineModelFunction(Module &module, StringRef name) {
  LLVMContext &context = module.getContext();
  auto *type = FunctionType::get(PointerType::getUnqual(context), false);
  auto *inner = Function::Create(type, GlobalValue::ExternalLinkage,
                                 "quantc_rt_model", module);
  inner->setVisibility(GlobalValue::HiddenVisibility);
  inner->setDSOLocal(true);
  auto *outer = Function::Create(type, GlobalValue::ExternalLinkage,
                                 name + "_model", module);
  outer->setDoesNotThrow();
  IRBuilder<> builder(BasicBlock::Create(context, "", outer));
  builder.CreateRet(builder.CreateCall(inner));
}

} // namespace

Expected<SmallVector<char, 0>> emitDescription(const PackageInput &input,
                                               StringRef name,
                                               const WeightsSection &weights,
                                               StringRef weightsFile,
                                               ArrayRef<char> image) {
  LLVMContext context;
  Module module("model", context);
  Tables tables(module);
  Constant *embedded = tables.null();
  if (!image.empty())
    embedded = tables.constant(
        ConstantDataArray::getRaw(StringRef(image.data(), image.size()),
                                  image.size(), Type::getInt8Ty(context)),
        64);
  Constant *description = tables.structure(
      {tables.integer(QUANTC_ABI_VERSION), tables.text(name),
       input.manifest.empty() ? tables.null() : tables.text(input.manifest),
       tables.integer(input.entries.size()), tables.entries(input.entries),
       tables.integer(weights.bytes), tables.integer(weights.hash), embedded,
       weightsFile.empty() ? tables.null() : tables.text(weightsFile)});
  auto *global = new GlobalVariable(
      module, description->getType(), /*isConstant=*/true,
      GlobalValue::ExternalLinkage, description, "quantc_rt_description");
  global->setVisibility(GlobalValue::HiddenVisibility);
  global->setAlignment(Align(8));
  defineModelFunction(module, name);
  CodeOptions options;
  options.triple = input.triple;
  return emitObject(module, options);
}

} // namespace quantc::package

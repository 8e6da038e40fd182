//===- ImportONNX.cpp - An ONNX model to onnx.node operations -------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Import/ONNX.h"

#include "ModelFile.h"

#include "quantc/Dialect/ONNX/GraphEmitter.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_ir;

namespace {

/// A damaged model has one cause and many problems.
constexpr unsigned kMaxProblems = 32;

/// Constants up to this size are written out in the IR.
constexpr int64_t kMaxDenseElements = 64;

class Importer : public GraphEmitter {
public:
  Importer(StringRef path, std::shared_ptr<const onnx::ModelProto> model,
           OpBuilder &builder, const ImportONNXOptions &options)
      : GraphEmitter(builder), path(path), model(std::move(model)),
        external(path), options(options),
        overlay(builder.getContext()
                    ->getOrLoadDialect<qgraph::QGraphDialect>()
                    ->getWeights()
                    .overlay()) {}

  OwningOpRef<ModuleOp> run();

  void report(Location location, const Twine &message) override {
    if (++problems <= kMaxProblems)
      mlir::emitError(location) << message;
  }

protected:
  Value makeConstant(Location location, const onnx::TensorProto &tensor,
                     StringRef name, bool temporary) override;
  const onnx::FunctionProto *findFunction(const onnx::NodeProto &node) override;
  bool acceptsUnknown(StringRef domain) const override {
    return options.allowUnknownOps || domain == "com.microsoft";
  }

private:
  func::FuncOp buildFunction(ModuleOp module);
  bool addArguments(func::FuncOp function, Scope &scope);
  TypedAttr makeWeight(RankedTensorType type, const onnx::TensorProto &tensor,
                       StringRef name, bool temporary, std::string &why);
  llvm::Error addToStore(StringRef name, const WeightType &type,
                         const onnx::TensorProto &tensor, bool temporary);
  llvm::Error addBytes(StringRef name, const WeightType &type,
                       ArrayRef<char> bytes, std::shared_ptr<const void> owner);
  std::optional<TensorBytes> bytesOf(RankedTensorType type,
                                     const onnx::TensorProto &tensor,
                                     std::string &why);
  DictionaryAttr namesAttr(StringRef name, Type type,
                           ArrayRef<std::string> dims);
  void annotate(ModuleOp module);

  StringRef path;
  std::shared_ptr<const onnx::ModelProto> model;
  ExternalData external;
  const ImportONNXOptions &options;
  std::shared_ptr<WeightStore> overlay;
  llvm::StringMap<const onnx::FunctionProto *> functions;
  unsigned problems = 0;
};

std::string functionKey(StringRef domain, StringRef name, StringRef overload) {
  return (domain + "\n" + name + "\n" + overload).str();
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

/// The elements of the tensor in raw_data order, from wherever they are.
std::optional<TensorBytes> Importer::bytesOf(RankedTensorType type,
                                             const onnx::TensorProto &tensor,
                                             std::string &why) {
  if (tensor.data_location() != onnx::TensorProto::EXTERNAL)
    return tensorBytes(tensor, why);
  unsigned bits =
      type.getElementType().isInteger(1) ? 8 : type.getElementTypeBitWidth();
  uint64_t size = *rawSize(type.getShape(), bits);
  TensorBytes result;
  if (size == 0)
    return result;
  std::optional<ExternalData::Range> range = external.find(tensor, size, why);
  if (!range)
    return std::nullopt;
  result.bytes = range->file->bytes().slice(range->offset, size);
  return result;
}

/// Six-bit elements, which ONNX packs and the store does not, one to a byte.
std::vector<char> unpackSixBits(ArrayRef<char> bytes, int64_t count) {
  std::vector<char> elements(count);
  for (int64_t i = 0; i < count; ++i) {
    int64_t bit = i * 6;
    unsigned value = uint8_t(bytes[bit / 8]) >> (bit % 8);
    if (bit % 8 > 2)
      value |= unsigned(uint8_t(bytes[bit / 8 + 1])) << (8 - bit % 8);
    elements[i] = char(value & 63);
  }
  return elements;
}

llvm::Error Importer::addBytes(StringRef name, const WeightType &type,
                               ArrayRef<char> bytes,
                               std::shared_ptr<const void> owner) {
  // Loads of whole elements have to be aligned; a file's offsets may not be.
  unsigned width = std::max(storedBits(type.element) / 8, 1u);
  if (owner && reinterpret_cast<uintptr_t>(bytes.data()) % width == 0)
    return overlay->addShared(name, type, bytes, std::move(owner));
  return overlay->addFilled(name, type, [&](MutableArrayRef<char> out) {
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return llvm::Error::success();
  });
}

llvm::Error Importer::addToStore(StringRef name, const WeightType &type,
                                 const onnx::TensorProto &tensor,
                                 bool temporary) {
  std::string why;
  RankedTensorType ranked =
      tensorTypeFromProto(tensor, builder.getContext(), why);
  std::optional<TensorBytes> bytes = bytesOf(ranked, tensor, why);
  if (!bytes)
    return llvm::createStringError(why);
  if (ranked.getElementTypeBitWidth() == 6)
    return overlay->add(name, type,
                        unpackSixBits(bytes->bytes, ranked.getNumElements()));
  std::shared_ptr<const void> owner;
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL)
    owner = external.find(tensor, bytes->bytes.size(), why)->file;
  else if (bytes->owned)
    owner = std::shared_ptr<std::string>(std::move(bytes->owned));
  else if (!temporary)
    owner = model;
  return addBytes(name, type, bytes->bytes, std::move(owner));
}

TypedAttr Importer::makeWeight(RankedTensorType type,
                               const onnx::TensorProto &tensor, StringRef name,
                               bool temporary, std::string &why) {
  WeightType weightType;
  llvm::raw_string_ostream(weightType.element) << type.getElementType();
  weightType.shape.assign(type.getShape().begin(), type.getShape().end());
  // One name may be there already: of another subgraph or call (other bytes),
  // or of an earlier import of the same model (the same).
  std::string unique = name.str();
  for (unsigned i = 2;; ++i) {
    llvm::Error error = addToStore(unique, weightType, tensor, temporary);
    if (!error)
      return qgraph::WeightAttr::get(builder.getContext(), WeightStores::kNew,
                                     unique, type);
    why = llvm::toString(std::move(error));
    if (!overlay->lookup(unique))
      return nullptr;
    unique = llvm::formatv("{0}#{1}", name, i);
  }
}

Value Importer::makeConstant(Location location, const onnx::TensorProto &tensor,
                             StringRef name, bool temporary) {
  std::string why;
  TypedAttr value;
  RankedTensorType type =
      tensorTypeFromProto(tensor, builder.getContext(), why);
  if (type && type.getNumElements() > kMaxDenseElements)
    value = makeWeight(type, tensor, name, temporary, why);
  else if (type)
    if (std::optional<TensorBytes> bytes = bytesOf(type, tensor, why))
      value = denseFromBytes(type, bytes->bytes);
  if (!value) {
    report(location, "tensor '" + name + "': " + why);
    return nullptr;
  }
  return qgraph::ConstantOp::create(builder, location, value);
}

//===----------------------------------------------------------------------===//
// The function and the module
//===----------------------------------------------------------------------===//

const onnx::FunctionProto *Importer::findFunction(const onnx::NodeProto &node) {
  if (functions.empty())
    return nullptr;
  return functions.lookup(
      functionKey(node.domain(), node.op_type(), node.overload()));
}

DictionaryAttr Importer::namesAttr(StringRef name, Type type,
                                   ArrayRef<std::string> dims) {
  NamedAttrList attributes;
  attributes.set("onnx.name", builder.getStringAttr(name));
  if (auto ranked = dyn_cast<RankedTensorType>(type)) {
    SmallVector<StringRef> names(ranked.getRank());
    for (auto [i, dim] : llvm::enumerate(names))
      if (ranked.isDynamicDim(i) && i < dims.size())
        dim = dims[i];
    attributes.set("onnx.dims", builder.getStrArrayAttr(names));
  }
  return attributes.getDictionary(builder.getContext());
}

bool Importer::addArguments(func::FuncOp function, Scope &scope) {
  llvm::StringSet<> constants;
  for (const onnx::TensorProto &tensor : model->graph().initializer())
    constants.insert(tensor.name());
  for (const onnx::SparseTensorProto &tensor :
       model->graph().sparse_initializer())
    constants.insert(tensor.values().name());
  bool good = true;
  for (const onnx::ValueInfoProto &input : model->graph().input()) {
    StringRef name = input.name();
    if (constants.contains(name))
      continue;
    Location location = NameLoc::get(builder.getStringAttr(name));
    std::string why;
    SmallVector<std::string> dims;
    Type type = typeFromProto(input.type(), builder.getContext(), dims, why);
    if (!type) {
      fail(location, "input '" + name + "': " + why);
      scope.define(name, Value());
      good = false;
      continue;
    }
    BlockArgument argument =
        function.getBody().front().addArgument(type, location);
    if (!scope.define(name, argument)) {
      fail(location, "input '" + name + "': there are two of that name");
      good = false;
    }
    setInfo(argument, {type, {dims.begin(), dims.end()}, nullptr, {}});
  }
  return good;
}

/// True if no tensor can be of both types.
static bool contradicts(Type declared, Type inferred) {
  auto left = dyn_cast<TensorType>(declared),
       right = dyn_cast<TensorType>(inferred);
  if (!left || !right)
    return false;
  return left.getElementType() != right.getElementType() ||
         failed(verifyCompatibleShape(left, right));
}

func::FuncOp Importer::buildFunction(ModuleOp module) {
  const onnx::GraphProto &graph = model->graph();
  builder.setInsertionPointToEnd(module.getBody());
  auto function = func::FuncOp::create(builder, module.getLoc(), "main",
                                       builder.getFunctionType({}, {}));
  function->setAttr("onnx.graph", builder.getStringAttr(graph.name()));
  Block *entry = builder.createBlock(&function.getBody());

  Scope scope;
  Frame frame(module.getLoc());
  frame.opsets = readOpsets(model->opset_import());
  frame.opsets.try_emplace("", 1); // before IR version 3
  // Went on also after an error, to find others.
  addArguments(function, scope);
  emitGraph(graph, scope, frame);

  SmallVector<Value> results;
  SmallVector<Attribute> resultNames, argumentNames;
  llvm::StringSet<> outputs;
  for (const onnx::ValueInfoProto &output : graph.output()) {
    std::optional<Value> value = scope.find(output.name());
    if (!value)
      fail(module.getLoc(),
           "output '" + output.name() + "' of the model is defined by no node");
    if (!value || !*value)
      continue;
    if (!outputs.insert(output.name()).second)
      fail(module.getLoc(), "output '" + output.name() +
                                "' of the model: there are two of that name");
    results.push_back(*value);
    std::string why;
    SmallVector<std::string> dims;
    Type declared =
        typeFromProto(output.type(), builder.getContext(), dims, why);
    if (declared && contradicts(declared, value->getType()))
      fail(value->getLoc(),
           llvm::formatv("output '{0}' of the model is "
                         "declared as {1}, and is {2}",
                         output.name(), declared, value->getType()));
    // The names of the output as declared, else of what it was computed from.
    auto ranked = dyn_cast<RankedTensorType>(value->getType());
    const ValueInfo &known = info(*value);
    if (!ranked || dims.size() != size_t(ranked.getRank()))
      dims.assign(known.dims.begin(), known.dims.end());
    for (auto [dim, inferred] : llvm::zip(dims, known.dims))
      if (dim.empty())
        dim = inferred;
    resultNames.push_back(namesAttr(output.name(), value->getType(), dims));
  }
  if (graph.output_size() == 0)
    fail(module.getLoc(), "the model has no outputs");
  func::ReturnOp::create(builder, module.getLoc(), results);

  for (BlockArgument argument : entry->getArguments())
    argumentNames.push_back(
        namesAttr(cast<NameLoc>(argument.getLoc()).getName(),
                  argument.getType(), info(argument).dims));
  function.setFunctionType(
      builder.getFunctionType(entry->getArgumentTypes(), TypeRange(results)));
  function.setAllArgAttrs(argumentNames);
  function.setAllResultAttrs(resultNames);
  return function;
}

void Importer::annotate(ModuleOp module) {
  NamedAttrList opsets;
  for (const auto &entry : readOpsets(model->opset_import()))
    opsets.set(entry.getKey().empty() ? "ai.onnx" : entry.getKey(),
               builder.getI64IntegerAttr(entry.getValue()));
  module->setAttr("onnx.opset", opsets.getDictionary(builder.getContext()));
  module->setAttr("onnx.ir_version",
                  builder.getI64IntegerAttr(model->ir_version()));
  std::string producer = model->producer_name();
  if (!model->producer_version().empty())
    producer += " " + model->producer_version();
  if (!producer.empty())
    module->setAttr("onnx.producer", builder.getStringAttr(producer));
}

OwningOpRef<ModuleOp> Importer::run() {
  Location location = NameLoc::get(builder.getStringAttr(path));
  bool good = checkModel(*model, [&](StringRef where, const Twine &message) {
    report(where.empty() ? location
                         : NameLoc::get(builder.getStringAttr(where)),
           where.empty() ? "cannot read '" + path + "': " + message : message);
  });
  OwningOpRef<ModuleOp> module;
  if (good) {
    for (const onnx::FunctionProto &function : model->functions())
      functions[functionKey(function.domain(), function.name(),
                            function.overload())] = &function;
    module = ModuleOp::create(location);
    buildFunction(*module);
    annotate(*module);
    good = !hasFailed();
  }
  if (problems > kMaxProblems)
    mlir::emitError(location)
        << problems - kMaxProblems << " more problems of this model not shown";
  if (!good || failed(verify(*module)))
    return {};
  return module;
}

} // namespace

FailureOr<OwningOpRef<ModuleOp>>
quantc::importONNX(StringRef path, MLIRContext &context,
                   const ImportONNXOptions &options) {
  context.loadDialect<func::FuncDialect, ONNXDialect, qgraph::QGraphDialect>();
  Location location = NameLoc::get(StringAttr::get(&context, path));
  try {
    std::string error;
    std::shared_ptr<const onnx::ModelProto> model = readModel(path, error);
    if (!model)
      return emitError(location) << "cannot read '" << path << "': " << error;
    OpBuilder builder(&context);
    OwningOpRef<ModuleOp> module =
        Importer(path, std::move(model), builder, options).run();
    if (!module)
      return failure();
    return module;
  } catch (const std::exception &exception) {
    return emitError(location)
           << "cannot read '" << path << "': " << exception.what();
  }
}

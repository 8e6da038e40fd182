//===- Writer.cpp - An ONNX graph as it is written ------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Writer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

Writer::Writer(ModuleOp module, const ExportONNXOptions &options)
    : options(options), builder(module.getContext()), module(module) {}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Name Writer::fresh(StringRef base) {
  if (used.insert(base).second)
    return base.str();
  unsigned &counter = counters[base];
  Name name;
  do
    name = (base + "_" + Twine(++counter)).str();
  while (!used.insert(name).second);
  return name;
}

Name Writer::nameFor(Value value, StringRef base) {
  auto it = reserved.find(value);
  return it != reserved.end() ? it->second : fresh(base);
}

Name Writer::lookup(Value value) const {
  for (const auto &scope : llvm::reverse(scopes)) {
    auto it = scope->names.find(value);
    if (it != scope->names.end())
      return it->second;
  }
  return "";
}

void Writer::define(Value value, Name name) {
  if (auto type = dyn_cast<TensorType>(value.getType()))
    setType(name, type.getElementType());
  scopes.back()->names[value] = std::move(name);
}

void Writer::defineLater(Value value, std::function<Name()> make) {
  scopes.back()->later[value] = std::move(make);
}

Name Writer::use(Value value) {
  if (!value || isa<NoneType>(value.getType()))
    return "";
  if (Name known = lookup(value); !known.empty())
    return known;
  for (const auto &scope : llvm::reverse(scopes)) {
    auto it = scope->later.find(value);
    if (it == scope->later.end())
      continue;
    // Not by reference: what it writes may add others.
    std::function<Name()> make = it->second;
    define(value, make());
    return lookup(value);
  }
  Operation *op = value.getDefiningOp();
  if (isa_and_nonnull<qgraph::ConstantOp>(op))
    return constant(value, {});
  if (auto list = dyn_cast_if_present<tensor::FromElementsOp>(op)) {
    auto type = list.getType();
    SmallVector<OpFoldResult> elements(list.getElements());
    Name name = shape(elements);
    Type element = type.getElementType();
    if (unsigned width = element.getIntOrFloatBitWidth(); width > 1)
      element = builder.getIntegerType(width, /*isSigned=*/true);
    name = castTo(name, element);
    if (type.getRank() != 1)
      name = reshape(name, element, intList(type.getShape()));
    define(value, name);
    return name;
  }
  if (op)
    (void)unsupported(op, "its result is needed as a tensor");
  return "";
}

void Writer::setType(StringRef name, Type element) { types[name] = element; }

Type Writer::typeOf(StringRef name) const { return types.lookup(name); }

//===----------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------===//

onnx::NodeProto &Writer::add(StringRef opType, ArrayRef<Name> inputs,
                             ArrayRef<Name> outputs, int64_t version) {
  onnx::NodeProto *node = scopes.back()->graph->add_node();
  node->set_op_type(opType.str());
  Emitted record{node, version, {}, {}};
  while (!inputs.empty() && inputs.back().empty())
    inputs = inputs.drop_back();
  for (const Name &input : inputs) {
    node->add_input(input);
    record.inputs.push_back(typeOf(input));
  }
  for (const Name &output : outputs) {
    node->add_output(output);
    record.outputs.push_back(typeOf(output));
  }
  emitted.push_back(std::move(record));
  verbatim &= version != 0;
  return *node;
}

Name Writer::node(StringRef opType, ArrayRef<Name> inputs, Type element,
                  Attributes attributes, Value result, StringRef name) {
  // What the inputs need has been written by now, so the order is right.
  Name output =
      result ? nameFor(result, name.empty() ? opType : name) : fresh(opType);
  setType(output, element);
  onnx::NodeProto &node = add(opType, inputs, output);
  if (!name.empty())
    node.set_name(name.str());
  for (auto [key, value] : attributes)
    if (value)
      onnx_ir::attributeToProto(key, value, *node.add_attribute());
  if (result)
    define(result, output);
  return output;
}

Attribute Writer::integer(int64_t value) {
  return builder.getIntegerAttr(builder.getIntegerType(64, /*isSigned=*/true),
                                value);
}

Attribute Writer::integers(ArrayRef<int64_t> values) {
  SmallVector<Attribute> list;
  for (int64_t value : values)
    list.push_back(integer(value));
  return builder.getArrayAttr(list);
}

Attribute Writer::real(double value) {
  return builder.getF32FloatAttr(float(value));
}

Attribute Writer::dataType(Operation *op, Type element) {
  int32_t id = onnx_ir::elementTypeToProto(element);
  if (id != onnx::TensorProto::UNDEFINED)
    return integer(id);
  std::string text;
  llvm::raw_string_ostream(text) << element;
  (void)unsupported(op, "ONNX has no element type " + text);
  return integer(onnx::TensorProto::FLOAT);
}

Name Writer::reshape(Name input, Type element, Name shape, Value result,
                     StringRef name) {
  return node("Reshape", {input, shape}, element, {}, result, name);
}

Name Writer::transpose(Name input, Type element, ArrayRef<int64_t> permutation,
                       Value result, StringRef name) {
  return node("Transpose", {input}, element, {{"perm", integers(permutation)}},
              result, name);
}

Name Writer::castTo(Name input, Type to, Value result) {
  if (!result && typeOf(input) == to)
    return input;
  return node("Cast", {input}, to,
              {{"to", integer(onnx_ir::elementTypeToProto(to))}}, result);
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

LogicalResult Writer::unsupported(Operation *op, const Twine &why) {
  failed = true;
  InFlightDiagnostic error = op->emitError("cannot be exported to ONNX: ");
  if (auto node = dyn_cast<onnx_ir::NodeOp>(op)) {
    error << "node ";
    if (node.getName())
      error << "'" << *node.getName() << "' ";
    error << "(" << node.getOpType() << ", version " << node.getVersion()
          << "): ";
  } else {
    error << "'" << op->getName().getStringRef() << "': ";
  }
  return error << why;
}

LogicalResult Writer::operation(Operation *op) {
  // Written where they are used, if they are; or nothing that ONNX can say.
  if (isa<qgraph::ConstantOp, qgraph::ElementOp, qgraph::RequireOp,
          onnx_ir::NoneOp, tensor::DimOp, tensor::FromElementsOp>(op) ||
      isa<arith::ArithDialect>(op->getDialect()))
    return success();
  if (auto node = dyn_cast<onnx_ir::NodeOp>(op))
    return exportNode(node);
  if (auto quantize = dyn_cast<qgraph::QuantizeOp>(op))
    return exportQuantize(quantize);
  if (auto dequantize = dyn_cast<qgraph::DequantizeOp>(op))
    return exportDequantize(dequantize);
  if (auto choose = dyn_cast<qgraph::ChooseParamsOp>(op))
    return exportChooseParams(choose);
  if (isa<qgraph::ObserveOp, qgraph::ReinterpretOp>(op)) {
    Value from = op->getOperand(0), to = op->getResult(0);
    auto known = reserved.find(to);
    Type element = cast<RankedTensorType>(to.getType()).getElementType();
    // An integer without a sign is one with one.
    if (onnx_ir::elementTypeToProto(element) == onnx::TensorProto::UNDEFINED &&
        !element.isSignlessInteger())
      return unsupported(op, "ONNX has no such element type");
    if (known != reserved.end())
      node("Identity", {use(from)}, element, {}, to);
    else
      defineLater(to, [this, from] { return use(from); });
    return success();
  }
  return exportLayer(op);
}

LogicalResult Writer::block(Block &block) {
  bool good = true;
  for (Operation &op : block)
    if (!op.hasTrait<OpTrait::IsTerminator>())
      good &= succeeded(operation(&op)); // all errors are shown
  return success(good && !failed);
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

void Writer::declare(onnx::ValueInfoProto &info, StringRef name, Type type,
                     ArrayAttr dims) {
  info.set_name(name.str());
  SmallVector<std::string> names;
  if (dims)
    for (Attribute dim : dims)
      names.push_back(cast<StringAttr>(dim).getValue().str());
  onnx_ir::typeToProto(type, names, *info.mutable_type());
}

/// Values that are no result of a node of this graph, or are returned twice,
/// are returned by an Identity.
void Writer::outputs(Operation *terminator, ArrayRef<Name> names) {
  for (auto [value, name] : llvm::zip(terminator->getOperands(), names)) {
    if (value.getType().isIndex()) {
      truth(value, name);
      continue;
    }
    if (use(value) == name)
      continue;
    Type element;
    if (auto type = dyn_cast<TensorType>(value.getType()))
      element = type.getElementType();
    setType(name, element);
    add("Identity", use(value), name);
  }
}

LogicalResult Writer::function(func::FuncOp function, onnx::GraphProto &graph) {
  auto graphName = function->getAttrOfType<StringAttr>("onnx.graph");
  graph.set_name(graphName ? graphName.str() : function.getSymName().str());
  mainGraph = &graph;
  scopes.push_back(std::make_unique<Scope>());
  scopes.back()->graph = &graph;
  auto nameOf = [&](StringAttr given, StringRef kind, unsigned i) {
    return given ? given.str() : (kind + Twine(i)).str();
  };
  for (BlockArgument argument : function.getArguments()) {
    unsigned i = argument.getArgNumber();
    Name name = nameOf(function.getArgAttrOfType<StringAttr>(i, "onnx.name"),
                       "input", i);
    used.insert(name);
    define(argument, name);
    declare(*graph.add_input(), name, argument.getType(),
            function.getArgAttrOfType<ArrayAttr>(i, "onnx.dims"));
  }
  bool lists = false;
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    lists |= bool(function.getArgAttr(i, "onnx.type"));
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    lists |= bool(function.getResultAttr(i, "onnx.type"));
  if (lists)
    return function.emitError("cannot be exported to ONNX: sequences and "
                              "optionals among its inputs and outputs have "
                              "been taken apart by the walk");
  Operation *terminator = function.front().getTerminator();
  SmallVector<Name> names;
  for (auto [i, value] : llvm::enumerate(terminator->getOperands())) {
    Name name = nameOf(function.getResultAttrOfType<StringAttr>(i, "onnx.name"),
                       "output", i);
    used.insert(name);
    names.push_back(name);
    declare(*graph.add_output(), name, value.getType(),
            function.getResultAttrOfType<ArrayAttr>(i, "onnx.dims"));
    if (value.getDefiningOp() &&
        !isa<qgraph::ConstantOp, tensor::FromElementsOp>(value.getDefiningOp()))
      reserved.try_emplace(value, name);
  }
  if (mlir::failed(block(function.front())))
    return failure();
  outputs(terminator, names);
  return success(!failed);
}

LogicalResult Writer::run(onnx::ModelProto &model) {
  func::FuncOp entry;
  for (auto candidate : module.getOps<func::FuncOp>()) {
    if (candidate.isPrivate())
      continue;
    if (entry)
      return candidate.emitError("cannot be exported to ONNX: a model has one "
                                 "public function, and there are two");
    entry = candidate;
  }
  if (!entry || entry.isExternal())
    return module.emitError("cannot be exported to ONNX: there is no public "
                            "function with a body");
  return function(entry, *model.mutable_graph());
}

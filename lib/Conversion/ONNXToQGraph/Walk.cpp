//===- Walk.cpp - The forward walk ----------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Sequences.h"

#include "quantc/Conversion/ONNXToQGraph.h"
#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/QGraph/Shapes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

static const auto &handlerTable() {
  static const auto *table = [] {
    auto *table = new llvm::StringMap<SmallVector<const Handler *, 1>>;
    for (ArrayRef<Handler> family :
         {shapeHandlers(), movementHandlers(), sliceHandlers(),
          reductionHandlers(), linearHandlers(), normalizationHandlers(),
          attentionHandlers(), flexAttentionHandlers(),
          traditionalHandlers(), quantizationHandlers(),
          integerProductHandlers(), blockWeightHandlers(),
          elementwiseHandlers(),
          sizeHandlers(), windowHandlers(), convolutionHandlers(),
          selectionHandlers(), branchHandlers(), iterationHandlers(),
          sequenceHandlers()})
      for (const Handler &handler : family)
        (*table)[(handler.domain + ":" + handler.opType).str()].push_back(
            &handler);
    return table;
  }();
  return *table;
}

static const Handler *lookup(StringRef domain, StringRef opType,
                             int64_t version) {
  if (domain == "ai.onnx")
    domain = "";
  auto entry = handlerTable().find((domain + ":" + opType).str());
  if (entry == handlerTable().end())
    return nullptr;
  for (const Handler *handler : entry->second)
    if (handler->since <= version && version <= handler->until)
      return handler;
  return nullptr;
}

const Handler *onnx_to_qgraph::lookupHandler(onnx_ir::NodeOp op) {
  return lookup(op.getDomain(), op.getOpType(), op.getVersion());
}

bool quantc::hasWalkHandler(StringRef domain, StringRef opType,
                            int64_t version) {
  return lookup(domain, opType, version);
}

int64_t onnx_to_qgraph::normalizeAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return -1;
  return axis < 0 ? axis + rank : axis;
}

//===----------------------------------------------------------------------===//
// Node
//===----------------------------------------------------------------------===//

bool Node::has(unsigned i) { return op.getInput(i) != nullptr; }
TensorInfo &Node::in(unsigned i) { return walk.info(op.getInputs()[i]); }

bool Node::resultUsed(unsigned i) {
  return i < op.getNumResults() && !op.getResult(i).use_empty();
}

bool Node::onlyUse(unsigned i) { return op.getInputs()[i].hasOneUse(); }

void Node::set(unsigned i, TensorInfo info) {
  if (i >= op.getNumResults())
    return;
  walk.infos[op.getResult(i)] = std::move(info);
}

int64_t Node::integer(StringRef name, int64_t otherwise) {
  return op.getIntAttr(name, otherwise);
}

double Node::real(StringRef name, double otherwise) {
  return op.getFloatAttr(name, otherwise);
}

StringRef Node::string(StringRef name, StringRef otherwise) {
  return op.getStringAttr(name, otherwise);
}

std::optional<SmallVector<int64_t>> Node::integers(StringRef name) {
  if (!op.getNodeAttr(name))
    return std::nullopt;
  return op.getIntsAttr(name);
}

std::optional<SmallVector<int64_t>> Node::constants(unsigned i) {
  if (!has(i) || !in(i).elements)
    return std::nullopt;
  return staticShape(*in(i).elements);
}

std::optional<double> Node::scalar(unsigned i) {
  return has(i) ? numberOf(uniform(in(i))) : std::nullopt;
}

FailureOr<std::optional<SmallVector<int64_t>>>
Node::axes(unsigned i, StringRef name, int64_t rank) {
  std::optional<SmallVector<int64_t>> result;
  if (has(i)) {
    result = constants(i);
    if (!result)
      return unsupported("its axes are computed from data");
  } else {
    result = integers(name);
  }
  if (!result)
    return result;
  for (int64_t &axis : *result) {
    int64_t given = axis;
    axis = normalizeAxis(axis, rank);
    if (axis < 0)
      return unsupported("axis " + Twine(given) +
                         " is out of range for a tensor of rank " +
                         Twine(rank));
  }
  llvm::sort(*result);
  result->erase(llvm::unique(*result), result->end());
  return result;
}

LogicalResult Node::unsupported(const Twine &why) {
  return walk.unsupported(op, why);
}

LogicalResult Walk::unsupported(onnx_ir::NodeOp op, const Twine &why) {
  reasons[op] = why.str();
  return failure();
}

//===----------------------------------------------------------------------===//
// Walk
//===----------------------------------------------------------------------===//

Walk::Walk(func::FuncOp function, const llvm::StringMap<Bounds> &ranges)
    : function(function), builder(function.getLoc(), function.getContext()),
      arith(builder), ranges(ranges), oldBody(&function.getBody().front()),
      newBody(new Block) {}

TensorInfo &Walk::info(Value old) { return infos[old]; }

/// What a dimension without a name is called.
static std::string unnamed(StringRef input, int64_t dim) {
  return (input + "." + Twine(dim)).str();
}

static std::string inputName(DictionaryAttr attributes, unsigned number) {
  auto name = attributes ? attributes.getAs<StringAttr>("onnx.name")
                         : StringAttr();
  return name ? name.getValue().str() : "input" + std::to_string(number);
}

void Walk::arguments() {
  for (BlockArgument argument : oldBody->getArguments()) {
    if (auto type = dyn_cast<RankedTensorType>(argument.getType()))
      tensorArgument(argument, type);
    else
      partsArgument(argument);
  }
}

void Walk::tensorArgument(BlockArgument argument, RankedTensorType type) {
  unsigned number = argument.getArgNumber();
  DictionaryAttr attributes = function.getArgAttrDict(number);
  auto dimNames = attributes ? attributes.getAs<ArrayAttr>("onnx.dims")
                             : ArrayAttr();
  std::string input = inputName(attributes, number);
  auto nameOf = [&](int64_t i) {
    auto name = dimNames && i < int64_t(dimNames.size())
                    ? dyn_cast<StringAttr>(dimNames[i])
                    : StringAttr();
    return name ? name.getValue() : StringRef();
  };
  SmallVector<int64_t> shape(type.getShape());
  for (auto [i, extent] : llvm::enumerate(shape)) {
    auto range = ranges.find(nameOf(i));
    if (ShapedType::isDynamic(extent) && range != ranges.end() &&
        range->second.low == range->second.high)
      extent = range->second.low;
  }
  argumentAttrs.push_back(attributes ? attributes
                                     : builder.getDictionaryAttr({}));
  BlockArgument added =
      newBody->addArgument(type.clone(shape), argument.getLoc());
  if (std::optional<std::string> why =
          objectionToSize(shape, type.getElementType())) {
    emitError(argument.getLoc()) << "input " << number << ": " << *why;
    ++errors;
    infos[argument].failed = true;
    return;
  }
  Dims dims;
  for (auto [i, extent] : llvm::enumerate(shape)) {
    if (!ShapedType::isDynamic(extent)) {
      dims.push_back(arith.constant(extent));
      continue;
    }
    std::string name = nameOf(i).str();
    if (name.empty())
      name = unnamed(input, i);
    if (names.count(name)) {
      dims.push_back(names[name]);
      continue;
    }
    Bounds range{0, std::numeric_limits<int64_t>::max()};
    if (auto given = ranges.find(name); given != ranges.end())
      range = given->second;
    Value size = tensor::DimOp::create(builder, added, i);
    dims.push_back(arith.symbol(size, range, /*isInput=*/true));
    names[name] = size;
  }
  infos[argument] = tensor(added, dims);
}

/// The attributes of one of the tensors that stand for a value that is none.
static DictionaryAttr partAttrs(Builder &builder, StringRef name,
                                StringRef part, int64_t rank, Type type) {
  NamedAttrList attributes;
  attributes.append("onnx.dims", builder.getStrArrayAttr(SmallVector<StringRef>(
                                     rank, StringRef())));
  attributes.append("onnx.name",
                    builder.getStringAttr(part == "flag" || part.empty()
                                              ? name
                                              : name + "." + part));
  attributes.append("onnx.type", TypeAttr::get(type));
  return attributes.getDictionary(builder.getContext());
}

/// The element types that a sequence, or what may be missing, can have at the
/// border: those of whole bytes.
static bool isBorderType(Type type) {
  return type && (type.isInteger(1) || type.getIntOrFloatBitWidth() >= 8);
}

void Walk::partsArgument(BlockArgument argument) {
  unsigned number = argument.getArgNumber();
  std::string name = inputName(function.getArgAttrDict(number), number);
  std::optional<Kind> kind = kindOf(argument.getType());
  if (!kind || kind->isTensor() || !isBorderType(kind->elementType)) {
    emitError(argument.getLoc())
        << "input " << number << " of type " << argument.getType()
        << ": only tensors of known rank can be inputs, and sequences and "
           "optionals of them; give the input a shape in the model";
    ++errors;
    infos[argument].failed = true;
    return;
  }
  Type si64 = builder.getIntegerType(64, /*isSigned=*/true);
  SmallVector<TensorInfo> parts;
  auto add = [&](StringRef part, Type element, ArrayRef<int64_t> shape) {
    argumentAttrs.push_back(
        partAttrs(builder, name, part, shape.size(), argument.getType()));
    BlockArgument added = newBody->addArgument(
        RankedTensorType::get(shape, element), argument.getLoc());
    Dims dims;
    for (auto [i, extent] : llvm::enumerate(shape))
      dims.push_back(ShapedType::isDynamic(extent)
                         ? arith.symbol(
                               tensor::DimOp::create(builder, added, i),
                               {0, std::numeric_limits<int64_t>::max()})
                         : arith.constant(extent));
    parts.push_back(tensor(added, dims));
  };
  constexpr int64_t any = ShapedType::kDynamic;
  if (kind->isOptional)
    add("flag", si64, {});
  if (kind->isList) {
    add("data", kind->elementType, {any});
    add("table", si64, {any, kTableWidth});
  } else {
    // What is missing has no elements, whatever the model says of it.
    add("value", kind->elementType,
        SmallVector<int64_t>(kind->shape->size(), any));
  }
  TensorInfo info = unpack(*this, *kind, parts);
  infos[argument] = info;
}

/// The results of the model, each as the tensors that stand for it.
void Walk::returnValues() {
  Operation *terminator = oldBody->getTerminator();
  builder.setLoc(terminator->getLoc());
  SmallVector<Value> results;
  for (auto [number, operand] : llvm::enumerate(terminator->getOperands())) {
    TensorInfo known = info(operand);
    DictionaryAttr attributes = function.getResultAttrDict(number);
    if (known.failed || !isThere(known)) {
      if (!errors)
        emitError(terminator->getLoc()) << "a result of the model is missing";
      ++errors;
      return;
    }
    Kind kind = kindOf(known);
    // A model that gives a tensor for an optional gives it always.
    if (!kind.isOptional && isa<onnx_ir::OptionalType>(operand.getType()))
      kind.isOptional = true;
    if (kind.isTensor()) {
      results.push_back(materialize(known));
      resultAttrs.push_back(attributes ? attributes
                                       : builder.getDictionaryAttr({}));
      continue;
    }
    if (!isBorderType(kind.elementType)) {
      emitError(terminator->getLoc())
          << "result " << number << " of the model is a sequence of "
          << kind.elementType << ", which is not supported";
      ++errors;
      return;
    }
    auto given = attributes ? attributes.getAs<StringAttr>("onnx.name")
                            : StringAttr();
    std::string name =
        given ? given.getValue().str() : "output" + std::to_string(number);
    StringRef listNames[] = {"flag", "data", "table"};
    StringRef valueNames[] = {"flag", "value"};
    ArrayRef<StringRef> partNames =
        kind.isList ? ArrayRef(listNames) : ArrayRef(valueNames);
    if (!kind.isOptional)
      partNames = partNames.drop_front();
    for (auto [part, partName] :
         llvm::zip(pack(*this, known, kind), partNames)) {
      resultAttrs.push_back(partAttrs(builder, name, partName, part.rank(),
                                      kind.type(builder.getContext())));
      results.push_back(materialize(part));
    }
  }
  if (!errors)
    func::ReturnOp::create(builder, results);
}

/// What is known of a value, for the schema's inference; each dimension that is
/// no number is named by its value.
static onnx_ir::ValueInfo describe(Walk &walk, TensorInfo &info,
                                   llvm::StringMap<Dim> &byName) {
  onnx_ir::ValueInfo result;
  if (!info) {
    result.type = NoneType::get(walk.builder.getContext());
    return result;
  }
  auto name = [&](Dim dim) -> std::string {
    if (DimArithmetic::getConstant(dim))
      return "";
    std::string text =
        "d" + std::to_string(uintptr_t(cast<Value>(dim).getAsOpaquePointer()));
    byName[text] = dim;
    return text;
  };
  RankedTensorType type = walk.typeOf(info);
  result.type = type;
  for (Dim dim : info.dims)
    result.dims.push_back(name(dim));
  if (!info.elements)
    return result;
  if (DenseElementsAttr dense = denseOf(type, *info.elements)) {
    result.constant = dense;
  } else if (info.rank() <= 1) {
    result.elements.emplace();
    for (Element element : *info.elements) {
      std::optional<int64_t> number = DimArithmetic::getConstant(element);
      result.elements->push_back(
          {number, number ? std::string() : name(element)});
    }
  }
  return result;
}

LogicalResult Walk::inferGeneric(Node &node) {
  llvm::StringMap<Dim> byName;
  SmallVector<onnx_ir::ValueInfo> inputs;
  SmallVector<Value> operands;
  for (Value operand : node.op.getInputs())
    inputs.push_back(describe(*this, info(operand), byName));
  FailureOr<SmallVector<onnx_ir::ValueInfo>> results =
      onnx_ir::inferNodeTypes(node.op, inputs);
  if (failed(results)) {
    // Reported there.
    ++errors;
    for (Value result : node.op.getOutputs())
      infos[result].failed = true;
    return success();
  }
  SmallVector<Type> types;
  SmallVector<Value> sizes;
  SmallVector<Dims> dims;
  for (auto [i, result] : llvm::enumerate(*results)) {
    auto type = dyn_cast_or_null<RankedTensorType>(result.type);
    Dims known;
    if (!type) {
      if (node.resultUsed(i))
        return unsupported(node.op, "the rank of its result " + Twine(i) +
                                        " is not known before it runs");
      types.push_back(NoneType::get(builder.getContext()));
      dims.push_back(known);
      continue;
    }
    for (auto [d, extent] : llvm::enumerate(type.getShape())) {
      if (!ShapedType::isDynamic(extent)) {
        known.push_back(arith.constant(extent));
        continue;
      }
      auto named =
          d < result.dims.size() ? byName.find(result.dims[d]) : byName.end();
      if (named == byName.end())
        return unsupported(node.op, "dimension " + Twine(d) +
                                        " of its result " + Twine(i) +
                                        " depends on the data");
      known.push_back(named->second);
      sizes.push_back(cast<Value>(named->second));
    }
    types.push_back(type);
    dims.push_back(known);
  }
  for (Value operand : node.op.getInputs()) {
    TensorInfo &known = info(operand);
    operands.push_back(known ? materialize(known)
                             : onnx_ir::NoneOp::create(builder).getResult());
  }
  auto op = onnx_ir::NodeOp::create(
      builder, types, operands, sizes, node.type(), node.op.getDomain(),
      node.version(), node.op.getNodeAttributes(), node.op.getNameAttr(),
      /*subgraph_names=*/ArrayAttr(), /*subgraphsCount=*/0);
  for (auto [i, result] : llvm::enumerate(op.getOutputs()))
    if (isa<RankedTensorType>(result.getType()))
      node.set(i, tensor(result, dims[i]));
  return success();
}

void Walk::report(onnx_ir::NodeOp op, StringRef reason) {
  ++errors;
  InFlightDiagnostic error = emitError(op.getLoc()) << "node ";
  if (op.getName())
    error << "'" << *op.getName() << "' ";
  error << "(" << op.getOpType() << ", domain '"
        << (op.getDomain().empty() ? "ai.onnx" : op.getDomain())
        << "', version " << op.getVersion() << ") of (";
  llvm::interleaveComma(op.getInputs(), error, [&](Value operand) {
    TensorInfo &known = info(operand);
    if (known)
      error << typeOf(known);
    else
      error << operand.getType();
  });
  error << ") cannot be handled: " << reason;
  for (Value result : op.getOutputs())
    infos[result].failed = true;
}

/// There is no schema for the node in its version.
static std::string noSuchOperator(onnx_ir::NodeOp op) {
  std::string text = "there is no such operator in this version; export the "
                     "model with an operator of the ONNX standard";
  if (!op.getDomain().empty() && op.getDomain() != "ai.onnx")
    text += ", or name a library that has this one (--plugin)";
  return text;
}

void Walk::visit(onnx_ir::NodeOp op) {
  builder.setLoc(op.getLoc());
  std::string name =
      op.getName() ? ("'" + *op.getName() + "' ").str() : std::string();
  arith.where = ("node " + name + "(" + op.getOpType() + ")").str();
  Node node(*this, op);
  const Handler *handler = lookupHandler(op);
  bool elementwise = (op.getDomain().empty() || op.getDomain() == "ai.onnx") &&
                     onnx_ir::lookupElementwise(op.getOpType());
  bool schema = onnx_ir::sinceVersion(op.getOpType(), op.getDomain(),
                                      op.getVersion()) == op.getVersion();

  if (llvm::any_of(op.getInputs(),
                   [&](Value operand) { return info(operand).failed; })) {
    // What comes after a node that failed is only looked at for its operator.
    if (!handler && !elementwise && !schema)
      report(op, noSuchOperator(op));
    for (Value result : op.getOutputs())
      infos[result].failed = true;
    return;
  }
  bool takesValues =
      handler && llvm::StringSwitch<bool>(op.getOpType())
                     .Cases({"If", "Loop", "Identity", "SequenceMap"}, true)
                     .StartsWith("Sequence", true)
                     .StartsWith("Optional", true)
                     .Default(op.getOpType() == "ConcatFromSequence");
  for (Value operand : op.getInputs())
    if (TensorInfo &known = info(operand);
        !takesValues && (known.list || known.present))
      return report(op, "it is given a sequence or an optional, and takes "
                        "tensors");
  if (!op.getSubgraphs().empty() && !handler)
    return report(op, "an operator with subgraphs that quantc does not know");

  if (std::optional<std::string> why = objectionTo(node))
    return report(op, *why);
  if (handler) {
    if (succeeded(handler->handle(node)))
      return;
  } else if (elementwise) {
    for (const Handler &generic : elementwiseHandlers())
      if (generic.opType.empty() && succeeded(generic.handle(node)))
        return;
  }
  if (schema && onnx_ir::hasFunctionBody(op)) {
    llvm::StringMap<Dim> byName;
    SmallVector<onnx_ir::ValueInfo> inputs;
    for (Value operand : op.getInputs())
      inputs.push_back(describe(*this, info(operand), byName));
    SmallVector<Value> results;
    OpBuilder before(op);
    // The nodes of the body stand before this one: they are walked next, and
    // this node, which the walk then meets again, has no uses left.
    FailureOr<bool> expanded =
        onnx_ir::expandFunctionBody(op, inputs, before, results);
    if (succeeded(expanded) && *expanded) {
      ++counts.expanded;
      this->expanded.insert(op);
      for (auto [result, replacement] : llvm::zip(op.getOutputs(), results))
        if (replacement)
          result.replaceAllUsesWith(replacement);
      return;
    }
    if (failed(expanded)) {
      ++errors;
      for (Value result : op.getOutputs())
        infos[result].failed = true;
      return;
    }
  }
  auto reason = reasons.find(op);
  if (reason != reasons.end())
    return report(op, reason->second);
  if (!schema)
    return report(op, noSuchOperator(op));
  if (failed(inferGeneric(node)))
    report(op, reasons[op]);
}

void Walk::walkBlock(Block &old) {
  // An expansion puts nodes before the one that it replaces, so the walk keeps
  // the last operation that is done, not the next.
  Operation *done = nullptr;
  llvm::SmallPtrSet<Operation *, 16> visited;
  while (true) {
    Operation *op = done ? done->getNextNode() : &old.front();
    if (op->hasTrait<OpTrait::IsTerminator>())
      break;
    builder.setLoc(op->getLoc());
    if (auto node = dyn_cast<onnx_ir::NodeOp>(op)) {
      if (expanded.contains(op)) {
        done = op;
        continue;
      }
      if (!visited.insert(op).second) {
        done = op;
        continue;
      }
      visit(node);
      Node handled(*this, node);
      if (std::optional<std::string> why = objectionToResults(handled))
        report(node, *why);
      if (op->getPrevNode() != done)
        continue;
    } else if (auto none = dyn_cast<onnx_ir::NoneOp>(op)) {
      infos[none.getResult()];
    } else if (auto value = dyn_cast<qgraph::ConstantOp>(op)) {
      infos[value.getResult()] = constant(value.getValue());
    } else {
      // Already as it should be: copied.
      IRMapping mapping;
      for (Value operand : op->getOperands()) {
        TensorInfo &known = infos[operand];
        if (!known.failed)
          mapping.map(operand, known ? materialize(known) : known.value);
      }
      Operation *copy = builder.clone(*op, mapping);
      for (auto [from, to] : llvm::zip(op->getResults(), copy->getResults())) {
        if (isa<RankedTensorType>(to.getType()))
          infos[from] = tensor(to, qgraph::getDims(builder, to));
        else
          infos[from].value = to;
      }
    }
    done = op;
  }
}

FailureOr<Walk::Counts> Walk::run() {
  function.getBody().push_back(newBody);
  builder.setInsertionPointToEnd(newBody);
  arith.place = [this](const DimArithmetic::Check &check) {
    return placeCheck(check);
  };
  arguments();

  walkBlock(*oldBody);

  returnValues();
  if (errors) {
    newBody->dropAllDefinedValueUses();
    newBody->erase();
    return failure();
  }
  finish();
  return counts;
}

/// Replaces the body, and removes what only shapes were computed with.
void Walk::finish() {
  oldBody->dropAllDefinedValueUses();
  for (Operation &op : *oldBody)
    op.dropAllReferences();
  oldBody->erase();

  // Bounds that the graph has proven make some minima superfluous.
  for (Operation &op : *newBody)
    if (auto minimum = dyn_cast<arith::MinSIOp>(op)) {
      Dim least = arith.min(minimum.getLhs(), minimum.getRhs());
      if (auto value = dyn_cast<Value>(least);
          value && value != minimum.getResult())
        minimum.replaceAllUsesWith(value);
    }
  Operation *terminator = newBody->getTerminator();
  function.setFunctionType(FunctionType::get(function.getContext(),
                                             newBody->getArgumentTypes(),
                                             terminator->getOperandTypes()));
  function.setAllArgAttrs(argumentAttrs);
  function.setAllResultAttrs(resultAttrs);
  describeDims();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*newBody)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

/// Leaves on the function what must hold of the inputs' dimensions.
void Walk::describeDims() {
  MLIRContext *context = function.getContext();
  llvm::StringSet<> mentioned;
  NamedAttrList bounds;
  llvm::DenseMap<Value, StringRef> nameOf;
  for (const auto &entry : names) {
    nameOf[cast<Value>(entry.second)] = entry.first();
    Bounds range = arith.boundsOf(entry.second);
    if (range.low <= 0 && range.high == std::numeric_limits<int64_t>::max())
      continue;
    bounds.append(entry.first(),
                  builder.getDenseI64ArrayAttr({range.low, range.high}));
    mentioned.insert(entry.first());
  }
  SmallVector<Attribute> checks;
  for (const DimArithmetic::Check &check : arith.getChecks()) {
    if (check.placed)
      continue;
    auto known = [&](Dim dim) {
      auto value = dyn_cast<Value>(dim);
      return value ? nameOf.lookup(value) : StringRef();
    };
    StringRef dim = known(check.dim), otherDim = known(check.equals);
    std::optional<int64_t> number = DimArithmetic::getConstant(check.equals);
    if (!dim.empty() && number && !check.orOne)
      continue; // a bound
    if (dim.empty() || (otherDim.empty() && !number)) {
      // Of what is computed, the values themselves are checked.
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPoint(newBody->getTerminator());
      qgraph::RequireOp::create(builder, arith.materialize(check.dim),
                                arith.materialize(check.equals), check.orOne,
                                builder.getStringAttr(check.text));
      continue;
    }
    Attribute other = number ? Attribute(builder.getI64IntegerAttr(*number))
                             : builder.getStringAttr(otherDim);
    NamedAttrList entry;
    entry.append("dim", builder.getStringAttr(dim));
    entry.append("equals", other);
    if (check.orOne)
      entry.append("or_one", builder.getUnitAttr());
    checks.push_back(entry.getDictionary(context));
    mentioned.insert(dim);
    if (auto name = dyn_cast<StringAttr>(other))
      mentioned.insert(name.getValue());
  }
  if (!bounds.empty())
    function->setAttr("onnx.bounds", bounds.getDictionary(context));
  if (!checks.empty())
    function->setAttr("onnx.checks", builder.getArrayAttr(checks));
  // Dimensions without a name get the one they are mentioned by.
  for (BlockArgument argument : newBody->getArguments()) {
    unsigned number = argument.getArgNumber();
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    auto given = function.getArgAttrOfType<ArrayAttr>(number, "onnx.dims");
    SmallVector<Attribute> dims;
    bool added = false;
    for (int64_t i = 0; type && i < type.getRank(); ++i) {
      auto name = given && i < int64_t(given.size())
                      ? dyn_cast<StringAttr>(given[i])
                      : StringAttr();
      std::string own =
          unnamed(inputName(function.getArgAttrDict(number), number), i);
      if ((!name || name.getValue().empty()) && mentioned.contains(own)) {
        name = builder.getStringAttr(own);
        added = true;
      }
      dims.push_back(name ? name : builder.getStringAttr(""));
    }
    if (added)
      function.setArgAttr(number, "onnx.dims", builder.getArrayAttr(dims));
  }
}

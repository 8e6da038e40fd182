//===- Segments.cpp - A function in parts that run one by one ---*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Segments.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "quantc/Analysis/DimensionEquality.h"
#include "quantc/Quantize/Passes.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace quantc {
namespace {

/// What an op reads, its regions included.
SmallVector<Value> valuesRead(Operation *op) {
  SmallVector<Value> values(op->getOperands());
  llvm::SetVector<Value> captured;
  if (op->getNumRegions())
    getUsedValuesDefinedAbove(op->getRegions(), captured);
  llvm::append_range(values, captured);
  return values;
}

/// True for what is done again in each segment that reads it.
bool isRepeated(Operation *op) {
  if (llvm::any_of(op->getResultTypes(),
                   [](Type type) { return !isa<RankedTensorType>(type); }))
    return true;
  return llvm::all_of(valuesRead(op), [](Value value) {
    Operation *def = value.getDefiningOp();
    return def && isRepeated(def) && isa<RankedTensorType>(value.getType());
  });
}

class Planner {
public:
  Planner(func::FuncOp function, ArrayRef<Value> wanted)
      : function(function), wanted(wanted.begin(), wanted.end()) {}
  std::vector<Segment> plan(uint64_t joinBytes);

private:
  void findNeeded();
  void findDepths();
  void findOutputs(std::vector<Segment> &segments);
  unsigned depthOf(Value value) const {
    Operation *op = value.getDefiningOp();
    return op ? depths.lookup(op) : 0;
  }

  func::FuncOp function;
  llvm::SetVector<Value> wanted;
  SmallVector<Operation *> needed; // in order
  SmallVector<qgraph::ObserveOp> sites;
  DenseMap<Operation *, unsigned> depths;
};

void Planner::findNeeded() {
  DenseSet<Operation *> leading;
  for (Value value : wanted)
    if (Operation *def = value.getDefiningOp())
      leading.insert(def);
  Block &block = function.getBody().front();
  for (Operation &op : llvm::reverse(block)) {
    if (auto site = dyn_cast<qgraph::ObserveOp>(op))
      sites.push_back(site);
    else if (!leading.contains(&op))
      continue;
    needed.push_back(&op);
    for (Value value : valuesRead(&op))
      if (Operation *def = value.getDefiningOp())
        leading.insert(def);
  }
  std::reverse(needed.begin(), needed.end());
  std::reverse(sites.begin(), sites.end());
}

void Planner::findDepths() {
  for (Operation *op : needed) {
    unsigned depth = 0;
    for (Value value : valuesRead(op))
      depth = std::max(depth, depthOf(value));
    depths[op] = depth + isa<qgraph::ObserveOp>(op);
  }
}

/// Adds up the constants behind a value that no earlier one has counted.
static uint64_t constantBytes(Value value, DenseSet<Operation *> &counted) {
  Operation *def = value.getDefiningOp();
  if (!def || !isRepeated(def) || !counted.insert(def).second)
    return 0;
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (isa<qgraph::ConstantOp>(def) && type)
    return type.getNumElements() *
           llvm::divideCeil(type.getElementTypeBitWidth(), 8u);
  uint64_t bytes = 0;
  for (Value operand : valuesRead(def))
    bytes += constantBytes(operand, counted);
  return bytes;
}

/// Bytes of the constants that ops read.
static uint64_t constantBytes(ArrayRef<Operation *> ops) {
  DenseSet<Operation *> counted;
  uint64_t bytes = 0;
  for (Operation *op : ops)
    for (Value value : valuesRead(op))
      bytes += constantBytes(value, counted);
  return bytes;
}

/// The tensors behind `value` that pass from segment to segment.
void addTensorsRead(Value value, llvm::SetVector<Value> &tensors) {
  Operation *def = value.getDefiningOp();
  if (!def || !isRepeated(def)) {
    tensors.insert(value);
    return;
  }
  for (Value operand : valuesRead(def))
    addTensorsRead(operand, tensors);
}

void Planner::findOutputs(std::vector<Segment> &segments) {
  DenseMap<Operation *, size_t> segmentOf;
  for (auto [i, segment] : llvm::enumerate(segments))
    for (Operation *op : segment.ops)
      segmentOf[op] = i;
  std::vector<llvm::SetVector<Value>> outputs(segments.size());
  auto add = [&](Value value) {
    Operation *def = value.getDefiningOp();
    if (auto at = segmentOf.find(def); def && at != segmentOf.end())
      outputs[at->second].insert(value);
  };
  for (auto [i, segment] : llvm::enumerate(segments)) {
    llvm::SetVector<Value> read;
    for (Operation *op : segment.ops)
      for (Value value : valuesRead(op))
        addTensorsRead(value, read);
    for (Value value : read)
      if (auto at = segmentOf.find(value.getDefiningOp());
          value.getDefiningOp() && at != segmentOf.end() && at->second < i)
        add(value);
    for (qgraph::ObserveOp site : segment.sites)
      add(site.getInput());
  }
  for (Value value : wanted)
    add(value);
  for (auto [segment, values] : llvm::zip_equal(segments, outputs))
    segment.outputs.assign(values.begin(), values.end());
}

std::vector<Segment> Planner::plan(uint64_t joinBytes) {
  findNeeded();
  findDepths();
  unsigned depth = 0;
  for (qgraph::ObserveOp site : sites)
    depth = std::max(depth, depths[site]);
  for (Value value : wanted)
    depth = std::max(depth, depthOf(value) + 1);
  std::vector<Segment> levels(depth);
  for (Operation *op : needed)
    if (depths[op] < depth && !isRepeated(op))
      levels[depths[op]].ops.push_back(op);
  for (qgraph::ObserveOp site : sites)
    levels[depths[site] - 1].sites.push_back(site);

  std::vector<Segment> segments;
  uint64_t bytes = 0;
  for (Segment &level : levels) {
    uint64_t more = constantBytes(level.ops);
    if (segments.empty() || joinBytes == 0 || bytes + more > joinBytes) {
      segments.push_back(std::move(level));
      bytes = more;
      continue;
    }
    llvm::append_range(segments.back().ops, level.ops);
    llvm::append_range(segments.back().sites, level.sites);
    bytes += more;
  }
  for (Segment &segment : segments)
    llvm::sort(segment.ops, [](Operation *a, Operation *b) {
      return a->isBeforeInBlock(b);
    });
  findOutputs(segments);
  return segments;
}

/// Builds the function of a segment.
class Extractor {
public:
  explicit Extractor(const Segment &segment, bool original = false)
      : segment(segment), original(original) {}
  SegmentModule extract();
  std::vector<Value> arguments() {
    findArguments();
    return std::move(result.arguments);
  }

private:
  void findArguments();
  ArrayAttr dimensionNames(Value value);
  Value copyOf(Value value);
  void copy(Operation *op);

  /// A dimension's root, so that it can be looked up.
  using Root = std::pair<void *, int64_t>;
  static Root key(const DimensionRoot &root) {
    return {root.value.getAsOpaquePointer(), root.number};
  }

  const Segment &segment;
  bool original;
  SegmentModule result;
  IRMapping copies;
  OpBuilder builder{segment.ops.front()->getContext()};
  /// Dynamic dimensions of the arguments: the number of their name, and where
  /// it is found first.
  struct Named {
    unsigned number;
    unsigned argument, dim;
  };
  DenseMap<Root, Named> named;
};

void Extractor::findArguments() {
  DenseSet<Operation *> inside(segment.ops.begin(), segment.ops.end());
  llvm::SetVector<Value> read, direct;
  auto isArgument = [&](Value value) {
    Operation *def = value.getDefiningOp();
    return !def || (!isRepeated(def) && !inside.contains(def));
  };
  for (Operation *op : segment.ops)
    for (Value value : valuesRead(op))
      if (isArgument(value))
        direct.insert(value);
  // Dimensions of these need no other tensors.
  auto addRoots = [&](Value value, unsigned argument) {
    auto type = cast<RankedTensorType>(value.getType());
    for (unsigned dim = 0; dim < type.getRank(); ++dim)
      if (type.isDynamicDim(dim))
        named.try_emplace(
            key(traceDimension(value, dim)),
            Named{static_cast<unsigned>(named.size()), argument, dim});
  };
  auto add = [&](Value value) {
    if (!read.insert(value))
      return;
    addRoots(value, read.size() - 1);
  };
  for (Value value : direct)
    add(value);
  // What the repeated ops read beside.
  std::function<void(Value)> addBehind = [&](Value value) {
    Operation *def = value.getDefiningOp();
    if (isArgument(value))
      return add(value);
    if (!isRepeated(def) || (isa<IndexType>(value.getType()) &&
                             named.contains(key(traceIndex(value)))))
      return;
    for (Value operand : valuesRead(def))
      addBehind(operand);
  };
  for (Operation *op : segment.ops)
    for (Value value : valuesRead(op))
      addBehind(value);
  result.arguments.assign(read.begin(), read.end());
}

ArrayAttr Extractor::dimensionNames(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<Attribute> names;
  for (unsigned dim = 0; dim < type.getRank(); ++dim) {
    std::string name;
    if (type.isDynamicDim(dim))
      name = "d" +
             std::to_string(named.at(key(traceDimension(value, dim))).number);
    names.push_back(builder.getStringAttr(name));
  }
  return builder.getArrayAttr(names);
}

/// The copy of a value that an op of the segment reads.
Value Extractor::copyOf(Value value) {
  if (Value copied = copies.lookupOrNull(value))
    return copied;
  if (isa<IndexType>(value.getType()))
    if (auto at = named.find(key(traceIndex(value))); at != named.end()) {
      Value argument = copies.lookup(result.arguments[at->second.argument]);
      Value dim = tensor::DimOp::create(builder, value.getLoc(), argument,
                                        at->second.dim);
      copies.map(value, dim);
      return dim;
    }
  copy(value.getDefiningOp());
  return copies.lookup(value);
}

void Extractor::copy(Operation *op) {
  if (original)
    if (auto weight = op->getAttrOfType<TypedAttr>(qgraph::kOriginalAttr)) {
      copies.map(op->getResult(0),
                 qgraph::ConstantOp::create(builder, op->getLoc(), weight));
      return;
    }
  for (Value value : valuesRead(op))
    copyOf(value);
  // Its name would make segments differ that are alike.
  if (auto site = dyn_cast<qgraph::ObserveOp>(op))
    copies.map(site.getResult(), copies.lookup(site.getInput()));
  else
    builder.clone(*op, copies);
}

SegmentModule Extractor::extract() {
  findArguments();
  Location loc = segment.ops.front()->getLoc();
  result.module = ModuleOp::create(loc);
  SmallVector<Type> inputs, outputs;
  for (Value value : result.arguments)
    inputs.push_back(value.getType());
  for (Value value : segment.outputs) {
    result.results.push_back(value);
    outputs.push_back(value.getType());
  }
  builder.setInsertionPointToStart(result.module->getBody());
  auto function = func::FuncOp::create(
      builder, loc, "main", builder.getFunctionType(inputs, outputs));
  builder.setInsertionPointToStart(function.addEntryBlock());
  for (auto [i, value] : llvm::enumerate(result.arguments)) {
    copies.map(value, function.getArgument(i));
    function.setArgAttr(i, "onnx.dims", dimensionNames(value));
  }
  for (Operation *op : segment.ops)
    copy(op);
  SmallVector<Value> returned;
  for (Value value : result.results)
    returned.push_back(copies.lookup(value));
  func::ReturnOp::create(builder, loc, returned);
  return std::move(result);
}

} // namespace

std::vector<Segment> planSegments(func::FuncOp function, uint64_t joinBytes,
                                  ArrayRef<Value> wanted) {
  return Planner(function, wanted).plan(joinBytes);
}

std::vector<Value> segmentArguments(const Segment &segment) {
  return Extractor(segment).arguments();
}

SegmentModule extractSegment(const Segment &segment, bool original) {
  return Extractor(segment, original).extract();
}

} // namespace quantc

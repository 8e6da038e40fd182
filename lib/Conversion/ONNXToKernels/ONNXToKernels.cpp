//===- ONNXToKernels.cpp - ONNX nodes as plain and fast loops -------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Conversion/ONNXToKernels.h"

#include "NodeKernels.h"
#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace quantc::onnx_kernels {

//===----------------------------------------------------------------------===//
// What the families share
//===----------------------------------------------------------------------===//

RankedTensorType inputType(NodeOp op, unsigned i) {
  Value input = i < op.getInputs().size() ? op.getInput(i) : Value();
  return input ? dyn_cast<RankedTensorType>(input.getType())
               : RankedTensorType();
}
Type inputElement(NodeOp op, unsigned i) {
  RankedTensorType type = inputType(op, i);
  return type ? type.getElementType() : Type();
}
Type resultElement(NodeOp op, unsigned i) {
  return cast<RankedTensorType>(op.getResult(i).getType()).getElementType();
}

/// The elements of a constant input, or null.
static DenseElementsAttr constantInput(NodeOp op, unsigned i) {
  Value input = i < op.getInputs().size() ? op.getInput(i) : Value();
  auto constant = input ? input.getDefiningOp<qgraph::ConstantOp>() : nullptr;
  return constant ? dyn_cast<DenseElementsAttr>(constant.getValue())
                  : DenseElementsAttr();
}

std::optional<SmallVector<int64_t>> constantInts(NodeOp op, unsigned input,
                                                 StringRef name) {
  if (Attribute attribute = op.getNodeAttr(name)) {
    if (auto one = dyn_cast<IntegerAttr>(attribute))
      return SmallVector<int64_t>{one.getValue().getSExtValue()};
    return op.getIntsAttr(name);
  }
  DenseElementsAttr elements =
      input == 0 ? DenseElementsAttr() : constantInput(op, input);
  if (!elements || !isa<IntegerType>(elements.getElementType()))
    return std::nullopt;
  SmallVector<int64_t> values;
  for (const APInt &value : elements.getValues<APInt>())
    values.push_back(value.getSExtValue());
  return values;
}

std::optional<SmallVector<double>> constantReals(NodeOp op, unsigned input) {
  DenseElementsAttr elements = constantInput(op, input);
  if (!elements || !isa<FloatType>(elements.getElementType()))
    return std::nullopt;
  SmallVector<double> values;
  for (APFloat value : elements.getValues<APFloat>()) {
    bool losesInfo;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
    values.push_back(value.convertToDouble());
  }
  return values;
}

LogicalResult requireConstant(NodeOp op, unsigned i, StringRef what,
                              std::string &why) {
  if (!inputType(op, i) || constantInput(op, i))
    return success();
  why = (op.getOpType() + " needs constant " + what).str();
  return failure();
}

Value loadIndex(KernelBody &body, Value memref, Value i) {
  Value x = loadElement(body, body.flatten(memref), i, Type());
  return arith::IndexCastOp::create(body.builder, body.loc,
                                    body.builder.getIndexType(), x);
}

Value checkedIndex(KernelBody &body, Value index, Value size, int64_t code) {
  Value zero = body.index(0);
  Value wrapped =
      select(body, lessThan(body, index, zero), body.add(index, size), index);
  Value last = body.sub(size, body.index(1));
  Value safe =
      clamp(body, wrapped, zero,
            body.builder.createOrFold<arith::MaxSIOp>(body.loc, last, zero));
  Value good = equals(body, safe, wrapped);
  qkernel::CheckOp::create(body.builder, body.loc, body.frame, good, code,
                           index, size);
  return safe;
}

/// Kernels that were added, by domain and operator.
static llvm::StringMap<NodeKernel> &addedKernels() {
  static llvm::StringMap<NodeKernel> added;
  return added;
}

static const NodeKernel *lookup(StringRef domain, StringRef opType) {
  static const llvm::StringMap<const NodeKernel *> byName = [] {
    llvm::StringMap<const NodeKernel *> map;
    for (ArrayRef<NodeKernel> family :
         {movementKernels(), indexingKernels(), generationKernels(),
          reductionKernels(), softmaxKernels(), scanKernels(),
          contractionKernels(), poolingKernels(), einsumKernels(),
          normalizationKernels(), resizeKernels(), samplingKernels(),
          regionKernels(), recurrentKernels(), signalKernels(),
          foldingKernels(), ngramKernels(), randomKernels(),
          determinantKernels(), optionalKernels(),
          selectionKernels(), listKernels()})
      for (const NodeKernel &kernel : family)
        map[(kernel.domain + ":" + kernel.opType).str()] = &kernel;
    return map;
  }();
  static const llvm::StringMap<NodeKernel> elementwise = [] {
    llvm::StringMap<NodeKernel> map;
    for (const onnx_ir::ElementwiseOp &row : onnx_ir::elementwiseTable())
      map.insert({row.name,
                  NodeKernel{row.name, acceptsElementwise, emitElementwise}});
    return map;
  }();
  if (const NodeKernel *kernel =
          byName.lookup((domain + ":" + opType).str()))
    return kernel;
  auto added = addedKernels().find((domain + ":" + opType).str());
  if (added != addedKernels().end())
    return &added->second;
  auto row = elementwise.find(opType);
  return row == elementwise.end() ? nullptr : &row->second;
}

const NodeKernel *lookupNodeKernel(NodeOp op) {
  return lookup(op.getDomain(), op.getOpType());
}

//===----------------------------------------------------------------------===//
// External models
//===----------------------------------------------------------------------===//

namespace {

/// ReduceMean → reduce_mean, LogSoftmax → log_softmax, IsNaN → is_nan.
std::string snakeCase(StringRef name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    bool startsWord =
        i > 0 && isupper(name[i]) &&
        (islower(name[i - 1]) || (i + 1 < name.size() && islower(name[i + 1])));
    if (startsWord && out.back() != '_')
      out += '_';
    out += char(tolower(name[i]));
  }
  return out;
}

std::string formatOf(Type type) {
  std::string name;
  llvm::raw_string_ostream(name) << type;
  return llvm::StringRef(name).lower();
}

struct NodeModel
    : qkernel::KernelOpInterface::ExternalModel<NodeModel, NodeOp> {
  std::string getKernelName(Operation *operation) const {
    auto op = cast<NodeOp>(operation);
    std::string name = snakeCase(op.getOpType());
    for (unsigned i = 0; i < op.getInputs().size(); ++i)
      if (Type element = inputElement(op, i)) {
        name += "_" + formatOf(element);
        break;
      }
    if (op.is("Cast") || op.is("CastLike") || op.getInputs().empty())
      name += "_" + formatOf(resultElement(op));
    return name;
  }

  LogicalResult canEmit(Operation *operation, std::string &why) const {
    auto op = cast<NodeOp>(operation);
    const NodeKernel *kernel = lookupNodeKernel(op);
    why.clear();
    if (!kernel) {
      why = ("there is no kernel for " +
             (op.getDomain().empty() ? op.getOpType()
                                     : op.getDomain() + "." + op.getOpType()))
                .str();
      return failure();
    }
    for (Type type : op->getResultTypes())
      if (!isa<RankedTensorType>(type)) {
        why = "a result has no known rank";
        return failure();
      }
    for (Value input : op.getInputs())
      if (!isa<RankedTensorType, NoneType>(input.getType())) {
        why = "an operand has no known rank";
        return failure();
      }
    return kernel->accepts(op, why);
  }

  LogicalResult emitKernel(Operation *operation,
                           qkernel::KernelBody &body) const {
    auto op = cast<NodeOp>(operation);
    lookupNodeKernel(op)->emit(op, body);
    return success();
  }

  Value getScratchBytes(Operation *operation, OpBuilder &builder) const {
    auto op = cast<NodeOp>(operation);
    const NodeKernel *kernel = lookupNodeKernel(op);
    return kernel && kernel->scratch ? kernel->scratch(op, builder) : Value();
  }

  std::string getKernelKey(Operation *operation) const {
    auto op = cast<NodeOp>(operation);
    std::string key;
    llvm::raw_string_ostream os(key);
    const NodeKernel *kernel = lookupNodeKernel(op);
    for (unsigned i = 0; kernel && i < op.getInputs().size(); ++i)
      if (kernel->constantInputs >> i & 1)
        os << i << '=' << constantInput(op, i) << ';';
    if (kernel && kernel->readsName)
      os << op.getName().value_or("");
    return key;
  }
};

/// Index values that become a tensor: one thread stores them.
struct FromElementsModel
    : qkernel::KernelOpInterface::ExternalModel<FromElementsModel,
                                                tensor::FromElementsOp> {
  std::string getKernelName(Operation *) const { return "from_elements"; }

  LogicalResult canEmit(Operation *, std::string &) const { return success(); }

  LogicalResult emitKernel(Operation *, qkernel::KernelBody &body) const {
    Value output = body.flatten(body.outputs[0]);
    Type stored = cast<MemRefType>(output.getType()).getElementType();
    auto store = [&] {
      for (auto [i, value] : llvm::enumerate(body.inputs)) {
        Value x = value;
        if (x.getType().isInteger(1))
          x = arith::ExtUIOp::create(body.builder, body.loc, stored, x);
        else if (x.getType() != stored)
          x = arith::IndexCastOp::create(body.builder, body.loc, stored, x);
        memref::StoreOp::create(body.builder, body.loc, x, output,
                                ValueRange{body.index(i)});
      }
    };
    auto [lo, hi] = body.share(body.index(1));
    body.loop(lo, hi, 1, [&](Value) { store(); });
    return success();
  }
};

} // namespace
} // namespace quantc::onnx_kernels

llvm::Error quantc::addNodeKernel(const CustomNodeKernel &kernel) {
  if (kernel.domain.empty() || hasNodeKernel(kernel.domain, kernel.opType))
    return llvm::createStringError("operator '" + kernel.domain + "." +
                                   kernel.opType + "' has a kernel already");
  onnx_kernels::NodeKernel added{kernel.opType, kernel.accepts, kernel.emit};
  added.domain = kernel.domain;
  onnx_kernels::addedKernels().insert(
      {(kernel.domain + ":" + kernel.opType).str(), added});
  return llvm::Error::success();
}

bool quantc::hasNodeKernel(StringRef domain, StringRef opType) {
  return onnx_kernels::lookup(domain, opType);
}

void quantc::registerONNXKernelModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, onnx_ir::ONNXDialect *) {
    onnx_ir::NodeOp::attachInterface<onnx_kernels::NodeModel>(*context);
  });
  registry.addExtension(+[](MLIRContext *context, tensor::TensorDialect *) {
    tensor::FromElementsOp::attachInterface<onnx_kernels::FromElementsModel>(
        *context);
  });
}

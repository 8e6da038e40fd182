//===- Rotate.cpp - Outliers spread over all channels ---------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds by Analysis/ChannelBasis.h which tensors can be in another basis
// together, and puts the matrix into the weights on both sides of them. Inputs
// that no such matrix reaches are rotated while the model runs, if that is
// asked for. The float model stays what it was, up to rounding.
//
//===----------------------------------------------------------------------===//

#include "OnlineRotation.h"
#include "RoundWeights.h"
#include "quantc/Analysis/ChannelBasis.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/LayerPrecision.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Numerics/Rotation.h"
#include "quantc/Numerics/Transpose.h"
#include "quantc/Quantize/LayerFormats.h"
#include "quantc/Quantize/Passes.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"

#include <map>

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_ROTATE
#include "quantc/Quantize/Passes.h.inc"

namespace {

/// What is done to the weight [N, K] of a layer, in this order.
struct Change {
  std::vector<float> gain; ///< of the columns; empty: 1
  const numerics::Rotation *columns = nullptr;
  const numerics::Rotation *rows = nullptr; ///< and the bias
};

/// A layer that no merged rotation reaches, and why.
struct Unreached {
  LinearOp layer;
  std::string why;
};

class RotatePass : public impl::RotateBase<RotatePass> {
public:
  using RotateBase::RotateBase;
  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

private:
  /// Puts a rotation into the weights around a layer's input; why not, or
  /// empty.
  std::string merge(LinearOp layer);
  /// Rotates a tensor for layers that read it and were not reached.
  llvm::Error rotateHere(Value input, ArrayRef<Unreached> layers);
  std::string whyNotOnline(LinearOp layer) const;
  void skip(const Unreached &layer, const Twine &more = "");
  llvm::Error collect(const ChannelBasis &basis);
  llvm::Error rewrite(LinearOp layer, const Change &change);
  llvm::Error replace(OpOperand &operand, Operation *layer,
                      llvm::function_ref<void(std::vector<float> &)> edit);
  const numerics::Rotation &rotation(int64_t size);

  std::optional<LayerPattern> keepFloatPattern;
  std::map<int64_t, numerics::Rotation> rotations;
  llvm::DenseSet<Value> taken;
  llvm::MapVector<Operation *, Change> changes;
  llvm::MapVector<Operation *, const numerics::Rotation *> tables;
  /// Those that lose their gain, and what it is.
  llvm::MapVector<Operation *, std::vector<float>> norms;
};

} // namespace

const numerics::Rotation &RotatePass::rotation(int64_t size) {
  return rotations
      .try_emplace(size, size, static_cast<uint64_t>(seed.getValue()))
      .first->second;
}

/// Notes what follows from tensors being in another basis.
llvm::Error RotatePass::collect(const ChannelBasis &basis) {
  // First what can fail.
  for (auto &[norm, readers] : basis.gains) {
    llvm::Expected<ConstantTensor> gain =
        ConstantTensor::get(cast<NormOp>(norm).getWeight());
    if (!gain)
      return gain.takeError();
    norms[norm] = gain->readFloats();
  }
  const numerics::Rotation &matrix = rotation(basis.size);
  taken.insert(basis.tensors.begin(), basis.tensors.end());
  for (Operation *layer : basis.readers)
    changes[layer].columns = &matrix;
  for (Operation *layer : basis.producers)
    changes[layer].rows = &matrix;
  for (Operation *embedding : basis.tables)
    tables[embedding] = &matrix;
  for (auto &[norm, readers] : basis.gains)
    for (Operation *reader : readers)
      changes[reader].gain = norms[norm];
  rotated += basis.readers.size();
  return llvm::Error::success();
}

/// Replaces a constant by what `edit` makes of it.
llvm::Error
RotatePass::replace(OpOperand &operand, Operation *layer,
                    llvm::function_ref<void(std::vector<float> &)> edit) {
  llvm::Expected<ConstantTensor> constant = ConstantTensor::get(operand.get());
  if (!constant)
    return constant.takeError();
  RankedTensorType type = constant->getType();
  std::vector<float> values = constant->readFloats();
  edit(values);
  llvm::Expected<TypedAttr> made = makeConstant(
      type, entryBaseName(*constant, getLayerName(layer)) + "@rotate",
      [&](MutableArrayRef<char> bytes) {
        storeFloats(values, type.getElementType(), bytes.data());
      });
  if (!made)
    return made.takeError();
  Operation *old = operand.get().getDefiningOp();
  OpBuilder builder(old);
  operand.set(ConstantOp::create(builder, old->getLoc(), *made));
  if (old->use_empty())
    old->erase();
  return llvm::Error::success();
}

static std::vector<float> transposed(const std::vector<float> &values,
                                     int64_t rows, int64_t columns) {
  std::vector<float> result(values.size());
  numerics::transpose(reinterpret_cast<const uint8_t *>(values.data()), 1, rows,
                      columns, 8 * sizeof(float),
                      reinterpret_cast<uint8_t *>(result.data()));
  return result;
}

llvm::Error RotatePass::rewrite(LinearOp layer, const Change &change) {
  int64_t n = layer.getWeight().getType().getDimSize(0),
          k = layer.getWeight().getType().getDimSize(1);
  numerics::ParallelFor parallel = parallelIn(&getContext());
  auto apply = [&](const numerics::Rotation &matrix,
                   std::vector<float> &values) {
    matrix.apply(values.size() / matrix.size(), values.data(), parallel);
  };
  auto edit = [&](std::vector<float> &weight) {
    if (!change.gain.empty())
      for (size_t i = 0; i < weight.size(); ++i)
        weight[i] *= change.gain[i % k];
    if (change.columns)
      apply(*change.columns, weight);
    if (!change.rows)
      return;
    weight = transposed(weight, n, k);
    apply(*change.rows, weight);
    weight = transposed(weight, k, n);
  };
  if (llvm::Error error = replace(layer.getWeightMutable(), layer, edit))
    return error;
  if (!change.rows || !layer.getBias())
    return llvm::Error::success();
  return replace(layer.getBiasMutable()[0], layer,
                 [&](std::vector<float> &bias) { apply(*change.rows, bias); });
}

std::string RotatePass::merge(LinearOp layer) {
  Value input = layer.getInput();
  SmallVector<int64_t> sizes{
      cast<RankedTensorType>(input.getType()).getShape().back()};
  // Heads that have been put side by side.
  if (auto node = input.getDefiningOp<onnx_ir::NodeOp>();
      node && node.is("Reshape"))
    sizes.push_back(cast<RankedTensorType>(node.getInputs()[0].getType())
                        .getShape()
                        .back());
  std::string why = "its channels are not known";
  for (int64_t size : sizes) {
    if (ShapedType::isDynamic(size) || size < 2)
      continue;
    ChannelBasis basis = findChannelBasis(input, size, rotateCache);
    if (basis.blocked.empty() && llvm::any_of(basis.tensors, [&](Value value) {
          return taken.contains(value);
        }))
      basis.blocked = "a part of it is rotated in blocks of another size";
    if (basis.blocked.empty()) {
      if (llvm::Error error = collect(basis))
        basis.blocked = llvm::toString(std::move(error));
      else
        return {};
    }
    why = basis.blocked;
  }
  return why;
}

//===----------------------------------------------------------------------===//
// While the model runs
//===----------------------------------------------------------------------===//

void RotatePass::skip(const Unreached &unreached, const Twine &more) {
  ++skipped;
  LinearOp layer = unreached.layer;
  layer.emitRemark() << "the input of " << describeOp(layer)
                     << " is not rotated: " << unreached.why << more;
}

std::string RotatePass::whyNotOnline(LinearOp layer) const {
  if (std::string why = whyNotRotatedOnline(layer); !why.empty())
    return why;
  std::optional<ConstantTensor> weight = readConstant(layer.getWeight());
  if (keepFloatPattern && weight &&
      keepFloatPattern->matches(getLayerName(layer), weight->getName()))
    return "keep-float '" + keepFloat + "' matches it";
  return {};
}

llvm::Error RotatePass::rotateHere(Value input, ArrayRef<Unreached> layers) {
  constexpr StringLiteral kNor("; nor while the model runs: ");
  SmallVector<Unreached> readers;
  int64_t columns = 0;
  for (Unreached one : layers) {
    if (std::string why = whyNotOnline(one.layer); !why.empty()) {
      skip(one, kNor + why);
      continue;
    }
    readers.push_back(one);
    columns += one.layer.getWeight().getType().getDimSize(0);
  }
  if (readers.empty())
    return llvm::Error::success();
  LinearOp first = readers.front().layer;
  int64_t channels = first.getWeight().getType().getDimSize(1);
  int64_t block = chooseOnlineBlock(channels, columns, onlineBlock);
  if (!block) {
    for (const Unreached &one : readers)
      skip(one,
           kNor + llvm::formatv("K = {0} has no blocks of {1} to {2} with a "
                                "Hadamard matrix whose product is at most a "
                                "quarter of those with {3} columns",
                                channels, kLeastBlock, onlineBlock.getValue(),
                                columns)
                      .str());
    return llvm::Error::success();
  }
  StringRef name = getLayerName(first);
  llvm::Expected<Value> made =
      rotateOnline(input, rotation(block),
                   name.empty() ? std::string() : (name + "/rotation").str());
  if (!made)
    return made.takeError();
  for (Unreached &one : readers) {
    one.layer.getInputMutable().assign(*made);
    changes[one.layer].columns = &rotation(block);
  }
  rotatedOnline += readers.size();
  first.emitRemark()
      << "the input of " << describeOp(first)
      << " is rotated while the model runs, in blocks of " << block << ": "
      << channels * block << " multiply-adds a row, "
      << llvm::formatv("{0:f1}", 100.0 * double(block) / double(columns)).str()
      << " % of those of the "
      << (readers.size() == 1
              ? std::string("layer that reads it")
              : std::to_string(readers.size()) + " layers that read it");
  return llvm::Error::success();
}

LogicalResult RotatePass::initialize(MLIRContext *context) {
  auto fail = [&](const Twine &message) {
    return emitError(UnknownLoc::get(context)) << "qgraph-rotate: " << message;
  };
  if (online != "none" && online != "needed")
    return fail("online '" + online + "' is not none or needed");
  if (onlineBlock < kLeastBlock)
    return fail("online-block must be at least " + Twine(kLeastBlock));
  keepFloatPattern.reset();
  if (keepFloat.empty())
    return success();
  llvm::Expected<LayerPattern> pattern = LayerPattern::create(keepFloat);
  if (!pattern)
    return fail("keep-float " + llvm::toString(pattern.takeError()));
  keepFloatPattern = std::move(*pattern);
  return success();
}

void RotatePass::runOnOperation() {
  rotations.clear();
  taken.clear();
  changes.clear();
  tables.clear();
  norms.clear();
  llvm::MapVector<Value, SmallVector<Unreached>> unreached;
  getOperation().walk([&](LinearOp layer) {
    if (layer->hasAttr(kPartAttr) || taken.contains(layer.getInput()))
      return;
    if (std::string why = merge(layer); !why.empty())
      unreached[layer.getInput()].push_back({layer, why});
  });
  auto fail = [&](llvm::Error error) {
    getOperation().emitError()
        << "qgraph-rotate: " << llvm::toString(std::move(error));
    signalPassFailure();
  };
  for (auto &[input, layers] : unreached) {
    // Another layer's rotation, of heads, may have come this way.
    if (taken.contains(input))
      continue;
    if (online == "needed") {
      if (llvm::Error error = rotateHere(input, layers))
        return fail(std::move(error));
      continue;
    }
    for (const Unreached &one : layers)
      skip(one);
  }
  for (auto &[op, change] : changes)
    if (llvm::Error error = rewrite(cast<LinearOp>(op), change))
      return fail(std::move(error));
  for (auto &[op, matrix] : tables) {
    auto edit = [&, matrix = matrix](std::vector<float> &table) {
      matrix->apply(table.size() / matrix->size(), table.data(),
                    parallelIn(&getContext()));
    };
    if (llvm::Error error =
            replace(cast<EmbeddingOp>(op).getTableMutable(), op, edit))
      return fail(std::move(error));
  }
  for (auto &[norm, values] : norms) {
    Operation *gain = cast<NormOp>(norm).getWeight().getDefiningOp();
    cast<NormOp>(norm).getWeightMutable().clear();
    if (gain->use_empty())
      gain->erase();
  }
}

} // namespace quantc::qgraph

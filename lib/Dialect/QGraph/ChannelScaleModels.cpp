//===- ChannelScaleModels.cpp - Factors on channels of qgraph ops ---------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ChannelScaleModels.h"

#include "quantc/Dialect/ONNX/Elementwise.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qgraph;
using onnx_ir::ChannelEffect;

#include "quantc/Dialect/QGraph/ChannelScaleInterface.cpp.inc"

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

ChannelMap qgraph::shareAllBut(ChannelAnswer &answer, ChannelEnd end,
                               const ChannelMap &map, ArrayRef<unsigned> dims) {
  ChannelMap shared(map);
  for (unsigned d = 0; d < map.rank(); ++d) {
    if (shared.extents[d] == 1 || llvm::is_contained(dims, d))
      continue;
    std::vector<ChannelMap> parts = shared.split(d);
    for (const ChannelMap &part : parts)
      answer.passes.push_back({end, part});
    shared = parts[0];
  }
  return shared;
}

void qgraph::passOperand(ChannelAnswer &answer, Operation *op, unsigned index,
                         const ChannelMap &map) {
  RankedTensorType type = tensorType(op->getOperand(index));
  unsigned leading = map.rank() - type.getRank();
  SmallVector<ChannelMap> maps{map};
  for (unsigned d = 0; d < map.rank(); ++d) {
    bool isOne = d < leading || type.getDimSize(d - leading) == 1;
    if (!isOne || map.extents[d] == 1)
      continue;
    SmallVector<ChannelMap> parts;
    for (const ChannelMap &each : maps)
      llvm::append_range(parts, each.split(d));
    maps = std::move(parts);
  }
  for (const ChannelMap &each : maps)
    answer.passes.push_back(
        {ChannelEnd::operand(index), each.toRank(type.getRank())});
}

void qgraph::bindOperand(ChannelAnswer &answer, Operation *op, unsigned index,
                         const ChannelMap &map) {
  if (op->getOperand(index).getDefiningOp<ConstantOp>())
    absorb(answer, op, index, map);
  else
    passOperand(answer, op, index, map);
}

namespace {

unsigned lastDim(Value value) { return tensorType(value).getRank() - 1; }

/// The factors of a map that varies along one dimension at most, one for each
/// of `extent` indices of it.
std::vector<ChannelMap::Factor> factorsAlong(const ChannelMap &map,
                                             unsigned dim, int64_t extent) {
  return map.expanded(dim, extent).factors;
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

/// The epilogue of a layer whose result has the factors of `map`: they are had
/// before it, too. An empty text, or the step that is in the way.
std::string throughEpilogue(EpilogueOpInterface op, ChannelAnswer &answer,
                            const ChannelMap &map) {
  for (auto step : op.getEpilogue().getAsRange<StepAttr>()) {
    auto fail = [&] { return ("its epilogue has " + step.getOp()).str(); };
    const onnx_ir::ElementwiseOp *row =
        onnx_ir::lookupElementwise(step.getOp());
    if (!row || step.getScale() >= 0)
      return fail();
    switch (row->effect) {
    case ChannelEffect::None:
      return fail();
    case ChannelEffect::Positive:
      answer.positive = true;
      break;
    case ChannelEffect::Any:
      break;
    case ChannelEffect::JointPositive:
      answer.positive = true;
      [[fallthrough]];
    case ChannelEffect::Joint:
      if (step.getOperand() < 0)
        break;
      OperandRange operands = op.getEpilogueOperands();
      bindOperand(answer, op,
                  operands.getBeginOperandIndex() + step.getOperand(), map);
    }
  }
  return {};
}

/// True if this operand of the epilogue is only joined with the sums, so that
/// it has the result's factors.
bool isJoined(EpilogueOpInterface op, unsigned operand) {
  bool joined = false;
  for (auto step : op.getEpilogue().getAsRange<StepAttr>()) {
    if (step.getOperand() != int64_t(operand) && step.getScale() != operand &&
        step.getZeroPoint() != operand)
      continue;
    const onnx_ir::ElementwiseOp *row =
        onnx_ir::lookupElementwise(step.getOp());
    if (!row || step.getScale() >= 0 ||
        (row->effect != ChannelEffect::Joint &&
         row->effect != ChannelEffect::JointPositive))
      return false;
    joined = true;
  }
  return joined;
}

/// What the weight absorbs of the input's factors: [N, K] resp.
/// [O, taps.., C / groups].
ChannelMap weightColumns(LinearOp op, const ChannelMap &map) {
  return ChannelMap::along(1, 2, map.factors).inverse();
}
ChannelMap weightColumns(ConvOp op, const ChannelMap &map) {
  RankedTensorType weight = tensorType(op.getWeight());
  int64_t columns = weight.getDimSize(0), groups = op.getGroups(),
          width = weight.getShape().back();
  if (groups == 1)
    return ChannelMap::along(weight.getRank() - 1, weight.getRank(),
                             map.factors)
        .inverse();
  SmallVector<int64_t> extents(weight.getRank(), 1);
  extents.front() = columns;
  extents.back() = width;
  ChannelMap all(extents);
  for (int64_t o = 0; o < columns; ++o)
    for (int64_t c = 0; c < width; ++c)
      all.factors[o * width + c] =
          map.factors[o / (columns / groups) * width + c];
  return all.inverse();
}

template <typename LayerOp>
struct LayerModel
    : ChannelScaleOpInterface::ExternalModel<LayerModel<LayerOp>, LayerOp> {
  ChannelAnswers getChannelAnswers(Operation *op, ChannelEnd end,
                                   const ChannelMap &map) const {
    auto layer = cast<LayerOp>(op);
    Value weight = layer.getWeight();
    if (!tensorType(weight).hasStaticShape())
      return {ChannelAnswer::blocked("its weight has a dynamic shape")};
    ChannelAnswer answer;
    if (end.isResult)
      return {ofResult(layer, end, map)};
    if (end.index == 0) {
      // Other dimensions than the channels share the weight.
      unsigned last = lastDim(layer.getInput());
      int64_t channels = tensorType(layer.getInput()).getDimSize(last);
      if (ShapedType::isDynamic(channels))
        return {ChannelAnswer::blocked("its channels are dynamic")};
      ChannelMap columns =
          shareAllBut(answer, end, map, last).expanded(last, channels);
      absorb(answer, op, 1, weightColumns(layer, columns));
      return {answer};
    }
    OperandRange operands = layer.getEpilogueOperands();
    unsigned first = operands.getBeginOperandIndex();
    if (end.index >= first && end.index < first + operands.size() &&
        isJoined(cast<EpilogueOpInterface>(op), end.index - first)) {
      answer.passes.push_back(
          {ChannelEnd::result(),
           map.toRank(tensorType(layer.getResult()).getRank())});
      return {answer};
    }
    return {ChannelAnswer::blocked("it is a parameter of it")};
  }

private:
  ChannelAnswer ofResult(LayerOp layer, ChannelEnd end,
                         const ChannelMap &map) const {
    ChannelAnswer answer;
    unsigned last = lastDim(layer.getResult());
    int64_t columns = tensorType(layer.getWeight()).getDimSize(0);
    ChannelMap shared =
        shareAllBut(answer, end, map, last).expanded(last, columns);
    if (std::string why = throughEpilogue(
            cast<EpilogueOpInterface>(layer.getOperation()), answer, shared);
        !why.empty())
      return ChannelAnswer::blocked(why);
    absorb(answer, layer, 1,
           ChannelMap::along(0, tensorType(layer.getWeight()).getRank(),
                             shared.factors));
    if (layer.getBias())
      absorb(answer, layer, 2, ChannelMap::along(0, 1, shared.factors));
    return answer;
  }
};

struct EmbeddingModel
    : ChannelScaleOpInterface::ExternalModel<EmbeddingModel, EmbeddingOp> {
  ChannelAnswers getChannelAnswers(Operation *op, ChannelEnd end,
                                   const ChannelMap &map) const {
    auto embedding = cast<EmbeddingOp>(op);
    RankedTensorType table = tensorType(embedding.getTable());
    if (!end.isResult)
      return {ChannelAnswer::blocked("it is a parameter of it")};
    if (embedding.getScale() || !table.hasStaticShape())
      return {ChannelAnswer::blocked("its table is stored or dynamic")};
    ChannelAnswer answer;
    unsigned last = lastDim(embedding.getResult());
    ChannelMap shared = shareAllBut(answer, end, map, last);
    absorb(answer, op, 0,
           ChannelMap::along(1, 2,
                             factorsAlong(shared, last, table.getDimSize(1))));
    return {answer};
  }
};

/// The gain absorbs what the result has, and the bias. Factors of the input
/// would change the norm.
struct NormModel : ChannelScaleOpInterface::ExternalModel<NormModel, NormOp> {
  ChannelAnswers getChannelAnswers(Operation *op, ChannelEnd end,
                                   const ChannelMap &map) const {
    auto norm = cast<NormOp>(op);
    if (!end.isResult)
      return {ChannelAnswer::blocked("it divides by a sum over the channels")};
    RankedTensorType type = tensorType(norm.getResult());
    unsigned last = type.getRank() - 1;
    if (type.isDynamicDim(last))
      return {ChannelAnswer::blocked("its channels are dynamic")};
    ChannelAnswer answer;
    ChannelMap channels =
        ChannelMap::along(0, 1,
                          factorsAlong(shareAllBut(answer, end, map, last),
                                       last, type.getDimSize(last)));
    if (norm.getWeight()) {
      absorb(answer, op, 1, channels);
    } else {
      ChannelAnswer::Absorb gain;
      gain.map = channels;
      gain.type =
          RankedTensorType::get(type.getDimSize(last), type.getElementType());
      gain.create = [norm](Value value) mutable {
        norm.getWeightMutable().assign(value);
      };
      answer.absorbs.push_back(gain);
    }
    if (norm.getBias())
      absorb(answer, op, norm.getWeight() ? 2 : 1, channels);
    return {answer};
  }
};

//===----------------------------------------------------------------------===//
// Products of activations
//===----------------------------------------------------------------------===//

/// Either the columns of the right operand have the result's factors, or what
/// is summed over has factors on one side and their inverses on the other.
struct MatmulModel
    : ChannelScaleOpInterface::ExternalModel<MatmulModel, MatmulOp> {
  ChannelAnswers getChannelAnswers(Operation *op, ChannelEnd end,
                                   const ChannelMap &map) const {
    return {columns(cast<MatmulOp>(op), end, map),
            summed(cast<MatmulOp>(op), end, map)};
  }

private:
  static constexpr StringLiteral kOther =
      "it multiplies them with another activation";

  /// The right operand's map with its last two dimensions exchanged if it is
  /// read transposed.
  static ChannelMap oriented(MatmulOp op, const ChannelMap &map) {
    if (!op.getTransposeRhs())
      return map;
    auto perm = llvm::to_vector(llvm::seq<int64_t>(0, map.rank()));
    std::swap(perm[map.rank() - 1], perm[map.rank() - 2]);
    return map.transposed(perm);
  }
  static SmallVector<unsigned> allBut(unsigned rank, unsigned dim) {
    SmallVector<unsigned> dims;
    for (unsigned d = 0; d < rank; ++d)
      if (d != dim)
        dims.push_back(d);
    return dims;
  }

  static ChannelAnswer columns(MatmulOp op, ChannelEnd end,
                               const ChannelMap &map) {
    ChannelAnswer answer;
    if (end.isResult) {
      ChannelMap shared =
          shareAllBut(answer, end, map, allBut(map.rank(), map.rank() - 2));
      if (op.getTransposeRhs())
        shared = oriented(op, shared);
      passOperand(answer, op, 1, shared);
      return answer;
    }
    if (end.index != 1)
      return ChannelAnswer::blocked(kOther);
    unsigned summed = map.rank() - (op.getTransposeRhs() ? 1 : 2);
    ChannelMap shared =
        oriented(op, shareAllBut(answer, end, map, allBut(map.rank(), summed)));
    answer.passes.push_back(
        {ChannelEnd::result(),
         shared.toRank(tensorType(op.getResult()).getRank())});
    return answer;
  }

  static ChannelAnswer summed(MatmulOp op, ChannelEnd end,
                              const ChannelMap &map) {
    if (end.isResult)
      return ChannelAnswer::blocked(kOther);
    // As [.., 1, K]: what the left operand has.
    ChannelAnswer answer;
    unsigned rank = std::max(tensorType(op.getLhs()).getRank(),
                             tensorType(op.getRhs()).getRank());
    auto swapped = llvm::to_vector(llvm::seq<int64_t>(0, rank));
    std::swap(swapped[rank - 1], swapped[rank - 2]);
    bool left = end.index == 0;
    unsigned free =
        map.rank() - (left || op.getTransposeRhs() ? 2 : 1); // M or N
    ChannelMap shared =
        shareAllBut(answer, end, map, allBut(map.rank(), free)).toRank(rank);
    if (!op.getTransposeRhs())
      shared = shared.transposed(swapped);
    passOperand(answer, op, left ? 1 : 0, shared.inverse());
    return answer;
  }
};

/// Either the values have the result's factors (those of the query heads that
/// share a head of values are equal), or queries have factors and keys their
/// inverses.
struct AttentionModel
    : ChannelScaleOpInterface::ExternalModel<AttentionModel, AttentionOp> {
  ChannelAnswers getChannelAnswers(Operation *op, ChannelEnd end,
                                   const ChannelMap &map) const {
    auto attention = cast<AttentionOp>(op);
    return {relate(attention, end, map, /*many=*/ChannelEnd::result(),
                   /*few=*/2, /*inverse=*/false),
            relate(attention, end, map, /*many=*/ChannelEnd::operand(0),
                   /*few=*/1, /*inverse=*/true)};
  }

private:
  /// [B, S, H, D] at end `many`, one head for several at operand `few`.
  static ChannelAnswer relate(AttentionOp op, ChannelEnd end,
                              const ChannelMap &given, ChannelEnd many,
                              unsigned few, bool inverse) {
    bool isMany = end == many;
    if (!isMany && !(end == ChannelEnd::operand(few)))
      return ChannelAnswer::blocked(
          "a softmax stands between its scores and its result");
    bool isCache = isa<CacheType>(op->getOperand(few).getType());
    bool headsFirst = isCache || op.getHeadsFirst();
    ChannelMap map = inverse ? given.inverse() : given;
    if (!isMany && headsFirst)
      map = map.transposed({0, 2, 1, 3});
    if (!map.variesOnlyAlong({2, 3}))
      return ChannelAnswer::blocked("they differ from token to token");
    int64_t heads = tensorType(op.getQuery()).getDimSize(2);
    Type fewType = op->getOperand(few).getType();
    int64_t groups =
        isCache
            ? cast<CacheType>(fewType).getHeads()
            : cast<RankedTensorType>(fewType).getDimSize(headsFirst ? 1 : 2);
    if (map.extents[2] != 1 &&
        (ShapedType::isDynamic(heads) || ShapedType::isDynamic(groups)))
      return ChannelAnswer::blocked("its heads are dynamic");
    ChannelAnswer answer;
    if (map.extents[2] == 1) {
      pass(answer, isMany ? ChannelEnd::operand(few) : many, map,
           isMany && headsFirst);
      return answer;
    }
    int64_t repeats = heads / groups;
    if (!isMany) {
      SmallVector<int64_t> of;
      for (int64_t h = 0; h < heads; ++h)
        of.push_back(h / repeats);
      pass(answer, many, map.selected(2, of), false);
      return answer;
    }
    for (int64_t r = 0; r < repeats; ++r) {
      SmallVector<int64_t> of;
      for (int64_t g = 0; g < groups; ++g)
        of.push_back(g * repeats + r);
      pass(answer, ChannelEnd::operand(few), map.selected(2, of), headsFirst);
    }
    return answer;
  }

  static void pass(ChannelAnswer &answer, ChannelEnd end, ChannelMap map,
                   bool headsFirst) {
    answer.passes.push_back(
        {end, headsFirst ? map.transposed({0, 2, 1, 3}) : std::move(map)});
  }
};

//===----------------------------------------------------------------------===//
// What passes factors on
//===----------------------------------------------------------------------===//

struct ObserveModel
    : ChannelScaleOpInterface::ExternalModel<ObserveModel, ObserveOp> {
  ChannelAnswers getChannelAnswers(Operation *op, ChannelEnd end,
                                   const ChannelMap &map) const {
    if (!map.variesOnlyAlong(lastDim(op->getResult(0))))
      return {ChannelAnswer::blocked(
          "statistics are kept for each index of the last dimension, and the "
          "factors differ along others")};
    ChannelAnswer answer;
    answer.passes.push_back(
        {end.isResult ? ChannelEnd::operand(0) : ChannelEnd::result(), map});
    return {answer};
  }
};

/// A cache's map is that of the tensor [B, heads, T, size].
template <typename OpT>
struct CacheModel
    : ChannelScaleOpInterface::ExternalModel<CacheModel<OpT>, OpT> {
  ChannelAnswers getChannelAnswers(Operation *op, ChannelEnd end,
                                   const ChannelMap &map) const {
    ChannelAnswer answer;
    answer.passes.push_back(
        {end.isResult ? ChannelEnd::operand(0) : ChannelEnd::result(), map});
    return {answer};
  }
};

/// What is new is [B, S, heads, size]. (A write's other operands are integers.)
template <typename OpT>
struct CacheFreshModel
    : ChannelScaleOpInterface::ExternalModel<CacheFreshModel<OpT>, OpT> {
  ChannelAnswers getChannelAnswers(Operation *op, ChannelEnd end,
                                   const ChannelMap &map) const {
    bool isFresh = end == ChannelEnd::operand(1);
    ChannelMap other = map.transposed({0, 2, 1, 3});
    const ChannelMap &cache = isFresh ? other : map,
                     &fresh = isFresh ? map : other;
    ChannelAnswer answer;
    if (!cache.variesOnlyAlong({1, 3}))
      return {ChannelAnswer::blocked("they differ from token to token")};
    answer.passes.push_back({ChannelEnd::operand(0), cache});
    answer.passes.push_back({ChannelEnd::operand(1), fresh});
    answer.passes.push_back({ChannelEnd::result(), cache});
    return {answer};
  }
};

} // namespace

void qgraph::attachChannelScaleModels(MLIRContext *context) {
  LinearOp::attachInterface<LayerModel<LinearOp>>(*context);
  ConvOp::attachInterface<LayerModel<ConvOp>>(*context);
  EmbeddingOp::attachInterface<EmbeddingModel>(*context);
  NormOp::attachInterface<NormModel>(*context);
  MatmulOp::attachInterface<MatmulModel>(*context);
  AttentionOp::attachInterface<AttentionModel>(*context);
  ObserveOp::attachInterface<ObserveModel>(*context);
  CacheLoadOp::attachInterface<CacheModel<CacheLoadOp>>(*context);
  CacheStoreOp::attachInterface<CacheModel<CacheStoreOp>>(*context);
  CacheAppendOp::attachInterface<CacheFreshModel<CacheAppendOp>>(*context);
  CacheWriteOp::attachInterface<CacheFreshModel<CacheWriteOp>>(*context);
  attachChannelScaleNodeModel(context);
}

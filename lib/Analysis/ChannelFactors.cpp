//===- ChannelFactors.cpp - How far factors on channels reach -------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each channel of the tensor has an unknown factor. From there, values get
// channel maps: every op at either end of a value that has one is asked what
// that means for its other ends, until nothing changes. Where two maps of a
// value meet, factors are bound to be equal (a union-find whose members may be
// inverses of each other); where an op blocks, they are bound to be 1, which is
// unknown number 0.
//
// An op with several ways is given its first. If channels are lost by that,
// others are tried, and the run that keeps the most is the result.
//
//===----------------------------------------------------------------------===//

#include "quantc/Analysis/ChannelFactors.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/Layers.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {

/// The runs that are made at most to find ways for all channels.
static constexpr int kRuns = 64;

/// The largest constant that a smaller one grows to, which is broadcast in the
/// model.
static constexpr int64_t kGrownElements = 1 << 16;

ChannelFactorSolver::ChannelFactorSolver(Operation *root,
                                         ChannelFactorOptions options)
    : options(options) {
  root->walk([&](ConstantOp op) { ++references[op.getValue()]; });
}

/// True for a constant that a factor does not change.
static bool isZero(ConstantOp op) {
  auto dense = dyn_cast<DenseFPElementsAttr>(op.getValue());
  return dense && dense.isSplat() && dense.getSplatValue<APFloat>().isZero();
}

/// The map of a dequantized tensor's scale; nothing if factors differ where a
/// scale is shared.
static std::optional<ChannelMap> mapOfScale(const ChannelMap &map,
                                            DequantizeOp op) {
  for (auto [extent, block] : llvm::zip_equal(map.extents, op.getBlock()))
    if (extent != 1 && block != 1)
      return std::nullopt;
  return map;
}

std::string ChannelFactorSolver::resolve(
    Operation *op, ChannelAnswer::Absorb absorb,
    SmallVectorImpl<ChannelFactors::Constant> &into) const {
  if (!absorb.operand) {
    into.push_back({op, std::move(absorb)});
    return {};
  }
  Value value = absorb.operand->get();
  if (auto dequantize = value.getDefiningOp<DequantizeOp>()) {
    std::optional<ChannelMap> scale = mapOfScale(absorb.map, dequantize);
    if (!scale || dequantize.getPrecision())
      return "its constant is quantized already, with scales that several "
             "channels share";
    if (!dequantize->hasOneUse())
      return "its quantized constant is read by others, too";
    for (Value part : {dequantize.getScale(), dequantize.getOffset()}) {
      if (!part)
        continue;
      for (OpOperand &operand : dequantize->getOpOperands())
        if (operand.get() == part)
          if (std::string why = resolve(dequantize, {&operand, *scale}, into);
              !why.empty())
            return why;
    }
    return {};
  }
  auto constant = value.getDefiningOp<ConstantOp>();
  if (!constant)
    return llvm::formatv("its operand from {0} is known only while the model "
                         "runs",
                         describeValue(value));
  auto type = cast<RankedTensorType>(constant.getType());
  Type element = type.getElementType();
  if (!element.isF32() && !element.isF16() && !element.isBF16())
    return llvm::formatv("its constant is {0}; f32, f16 and bf16 can be "
                         "multiplied",
                         element);
  if (isZero(constant))
    return {};
  if (auto weight = dyn_cast<WeightAttr>(constant.getValue());
      weight && !options.cloneShared &&
      (!constant->hasOneUse() || references.lookup(weight) > 1))
    return llvm::formatv("its constant '{0}' is read by others, too; "
                         "clone-shared=true gives it one of its own",
                         weight.getName());
  int64_t grown = 1;
  for (unsigned d = 0; d < absorb.map.rank(); ++d) {
    int64_t own = int64_t(d) - int64_t(absorb.map.rank()) + type.getRank();
    grown *= std::max(absorb.map.extents[d],
                      own < 0 ? int64_t(1) : type.getDimSize(own));
  }
  if (grown > std::max(type.getNumElements(), kGrownElements))
    return "its constant would grow to one element for each of the channels";
  into.push_back({op, std::move(absorb)});
  return {};
}

//===----------------------------------------------------------------------===//
// One run
//===----------------------------------------------------------------------===//

/// What is known with one choice of ways.
class ChannelFactorRun {
public:
  using Factor = ChannelMap::Factor;
  using Choices = llvm::DenseMap<Operation *, unsigned>;
  /// An op that has several ways, and how many.
  using Trail = std::vector<std::pair<Operation *, unsigned>>;

  ChannelFactorRun(const ChannelFactorSolver &solver, const Choices &choices)
      : solver(solver), choices(choices), unknowns{ChannelMap::kOne} {}

  void run(Value tensor);
  /// How many channels of the tensor keep a factor.
  int64_t free() {
    return llvm::count_if(
        target, [&](Factor f) { return find(f) != ChannelMap::kOne; });
  }
  const Trail &getTrail() const { return trail; }
  ChannelFactors collect();

private:
  Factor find(Factor factor) const;
  void unite(Factor a, Factor b);
  /// All factors of the map are 1, for this reason.
  void bindToOne(const ChannelMap &map, const std::string &why);
  void merge(Value value, const ChannelMap &map);
  void visit(Value value);
  void ask(Operation *op, ChannelEnd end, const ChannelMap &map);
  ChannelAnswer answerOf(Operation *op, ChannelEnd end, const ChannelMap &map);
  /// Calls `each(op, end)` for the ops at both ends of a value.
  void forEachEnd(Value value,
                  function_ref<void(Operation *, ChannelEnd)> each);
  /// The map in terms of groups.
  ChannelMap numbered(const ChannelMap &map) const;

  const ChannelFactorSolver &solver;
  const Choices &choices;
  Trail trail;
  Value tensor;
  std::vector<Factor> target;
  /// Unknown n is the factor unknowns[n].
  std::vector<Factor> unknowns;
  llvm::MapVector<Value, ChannelMap> maps;
  std::vector<Value> queue;
  std::string reason;
  bool positive = false;
  /// Group numbers of roots.
  std::vector<int32_t> groupOf;
};

ChannelMap::Factor ChannelFactorRun::find(Factor factor) const {
  if (factor == ChannelMap::kFree)
    return factor;
  while (unknowns[factor >> 1] >> 1 != factor >> 1)
    factor = unknowns[factor >> 1] ^ (factor & 1);
  return factor >> 1 == 0 ? ChannelMap::kOne : factor;
}

void ChannelFactorRun::unite(Factor a, Factor b) {
  a = find(a), b = find(b);
  if (a == b)
    return;
  // A number that is its own inverse is 1.
  if (a >> 1 == b >> 1) {
    unknowns[a >> 1] = ChannelMap::kOne;
    return;
  }
  if (a >> 1 > b >> 1)
    std::swap(a, b);
  unknowns[b >> 1] = a ^ (b & 1);
}

void ChannelFactorRun::bindToOne(const ChannelMap &map,
                                 const std::string &why) {
  bool any = false;
  for (Factor factor : map.factors) {
    if (factor == ChannelMap::kFree || find(factor) == ChannelMap::kOne)
      continue;
    unite(factor, ChannelMap::kOne);
    any = true;
  }
  if (any && reason.empty())
    reason = why;
}

void ChannelFactorRun::merge(Value value, const ChannelMap &map) {
  if (map.isFree())
    return;
  auto [place, isNew] = maps.insert({value, map});
  if (isNew) {
    queue.push_back(value);
    return;
  }
  ChannelMap &known = place->second;
  ChannelMap other(map);
  bool changed = false;
  for (unsigned d = 0; d < known.rank(); ++d) {
    int64_t extent = std::max(known.extents[d], other.extents[d]);
    changed |= known.extents[d] != extent;
    known = known.expanded(d, extent);
    other = other.expanded(d, extent);
  }
  for (auto [mine, theirs] : llvm::zip_equal(known.factors, other.factors)) {
    if (theirs == ChannelMap::kFree)
      continue;
    if (mine == ChannelMap::kFree) {
      mine = theirs;
      changed = true;
    } else {
      unite(mine, theirs);
    }
  }
  if (changed)
    queue.push_back(value);
}

ChannelAnswer ChannelFactorRun::answerOf(Operation *op, ChannelEnd end,
                                         const ChannelMap &map) {
  auto scale = dyn_cast<ChannelScaleOpInterface>(op);
  if (!scale)
    return ChannelAnswer::blocked("it has no rule for factors");
  ChannelAnswers answers = scale.getChannelAnswers(end, map);
  auto choice = choices.find(op);
  if (choice != choices.end())
    return answers[choice->second];
  if (answers.size() > 1 &&
      !llvm::is_contained(llvm::make_first_range(trail), op))
    trail.push_back({op, answers.size()});
  return answers[0];
}

void ChannelFactorRun::ask(Operation *op, ChannelEnd end,
                           const ChannelMap &map) {
  auto because = [&](const Twine &why) {
    return ("they cannot pass " + describeOp(op) + ": " + why).str();
  };
  ChannelAnswer answer = answerOf(op, end, map);
  if (!answer.blocks.empty())
    return bindToOne(map, because(answer.blocks));
  positive |= answer.positive;
  for (const ChannelAnswer::Pass &pass : answer.passes)
    merge(pass.end.in(op), pass.map);
  for (const ChannelAnswer::Absorb &absorb : answer.absorbs) {
    SmallVector<ChannelFactors::Constant> constants;
    std::string why = solver.resolve(op, absorb, constants);
    if (!why.empty())
      bindToOne(absorb.map, because(why));
  }
}

void ChannelFactorRun::forEachEnd(
    Value value, function_ref<void(Operation *, ChannelEnd)> each) {
  if (auto result = dyn_cast<OpResult>(value))
    each(result.getOwner(), ChannelEnd::result(result.getResultNumber()));
  for (OpOperand &use : value.getUses())
    if (!isa<tensor::DimOp>(use.getOwner())) // only asks for the shape
      each(use.getOwner(), ChannelEnd::operand(use.getOperandNumber()));
}

/// True if a block of `op` is the body of a function, not of a branch or loop.
static bool isOfFunction(Operation *op) { return isa<FunctionOpInterface>(op); }

void ChannelFactorRun::visit(Value value) {
  ChannelMap map = maps.find(value)->second;
  if (llvm::all_of(map.factors, [&](Factor f) {
        return f == ChannelMap::kFree || find(f) == ChannelMap::kOne;
      }))
    return;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    bool isPast = solver.options.scaleCaches &&
                  isOfFunction(argument.getOwner()->getParentOp()) &&
                  llvm::all_of(argument.getUsers(), [](Operation *user) {
                    return isa<CacheLoadOp, tensor::DimOp>(user);
                  });
    if (!isPast)
      return bindToOne(map, isOfFunction(argument.getOwner()->getParentOp())
                                ? "an input of the model has them"
                                : "they come into a region");
  }
  forEachEnd(value, [&](Operation *op, ChannelEnd end) {
    if (op->hasTrait<OpTrait::IsTerminator>()) {
      bool isCache = value.getDefiningOp<CacheStoreOp>() != nullptr;
      if (!isOfFunction(op->getParentOp()))
        bindToOne(map, "they go out of a region");
      else if (!isCache)
        bindToOne(map, "an output of the model has them");
      else if (!solver.options.scaleCaches)
        bindToOne(map, "an output of the model has them (what is kept for the "
                       "next run; scale-cache=true allows it)");
      return;
    }
    ask(op, end, map);
  });
}

void ChannelFactorRun::run(Value given) {
  tensor = given;
  auto type = cast<RankedTensorType>(tensor.getType());
  for (int64_t c = 0; c < type.getShape().back(); ++c) {
    unknowns.push_back(2 * unknowns.size());
    target.push_back(unknowns.back());
  }
  merge(tensor, ChannelMap::along(type.getRank() - 1, type.getRank(), target));
  while (!queue.empty() && free() > 0) {
    Value next = queue.back();
    queue.pop_back();
    visit(next);
  }
  // What has to be another's inverse within the tensor is left alone.
  for (Factor factor : target)
    if (find(factor) & 1)
      unite(factor, ChannelMap::kOne);
}

ChannelMap ChannelFactorRun::numbered(const ChannelMap &map) const {
  ChannelMap result(map);
  for (Factor &factor : result.factors) {
    factor = find(factor);
    if (factor == ChannelMap::kFree)
      continue;
    int32_t group = groupOf[factor >> 1];
    factor = group < 0 ? ChannelMap::kFree : 2 * group + (factor & 1);
  }
  return result;
}

ChannelFactors ChannelFactorRun::collect() {
  ChannelFactors found;
  found.tensor = tensor;
  found.blocked = reason;
  found.positive = positive;
  groupOf.assign(unknowns.size(), -1);
  for (Factor factor : target) {
    Factor root = find(factor);
    int32_t &group = groupOf[root >> 1];
    if (root != ChannelMap::kOne && group < 0)
      group = found.groupCount++;
    found.groups.push_back(group);
  }
  if (found.groupCount == 0)
    return found;

  for (auto &[value, map] : maps) {
    ChannelMap final = numbered(map);
    if (final.isFree())
      continue;
    if (auto site = value.getDefiningOp<ObserveOp>())
      found.sites.push_back({site, final});
    forEachEnd(value, [&, &map = map](Operation *op, ChannelEnd end) {
      if (op->hasTrait<OpTrait::IsTerminator>())
        return;
      ChannelAnswer answer = answerOf(op, end, map);
      auto layer = dyn_cast<LayerOpInterface>(op);
      for (ChannelAnswer::Absorb &absorb : answer.absorbs) {
        absorb.map = numbered(absorb.map);
        if (absorb.map.isFree())
          continue;
        if (layer && absorb.operand &&
            absorb.operand->get() == layer.getWeight())
          (end.isResult ? found.producers : found.layers)
              .push_back({layer, absorb.map});
        SmallVector<ChannelFactors::Constant> constants;
        (void)solver.resolve(op, absorb, constants);
        llvm::append_range(found.constants, constants);
      }
    });
  }
  return found;
}

//===----------------------------------------------------------------------===//
// The solver
//===----------------------------------------------------------------------===//

/// The next combination of ways: the last op of the trail that has another one
/// is given it, and those after it begin anew. False if there is none.
static bool advance(const ChannelFactorRun::Trail &trail,
                    ChannelFactorRun::Choices &choices,
                    ChannelFactorRun::Trail &fixed) {
  for (auto [op, count] : trail) {
    fixed.push_back({op, count});
    choices[op] = 0;
  }
  while (!fixed.empty()) {
    auto [op, count] = fixed.back();
    unsigned &choice = choices[op];
    if (++choice < count)
      return true;
    choices.erase(op);
    fixed.pop_back();
  }
  return false;
}

static ChannelFactors nothing(Value tensor, const Twine &why) {
  ChannelFactors found;
  found.tensor = tensor;
  found.blocked = why.str();
  return found;
}

/// Why a tensor cannot have factors, whatever reads it.
static std::string whyNone(Value tensor) {
  auto type = dyn_cast<RankedTensorType>(tensor.getType());
  if (!type || type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1))
    return "its channels are not a static dimension";
  if (!isa<FloatType>(type.getElementType()))
    return "it is no tensor of floats";
  return {};
}

ChannelFactors ChannelFactorSolver::solve(Value tensor) const {
  if (std::string why = whyNone(tensor); !why.empty())
    return nothing(tensor, why);
  ChannelFactors best;
  int64_t most = -1;
  std::string first;
  ChannelFactorRun::Choices choices;
  ChannelFactorRun::Trail fixed;
  for (int i = 0; i < kRuns; ++i) {
    ChannelFactorRun run(*this, choices);
    run.run(tensor);
    int64_t kept = run.free();
    if (kept > most) {
      most = kept;
      best = run.collect();
    }
    if (i == 0)
      first = best.blocked;
    if (kept == cast<RankedTensorType>(tensor.getType()).getShape().back() ||
        !advance(run.getTrail(), choices, fixed))
      break;
  }
  if (best.groupCount == 0)
    best.blocked = first;
  return best;
}

ChannelFactors ChannelFactorSolver::multiply(Value tensor) const {
  if (std::string why = whyNone(tensor); !why.empty())
    return nothing(tensor, why);
  auto type = cast<RankedTensorType>(tensor.getType());
  ChannelFactors found;
  found.tensor = tensor;
  found.multiplies = true;
  unsigned last = type.getRank() - 1;
  ChannelMap map({});
  map.extents.assign(type.getRank(), 1);
  map.extents[last] = type.getShape().back();
  map.factors.clear();
  for (int64_t c = 0; c < type.getShape().back(); ++c) {
    found.groups.push_back(found.groupCount++);
    map.factors.push_back(2 * c);
  }
  for (OpOperand &use : tensor.getUses()) {
    auto layer = dyn_cast<LayerOpInterface>(use.getOwner());
    auto scale = dyn_cast<ChannelScaleOpInterface>(use.getOwner());
    if (!layer || !scale || use.getOperandNumber() != 0)
      continue;
    ChannelAnswer answer =
        scale.getChannelAnswers(ChannelEnd::operand(0), map)[0];
    if (!answer.blocks.empty() || answer.absorbs.empty())
      continue;
    SmallVector<ChannelFactors::Constant> constants;
    if (std::string why = resolve(layer, answer.absorbs[0], constants);
        !why.empty()) {
      found.blocked = why;
      continue;
    }
    found.layers.push_back({layer, answer.absorbs[0].map});
    llvm::append_range(found.constants, constants);
  }
  if (found.layers.empty())
    return nothing(tensor, found.blocked);
  if (auto site = tensor.getDefiningOp<ObserveOp>())
    found.sites.push_back({site, map});
  return found;
}

//===----------------------------------------------------------------------===//
// Several tensors
//===----------------------------------------------------------------------===//

int32_t ClaimedChannels::claim(ChannelFactors &found) {
  std::vector<bool> taken(found.groupCount, false);
  auto forElements = [&](auto each) {
    for (ChannelFactors::Layer &layer : found.layers) {
      std::vector<bool> &known = claimed[layer.op];
      known.resize(layer.weight.factors.size(), false);
      for (auto [i, factor] : llvm::enumerate(layer.weight.factors))
        if (factor != ChannelMap::kFree)
          each(known, i, factor >> 1);
    }
  };
  forElements([&](std::vector<bool> &known, size_t i, int32_t group) {
    taken[group] = taken[group] || known[i];
  });
  forElements([&](std::vector<bool> &known, size_t i, int32_t group) {
    known[i] = true;
  });

  std::vector<int32_t> number(found.groupCount, -1);
  found.groupCount = 0;
  for (auto [group, isTaken] : llvm::enumerate(taken))
    if (!isTaken)
      number[group] = found.groupCount++;
  if (found.groupCount == int32_t(number.size()))
    return found.groupCount;
  auto renumber = [&](ChannelMap &map) {
    for (ChannelMap::Factor &factor : map.factors)
      if (factor != ChannelMap::kFree)
        factor = number[factor >> 1] < 0
                     ? ChannelMap::kFree
                     : 2 * number[factor >> 1] + (factor & 1);
    return map.isFree();
  };
  for (int32_t &group : found.groups)
    group = group < 0 ? -1 : number[group];
  llvm::erase_if(found.constants,
                 [&](auto &one) { return renumber(one.absorb.map); });
  llvm::erase_if(found.sites, [&](auto &one) { return renumber(one.map); });
  for (auto *layers : {&found.layers, &found.producers})
    llvm::erase_if(*layers, [&](auto &one) { return renumber(one.weight); });
  return found.groupCount;
}

} // namespace quantc

//===- QuantizeWeights.cpp - Round weights to nearest -----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Writes each constant weight of a linear layer and each table of an embedding
// as dequantize(stored, scale). Nothing else in the graph changes: what is
// gained by it is decided by later passes. Layers that stay float say why.
//
//===----------------------------------------------------------------------===//

#include "KeptWeights.h"
#include "LayerRoles.h"
#include "PackedBytes.h"
#include "RoundWeights.h"
#include "mlir/IR/BuiltinOps.h"
#include "quantc/Analysis/LayerPrecision.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Dialect/QGraph/Weights.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Numerics/Packing.h"
#include "quantc/Quantize/LayerFormats.h"
#include "quantc/Quantize/Passes.h"
#include "quantc/Support/CostModel.h"
#include "quantc/Support/Progress.h"

#include <cmath>

#define DEBUG_TYPE "qgraph-quantize-weights"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_QUANTIZEWEIGHTS
#include "quantc/Quantize/Passes.h.inc"

namespace {

/// Tables smaller than this are not worth a scale a row.
constexpr int64_t kSmallTableBytes = 4096;

/// What is wanted of one layer; no format: it stays float.
struct Wanted {
  std::optional<numerics::WeightFormat> format;
  /// What shares a scale; none: what the format usually has, or a row.
  std::optional<ScaleBlock> block;
};

class QuantizeWeightsPass
    : public impl::QuantizeWeightsBase<QuantizeWeightsPass> {
public:
  using QuantizeWeightsBase::QuantizeWeightsBase;

  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

private:
  /// Reads keep-float and set.
  llvm::Error parseLayerOptions();
  /// Tells which of their expressions match none of the layers: an error, or
  /// the attribute kUnmatchedAttr.
  LogicalResult checkMatches(ArrayRef<Operation *> layers);

  template <typename LayerOp>
  LogicalResult quantize(LayerOp layer);
  LogicalResult quantize(EmbeddingOp embedding);
  std::string chooseFormat(Operation *layer, const ConstantTensor &weight,
                           RoundingFormat &format) const;
  /// What the entries of `set` want of a layer: the one with its name, else the
  /// last that matches; null: none does. `exact`: those with a name only.
  const LayerFormat *findOverride(StringRef layer, StringRef weight,
                                  bool exact) const;
  Wanted wantedBy(const LayerFormat &made) const;
  /// An error if a layer whose format is set by its name is also asked to have
  /// another by an expression.
  LogicalResult checkConflict(Operation *layer,
                              const ConstantTensor &weight) const;
  std::string chooseConvFormat(const Wanted &wanted, bool asked,
                               RoundingFormat &format) const;
  RoundingFormat roundingFor(const numerics::WeightFormat &row) const;
  LogicalResult rewrite(Operation *op, OpOperand &weight,
                        const ConstantTensor &constant,
                        const RoundingFormat &format);
  LogicalResult skip(Operation *op, const Twine &why) {
    ++skipped;
    op->emitRemark() << describeOp(op) << " stays float: " << why;
    return success();
  }

  Wanted defaults;
  numerics::Scheme schemeValue = numerics::Scheme::Symmetric;
  numerics::Format scaleFormat = numerics::Format::F32;
  std::optional<numerics::WeightFormat> tableFormat;
  std::vector<MixRule> mixRules;
  LayerRoles roles;
  std::optional<LayerPattern> keepFloatPattern;
  std::vector<LayerFormat> overrides;
  std::shared_ptr<CostModel> costs;
  /// Results by constant and format, so that a tied weight is rounded once.
  DenseMap<std::pair<Attribute, StringAttr>, RoundedWeight> done;
  std::string section; // of the journal
};

} // namespace

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

llvm::Error QuantizeWeightsPass::parseLayerOptions() {
  keepFloatPattern.reset();
  if (!keepFloat.empty()) {
    llvm::Expected<LayerPattern> pattern = LayerPattern::create(keepFloat);
    if (!pattern)
      return llvm::createStringError("keep-float " +
                                     llvm::toString(pattern.takeError()));
    keepFloatPattern = std::move(*pattern);
  }
  llvm::Expected<std::vector<LayerFormat>> entries =
      parseLayerFormats(set, schemeValue == numerics::Scheme::Asymmetric);
  if (!entries)
    return llvm::createStringError("set: " +
                                   llvm::toString(entries.takeError()));
  overrides = std::move(*entries);
  return llvm::Error::success();
}

/// Why the table of an embedding cannot have a format, or empty.
static std::string whyNoTable(const numerics::WeightFormat &format) {
  std::string name = "'" + std::string(format.name) + "'";
  if (!format.isPlainInteger() && format.hasScale)
    return name + ": tables are si2 ... si8, f16, bf16 or float";
  if (!numerics::info(format.stored).isSigned)
    return name + " must be signed: tables are symmetric";
  return {};
}

LogicalResult QuantizeWeightsPass::initialize(MLIRContext *context) {
  auto fail = [&](const Twine &message) -> LogicalResult {
    return emitError(UnknownLoc::get(context))
           << "qgraph-quantize-weights: " << message;
  };
  std::optional<numerics::Scheme> parsed =
      numerics::parseScheme(scheme.getValue());
  if (!parsed || (*parsed != numerics::Scheme::Symmetric &&
                  *parsed != numerics::Scheme::SignedScale &&
                  *parsed != numerics::Scheme::Asymmetric))
    return fail("scheme '" + scheme +
                "' is not symmetric, signed_scale or asymmetric");
  schemeValue = *parsed;
  bool withUnsigned = schemeValue == numerics::Scheme::Asymmetric;
  auto read = [&](StringRef name,
                  std::optional<numerics::WeightFormat> &result) {
    llvm::Expected<std::optional<numerics::WeightFormat>> format =
        parseLayerFormatName(name, withUnsigned);
    if (!format)
      return fail(llvm::toString(format.takeError()));
    result = *format;
    return success();
  };
  if (failed(read(format, defaults.format)) ||
      failed(read(embeddingFormat, tableFormat)))
    return failure();
  llvm::Expected<std::vector<MixRule>> rules = parseMix(mix, withUnsigned);
  if (!rules)
    return fail(llvm::toString(rules.takeError()));
  mixRules = std::move(*rules);
  if (search && schemeValue == numerics::Scheme::Asymmetric)
    return fail("search=true needs scheme=symmetric or signed_scale");
  if (granularity != "tensor" && granularity != "channel" &&
      granularity != "group")
    return fail("granularity '" + granularity +
                "' is not tensor, channel or group");
  if (groupSize < 0)
    return fail("group-size must not be negative");
  defaults.block.reset();
  if (granularity == "tensor")
    defaults.block = {0, 0};
  if (granularity == "group") {
    defaults.block = {1, groupSize.getValue()};
    std::vector<std::optional<numerics::WeightFormat>> rows{defaults.format};
    for (const MixRule &rule : mixRules)
      rows.push_back(rule.format);
    for (const auto &row : rows)
      if (row)
        if (std::string why = whyNotBlock(*row, *defaults.block); !why.empty())
          return fail("granularity=group: " + why);
  }
  if (scaleType != "f32" && scaleType != "f16")
    return fail("scale-type '" + scaleType + "' is not f32 or f16");
  scaleFormat =
      scaleType == "f16" ? numerics::Format::F16 : numerics::Format::F32;
  if (llvm::Error error = parseLayerOptions())
    return fail(llvm::toString(std::move(error)));
  if (tableFormat)
    if (std::string why = whyNoTable(*tableFormat); !why.empty())
      return fail("embedding-format " + why);
  return success();
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

static Value weightOf(Operation *layer) {
  if (auto embedding = dyn_cast<EmbeddingOp>(layer))
    return embedding.getTable();
  if (auto conv = dyn_cast<ConvOp>(layer))
    return conv.getWeight();
  return cast<LinearOp>(layer).getWeight();
}

/// The name of the constant that is or, behind a dequantize, makes the weight.
static std::string weightName(Value weight) {
  if (auto dequantize = weight.getDefiningOp<DequantizeOp>())
    weight = dequantize.getInput();
  llvm::Expected<ConstantTensor> constant = ConstantTensor::get(weight);
  if (constant)
    return constant->getName().str();
  llvm::consumeError(constant.takeError());
  return {};
}

/// The constant behind a weight, or why it cannot be rounded.
static std::string readWeight(Value value,
                              std::optional<ConstantTensor> &result) {
  if (!isConstant(value))
    return llvm::formatv(
        "its weight comes from {0} and is known only while the model runs; "
        "fold it into a constant before the import",
        describeValue(value));
  llvm::Expected<ConstantTensor> constant = ConstantTensor::get(value);
  if (!constant)
    return llvm::toString(constant.takeError());
  Type element = constant->getType().getElementType();
  if (!element.isF32() && !element.isF16() && !element.isBF16())
    return llvm::formatv("its weight is {0}; f32, f16 and bf16 can be rounded",
                         element);
  if (constant->getType().getNumElements() == 0)
    return "its weight is empty";
  if (!isFinite(*constant))
    return "its weight holds infinities or NaN, for which there is no scale; "
           "repair the model";
  result = std::move(*constant);
  return {};
}

/// A format of weights as the pass's options complete it, but for its block.
RoundingFormat
QuantizeWeightsPass::roundingFor(const numerics::WeightFormat &row) const {
  RoundingFormat format;
  format.stored = row.stored;
  format.codebook = row.codebook;
  format.ggml = row.ggml;
  if (row.isGGML())
    format.name = row.name;
  format.scales = row.scales;
  format.hasScale = row.hasScale;
  // Floats and codebooks have both signs; GGML's codes have formulas of their
  // own.
  format.scheme = row.isPlainInteger()
                      ? schemeValue
                      : row.scheme.value_or(numerics::Scheme::Symmetric);
  format.searchScales = search && row.isPlainInteger();
  format.scaleType = row.scaleType.value_or(scaleFormat);
  return format;
}

const LayerFormat *QuantizeWeightsPass::findOverride(StringRef layer,
                                                     StringRef weight,
                                                     bool exact) const {
  const LayerFormat *found = nullptr;
  for (const LayerFormat &made : overrides)
    if (made.pattern.getName().has_value() == exact &&
        made.pattern.matches(layer, weight))
      found = &made;
  return found;
}

Wanted QuantizeWeightsPass::wantedBy(const LayerFormat &made) const {
  Wanted wanted = defaults;
  wanted.format = made.format;
  if (made.block)
    wanted.block = made.block;
  return wanted;
}

/// What shares a scale of a weight [N, K].
static ScaleBlock blockOf(const Wanted &wanted, int64_t n, int64_t k) {
  const numerics::WeightFormat &row = *wanted.format;
  if (!row.hasScale)
    return {0, 0};
  ScaleBlock block =
      wanted.block.value_or(ScaleBlock{1, row.groupSize.value_or(0)});
  // Whatever the others have.
  if (row.groupIsFixed || (row.groupSize && block[0] != 1))
    block = {1, *row.groupSize};
  return {block[0] > 1 && block[0] >= n ? 0 : block[0],
          block[1] >= k ? 0 : block[1]};
}

LogicalResult
QuantizeWeightsPass::checkConflict(Operation *op,
                                   const ConstantTensor &weight) const {
  StringRef layer = getLayerName(op), name = weight.getName();
  const LayerFormat *exact = findOverride(layer, name, /*exact=*/true);
  if (!exact)
    return success();
  auto fail = [&](StringRef option, StringRef pattern, StringRef format) {
    return op->emitError() << describeOp(op) << " is to be "
                           << (exact->format ? StringRef(exact->format->name)
                                             : StringRef("float"))
                           << " by its name and "
                           << (format.empty() ? "of other groups" : format)
                           << " by " << option << " '" << pattern
                           << "': leave out one of the two";
  };
  if (keepFloatPattern && exact->format &&
      keepFloatPattern->matches(layer, name))
    return fail("keep-float", keepFloat.getValue(), "float");
  const LayerFormat *other = findOverride(layer, name, /*exact=*/false);
  if (!other || isa<EmbeddingOp>(op))
    return success();
  StringRef pattern = other->pattern.getText();
  if (!exact->format || !other->format) {
    if (exact->format || other->format)
      return fail("set", pattern,
                  other->format ? StringRef(other->format->name) : "float");
    return success();
  }
  if (exact->format->name != other->format->name)
    return fail("set", pattern, other->format->name);
  if (ArrayRef<int64_t> shape = weight.getType().getShape();
      !isa<ConvOp>(op) &&
      blockOf(wantedBy(*exact), shape.front(), shape.back()) !=
          blockOf(wantedBy(*other), shape.front(), shape.back()))
    return fail("set", pattern, "");
  return success();
}

/// The sums of a convolution have one scale a column.
std::string
QuantizeWeightsPass::chooseConvFormat(const Wanted &wanted, bool asked,
                                      RoundingFormat &format) const {
  const numerics::WeightFormat &row = *wanted.format;
  bool rowsShare = wanted.block && wanted.block->front() != 1;
  if (rowsShare && wanted.block != ScaleBlock{0, 0})
    return "the weight of a convolution has one scale a column, or one for all";
  format.block = {rowsShare ? 0 : 1, 0};
  if (asked && row.isPlainInteger()) {
    format.stored = row.stored;
    format.scheme = schemeValue;
    format.searchScales = search;
    return {};
  }
  // Unless another format was asked for, it is the one that there are kernels
  // for.
  if (!asked && row.isInteger())
    return {};
  return llvm::formatv("convolutions have kernels for si8 and f32 weights, not "
                       "for {0}; set with its name and si8 quantizes it",
                       StringRef(row.name));
}

/// Fills `format`, or says why the layer stays float.
std::string QuantizeWeightsPass::chooseFormat(Operation *op,
                                              const ConstantTensor &weight,
                                              RoundingFormat &format) const {
  StringRef layer = getLayerName(op);
  if (keepFloatPattern && keepFloatPattern->matches(layer, weight.getName()))
    return llvm::formatv("keep-float '{0}' matches it", keepFloat.getValue());
  Wanted wanted = defaults;
  std::string source = "format is float";
  LayerPlace place = roles.lookup(op);
  for (const MixRule &rule : mixRules)
    if (rule.holds(place)) {
      wanted.format = rule.format;
      source = "mix '" + mix + "' says so";
      break;
    }
  const LayerFormat *made =
      findOverride(layer, weight.getName(), /*exact=*/true);
  if (!made)
    made = findOverride(layer, weight.getName(), /*exact=*/false);
  bool asked = made;
  if (made) {
    wanted = wantedBy(*made);
    source = llvm::formatv("set '{0}' says so", made->pattern.getText());
  }
  if (!wanted.format)
    return source;

  if (isa<ConvOp>(op))
    return chooseConvFormat(wanted, asked, format);
  int64_t n = weight.getType().getDimSize(0),
          k = weight.getType().getDimSize(1);
  const numerics::WeightFormat &row = *wanted.format;
  format = roundingFor(row);
  format.block = blockOf(wanted, n, k);
  // What encodes a group at a time wants to be told where one ends.
  if (row.isGGML())
    format.block[1] = *row.groupSize;
  if (!costModel || asked)
    return {};
  LinearShape shape{1, n, k};
  double before = costs->linear(shape, {}).seconds,
         after = costs->linear(shape, kernelFormat(format)).seconds;
  if (after < before)
    return {};
  return llvm::formatv(
      "with {0} x {1} weights it is too small for it to pay ({2:f2} us as it "
      "is, {3:f2} us quantized, says the cost model; set with its name and a "
      "format quantizes it all the same)",
      n, k, before * 1e6, after * 1e6);
}

template <typename LayerOp>
LogicalResult QuantizeWeightsPass::quantize(LayerOp layer) {
  if (layer.getWeight().template getDefiningOp<DequantizeOp>())
    return success();
  std::optional<ConstantTensor> weight;
  if (std::string why = readWeight(layer.getWeight(), weight); !why.empty())
    return skip(layer, why);
  if (failed(checkConflict(layer, *weight)))
    return failure();
  RoundingFormat chosen;
  if (std::string why = chooseFormat(layer, *weight, chosen); !why.empty())
    return skip(layer, why);
  return rewrite(layer, layer.getWeightMutable(), *weight, chosen);
}

LogicalResult QuantizeWeightsPass::quantize(EmbeddingOp embedding) {
  if (embedding.getScale() ||
      embedding.getTable().getDefiningOp<DequantizeOp>())
    return success();
  StringRef name = getLayerName(embedding);
  std::string weight = weightName(embedding.getTable());
  const LayerFormat *made = findOverride(name, weight, /*exact=*/true);
  if (!made && !tableFormat)
    return skip(embedding, "embedding-format is float");
  std::optional<ConstantTensor> table;
  if (std::string why = readWeight(embedding.getTable(), table); !why.empty())
    return skip(embedding, why);
  if (failed(checkConflict(embedding, *table)))
    return failure();
  if (keepFloatPattern && keepFloatPattern->matches(name, table->getName()))
    return skip(embedding, "keep-float '" + keepFloat + "' matches it");
  if (made && !made->format)
    return skip(embedding, "set '" + made->pattern.getText() + "' says so");
  const numerics::WeightFormat &row = made ? *made->format : *tableFormat;
  if (std::string why = whyNoTable(row); !why.empty())
    return embedding.emitError() << describeOp(embedding) << ": " << why;
  int64_t bytes = table->getBytes().size();
  if (costModel && !made && bytes < kSmallTableBytes)
    return skip(embedding, "its table has only " + Twine(bytes) + " bytes");
  RoundingFormat chosen;
  chosen.stored = row.stored;
  chosen.hasScale = row.hasScale;
  if (!chosen.hasScale)
    chosen.block = {0, 0};
  return rewrite(embedding, embedding.getTableMutable(), *table, chosen);
}

/// Puts dequantize(stored, scale) in the place of the constant.
LogicalResult QuantizeWeightsPass::rewrite(Operation *op, OpOperand &weight,
                                           const ConstantTensor &constant,
                                           const RoundingFormat &chosen) {
  auto old = weight.get().getDefiningOp<ConstantOp>();
  auto key = std::pair<Attribute, StringAttr>(
      old.getValue(), StringAttr::get(&getContext(), chosen.key()));
  auto [place, isNew] = done.try_emplace(key);
  if (isNew) {
    std::string name =
        entryBaseName(constant, getLayerName(op)) + "@quantize-weights";
    llvm::Expected<RoundedWeight> rounded =
        roundOnce(&getContext(), section + "." + std::to_string(done.size()),
                  [&] { return roundWeight(constant, chosen, name); });
    if (!rounded)
      return op->emitError()
             << describeOp(op) << ": the rounded weight cannot be kept: "
             << llvm::toString(rounded.takeError());
    place->second = *rounded;
    if (std::isfinite(rounded->error))
      worstError.updateMax(static_cast<uint64_t>(rounded->error * 1e6 + 0.5));
  }
  const RoundedWeight &rounded = place->second;
  if (!std::isfinite(rounded.error))
    return skip(op, "its weight holds numbers too large for " +
                        Twine(numerics::formatName(chosen.stored)) +
                        "; set with its name and another format quantizes it");
  OpBuilder builder(op);
  auto constantOf = [&](TypedAttr attr) -> Value {
    return attr ? Value(ConstantOp::create(builder, old.getLoc(), attr))
                : Value();
  };
  // Scales and offsets that are stored themselves.
  auto dequantized = [&](Value stored, TypedAttr scale, TypedAttr offset) {
    auto type = cast<RankedTensorType>(stored.getType());
    return DequantizeOp::create(builder, old.getLoc(),
                                type.clone(builder.getF32Type()), stored,
                                constantOf(scale), Value(), constantOf(offset),
                                Value(), rounded.scaleBlock, TypeAttr());
  };
  Value stored = constantOf(rounded.stored), scale = constantOf(rounded.scale),
        offset = constantOf(rounded.offset);
  if (rounded.scaleScale)
    scale = dequantized(scale, rounded.scaleScale, rounded.scaleOffset);
  if (rounded.offsetScale)
    offset = dequantized(offset, rounded.offsetScale, TypedAttr());
  SmallVector<int64_t> block(cast<RankedTensorType>(old.getType()).getRank(),
                             0);
  block.back() = chosen.block[1];
  block.front() = chosen.block[0];
  // A layer of f32 may have a weight of 16 bits; embeddings give what they
  // read.
  auto real = cast<RankedTensorType>(old.getType());
  if (isa<LinearOp, ConvOp>(op))
    real = real.clone(
        cast<RankedTensorType>(op->getOperand(0).getType()).getElementType());
  auto dequantize = DequantizeOp::create(
      builder, old.getLoc(), real, stored, scale, constantOf(rounded.zeroPoint),
      offset, constantOf(rounded.codebook), block, TypeAttr());
  if (keepOriginal)
    dequantize->setDiscardableAttr(kOriginalAttr, old.getValue());
  if (!chosen.name.empty())
    dequantize->setDiscardableAttr(kWeightFormatAttr,
                                   builder.getStringAttr(chosen.name));
  weight.set(dequantize);
  if (old->use_empty())
    old->erase();
  ++matched;
  return success();
}

/// The first few of the names, quoted.
static std::string listNames(ArrayRef<StringRef> names) {
  constexpr size_t kMost = 8;
  std::string text;
  for (StringRef name : names.take_front(kMost))
    text += (text.empty() ? "'" : ", '") + name.str() + "'";
  if (names.size() > kMost)
    text += " and " + std::to_string(names.size() - kMost) + " more";
  return text;
}

LogicalResult QuantizeWeightsPass::checkMatches(ArrayRef<Operation *> layers) {
  if (!keepFloatPattern && overrides.empty())
    return success();
  bool kept = false;
  std::vector<bool> used(overrides.size());
  std::vector<StringRef> names, tables;
  for (Operation *op : layers) {
    StringRef layer = getLayerName(op);
    bool isTable = isa<EmbeddingOp>(op);
    std::string weight = weightName(weightOf(op));
    if (!layer.empty())
      (isTable ? tables : names).push_back(layer);
    bool isKept = keepFloatPattern && keepFloatPattern->matches(layer, weight);
    kept |= isKept;
    bool isSet = false;
    for (auto [i, made] : llvm::enumerate(overrides)) {
      bool exact = made.pattern.getName().has_value();
      if ((exact || !isTable) && made.pattern.matches(layer, weight)) {
        used[i] = true;
        isSet |= !exact;
      }
    }
    if ((isKept || isSet) && weightOf(op).getDefiningOp<DequantizeOp>())
      op->emitRemark() << describeOp(op) << " is quantized in the model: "
                       << (isKept ? "keep-float" : "set")
                       << " does not change it";
  }
  SmallVector<Attribute> unmatched;
  auto note = [&](StringRef option, StringRef pattern) {
    unmatched.push_back(
        StringAttr::get(&getContext(), option + " '" + pattern + "'"));
  };
  if (keepFloatPattern && !kept)
    note("keep-float", keepFloat);
  std::vector<StringRef> missing;
  for (auto [isUsed, made] : llvm::zip_equal(used, overrides)) {
    if (isUsed)
      continue;
    if (made.pattern.getName() && requireMatch)
      missing.push_back(*made.pattern.getName());
    else
      note("set", made.pattern.getText());
  }
  if (!missing.empty()) {
    names.insert(names.end(), tables.begin(), tables.end());
    return getOperation().emitError()
           << "the model has no " << listNames(missing)
           << " among the layers that can be quantized"
           << (names.empty() ? "; there are none"
                             : "; there are " + listNames(names));
  }
  if (unmatched.empty())
    return success();
  if (!requireMatch) {
    getOperation()->setAttr(kUnmatchedAttr,
                            ArrayAttr::get(&getContext(), unmatched));
    return success();
  }
  for (Attribute text : unmatched) {
    bool isSet = cast<StringAttr>(text).getValue().starts_with("set ");
    std::vector<StringRef> choices = names;
    if (!isSet)
      choices.insert(choices.end(), tables.begin(), tables.end());
    InFlightDiagnostic error = emitError(getOperation().getLoc())
                               << cast<StringAttr>(text).getValue()
                               << " matches no layer that can be quantized";
    if (choices.empty())
      error << "; the model has none";
    else
      error << "; there are " << listNames(choices);
    if (isSet && !tables.empty())
      error << " (the embeddings " << listNames(tables)
            << " have keep-float only)";
  }
  return failure();
}

void QuantizeWeightsPass::runOnOperation() {
  done.clear();
  section = getJournal(getOperation()).begin("quantize-weights");
  auto target = getOperation()->getAttrOfType<qkernel::TargetAttr>(
      qkernel::TargetAttr::kAttrName);
  costs = createRooflineCostModel(coreRates(target ? target.getLevel() : ""));
  SmallVector<Operation *> layers;
  getOperation().walk([&](Operation *op) {
    if (isa<LinearOp, ConvOp, EmbeddingOp>(op) && !op->hasAttr(kPartAttr))
      layers.push_back(op);
  });
  if (failed(checkMatches(layers)))
    return signalPassFailure();
  roles = mixRules.empty() ? LayerRoles() : LayerRoles(getOperation());
  for (auto [i, op] : llvm::enumerate(layers)) {
    reportProgress("layer", i, layers.size());
    LogicalResult done = llvm::TypeSwitch<Operation *, LogicalResult>(op)
                             .Case<LinearOp, ConvOp, EmbeddingOp>(
                                 [&](auto layer) { return quantize(layer); });
    if (failed(done))
      return signalPassFailure();
  }
}

} // namespace quantc::qgraph

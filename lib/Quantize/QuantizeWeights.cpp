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

#include "RoundWeights.h"
#include "mlir/IR/BuiltinOps.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Numerics/Packing.h"
#include "quantc/Quantize/Passes.h"
#include "quantc/Support/CostModel.h"
#include "llvm/Support/Regex.h"

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
  std::optional<numerics::Format> format;
  int64_t groupSize = 0; // 0: one scale a row
  bool perTensor = false;
};

/// One entry of `set`.
struct Override {
  std::shared_ptr<llvm::Regex> pattern;
  std::string text;
  std::optional<numerics::Format> format;
  std::optional<int64_t> groupSize;
};

class QuantizeWeightsPass
    : public impl::QuantizeWeightsBase<QuantizeWeightsPass> {
public:
  using QuantizeWeightsBase::QuantizeWeightsBase;

  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

private:
  LogicalResult parseOverrides(function_ref<LogicalResult(const Twine &)> fail);
  std::string checkFormat(StringRef name,
                          std::optional<numerics::Format> &result) const;
  /// The name under which keep-float and set know a layer: its own, or its
  /// weight's.
  static bool matches(llvm::Regex &pattern, StringRef layer,
                      const ConstantTensor &weight) {
    return pattern.match(layer) || pattern.match(weight.getName());
  }

  template <typename LayerOp>
  LogicalResult quantize(LayerOp layer);
  LogicalResult quantize(EmbeddingOp embedding);
  std::string chooseFormat(Operation *layer, const ConstantTensor &weight,
                           RoundingFormat &format) const;
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
  std::optional<numerics::Format> tableFormat, valueTypes;
  std::shared_ptr<llvm::Regex> keepFloatPattern;
  std::vector<Override> overrides;
  std::shared_ptr<CostModel> costs;
  /// Results by constant and format, so that a tied weight is rounded once.
  DenseMap<std::pair<Attribute, StringAttr>, RoundedWeight> done;
};

} // namespace

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

/// Reads a stored type or `float`; says what is wrong with it, or nothing.
std::string QuantizeWeightsPass::checkFormat(
    StringRef name, std::optional<numerics::Format> &result) const {
  if (name == "float")
    return {};
  result = numerics::parseFormat({name.data(), name.size()});
  if (!result || !numerics::info(*result).isInteger ||
      numerics::info(*result).bits > 8 || numerics::info(*result).bits < 2)
    return llvm::formatv(
        "format '{0}' is not si2 ... si8, ui2 ... ui8 or float", name);
  return {};
}

LogicalResult QuantizeWeightsPass::parseOverrides(
    function_ref<LogicalResult(const Twine &)> fail) {
  overrides.clear();
  SmallVector<StringRef> entries;
  StringRef(set).split(entries, ';', -1, /*KeepEmpty=*/false);
  for (StringRef entry : entries) {
    Override made;
    auto [pattern, value] = entry.trim().split('=');
    made.text = pattern.str();
    made.pattern = std::make_shared<llvm::Regex>(pattern);
    std::string problem;
    if (pattern.empty() || value.empty())
      return fail("set has '" + entry +
                  "', which is not REGEX=FORMAT[,group-size=N]");
    if (!made.pattern->isValid(problem))
      return fail("set has the regular expression '" + pattern +
                  "': " + problem);
    SmallVector<StringRef> words;
    value.split(words, ',');
    problem = checkFormat(words[0], made.format);
    if (!problem.empty())
      return fail("set for '" + pattern + "': " + problem);
    for (StringRef word : ArrayRef(words).drop_front()) {
      int64_t size;
      if (!word.consume_front("group-size=") || word.getAsInteger(10, size) ||
          size < 0)
        return fail("set for '" + pattern + "' has '" + word +
                    "'; what may follow the format is group-size=N");
      made.groupSize = size;
    }
    overrides.push_back(std::move(made));
  }
  return success();
}

LogicalResult QuantizeWeightsPass::initialize(MLIRContext *context) {
  auto fail = [&](const Twine &message) -> LogicalResult {
    return emitError(UnknownLoc::get(context))
           << "qgraph-quantize-weights: " << message;
  };
  std::string problem = checkFormat(format, defaults.format);
  if (problem.empty())
    problem = checkFormat(embeddingFormat, tableFormat);
  if (problem.empty() && !valueFormat.empty())
    problem = checkFormat(valueFormat, valueTypes);
  if (!problem.empty())
    return fail(problem);
  std::optional<numerics::Scheme> parsed =
      numerics::parseScheme(scheme.getValue());
  if (!parsed || (*parsed != numerics::Scheme::Symmetric &&
                  *parsed != numerics::Scheme::SignedScale &&
                  *parsed != numerics::Scheme::Asymmetric))
    return fail("scheme '" + scheme +
                "' is not symmetric, signed_scale or asymmetric");
  schemeValue = *parsed;
  if (search && schemeValue == numerics::Scheme::Asymmetric)
    return fail("search=true needs scheme=symmetric or signed_scale");
  if (granularity != "tensor" && granularity != "channel" &&
      granularity != "group")
    return fail("granularity '" + granularity +
                "' is not tensor, channel or group");
  if (groupSize < 0)
    return fail("group-size must not be negative");
  defaults.perTensor = granularity == "tensor";
  defaults.groupSize = granularity == "group" ? groupSize.getValue() : 0;
  if (scaleType != "f32" && scaleType != "f16")
    return fail("scale-type '" + scaleType + "' is not f32 or f16");
  scaleFormat =
      scaleType == "f16" ? numerics::Format::F16 : numerics::Format::F32;
  keepFloatPattern.reset();
  if (!keepFloat.empty()) {
    keepFloatPattern = std::make_shared<llvm::Regex>(keepFloat);
    if (!keepFloatPattern->isValid(problem))
      return fail("keep-float '" + keepFloat +
                  "' is no regular expression: " + problem);
  }
  if (failed(parseOverrides(fail)))
    return failure();
  SmallVector<std::optional<numerics::Format>> formats{defaults.format};
  for (const Override &made : overrides)
    formats.push_back(made.format);
  for (std::optional<numerics::Format> each : formats)
    if (each && !numerics::info(*each).isSigned &&
        schemeValue != numerics::Scheme::Asymmetric)
      return fail("unsigned formats need scheme=asymmetric, not " + scheme);
  if (tableFormat && !numerics::info(*tableFormat).isSigned)
    return fail("embedding-format '" + embeddingFormat +
                "' must be signed: tables are symmetric");
  return success();
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

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

/// True if attention takes the result, perhaps split into heads and appended to
/// a cache, as its values.
static bool makesAttentionValues(Operation *layer) {
  for (OpOperand &use : layer->getUses()) {
    OpOperand *reader = &use;
    auto reshape = dyn_cast<onnx_ir::NodeOp>(use.getOwner());
    if (reshape && reshape.is("Reshape") && reshape->hasOneUse())
      reader = &*reshape->use_begin();
    Value values = reader->get();
    SmallVector<Operation *> readers{reader->getOwner()};
    if (auto append = dyn_cast<CacheAppendOp>(reader->getOwner())) {
      values = append.getResult();
      readers.assign(values.user_begin(), values.user_end());
    }
    for (Operation *op : readers)
      if (auto attention = dyn_cast<AttentionOp>(op);
          attention && attention.getValue() == values)
        return true;
  }
  return false;
}

/// Fills `format`, or says why the layer stays float.
std::string QuantizeWeightsPass::chooseFormat(Operation *op,
                                              const ConstantTensor &weight,
                                              RoundingFormat &format) const {
  StringRef layer = getLayerName(op);
  if (keepFloatPattern && matches(*keepFloatPattern, layer, weight))
    return llvm::formatv("keep-float '{0}' matches it", keepFloat.getValue());
  Wanted wanted = defaults;
  std::string source = "format is float";
  if (!valueFormat.empty() && makesAttentionValues(op)) {
    wanted.format = valueTypes;
    source = "value-format is float";
  }
  bool asked = false;
  for (const Override &made : overrides) {
    if (!matches(*made.pattern, layer, weight))
      continue;
    asked = true;
    wanted = defaults;
    wanted.format = made.format;
    source = llvm::formatv("set '{0}' says so", made.text);
    if (made.groupSize) {
      wanted.groupSize = *made.groupSize;
      wanted.perTensor = false;
    }
  }
  if (!wanted.format)
    return source;

  if (isa<ConvOp>(op)) {
    // Its sums have one scale a column. Unless another format was asked for, it
    // is the one that there are kernels for.
    format.stored = asked ? *wanted.format : numerics::Format::SI8;
    format.scheme = asked ? schemeValue : numerics::Scheme::Symmetric;
    format.block = {wanted.perTensor ? 0 : 1, 0};
    format.searchScales = asked && search;
    return {};
  }
  int64_t n = weight.getType().getDimSize(0),
          k = weight.getType().getDimSize(1);
  bool oneGroup = wanted.groupSize == 0 || wanted.groupSize >= k;
  format.stored = *wanted.format;
  format.scheme = schemeValue;
  format.block = {wanted.perTensor ? 0 : 1,
                  wanted.perTensor || oneGroup ? 0 : wanted.groupSize};
  format.scaleType = scaleFormat;
  format.searchScales = search;
  if (!costModel || asked)
    return {};
  LinearShape shape{1, n, k};
  LinearFormat integers;
  integers.weightBits = numerics::packedBits(format.stored);
  integers.group = format.block[1];
  integers.scaleBits = numerics::info(scaleFormat).bits;
  integers.activationBits = 8;
  double before = costs->linear(shape, {}).seconds,
         after = costs->linear(shape, integers).seconds;
  if (after < before)
    return {};
  return llvm::formatv(
      "with {0} x {1} weights it is too small for it to pay ({2:f2} us as it "
      "is, "
      "{3:f2} us quantized, says the cost model; cost-model=false quantizes it "
      "all the same)",
      n, k, before * 1e6, after * 1e6);
}

template <typename LayerOp>
LogicalResult QuantizeWeightsPass::quantize(LayerOp layer) {
  if (layer.getWeight().template getDefiningOp<DequantizeOp>())
    return success();
  std::optional<ConstantTensor> weight;
  if (std::string why = readWeight(layer.getWeight(), weight); !why.empty())
    return skip(layer, why);
  RoundingFormat chosen;
  if (std::string why = chooseFormat(layer, *weight, chosen); !why.empty())
    return skip(layer, why);
  return rewrite(layer, layer.getWeightMutable(), *weight, chosen);
}

LogicalResult QuantizeWeightsPass::quantize(EmbeddingOp embedding) {
  if (embedding.getScale() ||
      embedding.getTable().getDefiningOp<DequantizeOp>())
    return success();
  if (!tableFormat)
    return skip(embedding, "embedding-format is float");
  std::optional<ConstantTensor> table;
  if (std::string why = readWeight(embedding.getTable(), table); !why.empty())
    return skip(embedding, why);
  if (!keepFloat.empty() &&
      matches(*keepFloatPattern, getLayerName(embedding), *table))
    return skip(embedding, "keep-float '" + keepFloat + "' matches it");
  int64_t bytes = table->getBytes().size();
  if (costModel && bytes < kSmallTableBytes)
    return skip(embedding,
                "its table has only " + Twine(bytes) +
                    " bytes (cost-model=false quantizes it all the same)");
  RoundingFormat chosen;
  chosen.stored = *tableFormat;
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
    llvm::Expected<RoundedWeight> rounded = roundWeight(constant, chosen, name);
    if (!rounded)
      return op->emitError()
             << describeOp(op) << ": the rounded weight cannot be kept: "
             << llvm::toString(rounded.takeError());
    place->second = *rounded;
    worstError.updateMax(static_cast<uint64_t>(rounded->error * 1e6 + 0.5));
  }
  const RoundedWeight &rounded = place->second;
  OpBuilder builder(op);
  auto constantOf = [&](TypedAttr attr) -> Value {
    return attr ? Value(ConstantOp::create(builder, old.getLoc(), attr))
                : Value();
  };
  Value stored = constantOf(rounded.stored), scale = constantOf(rounded.scale);
  SmallVector<int64_t> block(cast<RankedTensorType>(old.getType()).getRank(),
                             0);
  block.back() = chosen.block[1];
  block.front() = chosen.block[0];
  weight.set(DequantizeOp::create(builder, old.getLoc(), old.getType(), stored,
                                  scale, constantOf(rounded.zeroPoint), Value(),
                                  Value(), block, TypeAttr()));
  if (old->use_empty())
    old->erase();
  ++matched;
  return success();
}

void QuantizeWeightsPass::runOnOperation() {
  done.clear();
  auto target = getOperation()->getAttrOfType<qkernel::TargetAttr>(
      qkernel::TargetAttr::kAttrName);
  costs = createRooflineCostModel(coreRates(target ? target.getLevel() : ""));
  SmallVector<Operation *> layers;
  getOperation().walk([&](Operation *op) {
    if (isa<LinearOp, ConvOp, EmbeddingOp>(op))
      layers.push_back(op);
  });
  for (Operation *op : layers) {
    LogicalResult done = llvm::TypeSwitch<Operation *, LogicalResult>(op)
                             .Case<LinearOp, ConvOp, EmbeddingOp>(
                                 [&](auto layer) { return quantize(layer); });
    if (failed(done))
      return signalPassFailure();
  }
}

} // namespace quantc::qgraph

//===- LayerRoles.cpp - What a layer does in a transformer ------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LayerRoles.h"
#include "Residual.h"
#include "quantc/Dialect/ONNX/ONNXDialect.h"
#include "quantc/Quantize/LayerFormats.h"
#include "quantc/Support/Errors.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace quantc::qgraph {
namespace {

using Layers = llvm::SmallSetVector<Operation *, 4>;

/// A node that gives elements of its operands as they are.
bool movesElements(Operation *op) {
  auto node = dyn_cast<onnx_ir::NodeOp>(op);
  return node &&
         llvm::StringSwitch<bool>(node.getOpType())
             .Cases({"Cast", "Concat", "Expand", "Identity", "Reshape", "Slice",
                     "Split", "Squeeze", "Transpose", "Unsqueeze"},
                    true)
             .Default(false);
}

/// The linear layers whose elements a value has, perhaps behind a cache.
Layers movedFrom(Value value) {
  Layers layers;
  SmallVector<Value> work{value};
  llvm::SmallPtrSet<Operation *, 16> seen;
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    if (!op || !seen.insert(op).second)
      continue;
    if (isa<LinearOp>(op))
      layers.insert(op);
    else if (movesElements(op) || isa<CacheAppendOp, CacheWriteOp>(op))
      llvm::append_range(work, op->getOperands());
  }
  return layers;
}

/// True if `layer` writes to a residual stream what nodes have calculated from
/// another layer's result: an activation, or a gate's product with it.
bool isDown(LinearOp layer) {
  if (!findResidual(layer).sum)
    return false;
  SmallVector<std::pair<Value, bool>> work{{layer.getInput(), false}};
  llvm::SmallDenseSet<llvm::PointerIntPair<Operation *, 1, bool>> seen;
  while (!work.empty()) {
    auto [value, calculated] = work.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (!op || !seen.insert({op, calculated}).second)
      continue;
    if (isa<LinearOp>(op) && calculated)
      return true;
    auto node = dyn_cast<onnx_ir::NodeOp>(op);
    if (!node)
      continue;
    // A sum alone is a bias, or the stream itself.
    bool does = !movesElements(op) && !node.is("Add");
    for (Value input : node.getInputs())
      work.emplace_back(input, calculated || does);
  }
  return false;
}

/// True if nothing but nodes is between the layer and results of the model.
bool givesResults(LinearOp layer) {
  bool returned = false;
  SmallVector<Operation *> work(layer->user_begin(), layer->user_end());
  llvm::SmallPtrSet<Operation *, 16> seen;
  while (!work.empty()) {
    Operation *op = work.pop_back_val();
    if (!seen.insert(op).second)
      continue;
    returned |= op->hasTrait<OpTrait::IsTerminator>();
    if (isa_and_nonnull<QGraphDialect>(op->getDialect()))
      return false;
    llvm::append_range(work, op->getUsers());
  }
  return returned;
}

} // namespace

void LayerRoles::place(ArrayRef<Operation *> layers, LayerRole role) {
  for (auto [i, layer] : llvm::enumerate(layers))
    places.try_emplace(layer, LayerPlace{role, static_cast<int64_t>(i),
                                         static_cast<int64_t>(layers.size())});
}

LayerRoles::LayerRoles(ModuleOp module) {
  Layers values, fused;
  bool hasAttention = false;
  module.walk([&](AttentionOp attention) {
    hasAttention = true;
    Layers others = movedFrom(attention.getQuery());
    others.set_union(movedFrom(attention.getKey()));
    for (Operation *layer : movedFrom(attention.getValue()))
      (others.contains(layer) ? fused : values).insert(layer);
  });
  if (!hasAttention)
    return;
  Layers down, output;
  module.walk([&](LinearOp layer) {
    if (isDown(layer))
      down.insert(layer);
    else if (givesResults(layer))
      output.insert(layer);
  });
  place(values.getArrayRef(), LayerRole::Values);
  place(fused.getArrayRef(), LayerRole::Fused);
  place(down.getArrayRef(), LayerRole::Down);
  place(output.getArrayRef(), LayerRole::Output);
}

bool MixRule::holds(const LayerPlace &place) const {
  if (place.role != role)
    return false;
  int64_t i = place.index, n = place.count;
  switch (where) {
  case Where::All:
    return true;
  case Where::First:
    return i < first;
  case Where::FirstEighth:
    return i < n / 8;
  case Where::MoreBits:
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
  }
  llvm_unreachable("a place");
}

llvm::Expected<std::vector<MixRule>> parseMix(StringRef text,
                                              bool withUnsigned) {
  std::vector<MixRule> rules;
  SmallVector<StringRef> entries;
  text.split(entries, ',', -1, /*KeepEmpty=*/false);
  for (StringRef entry : entries) {
    auto [what, format] = entry.split('=');
    auto [roleName, where] = what.split('@');
    auto fail = [&](const Twine &why) {
      return llvm::make_error<UsageError>("mix: '" + entry + "': " + why);
    };
    auto role = llvm::StringSwitch<std::optional<LayerRole>>(roleName)
                    .Case("values", LayerRole::Values)
                    .Case("fused", LayerRole::Fused)
                    .Case("down", LayerRole::Down)
                    .Case("output", LayerRole::Output)
                    .Default(std::nullopt);
    if (!role)
      return fail("there are values, fused, down and output, each with "
                  "[@WHERE]=FORMAT");
    MixRule rule{*role, MixRule::Where::All, 0, std::nullopt};
    if (where == "first-eighth")
      rule.where = MixRule::Where::FirstEighth;
    else if (where == "more-bits")
      rule.where = MixRule::Where::MoreBits;
    else if (StringRef number = where; number.consume_front("first-") &&
                                       !number.getAsInteger(10, rule.first) &&
                                       rule.first > 0)
      rule.where = MixRule::Where::First;
    else if (!where.empty())
      return fail("places are first-N, first-eighth and more-bits");
    llvm::Expected<std::optional<numerics::WeightFormat>> parsed =
        parseLayerFormatName(format, withUnsigned);
    if (!parsed)
      return fail(llvm::toString(parsed.takeError()));
    rule.format = *parsed;
    rules.push_back(std::move(rule));
  }
  return rules;
}

} // namespace quantc::qgraph

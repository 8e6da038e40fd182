//===- KeptWeights.cpp - Rounded weights in a journal -----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KeptWeights.h"

#include "mlir/AsmParser/AsmParser.h"

using namespace mlir;

namespace quantc::qgraph {

namespace {

/// The constants of a weight.
struct Part {
  const char *name;
  TypedAttr RoundedWeight::*attr;
};
constexpr Part kParts[] = {
    {"stored", &RoundedWeight::stored},
    {"scale", &RoundedWeight::scale},
    {"zero_point", &RoundedWeight::zeroPoint},
    {"offset", &RoundedWeight::offset},
    {"codebook", &RoundedWeight::codebook},
    {"scale.scale", &RoundedWeight::scaleScale},
    {"scale.offset", &RoundedWeight::scaleOffset},
    {"offset.scale", &RoundedWeight::offsetScale},
};

} // namespace

llvm::Error saveWeight(const RoundedWeight &weight, StringRef prefix,
                       Record &record) {
  for (const Part &part : kParts) {
    TypedAttr attr = weight.*part.attr;
    if (!attr)
      continue;
    llvm::Expected<ConstantTensor> constant = ConstantTensor::get(attr);
    if (!constant)
      return constant.takeError();
    RankedTensorType type = constant->getType();
    WeightType stored;
    llvm::raw_string_ostream(stored.element) << type.getElementType();
    stored.shape.assign(type.getShape().begin(), type.getShape().end());
    std::string name = (prefix + part.name).str();
    auto owner = std::make_shared<ConstantTensor>(std::move(*constant));
    record.texts[name] = owner->getName().str();
    if (llvm::Error error = record.tensors->addShared(name, std::move(stored),
                                                      owner->getBytes(), owner))
      return error;
  }
  if (llvm::Error error = record.add<int64_t>((prefix + "scale.block").str(),
                                              weight.scaleBlock))
    return error;
  return record.add<double>((prefix + "error").str(), weight.error);
}

llvm::Expected<std::optional<RoundedWeight>>
loadWeight(MLIRContext *context, StringRef prefix, const Record &record) {
  RoundedWeight weight;
  for (const Part &part : kParts) {
    std::string name = (prefix + part.name).str();
    WeightHandle entry = record.tensors->lookup(name);
    if (!entry)
      continue;
    auto type = RankedTensorType::get(entry->type.shape,
                                      parseType(entry->type.element, context));
    llvm::Expected<TypedAttr> made =
        makeConstant(type, record.text(name), [&](MutableArrayRef<char> to) {
          llvm::copy(entry->bytes, to.begin());
        });
    if (!made)
      return made.takeError();
    weight.*part.attr = *made;
  }
  std::optional<std::vector<int64_t>> block =
      record.get<int64_t>((prefix + "scale.block").str());
  std::optional<std::vector<double>> error =
      record.get<double>((prefix + "error").str());
  if (!weight.stored || !block || !error)
    return std::nullopt;
  weight.scaleBlock.assign(block->begin(), block->end());
  weight.error = error->front();
  return std::move(weight);
}

llvm::Expected<RoundedWeight>
roundOnce(MLIRContext *context, StringRef step,
          function_ref<llvm::Expected<RoundedWeight>()> round) {
  Journal &journal = context->getOrLoadDialect<QGraphDialect>()->getJournal();
  if (!journal.keeps())
    return round();
  if (std::optional<Record> record = journal.find(step)) {
    llvm::Expected<std::optional<RoundedWeight>> kept =
        loadWeight(context, "", *record);
    if (!kept)
      return kept.takeError();
    if (*kept)
      return std::move(**kept);
  }
  llvm::Expected<RoundedWeight> rounded = round();
  if (!rounded)
    return rounded.takeError();
  Record record;
  if (llvm::Error error = saveWeight(*rounded, "", record))
    return std::move(error);
  if (llvm::Error error = journal.put(step, record))
    return std::move(error);
  return rounded;
}

} // namespace quantc::qgraph

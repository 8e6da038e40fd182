//===- Calibration.cpp - Statistics as passes read them ---------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Analysis/Calibration.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace quantc {

llvm::Expected<Statistics> readStatistics(ModuleOp module, StringRef path) {
  llvm::Expected<Statistics> statistics = Statistics::read(path);
  if (!statistics)
    return statistics.takeError();
  if (auto fingerprint = module->getAttrOfType<StringAttr>(kFingerprintAttr))
    if (llvm::Error error =
            statistics->checkFingerprint(fingerprint.getValue(), path))
      return error;
  return statistics;
}

llvm::Expected<numerics::SiteStatistics>
getStatistics(const Statistics &statistics, qgraph::ObserveOp site) {
  const numerics::SiteStatistics *known = statistics.lookup(site.getSite());
  if (!known)
    return llvm::createStringError(
        llvm::formatv("there are no statistics of the site '{0}'; calibrate "
                      "the model as it is now",
                      site.getSite()));
  auto type = cast<RankedTensorType>(site.getType());
  int64_t channels = type.getRank() == 0 ? 1 : type.getShape().back();
  if (!ShapedType::isDynamic(channels) && channels != known->channels())
    return llvm::createStringError(llvm::formatv(
        "the statistics of the site '{0}' are of {1} channels, but it has "
        "{2}; calibrate the model as it is now",
        site.getSite(), known->channels(), channels));
  TypedAttr factor = site.getFactorAttr();
  if (!factor)
    return *known;
  llvm::Expected<ConstantTensor> tensor = ConstantTensor::get(factor);
  if (!tensor)
    return tensor.takeError();
  return known->scaled(tensor->readFloats());
}

} // namespace quantc

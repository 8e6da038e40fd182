//===- CalibrationData.cpp - The user's samples ---------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Support/CalibrationData.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <cmath>

namespace quantc {

/// What is wrong with the values of an array, or success.
static llvm::Error checkFinite(llvm::StringRef path, const WeightEntry &array) {
  if (array.type.element != "f32")
    return llvm::Error::success();
  auto *values = reinterpret_cast<const float *>(array.bytes.data());
  size_t total = array.bytes.size() / sizeof(float);
  size_t width = total / array.type.shape.front();
  for (size_t i = 0; i < total; ++i)
    if (!std::isfinite(values[i]))
      return llvm::createStringError(
          path + ": sample " + llvm::Twine(i / width) + " of '" + array.name +
          "' has a value that is " +
          (std::isnan(values[i]) ? "NaN" : "infinite") +
          "; leave the sample out or mend it");
  return llvm::Error::success();
}

llvm::Expected<CalibrationData> CalibrationData::open(llvm::StringRef path) {
  llvm::Expected<std::shared_ptr<WeightStore>> file =
      WeightStore::openSafetensors(path);
  if (!file)
    return file.takeError();
  CalibrationData data;
  data.path = path.str();
  const WeightEntry *first = nullptr;
  for (const WeightHandle &array : (*file)->entries()) {
    if (array->type.shape.empty())
      return llvm::createStringError(path + ": '" + array->name +
                                     "' is a scalar; the first dimension of "
                                     "calibration data is the sample");
    int64_t samples = array->type.shape.front();
    if (!first)
      data.count = samples;
    else if (samples != data.count)
      return llvm::createStringError(
          path + ": '" + first->name + "' has " + llvm::Twine(data.count) +
          " samples and '" + array->name + "' has " + llvm::Twine(samples));
    first = array.get();
    data.arrays[array->name] = array;
  }
  if (!first)
    return llvm::createStringError(path + ": holds no array");
  if (data.count == 0)
    return llvm::createStringError(path + ": '" + first->name +
                                   "' has no sample: its first dimension is 0");
  for (const auto &[name, array] : data.arrays)
    if (llvm::Error error = checkFinite(path, *array))
      return std::move(error);
  return std::move(data);
}

/// `?x4xf32`
static std::string textOf(const WeightType &input) {
  std::string text;
  for (int64_t extent : input.shape)
    text += (extent < 0 ? "?" : std::to_string(extent)) + "x";
  return text + input.element;
}

llvm::Expected<TensorView> CalibrationData::get(llvm::StringRef name,
                                                int64_t sample,
                                                const WeightType &input) const {
  auto at = arrays.find(name.str());
  if (at == arrays.end()) {
    std::vector<std::string> names;
    for (const auto &[other, array] : arrays)
      names.push_back(other);
    return llvm::createStringError(
        path + ": has no array '" + name +
        "', which the model needs; there are: " + llvm::join(names, ", "));
  }
  const WeightEntry &array = *at->second;
  auto fail = [&](const llvm::Twine &why) {
    return llvm::createStringError(path + ": '" + name + "' is " +
                                   array.type.str() + "; the model's input " +
                                   why);
  };
  if (array.type.element != input.element)
    return fail("has elements of type " + input.element);
  size_t given = array.type.shape.size(), rank = input.shape.size();
  if (given != rank && given != rank + 1)
    return fail("has rank " + llvm::Twine(rank) +
                ", with or without a dimension of samples before it");
  TensorView view;
  view.type = array.type;
  if (given == rank)
    view.type.shape.front() = 1;
  else
    view.type.shape.erase(view.type.shape.begin());
  for (auto [extent, wanted] : llvm::zip_equal(view.type.shape, input.shape))
    if (wanted >= 0 && extent != wanted)
      return fail("is " + textOf(input));
  size_t bytes = array.bytes.size() / count;
  view.bytes = array.bytes.slice(sample * bytes, bytes);
  return view;
}

} // namespace quantc

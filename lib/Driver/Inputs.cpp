//===- Inputs.cpp - The inputs of a run -----------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Inputs.h"

#include "quantc/Support/Errors.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"

#include <random>

using namespace llvm;

namespace quantc::driver {

quantc_value Input::value() {
  auto valueOf = [](Array &array) {
    return quantc_tensor(array.data(), array.shape.data(), array.shape.size(),
                         array.code, array.bits);
  };
  if (!isSequence && !isNone)
    return valueOf(arrays.front());
  quantc_value value = {};
  if (isNone)
    return value;
  items.clear();
  for (Array &array : arrays)
    items.push_back(valueOf(array));
  value.kind = QUANTC_SEQUENCE;
  value.items = items.data();
  value.n_items = items.size();
  return value;
}

Expected<std::optional<MadeUp>> parseMadeUp(StringRef source) {
  MadeUp result;
  auto [number, rest] = source.split('x');
  int64_t count;
  if (!number.getAsInteger(10, count) && count >= 0) {
    result.count = count;
    source = rest;
  }
  if (source == "zeros")
    return result;
  if (!source.consume_front("random"))
    return std::nullopt;
  result.random = true;
  if (source.empty())
    return result;
  if (!source.consume_front(":"))
    return std::nullopt;
  if (source.getAsInteger(10, result.seed))
    return make_error<UsageError>("'" + source +
                                  "' is no seed: random:SEED takes a number");
  return result;
}

bool isInvented(StringRef source) {
  if (source == "none" || source == "empty")
    return true;
  Expected<std::optional<MadeUp>> madeUp = parseMadeUp(source);
  if (madeUp)
    return madeUp->has_value();
  consumeError(madeUp.takeError());
  return true;
}

/// Random elements: floats in [-1, 1), integers and booleans 0 or 1.
static void randomize(Array &array, uint64_t seed) {
  // Not the distributions of <random>, which differ between libraries.
  std::mt19937_64 generator(seed);
  int64_t count = array.count();
  if (array.code == kDLFloat && array.bits >= 32) {
    for (int64_t i = 0; i < count; ++i) {
      double value = static_cast<double>(generator() >> 40) / (1 << 23) - 1;
      if (array.bits == 64)
        reinterpret_cast<double *>(array.data())[i] = value;
      else
        reinterpret_cast<float *>(array.data())[i] = static_cast<float>(value);
    }
    return;
  }
  if (array.code == kDLFloat || array.code == kDLBfloat) {
    // 1.xxx to 2 exclusive with any mantissa, and both signs.
    uint16_t one = array.code == kDLFloat ? 0x3c00 : 0x3f80;
    uint16_t mantissa = array.code == kDLFloat ? 0x03ff : 0x007f;
    for (int64_t i = 0; i < count; ++i) {
      uint64_t bits = generator();
      // One exponent less: [0.5, 1).
      uint16_t value = (one - (mantissa + 1)) | (bits & mantissa) |
                       (bits & 0x10000 ? 0x8000 : 0);
      reinterpret_cast<uint16_t *>(array.data())[i] = value;
    }
    return;
  }
  if (array.bits < 8) {
    for (size_t i = 0; i < array.bytes(); ++i)
      array.data()[i] = generator() & (array.bits == 1   ? 0xff
                                       : array.bits == 2 ? 0x55
                                                         : 0x11);
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    array.data()[i * (array.bits / 8)] = generator() & 1;
}

Expected<Array> invent(const quantc_tensor_info &info,
                       std::vector<int64_t> shape, const MadeUp &how,
                       int64_t item) {
  if (!Array::fits(info.bits, shape))
    return createStringError(Twine("input '") + info.name + "' of shape " +
                             shapeText(shape) + " is beyond any memory");
  Array array(info.code, info.bits, std::move(shape));
  if (!how.random)
    return std::move(array);
  // Inputs, and items, differ from each other under one seed.
  uint64_t seed = how.seed;
  for (const char *c = info.name; *c; ++c)
    seed = seed * 1099511628211u + static_cast<unsigned char>(*c);
  randomize(array, seed + item * 0x9e3779b97f4a7c15u);
  return std::move(array);
}

/// The items of a sequence that `sources` describe.
static Error addItems(const quantc_tensor_info &info,
                      ArrayRef<StringRef> sources,
                      const std::optional<std::vector<int64_t>> &shape,
                      std::vector<Array> &items) {
  for (StringRef source : sources) {
    Expected<std::optional<MadeUp>> madeUp = parseMadeUp(source);
    if (!madeUp)
      return madeUp.takeError();
    if (!*madeUp) {
      Expected<std::vector<Array>> arrays =
          readArrays(source, info.name, info.code, info.bits);
      if (!arrays)
        return arrays.takeError();
      std::move(arrays->begin(), arrays->end(), std::back_inserter(items));
      continue;
    }
    if (!shape)
      return createStringError("the model leaves the shape of its items open; "
                               "say --shape " +
                               Twine(info.name) + "=2x3, or give files");
    for (int64_t i = 0, n = (*madeUp)->count.value_or(1); i < n; ++i) {
      Expected<Array> array = invent(info, *shape, **madeUp, items.size());
      if (!array)
        return array.takeError();
      items.push_back(std::move(*array));
    }
  }
  return Error::success();
}

static Expected<Input>
readInput(const quantc_tensor_info &info, StringRef source,
          const std::optional<std::vector<int64_t>> &shape) {
  Input input;
  if (info.optional && source == "none") {
    input.isNone = true;
    return std::move(input);
  }
  input.isSequence = info.kind == QUANTC_SEQUENCE;
  if (input.isSequence) {
    SmallVector<StringRef> sources;
    // The name of a file may have commas.
    if (sys::fs::exists(source))
      sources.push_back(source);
    else if (source != "empty")
      source.split(sources, ',');
    if (Error error = addItems(info, sources, shape, input.arrays))
      return std::move(error);
    return std::move(input);
  }
  Expected<std::optional<MadeUp>> madeUp = parseMadeUp(source);
  if (!madeUp)
    return madeUp.takeError();
  if (*madeUp && (*madeUp)->count)
    return createStringError("'" + source +
                             "' makes items of a sequence, and it is a tensor");
  if (*madeUp && !shape)
    return createStringError("the model leaves its shape open; say --shape " +
                             Twine(info.name) + "=2x3, or give a file");
  Expected<Array> array =
      *madeUp ? invent(info, *shape, **madeUp)
              : readArray(source, info.name, info.code, info.bits);
  if (!array)
    return array.takeError();
  input.arrays.push_back(std::move(*array));
  return std::move(input);
}

Expected<Input> makeInput(const quantc_tensor_info &info, StringRef source,
                          const std::optional<std::vector<int64_t>> &shape) {
  Expected<Input> input = readInput(info, source, shape);
  if (input)
    return input;
  Error error = input.takeError();
  bool isUsage = error.isA<UsageError>();
  std::string text =
      ("input '" + Twine(info.name) + "': " + toString(std::move(error))).str();
  if (isUsage)
    return make_error<UsageError>(text);
  return createStringError(text);
}

} // namespace quantc::driver

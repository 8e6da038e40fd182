//===- CalibrationData.cpp - The user's samples ---------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Analysis/CalibrationData.h"

#include "quantc/Dialect/ONNX/TensorFile.h"
#include "quantc/Numerics/Formats.h"
#include "quantc/Support/NumpyFiles.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cmath>
#include <cstring>
#include <optional>

using namespace llvm;

namespace quantc {

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

namespace {

template <typename T>
T valueAt(ArrayRef<char> bytes, size_t index) {
  T value; // Arrays in archives lie anywhere.
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

/// The first element that is NaN or infinite, and what it is.
struct NonFinite {
  size_t index;
  bool isNaN;
};

template <typename T, typename Decode>
std::optional<NonFinite> findNonFinite(ArrayRef<char> bytes, Decode decode) {
  for (size_t i = 0, n = bytes.size() / sizeof(T); i < n; ++i) {
    auto value = decode(valueAt<T>(bytes, i));
    if (!std::isfinite(value))
      return NonFinite{i, std::isnan(value)};
  }
  return std::nullopt;
}

std::optional<NonFinite> findNonFinite(StringRef element,
                                       ArrayRef<char> bytes) {
  auto same = [](auto value) { return value; };
  if (element == "f32")
    return findNonFinite<float>(bytes, same);
  if (element == "f64")
    return findNonFinite<double>(bytes, same);
  auto format = numerics::parseFormat(element);
  if (element != "f16" && element != "bf16")
    return std::nullopt;
  return findNonFinite<uint16_t>(
      bytes, [&](uint16_t code) { return numerics::decode(*format, code); });
}

Error nonFiniteError(const Twine &path, int64_t sample, StringRef name,
                     const NonFinite &found) {
  return createStringError(path + ": sample " + Twine(sample) + " of '" + name +
                           "' has a value that is " +
                           (found.isNaN ? "NaN" : "infinite") +
                           "; leave the sample out or mend it");
}

/// An element type of NumPy; one that no input has where there is no such type.
std::string elementOf(const NpyArray &array) {
  std::string bits = std::to_string(array.bits);
  switch (array.kind) {
  case 'f':
    return "f" + bits;
  case 'i':
    return "si" + bits;
  case 'u':
    return "ui" + bits;
  case 'b':
    return "i1";
  case 'c':
    return "complex" + bits;
  default:
    return "V" + bits;
  }
}

/// True for an input whose element type NumPy lacks, and elements that may
/// stand for it.
bool standsFor(StringRef element, StringRef input) {
  return (input == "bf16" &&
          (element == "V16" || element == "ui16" || element == "si16")) ||
         (input.starts_with("f8") &&
          (element == "V8" || element == "ui8" || element == "si8"));
}

/// `?x4xf32`
std::string textOf(const WeightType &input) {
  std::string text;
  for (int64_t extent : input.shape)
    text += (extent < 0 ? "?" : std::to_string(extent)) + "x";
  return text + input.element;
}

bool fitsShape(ArrayRef<int64_t> shape, const WeightType &input) {
  return llvm::all_of(llvm::zip_equal(shape, input.shape), [](auto both) {
    auto [extent, wanted] = both;
    return wanted < 0 || extent == wanted;
  });
}

} // namespace

//===----------------------------------------------------------------------===//
// Arrays
//===----------------------------------------------------------------------===//

Error CalibrationData::addNpy(StringRef name, const Twine &what,
                              ArrayRef<char> npy,
                              std::shared_ptr<const void> owner) {
  Expected<NpyArray> array = parseNpy(StringRef(npy.data(), npy.size()), what);
  if (!array)
    return array.takeError();
  WeightType type;
  type.element = elementOf(*array);
  type.shape.assign(array->shape.begin(), array->shape.end());
  ArrayRef<char> bytes(array->data.data(), array->data.size());
  if (array->isColumnMajor && array->shape.size() > 1) {
    // The store knows no elements of NumPy's only; bytes it does.
    std::string key = (name + " row-major").str();
    if (Error error = unpacked->addFilled(
            key, WeightType{"ui8", {static_cast<int64_t>(bytes.size())}},
            [&](MutableArrayRef<char> to) {
              array->copyTo(to.data());
              return Error::success();
            }))
      return error;
    bytes = unpacked->lookup(key)->bytes;
    owner = unpacked;
  }
  arrays[name.str()] = std::make_shared<WeightEntry>(
      name.str(), std::move(type), bytes, std::move(owner));
  return Error::success();
}

Error CalibrationData::openNpz(std::shared_ptr<const MappedFile> file) {
  StringRef bytes(file->bytes().data(), file->bytes().size());
  Expected<NpzFile> npz = NpzFile::open(bytes, path);
  if (!npz)
    return npz.takeError();
  for (size_t i = 0; i < npz->names().size(); ++i) {
    const std::string &name = npz->names()[i];
    std::string what = "'" + name + "' of '" + path + "'";
    if (arrays.count(name))
      return createStringError("'" + path + "' has two arrays '" + name + "'");
    if (npz->isStored(i)) {
      Expected<StringRef> npy = npz->stored(i);
      if (!npy)
        return npy.takeError();
      if (Error error =
              addNpy(name, what, ArrayRef(npy->data(), npy->size()), file))
        return error;
      continue;
    }
    std::string key = name + " inflated";
    if (Error error = unpacked->addFilled(
            key, WeightType{"ui8", {static_cast<int64_t>(npz->size(i))}},
            [&](MutableArrayRef<char> to) { return npz->extract(i, to); }))
      return error;
    if (Error error =
            addNpy(name, what, unpacked->lookup(key)->bytes, unpacked))
      return error;
  }
  return Error::success();
}

Error CalibrationData::openFile() {
  Expected<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
  if (!file)
    return file.takeError();
  StringRef bytes((*file)->bytes().data(), (*file)->bytes().size());
  if (NpzFile::is(bytes))
    return openNpz(*file);
  if (bytes.starts_with(kNpyMagic))
    return createStringError(
        path + ": is an array without a name; give a folder of .npy files "
               "named as the inputs, or a .npz file (numpy.savez)");
  Expected<std::shared_ptr<WeightStore>> store =
      WeightStore::openSafetensors(path);
  if (!store)
    return store.takeError();
  for (const WeightHandle &array : (*store)->entries())
    arrays[array->name] = array;
  return Error::success();
}

/// That arrays have samples, and as many of them, of finite values.
Error CalibrationData::checkArrays() {
  const WeightEntry *first = nullptr;
  for (const auto &[name, array] : arrays) {
    if (array->type.shape.empty())
      return createStringError(path + ": '" + name +
                               "' is a scalar; the first dimension of "
                               "calibration data is the sample");
    int64_t samples = array->type.shape.front();
    if (!first)
      count = samples;
    else if (samples != count)
      return createStringError(path + ": '" + first->name + "' has " +
                               Twine(count) + " samples and '" + name +
                               "' has " + Twine(samples));
    first = array.get();
  }
  if (!first)
    return createStringError(path + ": holds no array");
  if (count == 0)
    return createStringError(path + ": '" + first->name +
                             "' has no sample: its first dimension is 0");
  for (const auto &[name, array] : arrays)
    if (auto found = findNonFinite(array->type.element, array->bytes)) {
      size_t width = 1;
      for (int64_t extent : ArrayRef(array->type.shape).drop_front())
        width *= extent;
      return nonFiniteError(path, found->index / width, name, *found);
    }
  return Error::success();
}

WeightType CalibrationData::inputType(mlir::RankedTensorType type) {
  WeightType result;
  raw_string_ostream(result.element) << type.getElementType();
  for (int64_t extent : type.getShape())
    result.shape.push_back(mlir::ShapedType::isDynamic(extent) ? -1 : extent);
  return result;
}

Expected<TensorView> CalibrationData::get(StringRef name, int64_t sample,
                                          const WeightType &input) {
  if (sample != current) {
    tensors.clear();
    current = sample;
    if (!sets.empty())
      if (Error error = readSet(sample))
        return std::move(error);
  }
  if (!sets.empty())
    return getOfSet(name, sample, input);
  auto at = arrays.find(name.str());
  if (at == arrays.end())
    return createStringError(path + ": has no array '" + name +
                             "', which the model needs; there are: " +
                             join(make_first_range(arrays), ", "));
  const WeightEntry &array = *at->second;
  auto fail = [&](const Twine &why) {
    return createStringError(path + ": '" + name + "' is " + array.type.str() +
                             "; the model's input " + why);
  };
  bool isBits = standsFor(array.type.element, input.element);
  if (array.type.element != input.element && !isBits)
    return fail("has elements of type " + input.element +
                ": convert the array");
  size_t given = array.type.shape.size(), rank = input.shape.size();
  if (given != rank && given != rank + 1)
    return fail("has rank " + Twine(rank) +
                ", with or without a dimension of samples before it");
  TensorView view;
  view.type = array.type;
  view.type.element = input.element;
  if (given == rank)
    view.type.shape.front() = 1;
  else
    view.type.shape.erase(view.type.shape.begin());
  if (!fitsShape(view.type.shape, input))
    return fail("is " + textOf(input));
  size_t bytes = array.bytes.size() / count;
  view.bytes = array.bytes.slice(sample * bytes, bytes);
  if (isBits)
    if (auto found = findNonFinite(input.element, view.bytes))
      return nonFiniteError(path, sample, name, *found);
  // Elements lie at multiples of their size; 8 bytes is the largest.
  size_t alignment = std::max(storedBits(input.element) / 8, 1u);
  if (reinterpret_cast<uintptr_t>(view.bytes.data()) % alignment != 0) {
    Tensor &copy = tensors[name.str()];
    copy.bytes.assign(view.bytes.begin(), view.bytes.end());
    view.bytes = copy.bytes;
  }
  return std::move(view);
}

//===----------------------------------------------------------------------===//
// Folders
//===----------------------------------------------------------------------===//

/// `input_3.pb` of a folder.
static std::string inputFile(StringRef folder, size_t input) {
  SmallString<256> path(folder);
  sys::path::append(path, "input_" + utostr(input) + ".pb");
  return path.str().str();
}

Error CalibrationData::openFolder() {
  std::vector<std::string> files;
  std::map<uint64_t, std::string> numbered;
  std::error_code problem;
  for (sys::fs::directory_iterator at(path, problem), end;
       !problem && at != end; at.increment(problem)) {
    StringRef name = sys::path::filename(at->path());
    uint64_t number;
    if (name.ends_with(".npy"))
      files.push_back(at->path());
    else if (name.consume_front("test_data_set_") &&
             !name.getAsInteger(10, number))
      numbered[number] = at->path();
  }
  if (problem)
    return createStringError(problem,
                             path + ": cannot be read: " + problem.message());
  llvm::append_range(sets, make_second_range(numbered));
  if (sys::fs::exists(inputFile(path, 0)))
    sets.push_back(path);
  if (files.empty() == sets.empty())
    return createStringError(
        path + (files.empty() ? ": the folder has neither NAME.npy nor "
                                "test_data_set_N nor input_0.pb"
                              : ": the folder has both .npy files and test "
                                "data; put them apart"));
  llvm::sort(files);
  for (const std::string &file : files) {
    Expected<std::shared_ptr<const MappedFile>> mapped = MappedFile::open(file);
    if (!mapped)
      return mapped.takeError();
    if (Error error = addNpy(sys::path::stem(file), "'" + file + "'",
                             (*mapped)->bytes(), *mapped))
      return error;
  }
  return Error::success();
}

Error CalibrationData::readSet(int64_t sample) {
  for (size_t i = 0;; ++i) {
    std::string file = inputFile(sets[sample], i);
    if (i != 0 && !sys::fs::exists(file))
      return Error::success();
    if (i == inputs.size())
      return createStringError("'" + file + "': the model has only " +
                               Twine(i) + " inputs");
    Expected<onnx_ir::FiledTensor> tensor =
        onnx_ir::readTensorFile(file, context);
    if (!tensor)
      return tensor.takeError();
    if (tensor->name != inputs[i] && llvm::is_contained(inputs, tensor->name))
      return createStringError("'" + file + "' is named '" + tensor->name +
                               "', but input " + Twine(i) +
                               " of the model is '" + inputs[i] + "'");
    tensors[inputs[i]] = {std::move(tensor->type), std::move(tensor->bytes)};
  }
}

/// That the test data can be read and have the same inputs, of finite values.
Error CalibrationData::checkSets() {
  count = sets.size();
  std::vector<std::string> first;
  for (int64_t sample = 0; sample < count; ++sample) {
    tensors.clear();
    if (Error error = readSet(sample))
      return error;
    auto names = llvm::to_vector(make_first_range(tensors));
    if (sample == 0)
      first.assign(names.begin(), names.end());
    else if (!llvm::equal(names, first))
      return createStringError(
          path + ": '" + sys::path::filename(sets[0]) + "' has " +
          Twine(first.size()) + " inputs and '" +
          sys::path::filename(sets[sample]) + "' has " + Twine(names.size()));
    for (const auto &[name, tensor] : tensors)
      if (auto found = findNonFinite(tensor.type.element, tensor.bytes))
        return nonFiniteError(path, sample, name, *found);
  }
  tensors.clear();
  return Error::success();
}

Expected<TensorView> CalibrationData::getOfSet(StringRef name, int64_t sample,
                                               const WeightType &input) {
  std::string file = sets[sample];
  auto at = tensors.find(name.str());
  if (at == tensors.end()) {
    size_t number = llvm::find(inputs, name) - inputs.begin();
    return createStringError("'" + inputFile(file, number) +
                             "' is missing: input '" + name +
                             "', which the model needs");
  }
  const Tensor &tensor = at->second;
  if (tensor.type.element != input.element ||
      tensor.type.shape.size() != input.shape.size() ||
      !fitsShape(tensor.type.shape, input))
    return createStringError(file + ": '" + name + "' is " + tensor.type.str() +
                             "; the model's input is " + textOf(input));
  return TensorView{tensor.type, tensor.bytes};
}

//===----------------------------------------------------------------------===//
// All of it
//===----------------------------------------------------------------------===//

Expected<CalibrationData> CalibrationData::open(StringRef path,
                                                ArrayRef<std::string> inputs,
                                                mlir::MLIRContext *context) {
  CalibrationData data;
  data.path = path.str();
  data.inputs = inputs.vec();
  data.context = context;
  data.unpacked = WeightStore::createOverlay();
  bool isFolder = sys::fs::is_directory(path);
  if (Error error = isFolder ? data.openFolder() : data.openFile())
    return std::move(error);
  if (Error error = data.sets.empty() ? data.checkArrays() : data.checkSets())
    return std::move(error);
  return std::move(data);
}

} // namespace quantc

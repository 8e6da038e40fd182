//===- Outputs.cpp - The outputs of a run ---------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Outputs.h"

#include "Elements.h"
#include "quantc/Support/AtomicFile.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>

using namespace llvm;

namespace quantc::driver {

static ArrayRef<quantc_value> itemsOf(const quantc_value &value) {
  return {value.items, static_cast<size_t>(value.n_items)};
}

//===----------------------------------------------------------------------===//
// Printed
//===----------------------------------------------------------------------===//

/// The elements of one dimension and all behind it, in brackets. Of more than
/// `most` elements in a row, only the first and last few.
static void printElements(raw_ostream &os, const DLTensor &tensor, int dim,
                          int64_t &at, int64_t total) {
  constexpr int64_t kMost = 8, kEdge = 3, kShort = 64;
  if (dim == tensor.ndim) {
    os << elementText(tensor.data, tensor.dtype.code, tensor.dtype.bits, at++);
    return;
  }
  int64_t extent = tensor.shape[dim], inner = 1;
  for (int d = dim + 1; d < tensor.ndim; ++d)
    inner *= tensor.shape[d];
  bool cut = total > kShort && extent > kMost;
  os << '[';
  for (int64_t i = 0; i < extent; ++i) {
    if (i)
      os << ", ";
    if (cut && i == kEdge) {
      os << "..., ";
      at += (extent - 2 * kEdge) * inner;
      i = extent - kEdge;
    }
    printElements(os, tensor, dim + 1, at, total);
  }
  os << ']';
}

static int64_t countOf(const DLTensor &tensor) {
  int64_t count = 1;
  for (int d = 0; d < tensor.ndim; ++d)
    count *= tensor.shape[d];
  return count;
}

static void printValue(StringRef indent, const Twine &name,
                       const quantc_value &value) {
  outs() << indent << name << ": ";
  if (value.kind == QUANTC_NONE) {
    outs() << "none\n";
    return;
  }
  if (value.kind == QUANTC_SEQUENCE) {
    outs() << "sequence of " << value.n_items << '\n';
    for (auto [i, item] : enumerate(itemsOf(value)))
      printValue("  ", Twine(i), item);
    return;
  }
  const DLTensor &tensor = value.tensor;
  outs() << typeText(tensor.dtype.code, tensor.dtype.bits) << ' '
         << shapeText({tensor.shape, static_cast<size_t>(tensor.ndim)}) << '\n'
         << indent << "  ";
  int64_t at = 0;
  printElements(outs(), tensor, 0, at, countOf(tensor));
  outs() << '\n';
}

void printOutputs(const Session &session) {
  for (auto [i, value] : enumerate(session.outputs))
    printValue("", session.entry->outputs[i].name, value);
}

/// JSON has no infinity and no NaN: they are strings.
static void jsonElement(json::OStream &json, const std::string &text) {
  if (text == "true" || text == "false")
    json.value(text == "true");
  else if (text.find_first_of("jixn") != std::string::npos)
    json.value(text);
  else
    json.rawValue(text);
}

/// The attributes of an object that stands for a value.
static void jsonValue(json::OStream &json, const quantc_value &value) {
  if (value.kind == QUANTC_NONE) {
    json.attribute("none", true);
    return;
  }
  if (value.kind == QUANTC_SEQUENCE) {
    json.attributeArray("items", [&] {
      for (const quantc_value &item : itemsOf(value))
        json.object([&] { jsonValue(json, item); });
    });
    return;
  }
  const DLTensor &tensor = value.tensor;
  json.attribute("type", typeText(tensor.dtype.code, tensor.dtype.bits));
  json.attributeArray("shape", [&] {
    for (int d = 0; d < tensor.ndim; ++d)
      json.value(tensor.shape[d]);
  });
  json.attributeArray("values", [&] {
    for (int64_t at = 0, n = countOf(tensor); at < n; ++at)
      jsonElement(json, elementText(tensor.data, tensor.dtype.code,
                                    tensor.dtype.bits, at));
  });
}

void printOutputsJSON(const Session &session) {
  json::OStream json(outs(), 2);
  json.objectBegin();
  json.attribute("isa", quantc_isa_of(session.session));
  json.attribute("threads", quantc_threads_of(session.session));
  json.attributeArray("outputs", [&] {
    for (auto [i, value] : enumerate(session.outputs))
      json.object([&, i = i, &value = value] {
        json.attribute("name", session.entry->outputs[i].name);
        jsonValue(json, value);
      });
  });
  json.objectEnd();
  outs() << '\n';
}

//===----------------------------------------------------------------------===//
// To files
//===----------------------------------------------------------------------===//

static Array copyOf(const DLTensor &tensor) {
  Array array(tensor.dtype.code, tensor.dtype.bits,
              {tensor.shape, tensor.shape + tensor.ndim});
  std::memcpy(array.data(), tensor.data, array.bytes());
  return array;
}

static bool isNpz(StringRef path) { return path.ends_with_insensitive(".npz"); }
static bool isNpy(StringRef path) { return path.ends_with_insensitive(".npy"); }

/// A file name for an output: what separates folders is replaced.
static std::string fileName(StringRef name) {
  std::string result = name.str();
  std::replace(result.begin(), result.end(), '/', '_');
  return result;
}

Error checkOutputs(const Session &session, StringRef output) {
  ArrayRef infos(session.entry->outputs, session.entry->n_outputs);
  if (isNpy(output)) {
    if (infos.size() != 1)
      return createStringError("'" + output +
                               "' holds one array and the model "
                               "has " +
                               Twine(infos.size()) +
                               " outputs: say -o FILE.npz or a folder");
    if (infos[0].kind == QUANTC_SEQUENCE)
      return createStringError("'" + output + "' holds one array and output '" +
                               infos[0].name +
                               "' is a sequence: say -o FILE.npz or a folder");
  }
  if (isNpz(output) || isNpy(output))
    return AtomicFile::create(output).takeError();
  if (sys::fs::exists(output) && !sys::fs::is_directory(output))
    return createStringError("'" + output +
                             "' is no folder: outputs go to FILE.npz, FILE.npy "
                             "or a folder");
  StringSet<> names;
  for (const quantc_tensor_info &info : infos)
    if (!names.insert(fileName(info.name)).second)
      return createStringError("several outputs would be '" +
                               fileName(info.name) +
                               "' of the folder: say -o FILE.npz");
  return Error::success();
}

static Error makeFolder(StringRef path) {
  if (std::error_code code = sys::fs::create_directories(path))
    return createStringError(code, "cannot make the folder '" + path +
                                       "': " + code.message());
  return Error::success();
}

/// Writes a value to a folder: `stem`.npy, or the folder `stem` of a sequence.
static Error writeToFolder(StringRef folder, const std::string &stem,
                           const quantc_value &value) {
  if (value.kind == QUANTC_NONE)
    return Error::success();
  SmallString<256> path(folder);
  if (value.kind == QUANTC_TENSOR) {
    sys::path::append(path, stem + ".npy");
    return writeFileAtomically(path, npyText(copyOf(value.tensor)));
  }
  sys::path::append(path, stem);
  if (Error error = makeFolder(path))
    return error;
  SmallString<256> next(path);
  sys::path::append(next, std::to_string(value.n_items) + ".npy");
  if (sys::fs::exists(next))
    return createStringError(
        "'" + next + "' is of a longer sequence than the " +
        Twine(value.n_items) + " items there are now: remove the folder '" +
        path + "', or write to another");
  for (auto [i, item] : enumerate(itemsOf(value)))
    if (Error error = writeToFolder(path, std::to_string(i), item))
      return error;
  return Error::success();
}

Error writeOutputs(const Session &session, StringRef output) {
  const quantc_tensor_info *infos = session.entry->outputs;
  if (isNpy(output)) {
    const quantc_value &value = session.outputs.front();
    if (value.kind == QUANTC_NONE)
      return createStringError("output '" + Twine(infos[0].name) +
                               "' is missing in this run: there is nothing to "
                               "write to '" +
                               output + "'");
    return writeFileAtomically(output, npyText(copyOf(value.tensor)));
  }
  if (isNpz(output)) {
    std::vector<std::pair<std::string, Array>> arrays;
    for (auto [i, value] : enumerate(session.outputs)) {
      std::string name = infos[i].name;
      if (value.kind == QUANTC_TENSOR)
        arrays.emplace_back(name, copyOf(value.tensor));
      else if (value.kind == QUANTC_SEQUENCE)
        for (auto [item, tensor] : enumerate(itemsOf(value)))
          arrays.emplace_back(name + "/" + std::to_string(item),
                              copyOf(tensor.tensor));
    }
    return writeNpz(output, arrays);
  }
  if (Error error = makeFolder(output))
    return error;
  for (auto [i, value] : enumerate(session.outputs))
    if (Error error = writeToFolder(output, fileName(infos[i].name), value))
      return error;
  return Error::success();
}

} // namespace quantc::driver

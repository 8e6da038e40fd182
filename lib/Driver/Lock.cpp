//===- Lock.cpp - Files that keep the precision of layers -----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Lock.h"

#include "quantc/Quantize/LayerFormats.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;

namespace quantc::driver {
namespace {

constexpr StringLiteral kVersionKey("quantc_lock");
constexpr int64_t kVersion = 1;

Error failure(const Twine &text) { return createStringError(text); }

std::string quoted(const LockedLayer &layer) {
  return "'" + layer.name + "'" +
         (layer.entry.empty() ? "" : " of '" + layer.entry + "'");
}

//===----------------------------------------------------------------------===//
// Fields
//===----------------------------------------------------------------------===//

/// What `activations` says; text that is none of ours has no kind.
struct Inputs {
  StringRef type;
  StringRef kind; // tensor, token, group or block
  int64_t group = 0;
  bool isStatic = false;
};

std::optional<Inputs> parseInputs(StringRef text) {
  Inputs inputs;
  inputs.isStatic = text.consume_back(" static");
  std::tie(inputs.type, text) = text.split(' ');
  std::tie(inputs.kind, text) = text.split(' ');
  bool isPlain = is_contained({"tensor", "token", "channel"}, inputs.kind);
  if (!numerics::parseFormat({inputs.type.data(), inputs.type.size()}))
    return std::nullopt;
  if (isPlain ? text.empty()
      : inputs.kind == "block"
          ? !text.empty()
          : inputs.kind == "group" && !text.getAsInteger(10, inputs.group) &&
                inputs.group > 0)
    return inputs;
  return std::nullopt;
}

bool isScales(StringRef text) {
  int64_t group;
  if (text.empty() || text == "tensor" || text == "channel")
    return true;
  if (text.consume_front("group "))
    return !text.getAsInteger(10, group) && group > 0;
  return text.consume_front("block ") && !text.empty() &&
         all_of(text, [](char c) { return isDigit(c) || c == 'x'; });
}

/// Whether inputs have become wider, or share scales with more of them.
bool hasLostInputs(StringRef wasText, StringRef isText) {
  if (wasText == "float" || wasText == isText)
    return false;
  std::optional<Inputs> was = parseInputs(wasText), is = parseInputs(isText);
  if (!was || !is)
    return true;
  auto bits = [](const Inputs &inputs) {
    return numerics::info(
               *numerics::parseFormat({inputs.type.data(), inputs.type.size()}))
        .bits;
  };
  // Finer is larger; blocks of their own kind are not compared.
  auto rank = [](const Inputs &inputs) {
    return inputs.kind == "tensor"  ? 0
           : inputs.kind == "token" ? 1
           : inputs.kind == "group" ? 2
                                    : -1;
  };
  if (bits(*is) > bits(*was) || was->isStatic != is->isStatic ||
      rank(*was) < 0 || rank(*is) < rank(*was))
    return true;
  return rank(*was) == 2 && is->group > was->group;
}

bool hasSameFormat(const LayerPrecision &a, const LayerPrecision &b) {
  return a.format == b.format && a.scales == b.scales && a.scheme == b.scheme;
}

std::string describe(const LayerPrecision &layer) {
  std::string text = layer.format;
  if (!layer.scales.empty())
    text += " " + layer.scales;
  if (layer.scheme == "asymmetric")
    text += " asymmetric";
  return text + " with " + layer.activations + " inputs";
}

std::string shapeText(ArrayRef<int64_t> shape) {
  return join(map_range(shape, [](int64_t n) { return std::to_string(n); }),
              "x");
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// The parser is recursive, and no lock is deep.
bool isDeep(StringRef text) {
  int depth = 0;
  for (char c : text) {
    depth += c == '[' || c == '{' ? 1 : c == ']' || c == '}' ? -1 : 0;
    // Names may hold brackets; a thousand of them would be no name.
    if (depth > 1000)
      return true;
  }
  return false;
}

/// Reads a layer, or says what is wrong with it.
std::string readLayer(const json::Value &value, LockedLayer &layer) {
  const json::Object *object = value.getAsObject();
  if (!object)
    return "is no object";
  struct Field {
    StringLiteral key;
    std::string &text;
    bool optional = false;
  };
  const Field fields[] = {
      {"entry", layer.entry, true}, {"name", layer.name},
      {"format", layer.format},     {"scales", layer.scales, true},
      {"scheme", layer.scheme},     {"activations", layer.activations}};
  for (const auto &member : *object) {
    StringRef key = member.first;
    if (key != "shape" &&
        none_of(fields, [&](const Field &field) { return field.key == key; }))
      return "has '" + key.str() + "', which no layer has";
  }
  for (const Field &field : fields) {
    const json::Value *member = object->get(field.key);
    std::optional<StringRef> text =
        member ? member->getAsString() : std::nullopt;
    if (!text && (member || !field.optional))
      return "has no text '" + field.key.str() + "'";
    field.text = text.value_or("").str();
  }
  const json::Array *shape = object->getArray("shape");
  if (!shape || shape->empty())
    return "has no list 'shape'";
  for (const json::Value &extent : *shape) {
    std::optional<int64_t> number = extent.getAsInteger();
    if (!number || *number < 0)
      return "has a shape of other things than numbers";
    layer.shape.push_back(*number);
  }
  if (layer.name.empty() || layer.format.empty())
    return "has an empty name or format";
  if (!isScales(layer.scales))
    return "has scales '" + layer.scales +
           "', which are not tensor, channel, group N or block AxB";
  if (layer.scheme != "symmetric" && layer.scheme != "asymmetric")
    return "has the scheme '" + layer.scheme +
           "', which is not symmetric or asymmetric";
  if (layer.activations != "float" && !parseInputs(layer.activations))
    return "has activations '" + layer.activations +
           "', which are not float or as 'si8 token'";
  return {};
}

Error readLayers(StringRef text, Lock &lock) {
  if (text.empty())
    return failure("it is empty");
  if (isDeep(text))
    return failure("it is no JSON of a lock: brackets a thousand deep");
  Expected<json::Value> value = json::parse(text);
  if (!value)
    return value.takeError();
  const json::Object *root = value->getAsObject();
  const json::Value *version = root ? root->get(kVersionKey) : nullptr;
  if (!version)
    return failure("it has no '" + kVersionKey + "'");
  if (std::optional<int64_t> number = version->getAsInteger();
      !number || *number != kVersion)
    return failure("it is of another version than " + Twine(kVersion) +
                   ", which this quantc reads; delete it and have it written "
                   "again");
  for (const auto &[key, member] : *root)
    if (StringRef(key) != kVersionKey && StringRef(key) != "layers")
      return failure("it has '" + key.str() + "', which no lock has");
  const json::Array *layers = root->getArray("layers");
  if (!layers)
    return failure("it has no list 'layers'");
  for (const json::Value &layer : *layers) {
    LockedLayer &made = lock.layers.emplace_back();
    if (std::string why = readLayer(layer, made); !why.empty())
      return failure("layer " + Twine(lock.layers.size()) +
                     (made.name.empty() ? "" : " '" + made.name + "'") + " " +
                     why);
  }
  return Error::success();
}

/// Layers by entry and name.
using Index = StringMap<SmallVector<const LockedLayer *, 1>>;

std::string keyOf(const LockedLayer &layer) {
  return layer.entry + '\0' + layer.name;
}

Index indexOf(ArrayRef<LockedLayer> layers) {
  Index index;
  for (const LockedLayer &layer : layers)
    index[keyOf(layer)].push_back(&layer);
  return index;
}

/// What a layer of the lock has become, or empty if it has kept what it was.
std::string whatIsLost(const LockedLayer &was, const LockedLayer &is,
                       LockUse use) {
  if (was.shape != is.shape)
    return quoted(was) + " was " + shapeText(was.shape) + ", is " +
           shapeText(is.shape);
  bool mayDiffer = was.isFloat() && use == LockUse::Check;
  if ((mayDiffer || hasSameFormat(was, is)) &&
      !hasLostInputs(was.activations, is.activations))
    return {};
  return quoted(was) + " was " + describe(was) + ", is " + describe(is);
}

} // namespace

bool lockExists(const std::string &path) {
  // A path that may not be looked at is an error of reading it.
  std::error_code code = sys::fs::access(path, sys::fs::AccessMode::Exist);
  return code != std::errc::no_such_file_or_directory &&
         code != std::errc::not_a_directory;
}

Expected<Lock> readLock(const std::string &path) {
  auto named = [&](const Twine &why) {
    return failure("lock '" + Twine(path) + "' cannot be used: " + why);
  };
  if (sys::fs::is_directory(path))
    return named("it is a folder");
  ErrorOr<std::unique_ptr<MemoryBuffer>> text = MemoryBuffer::getFile(path);
  if (!text)
    return named(text.getError().message());
  Lock lock;
  lock.path = path;
  if (Error error = readLayers((*text)->getBuffer(), lock))
    return named(toString(std::move(error)));
  return std::move(lock);
}

Expected<std::string> lockText(std::vector<LockedLayer> layers) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const LockedLayer &layer : layers) {
    if (!json::isUTF8(layer.name))
      return failure("layer '" + json::fixUTF8(layer.name) +
                     "' cannot be in a lock: its name is no UTF-8; rename its "
                     "node");
    std::string line;
    raw_string_ostream os(line);
    json::OStream json(os);
    json.object([&] {
      if (!layer.entry.empty())
        json.attribute("entry", layer.entry);
      json.attribute("name", layer.name);
      json.attributeArray("shape", [&] {
        for (int64_t extent : layer.shape)
          json.value(extent);
      });
      json.attribute("format", layer.format);
      if (!layer.scales.empty())
        json.attribute("scales", layer.scales);
      json.attribute("scheme", layer.scheme);
      json.attribute("activations", layer.activations);
    });
    lines.emplace_back(keyOf(layer), std::move(line));
  }
  sort(lines);
  // Layers of one name that are alike need no telling apart.
  lines.erase(llvm::unique(lines), lines.end());
  std::string text =
      "{\"" + kVersionKey.str() + "\":" + itostr(kVersion) + ",\"layers\":[\n";
  text += join(map_range(lines, [](const auto &line) { return line.second; }),
               ",\n");
  return text + "\n]}\n";
}

/// What `--set` is told of a layer, behind its name; empty where it cannot be
/// told: what the model itself stores in a form that no recipe gives.
static std::string formatWords(const LayerPrecision &layer) {
  if (layer.isFloat())
    return "float";
  Expected<std::optional<numerics::WeightFormat>> format =
      parseLayerFormatName(layer.format, /*withUnsigned=*/false);
  if (!format) {
    consumeError(format.takeError());
    return {};
  }
  const numerics::WeightFormat &row = **format;
  if (!row.hasScale || row.groupIsFixed)
    return layer.format;
  if (layer.scheme == "asymmetric")
    return {};
  if (layer.scales == "tensor")
    return row.groupSize ? layer.format + ",group-size=0"
                         : layer.format + ",granularity=tensor";
  if (layer.scales == "channel")
    return layer.format + ",group-size=0";
  auto [kind, size] = StringRef(layer.scales).split(' ');
  if (kind == "group")
    return layer.format + ",group-size=" + size.str();
  if (kind == "block" && layer.shape.size() == 2)
    return layer.format + ",block=" + size.str();
  return {};
}

Error applyLock(const Lock &lock, StringRef entry, GraphOptions &options) {
  StringMap<const LockedLayer *> first;
  for (const LockedLayer &layer : lock.layers) {
    if (layer.entry != entry)
      continue;
    auto [at, isNew] = first.try_emplace(layer.name, &layer);
    if (!isNew && !hasSameFormat(*at->second, layer))
      return failure("lock '" + Twine(lock.path) + "' has two layers " +
                     quoted(layer) +
                     " of different formats, which cannot be told apart; give "
                     "the model's nodes names of their own");
    std::string words = formatWords(layer);
    if (isNew && !words.empty())
      options.setExactly.push_back(LayerPattern::exactly(layer.name) + "=" +
                                   words);
  }
  return Error::success();
}

static std::string recipeFor(const Lock &lock) {
  bool anyFormat = false, anyInput = false, anyGroup = false, anyStatic = false;
  for (const LockedLayer &layer : lock.layers) {
    anyFormat |= !layer.isFloat();
    std::optional<Inputs> inputs = parseInputs(layer.activations);
    anyInput |= inputs.has_value();
    anyGroup |= inputs && inputs->kind == "group";
    anyStatic |= inputs && inputs->isStatic;
  }
  if (anyStatic)
    return "w8a8-static";
  if (anyGroup)
    return "w4-rtn";
  if (anyInput)
    return "w8a8-dynamic";
  return anyFormat ? "w8a8-dynamic:activations=float" : "fp32";
}

Error chooseRecipe(const std::string &path, GraphOptions &options) {
  Expected<Lock> lock = readLock(path);
  if (!lock)
    return lock.takeError();
  options.recipe = recipeFor(*lock);
  return Error::success();
}

Error checkLock(const Lock &lock, ArrayRef<LockedLayer> layers, LockUse use) {
  Index index = indexOf(layers), lines = indexOf(lock.layers);
  std::vector<std::string> lost;
  for (const LockedLayer &was : lock.layers) {
    auto at = index.find(keyOf(was));
    if (at == index.end()) {
      lost.push_back(quoted(was) + " was " + describe(was) + ", is gone");
      continue;
    }
    // Layers that share a name and a line are alike; those of several lines
    // are told apart by nothing but the lines.
    bool anyIsEnough = lines.lookup(keyOf(was)).size() > 1;
    std::string why;
    for (const LockedLayer *is : at->second)
      if (why = whatIsLost(was, *is, use); why.empty() == anyIsEnough)
        break;
    if (!why.empty())
      lost.push_back(std::move(why));
  }
  if (lost.empty())
    return Error::success();
  std::string text = std::to_string(lost.size()) + " of " +
                     std::to_string(lock.layers.size()) +
                     " layers are not as lock '" + lock.path + "' says:";
  for (const std::string &line : lost)
    text += "\n  " + line;
  text += use == LockUse::Check
              ? "\nTake back what has changed them (the model, the recipe and "
                "its options, --keep-float, --set); if it is meant, delete the "
                "lock and have --lock write it again"
              : "\nA lock is of one model; its formats need a recipe that "
                "quantizes weights, and its inputs one that quantizes them the "
                "same way (activations=... of the recipe). If other formats "
                "are meant, delete the lock and have it written again";
  return failure(text);
}

std::vector<std::string> notLocked(const Lock &lock,
                                   ArrayRef<LockedLayer> layers) {
  Index index = indexOf(lock.layers);
  std::vector<std::string> names;
  for (const LockedLayer &layer : layers)
    if (!index.contains(keyOf(layer)))
      names.push_back(quoted(layer));
  return names;
}

} // namespace quantc::driver

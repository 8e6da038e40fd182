//===- Manifest.cpp - PREFIX.json -----------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Nothing here may depend on the machine, the time or the folder: the manifest
// is the same for the same input.
//
//===----------------------------------------------------------------------===//

#include "SeveralModels.h"

#include "Options.h"

#include "quantc/Analysis/Layers.h"
#include "quantc/Dialect/QGraph/Weights.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Support/MappedFile.h"
#include "quantc/hash.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace quantc::driver {
namespace {

std::string spelling(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

std::string shapeAndType(ShapedType type) {
  std::string text;
  for (int64_t extent : type.getShape())
    text += std::to_string(extent) + "x";
  return text + spelling(type.getElementType());
}

uint64_t bytesOf(ShapedType type) {
  WeightType stored{spelling(type.getElementType()),
                    llvm::SmallVector<int64_t, 4>(type.getShape())};
  llvm::Expected<uint64_t> bytes = storedSize(stored);
  if (bytes)
    return *bytes;
  llvm::consumeError(bytes.takeError());
  return 0;
}

/// The name of a constant: its entry's, or that of its location.
llvm::StringRef nameOf(qgraph::ConstantOp op) {
  if (auto weight = dyn_cast<qgraph::WeightAttr>(op.getValue()))
    return weight.getName();
  if (auto loc = op->getLoc()->findInstanceOf<NameLoc>())
    return loc.getName();
  return "";
}

/// How scales are shared, from the extent of a block in each dimension.
std::string granularityOf(ShapedType type, llvm::ArrayRef<int64_t> block) {
  unsigned perIndex = 0;
  int64_t group = 0;
  for (auto [i, extent] : llvm::enumerate(block)) {
    bool whole = extent == 0 || extent >= type.getDimSize(i);
    if (extent == 1 && !(whole && type.getDimSize(i) != 1))
      ++perIndex;
    else if (!whole)
      group = extent;
  }
  if (group)
    return "group " + std::to_string(group);
  return perIndex ? "channel" : "tensor";
}

struct Use {
  std::string format, granularity, layer;
};

/// How a constant is used: what tells its format.
Use useOf(qgraph::ConstantOp op) {
  Use use;
  auto type = cast<ShapedType>(op.getType());
  use.format = spelling(type.getElementType());
  for (Operation *user : op->getUsers()) {
    if (use.layer.empty())
      use.layer = getLayerName(user).str();
    if (auto linear = dyn_cast<qkernel::LinearOp>(user)) {
      if (linear.getPacked() != op.getResult())
        continue;
      use.format = linear.getFormat().str();
      if (linear.getCodebook())
        use.format += " codebook";
      if (use.format != "f32")
        use.granularity = linear.getGroup()
                              ? "group " + std::to_string(linear.getGroup())
                              : "channel";
    } else if (auto conv = dyn_cast<qkernel::ConvOp>(user)) {
      if (conv.getPacked() != op.getResult())
        continue;
      use.format = conv.getFormat().str();
      use.granularity = use.format == "f32" ? "" : "channel";
    } else if (auto dequantize = dyn_cast<qgraph::DequantizeOp>(user)) {
      if (dequantize.getInput() == op.getResult())
        use.granularity = granularityOf(type, dequantize.getBlock());
    } else if (auto linear = dyn_cast<qgraph::QuantizedLinearOp>(user)) {
      if (linear.getWeight() == op.getResult())
        use.granularity = granularityOf(type, linear.getWeightBlock());
    } else if (auto conv = dyn_cast<qgraph::QuantizedConvOp>(user)) {
      if (conv.getWeight() == op.getResult())
        use.granularity = granularityOf(type, conv.getWeightBlock());
    } else if (auto embedding = dyn_cast<qgraph::EmbeddingOp>(user)) {
      if (embedding.getTable() == op.getResult() && embedding.getScale())
        use.granularity = "channel";
    }
  }
  return use;
}

} // namespace

std::vector<ModelTensor> tensorsOf(ModuleOp module) {
  std::vector<ModelTensor> tensors;
  llvm::StringSet<> seen;
  module.walk([&](qgraph::ConstantOp op) {
    llvm::StringRef name = nameOf(op);
    if (name.empty() || !seen.insert(name).second)
      return;
    auto type = cast<ShapedType>(op.getType());
    tensors.push_back({name.str(), shapeAndType(type), bytesOf(type)});
  });
  return tensors;
}

std::vector<TensorReport> reportTensors(const std::vector<ModelTensor> &before,
                                        ModuleOp module) {
  llvm::MapVector<llvm::StringRef, TensorReport> rows;
  for (const ModelTensor &tensor : before) {
    TensorReport &row = rows[tensor.name];
    row.name = tensor.name;
    row.type = tensor.type;
    row.bytesBefore = tensor.bytes;
  }
  // A pass names what it makes of `w` `w@pass`.
  llvm::StringSet<> counted;
  module.walk([&](qgraph::ConstantOp op) {
    llvm::StringRef name = nameOf(op), base = name.split('@').first;
    if (name.empty())
      return;
    // What was made of small or computed constants has a row of its own.
    TensorReport &report = rows.count(name) ? rows[name] : rows[base];
    if (report.name.empty())
      report.name = base.str();
    Use use = useOf(op);
    if (report.layer.empty())
      report.layer = use.layer;
    // Scales come from the tensor too; what is quantized says more.
    if (report.granularity.empty()) {
      report.format = use.format;
      report.granularity = use.granularity;
    }
    if (counted.insert(name).second)
      report.bytesAfter += bytesOf(cast<ShapedType>(op.getType()));
  });
  std::vector<TensorReport> result;
  for (auto &[name, row] : rows)
    result.push_back(std::move(row));
  return result;
}

static std::string hexText(uint64_t value) {
  return llvm::formatv("{0:x-16}", value).str();
}

static void writeTensor(llvm::json::OStream &json, llvm::StringRef entry,
                        const TensorReport &tensor) {
  json.attribute("name", tensor.name);
  json.attribute("entry", entry);
  json.attribute("layer", tensor.layer);
  json.attribute("type", tensor.type);
  json.attribute("format", tensor.bytesAfter ? tensor.format : "folded");
  json.attribute("granularity", tensor.granularity);
  json.attribute("bytes_before", static_cast<int64_t>(tensor.bytesBefore));
  json.attribute("bytes_after", static_cast<int64_t>(tensor.bytesAfter));
}

/// quantc_hash of a file, as text.
static llvm::Expected<std::string> hashOf(const std::string &path) {
  llvm::Expected<std::shared_ptr<const MappedFile>> file =
      MappedFile::open(path);
  if (!file)
    return file.takeError();
  llvm::ArrayRef<char> bytes = (*file)->bytes();
  return hexText(quantc_hash(bytes.data(), bytes.size()));
}

llvm::Expected<std::string>
manifestText(const CompileRequest &request, const std::vector<Level> &levels,
             const std::vector<ImportedModel> &models,
             const std::vector<PackageEntry> &entries, uint64_t weightsHash,
             llvm::StringRef lock) {
  std::vector<std::string> hashes;
  for (const ImportedModel &model : models) {
    llvm::Expected<std::string> hash = hashOf(model.path);
    if (!hash)
      return hash.takeError();
    hashes.push_back(std::move(*hash));
  }
  auto texts = [](llvm::json::OStream &json, llvm::StringRef name,
                  const std::vector<std::string> &values) {
    json.attributeArray(name, [&] {
      for (const std::string &value : values)
        json.value(value);
    });
  };
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::json::OStream json(os, 2);
  json.objectBegin();
  json.attribute("quantc", version());
  json.attribute("llvm", LLVM_VERSION_STRING);
  json.attributeArray("models", [&] {
    for (auto [i, model] : llvm::enumerate(models))
      json.object([&, i = i, &model = model] {
        json.attribute("entry", model.entry);
        json.attribute("file", llvm::sys::path::filename(model.path));
        json.attribute("hash", hashes[i]);
        texts(json, "layers", entries[i].layers);
      });
  });
  json.attributeObject("options", [&] {
    json.attribute("recipe", request.graph.recipe);
    json.attribute("target", request.target);
    texts(json, "dim", request.graph.dims);
    json.attribute("keep_float", request.graph.keepFloat);
    texts(json, "set", request.graph.set);
    if (request.graph.bitsPerWeight)
      json.attribute("bits_per_weight", *request.graph.bitsPerWeight);
    if (request.graph.size)
      json.attribute("size", static_cast<int64_t>(*request.graph.size));
    if (!lock.empty())
      json.attribute("lock", hexText(quantc_hash(lock.data(), lock.size())));
    json.attribute("embed_weights", request.embedWeights);
  });
  json.attributeArray("levels", [&] {
    for (const Level &level : levels)
      json.object([&] {
        json.attribute("name", level.name);
        json.attribute("rank", level.rank);
        json.attribute("features", level.features);
      });
  });
  uint64_t before = 0, after = 0;
  for (const ImportedModel &model : models)
    for (const TensorReport &tensor : model.reports) {
      before += tensor.bytesBefore;
      after += tensor.bytesAfter;
    }
  json.attribute("bytes_before", static_cast<int64_t>(before));
  json.attribute("bytes_after", static_cast<int64_t>(after));
  json.attribute("weights_hash", hexText(weightsHash));
  json.attributeArray("tensors", [&] {
    for (const ImportedModel &model : models)
      for (const TensorReport &tensor : model.reports)
        json.object([&] { writeTensor(json, model.entry, tensor); });
  });
  json.objectEnd();
  return text;
}

} // namespace quantc::driver

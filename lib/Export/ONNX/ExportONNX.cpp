//===- ExportONNX.cpp - A module as an ONNX model -------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Export/ONNX.h"

#include "Writer.h"

#include "quantc/Support/AtomicFile.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

#include <map>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

/// The IR version that came with an opset.
static int64_t irVersion(int64_t opset) {
  return opset <= 22   ? 10
         : opset <= 23 ? 11
         : opset <= 24 ? 12
         : opset <= 27 ? 13
                       : 14;
}

static void collectDomains(const onnx::GraphProto &graph,
                           std::map<std::string, int64_t> &domains) {
  for (const onnx::NodeProto &node : graph.node()) {
    domains.try_emplace(node.domain(), 1);
    for (const onnx::AttributeProto &attribute : node.attribute())
      if (attribute.has_g())
        collectDomains(attribute.g(), domains);
  }
}

/// Numbers that users see in the file: versions and who wrote it.
static LogicalResult setVersions(ModuleOp module, const Writer &writer,
                                 const ExportONNXOptions &options,
                                 onnx::ModelProto &model) {
  auto imported = module->getAttrOfType<DictionaryAttr>("onnx.opset");
  auto versionOf = [&](StringRef domain) -> int64_t {
    auto version =
        imported ? imported.getAs<IntegerAttr>(domain) : IntegerAttr();
    return version ? version.getInt() : 0;
  };
  int64_t original = versionOf("ai.onnx");
  auto ir = module->getAttrOfType<IntegerAttr>("onnx.ir_version");
  ArrayRef<Emitted> emitted = writer.getEmitted();
  std::string why;
  std::optional<int64_t> opset;
  bool untouched =
      original > 0 && ir && writer.isVerbatim() && isExactly(emitted, original);
  if (untouched) {
    opset = original;
    model.set_ir_version(ir.getInt());
  } else {
    if (original >= options.opset)
      opset = chooseOpset(emitted, original, why);
    if (!opset || *opset != original)
      opset = chooseOpset(emitted, options.opset, why);
    if (!opset)
      return module.emitError("cannot be exported to ONNX: ") << why;
    model.set_ir_version(irVersion(*opset));
  }
  std::map<std::string, int64_t> domains{{"", *opset}};
  collectDomains(model.graph(), domains);
  for (const auto &[domain, version] : domains) {
    onnx::OperatorSetIdProto &import = *model.add_opset_import();
    import.set_domain(domain);
    import.set_version(domain.empty() ? version
                                      : std::max(version, versionOf(domain)));
  }
  model.set_producer_name("quantc");
  return success();
}

/// The bytes of every initializer, in the message or in a file of their own.
static llvm::Error writeInitializers(const std::list<Initializer> &initializers,
                                     const ExportONNXOptions &options) {
  uint64_t total = 0;
  for (const Initializer &initializer : initializers)
    total += initializer.size;
  // What is smaller stays in the model: shapes are read by checkers.
  constexpr uint64_t kSmall = 1024;
  bool apart = total > options.externalDataAbove;
  if (apart && options.path.empty())
    return llvm::createStringError(
        "its weights have %llu bytes and go to a file beside the model; write "
        "the model to a file with -o",
        static_cast<unsigned long long>(total));
  std::unique_ptr<AtomicFile> file;
  std::string path = options.path + ".data";
  uint64_t offset = 0;
  for (const Initializer &initializer : initializers) {
    onnx::TensorProto &tensor = *initializer.tensor;
    if (!apart || initializer.size <= kSmall) {
      llvm::raw_string_ostream os(*tensor.mutable_raw_data());
      if (llvm::Error error = initializer.write(os))
        return error;
      continue;
    }
    if (!file) {
      llvm::Expected<std::unique_ptr<AtomicFile>> made =
          AtomicFile::create(path);
      if (!made)
        return made.takeError();
      file = std::move(*made);
    }
    // So that elements can be read where they are mapped.
    uint64_t aligned = llvm::alignTo(offset, 64);
    file->os().write_zeros(aligned - offset);
    offset = aligned + initializer.size;
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    for (const auto &[key, value] :
         {std::pair<std::string, std::string>(
              "location", llvm::sys::path::filename(path).str()),
          std::pair<std::string, std::string>("offset",
                                              std::to_string(aligned)),
          std::pair<std::string, std::string>(
              "length", std::to_string(initializer.size))}) {
      onnx::StringStringEntryProto &entry = *tensor.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    }
    if (llvm::Error error = initializer.write(file->os()))
      return error;
  }
  return file ? file->commit() : llvm::Error::success();
}

LogicalResult quantc::exportONNX(ModuleOp module,
                                 const ExportONNXOptions &options,
                                 std::string &bytes) {
  try {
    onnx::ModelProto model;
    Writer writer(module, options);
    if (failed(writer.run(model)) ||
        failed(setVersions(module, writer, options, model)))
      return failure();
    if (llvm::Error error =
            writeInitializers(writer.getInitializers(), options))
      return module.emitError("cannot be exported to ONNX: ")
             << llvm::toString(std::move(error));
    // A message has to fit 31 bits.
    if (model.ByteSizeLong() > uint64_t(std::numeric_limits<int32_t>::max()))
      return module.emitError("cannot be exported to ONNX: the file would have "
                              "more than 2 GiB; keep its weights apart with a "
                              "lower --external-data-above");
    model.SerializeToString(&bytes);
    return success();
  } catch (const std::exception &exception) {
    return module.emitError("cannot be exported to ONNX: ") << exception.what();
  }
}

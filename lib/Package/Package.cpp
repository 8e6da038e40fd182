//===- Package.cpp - All files of a compiled model ------------------------===//

#include "quantc/Package/Package.h"

#include "Internal.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace quantc {
namespace {

Error checkInput(const PackageInput &input) {
  if (input.entries.empty())
    return createStringError("a library needs at least one entry");
  for (const PackageEntry &entry : input.entries) {
    if (entry.levels.empty())
      return createStringError("entry '%s' has no instruction set level",
                               entry.name.c_str());
    for (const std::vector<PackageTensor> *list :
         {&entry.inputs, &entry.outputs})
      for (const PackageTensor &tensor : *list)
        for (int64_t dim : tensor.dims)
          if (!tensor.isSequence && !tensor.isOptional &&
              dim < -static_cast<int64_t>(entry.symbols.size()))
            return createStringError("tensor '%s' of entry '%s' has a "
                                     "dimension without a name",
                                     tensor.name.c_str(), entry.name.c_str());
  }
  if (!input.manifest.empty()) {
    Expected<json::Value> parsed = json::parse(input.manifest);
    if (!parsed)
      return createStringError("the manifest is no JSON: %s",
                               toString(parsed.takeError()).c_str());
  }
  return Error::success();
}

/// Files under construction, put in place together at the end.
class Files {
public:
  Expected<AtomicFile *> create(const std::string &path) {
    Expected<std::unique_ptr<AtomicFile>> file = AtomicFile::create(path);
    if (!file)
      return file.takeError();
    files.push_back(std::move(*file));
    return files.back().get();
  }

  Error add(const std::string &path, StringRef text) {
    Expected<AtomicFile *> file = create(path);
    if (!file)
      return file.takeError();
    (*file)->os() << text;
    return Error::success();
  }

  /// Room is found out for all before the first is renamed.
  Error commit() {
    for (std::unique_ptr<AtomicFile> &file : files) {
      file->os().flush();
      if (file->os().has_error())
        return file->commit();
    }
    for (std::unique_ptr<AtomicFile> &file : files)
      if (Error error = file->commit())
        return error;
    return Error::success();
  }

private:
  std::vector<std::unique_ptr<AtomicFile>> files;
};

} // namespace

Expected<PackageResult> packageLibrary(const PackageInput &input,
                                       StringRef prefix,
                                       const PackageOptions &options) {
  if (Error error = checkInput(input))
    return std::move(error);
  std::string name = modelIdentifier(prefix);
  PackageResult result;
  result.library = (prefix + ".so").str();
  result.header = (prefix + ".h").str();
  result.manifest = (prefix + ".json").str();

  // The library is renamed last: who sees the new one finds its new weights.
  Files files;
  package::WeightsSection weights;
  std::vector<char> image;
  std::string weightsFile;
  if (!input.weights.empty() && input.embedWeights) {
    Expected<std::vector<char>> bytes =
        package::weightsImage(input.weights, weights);
    if (!bytes)
      return bytes.takeError();
    image = std::move(*bytes);
  } else if (!input.weights.empty()) {
    result.weights = (prefix + ".safetensors").str();
    weightsFile = sys::path::filename(result.weights).str();
    Expected<AtomicFile *> file = files.create(result.weights);
    if (!file)
      return file.takeError();
    Expected<package::WeightsSection> written =
        package::writeWeights(**file, input.weights);
    if (!written)
      return written.takeError();
    weights = *written;
  }
  result.weightsBytes = weights.bytes;
  if (Error error = files.add(result.manifest, input.manifest + "\n"))
    return std::move(error);
  if (Error error = files.add(result.header, headerText(input, prefix)))
    return std::move(error);

  Expected<SmallVector<char, 0>> description =
      package::emitDescription(input, name, weights, weightsFile, image);
  if (!description)
    return description.takeError();
  SmallVector<ArrayRef<char>, 8> objects{*description};
  for (const PackageEntry &entry : input.entries)
    for (const CompiledLevel &level : entry.levels)
      if (!level.object.empty())
        objects.push_back(level.object);
  Expected<std::unique_ptr<MemoryBuffer>> library = package::linkLibrary(
      input.triple, name, sys::path::filename(result.library), objects,
      options);
  if (!library)
    return library.takeError();
  result.libraryBytes = (*library)->getBufferSize();
  if (Error error = files.add(result.library, (*library)->getBuffer()))
    return std::move(error);
  if (Error error = files.commit())
    return std::move(error);
  return result;
}

} // namespace quantc

//===- OwnSamples.cpp - Samples that a language model writes --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OwnSamples.h"

#include "Arrays.h"
#include "Evaluation.h"
#include "Options.h"
#include "Worker.h"
#include "quantc/Package/Package.h"
#include "quantc/Support/Errors.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <cstring>
#include <random>

using namespace llvm;

namespace quantc::driver {
namespace {

/// Sequences that are written at the same time.
constexpr int64_t kBatch = 8;
/// Tokens after the first that are the most likely ones.
constexpr int64_t kGreedy = 4;

enum class Role { Tokens, Mask, Positions, Cache };

struct ModelInput {
  std::string name;
  WeightType type; ///< extents below 0 may be any
  Role role;
};

/// A tensor with its bytes.
struct Tensor {
  WeightType type;
  std::vector<char> bytes;

  TensorView view() const { return {type, bytes}; }
};

/// A decoder that writes tokens.
class Author {
public:
  static Expected<Author> create(mlir::ModuleOp module);

  /// Writes the samples to a .npz file.
  Error write(const OwnSamples &wanted, StringRef path,
              const ReportProgress &progress);

private:
  Error readInputs(mlir::func::FuncOp function);
  Error readOutputs(mlir::func::FuncOp function);
  /// Appends `length` tokens for each of `batch` sequences.
  Error writeBatch(int64_t batch, int64_t length, std::vector<int64_t> &all,
                   function_ref<void(int64_t)> wrote);
  /// The inputs of a run on the tokens from `past` to `next` of each sequence.
  std::vector<Tensor> inputsOf(ArrayRef<std::vector<int64_t>> sequences,
                               int64_t past, ArrayRef<Tensor> caches) const;
  Error nextTokens(const TensorView &logits, bool isGreedy,
                   std::vector<std::vector<int64_t>> &sequences);
  int64_t draw(ArrayRef<float> logits);
  /// A number of [0, 1).
  double uniform() { return static_cast<double>(random() >> 11) * 0x1p-53; }

  std::vector<ModelInput> inputs;
  size_t logitsAt = 0;
  std::vector<size_t> cachesAt; ///< results that are the next run's caches
  int64_t vocabulary = 0;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<Executable> code;
  std::mt19937_64 random; // the same numbers everywhere, from the same seed
};

} // namespace

Expected<std::optional<OwnSamples>> parseOwnSamples(StringRef text) {
  auto [name, numbers] = text.split(':');
  if (name != "self" || sys::fs::exists(text))
    return std::nullopt;
  OwnSamples wanted;
  auto [samples, length] = numbers.split('x');
  bool good =
      numbers.empty() ||
      (!samples.getAsInteger(10, wanted.samples) &&
       (!numbers.contains('x') || !length.getAsInteger(10, wanted.length)));
  if (good && wanted.samples > 0 && wanted.length > 1)
    return wanted;
  return make_error<UsageError>("'" + text +
                                "': say self, self:SAMPLES or "
                                "self:SAMPLESxLENGTH, as self:32x256");
}

static std::string nameOf(mlir::DictionaryAttr attributes) {
  auto name = attributes ? attributes.getAs<mlir::StringAttr>("onnx.name")
                         : mlir::StringAttr();
  return name ? name.str() : "";
}

/// What `self` cannot be used for.
static Error notADecoder(const Twine &why) {
  return createStringError("the model cannot write its own samples: " + why +
                           "; give a file of samples instead of 'self'");
}

static bool isInteger(const WeightType &type) {
  return type.element == "si64" || type.element == "si32";
}

Error Author::readInputs(mlir::func::FuncOp function) {
  for (mlir::BlockArgument argument : function.getArguments()) {
    std::string name = nameOf(function.getArgAttrDict(argument.getArgNumber()));
    auto ranked = dyn_cast<mlir::RankedTensorType>(argument.getType());
    if (!ranked)
      return notADecoder("its input '" + name + "' is no tensor");
    ModelInput input{name, CalibrationData::inputType(ranked), Role::Cache};
    ArrayRef<int64_t> shape = input.type.shape;
    bool isRow = shape.size() == 2 && isInteger(input.type);
    if (isRow && name == "input_ids") {
      input.role = Role::Tokens;
      if (shape[0] > 0 || shape[1] > 0)
        return notADecoder("its tokens are " + input.type.str() +
                           ", and both extents have to be open");
    } else if (isRow && name == "attention_mask") {
      input.role = Role::Mask;
    } else if (isRow && name == "position_ids") {
      input.role = Role::Positions;
    } else if (shape.size() != 4 || shape[0] > 0 || shape[1] < 0 ||
               shape[2] > 0 || shape[3] < 0 || isInteger(input.type)) {
      return notADecoder("its input '" + name + "' (" + input.type.str() +
                         ") is neither input_ids, attention_mask, "
                         "position_ids nor a cache of any length");
    }
    inputs.push_back(std::move(input));
  }
  if (!is_contained(
          map_range(inputs, [](const ModelInput &i) { return i.role; }),
          Role::Tokens))
    return notADecoder("it has no input 'input_ids'");
  return Error::success();
}

Error Author::readOutputs(mlir::func::FuncOp function) {
  std::optional<size_t> logits;
  std::vector<WeightType> found;
  for (auto [i, type] : enumerate(function.getResultTypes())) {
    auto ranked = dyn_cast<mlir::RankedTensorType>(type);
    if (!ranked)
      continue;
    WeightType result = CalibrationData::inputType(ranked);
    if (result.shape.size() == 3 && result.shape[2] > 0 && !logits &&
        StringRef(nameOf(function.getResultAttrDict(i)))
            .contains_insensitive("logits")) {
      logits = i;
      vocabulary = result.shape[2];
    } else if (result.shape.size() == 4) {
      cachesAt.push_back(i);
      found.push_back(std::move(result));
    }
  }
  if (!logits)
    return notADecoder("it has no output [batch, tokens, classes] with "
                       "'logits' in its name");
  logitsAt = *logits;
  size_t next = 0;
  for (const ModelInput &input : inputs) {
    if (input.role != Role::Cache)
      continue;
    if (next == found.size() || found[next].element != input.type.element ||
        found[next].shape[1] != input.type.shape[1] ||
        found[next].shape[3] != input.type.shape[3])
      return notADecoder("no output goes on with its cache '" + input.name +
                         "'");
    ++next;
  }
  cachesAt.resize(next);
  return Error::success();
}

Expected<Author> Author::create(mlir::ModuleOp module) {
  Author author;
  auto function = *module.getOps<mlir::func::FuncOp>().begin();
  if (Error error = author.readInputs(function))
    return std::move(error);
  if (Error error = author.readOutputs(function))
    return std::move(error);
  author.executor = createExecutor();
  Expected<std::unique_ptr<Executable>> compiled =
      author.executor->compile(module);
  if (!compiled)
    return compiled.takeError();
  author.code = std::move(*compiled);
  return std::move(author);
}

/// Integers of [rows, width]: `value` of row and column.
static Tensor rowsOf(StringRef element, int64_t rows, int64_t width,
                     function_ref<int64_t(int64_t, int64_t)> value) {
  Tensor tensor;
  tensor.type = {element.str(), {rows, width}};
  size_t size = element == "si64" ? sizeof(int64_t) : sizeof(int32_t);
  tensor.bytes.resize(rows * width * size);
  char *at = tensor.bytes.data();
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < width; ++column, at += size) {
      int64_t wide = value(row, column);
      auto narrow = static_cast<int32_t>(wide);
      std::memcpy(
          at, size == sizeof wide ? static_cast<void *>(&wide) : &narrow, size);
    }
  return tensor;
}

std::vector<Tensor> Author::inputsOf(ArrayRef<std::vector<int64_t>> sequences,
                                     int64_t past,
                                     ArrayRef<Tensor> caches) const {
  int64_t batch = sequences.size(), length = sequences.front().size();
  std::vector<Tensor> tensors;
  for (const ModelInput &input : inputs) {
    StringRef element = input.type.element;
    switch (input.role) {
    case Role::Tokens:
      tensors.push_back(rowsOf(element, batch, length - past,
                               [&](int64_t row, int64_t column) {
                                 return sequences[row][past + column];
                               }));
      break;
    case Role::Mask:
      tensors.push_back(
          rowsOf(element, batch, length, [](int64_t, int64_t) { return 1; }));
      break;
    case Role::Positions:
      tensors.push_back(
          rowsOf(element, batch, length - past,
                 [&](int64_t, int64_t column) { return past + column; }));
      break;
    case Role::Cache:
      if (caches.empty()) {
        tensors.push_back({input.type, {}});
        tensors.back().type.shape[0] = batch;
        tensors.back().type.shape[2] = 0;
      } else {
        tensors.push_back(caches.front());
        caches = caches.drop_front();
      }
    }
  }
  return tensors;
}

int64_t Author::draw(ArrayRef<float> logits) {
  double greatest = *max_element(logits), sum = 0;
  std::vector<double> weights;
  for (float logit : logits)
    sum += weights.emplace_back(std::exp(logit - greatest));
  double left = uniform() * sum;
  for (auto [i, weight] : enumerate(weights))
    if ((left -= weight) < 0)
      return i;
  return max_element(logits) - logits.begin(); // rounding
}

Error Author::nextTokens(const TensorView &logits, bool isGreedy,
                         std::vector<std::vector<int64_t>> &sequences) {
  std::vector<float> storage;
  std::optional<ArrayRef<float>> floats = floatsOf(logits, storage);
  if (!floats || !all_of(*floats, [](float x) { return std::isfinite(x); }))
    return notADecoder("its logits are no finite floats");
  int64_t rows = logits.type.shape[1];
  for (auto [i, sequence] : enumerate(sequences)) {
    ArrayRef<float> last =
        floats->slice(((i + 1) * rows - 1) * vocabulary, vocabulary);
    sequence.push_back(isGreedy ? max_element(last) - last.begin()
                                : draw(last));
  }
  return Error::success();
}

Error Author::writeBatch(int64_t batch, int64_t length,
                         std::vector<int64_t> &all,
                         function_ref<void(int64_t)> wrote) {
  std::vector<std::vector<int64_t>> sequences(batch);
  for (std::vector<int64_t> &sequence : sequences)
    sequence.push_back(
        static_cast<int64_t>(uniform() * static_cast<double>(vocabulary)));
  std::vector<Tensor> caches;
  for (int64_t at = 1; at < length; ++at) {
    // Without a cache all tokens are read again.
    std::vector<Tensor> tensors =
        inputsOf(sequences, cachesAt.empty() ? 0 : at - 1, caches);
    std::vector<TensorView> views, results;
    for (const Tensor &tensor : tensors)
      views.push_back(tensor.view());
    if (Error error = code->run(views, results))
      return error;
    if (Error error = nextTokens(results[logitsAt], at <= kGreedy, sequences))
      return error;
    caches.clear();
    for (size_t result : cachesAt)
      caches.push_back({results[result].type, results[result].bytes.vec()});
    wrote(at);
  }
  for (const std::vector<int64_t> &sequence : sequences)
    append_range(all, sequence);
  return Error::success();
}

Error Author::write(const OwnSamples &wanted, StringRef path,
                    const ReportProgress &progress) {
  std::vector<int64_t> all;
  for (int64_t done = 0; done < wanted.samples; done += kBatch) {
    int64_t batch = std::min(kBatch, wanted.samples - done);
    noteStage("writing samples from number " + Twine(done));
    if (Error error = writeBatch(batch, wanted.length, all, [&](int64_t at) {
          double part = static_cast<double>(at) / wanted.length;
          progress("the model writes its samples",
                   (done + batch * part) / wanted.samples);
        }))
      return error;
  }
  std::vector<std::vector<int64_t>> sequences;
  for (int64_t i = 0; i < wanted.samples; ++i)
    sequences.emplace_back(all.begin() + i * wanted.length,
                           all.begin() + (i + 1) * wanted.length);
  std::vector<std::pair<std::string, Array>> arrays;
  for (auto [input, tensor] :
       zip_equal(inputs, inputsOf(sequences, /*past=*/0, /*caches=*/{}))) {
    Expected<std::pair<int64_t, int64_t>> type =
        dlpackType(tensor.type.element);
    if (!type)
      return type.takeError();
    Array array(type->first, type->second,
                {tensor.type.shape.begin(), tensor.type.shape.end()});
    copy(tensor.bytes, array.data());
    arrays.emplace_back(input.name, std::move(array));
  }
  return writeNpz(path, arrays);
}

Error makeOwnSamples(CompileRequest &request, bool quiet,
                     std::optional<FileRemover> &remover) {
  Expected<std::optional<OwnSamples>> wanted =
      parseOwnSamples(request.graph.calibration);
  if (!wanted)
    return wanted.takeError();
  if (!*wanted)
    return Error::success();
  if (request.models.size() != 1)
    return createStringError("'self' is for one model: give each its file of "
                             "samples");
  SmallString<128> path;
  if (std::error_code code =
          sys::fs::createTemporaryFile("quantc", "npz", path))
    return createStringError(code, "cannot make a temporary file in TMPDIR: %s",
                             code.message().c_str());
  remover.emplace(path);
  CompileRequest floating;
  floating.models = request.models;
  floating.plugins = request.plugins;
  floating.jobs = request.jobs;
  floating.graph.recipe = "fp32";
  floating.emit = Emit::Switches;
  Expected<CompileResult> result = compileAtTerminal(
      floating, quiet, quiet,
      [&](mlir::ModuleOp graph, CompileListener &listener) -> Error {
        Expected<Author> author = Author::create(graph);
        if (!author)
          return author.takeError();
        return author->write(**wanted, path, [&](StringRef what, double done) {
          listener.progress(what, 0.25 + 0.75 * done);
        });
      });
  request.graph.calibration = path.str();
  return result.takeError();
}

} // namespace quantc::driver

//===- Run.cpp - quantc run -----------------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Arrays.h"
#include "Console.h"
#include "Elements.h"
#include "Options.h"
#include "Session.h"
#include "Worker.h"
#include "quantc/Support/AtomicFile.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"

#include <cmath>
#include <cstring>

using namespace llvm;

namespace quantc::driver {
namespace {

struct RunOptions : SessionOptions {
  std::string output;
  bool json = false, quiet = false;
};

Array copyOf(const quantc_value &value) {
  const DLTensor &tensor = value.tensor;
  Array array(tensor.dtype.code, tensor.dtype.bits,
              {tensor.shape, tensor.shape + tensor.ndim});
  std::memcpy(array.data(), tensor.data, array.bytes());
  return array;
}

/// The elements of one dimension and all behind it, in brackets. Of more than
/// `most` elements in a row, only the first and last few.
void printElements(raw_ostream &os, const DLTensor &tensor, int dim,
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

int64_t countOf(const DLTensor &tensor) {
  int64_t count = 1;
  for (int d = 0; d < tensor.ndim; ++d)
    count *= tensor.shape[d];
  return count;
}

std::string typeAndShape(const DLTensor &tensor) {
  return typeText(tensor.dtype.code, tensor.dtype.bits) + " " +
         shapeText({tensor.shape, static_cast<size_t>(tensor.ndim)});
}

void printOutputs(const Session &session) {
  for (auto [i, value] : enumerate(session.outputs)) {
    const char *name = session.entry->outputs[i].name;
    if (value.kind != QUANTC_TENSOR) {
      outs() << name << ": none\n";
      continue;
    }
    int64_t at = 0;
    outs() << name << ": " << typeAndShape(value.tensor) << "\n  ";
    printElements(outs(), value.tensor, 0, at, countOf(value.tensor));
    outs() << '\n';
  }
}

/// JSON has no infinity and no NaN: they are strings.
void jsonElement(json::OStream &json, const std::string &text) {
  if (text == "true" || text == "false")
    json.value(text == "true");
  else if (text.find_first_of("jixn") != std::string::npos)
    json.value(text);
  else
    json.rawValue(text);
}

void printJSON(const Session &session) {
  json::OStream json(outs(), 2);
  json.objectBegin();
  json.attribute("isa", quantc_isa_of(session.session));
  json.attribute("threads", quantc_threads_of(session.session));
  json.attributeArray("outputs", [&] {
    for (auto [i, value] : enumerate(session.outputs))
      json.object([&, i = i, &value = value] {
        json.attribute("name", session.entry->outputs[i].name);
        if (value.kind != QUANTC_TENSOR)
          return;
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
      });
  });
  json.objectEnd();
  outs() << '\n';
}

/// A file name for an output: what separates folders is replaced.
std::string fileName(StringRef name) {
  std::string result = name.str();
  std::replace(result.begin(), result.end(), '/', '_');
  return result + ".npy";
}

Error writeOutputs(const Session &session, StringRef output) {
  std::vector<Array> arrays;
  std::vector<std::string> names;
  for (auto [i, value] : enumerate(session.outputs)) {
    if (value.kind != QUANTC_TENSOR)
      continue;
    arrays.push_back(copyOf(value));
    names.push_back(session.entry->outputs[i].name);
  }
  if (output.ends_with(".npz")) {
    std::vector<std::pair<std::string, const Array *>> named;
    for (auto [i, array] : enumerate(arrays))
      named.emplace_back(names[i], &array);
    return writeNpz(output, named);
  }
  if (output.ends_with(".npy")) {
    if (arrays.size() != 1)
      return createStringError("'" + output +
                               "' holds one array and the model "
                               "has " +
                               Twine(arrays.size()) +
                               " outputs: say -o FILE.npz or a folder");
    return writeFileAtomically(output, npyText(arrays[0]));
  }
  if (std::error_code code = sys::fs::create_directories(output))
    return createStringError(code, "cannot make the folder '" + output +
                                       "': " + code.message());
  for (auto [i, array] : enumerate(arrays)) {
    SmallString<256> path(output);
    sys::path::append(path, fileName(names[i]));
    if (Error error = writeFileAtomically(path, npyText(array)))
      return error;
  }
  return Error::success();
}

int run(const RunOptions &options) {
  noteStage("loading '" + options.library + "'");
  Expected<std::unique_ptr<Session>> session = Session::open(options);
  if (!session)
    return fail(session.takeError());
  if (Error error = (*session)->makeInputs(options, /*inventMissing=*/false))
    return fail(std::move(error));
  if (!options.quiet)
    (*session)->noteAssumed();
  noteStage("running '" + options.library + "'");
  if (Error error = (*session)->run())
    return fail(std::move(error));
  noteStage("");
  if (!options.output.empty()) {
    if (Error error = writeOutputs(**session, options.output))
      return fail(std::move(error));
  } else if (!options.json) {
    printOutputs(**session);
  }
  if (options.json)
    printJSON(**session);
  return ExitDone;
}

} // namespace

RunVerb addRun(CLI::App &program) {
  auto options = std::make_shared<RunOptions>();
  CLI::App *verb = program.add_subcommand(
      "run", "Run a compiled model once on inputs from files");
  options->addTo(*verb);
  verb->add_option("-o,--output", options->output,
                   "Where outputs go: FILE.npz, FILE.npy or a folder (default: "
                   "printed)")
      ->type_name("FILE");
  verb->add_flag("--json", options->json, "Print outputs as JSON");
  verb->add_flag("-q,--quiet", options->quiet, "Print results and errors only");
  verb->footer("The environment variable QUANTC_ISA forces an instruction set "
               "level, as QUANTC_ISA=avx2.\nExample:\n"
               "  quantc run model.so --input input_ids=ids.npy --input "
               "attention_mask=mask.npy -o outputs.npz");
  return [options] {
    WorkerOptions worker = commandWorker("run");
    worker.outputs = {options->output};
    return runInWorker(worker, [&] { return run(*options); });
  };
}

} // namespace quantc::driver

//===- Run.cpp - quantc run -----------------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Console.h"
#include "Options.h"
#include "Outputs.h"
#include "Worker.h"

using namespace llvm;

namespace quantc::driver {
namespace {

struct RunOptions : SessionOptions {
  std::string output;
  bool json = false, quiet = false;
};

int run(const RunOptions &options) {
  noteStage("loading '" + options.library + "'");
  Expected<std::unique_ptr<Session>> session = Session::open(options);
  if (!session)
    return fail(session.takeError());
  if (Error error = (*session)->makeInputs(options, /*inventMissing=*/false))
    return fail(std::move(error));
  if (!options.output.empty())
    if (Error error = checkOutputs(**session, options.output))
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
    printOutputsJSON(**session);
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
  verb->footer(
      "An input that is a sequence takes its items, divided by commas: "
      "NAME=a.npy,b.npy;\nor a folder with 0.npy, 1.npy, ...; FILE.npz "
      "with arrays NAME/0, NAME/1, ...;\n3xrandom: three made-up "
      "items; empty: none. NAME=none leaves an optional input\nout, as "
      "not to mention it does.\nThe environment variable QUANTC_ISA forces an "
      "instruction set "
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

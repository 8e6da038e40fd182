//===- Resume.cpp - Going on after an interruption ------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where a compile takes long, passes keep what they have finished in a folder
// beside the output (Support/Journal.h), which goes when the compile is done.
//
//===----------------------------------------------------------------------===//

#include "CompileModel.h"
#include "Options.h"
#include "quantc/Dialect/QGraph/Weights.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

#include <cstdlib>
#include <set>

using namespace mlir;

namespace quantc::driver {
namespace {

/// Compiles of models with less weights are not worth a folder.
constexpr uint64_t kLeastWeights = uint64_t(256) << 20;

uint64_t leastWeights() {
  const char *given = std::getenv("QUANTC_PARTIAL_ABOVE");
  return given ? std::strtoull(given, nullptr, 10) : kLeastWeights;
}

/// Adds what tells a file, or the files of a folder, from others.
void addFile(std::string &key, llvm::StringRef path) {
  llvm::SmallString<256> real;
  if (path.empty() || llvm::sys::fs::real_path(path, real))
    return;
  llvm::sys::fs::file_status status;
  if (llvm::sys::fs::status(real, status))
    return;
  if (!llvm::sys::fs::is_directory(status)) {
    key += llvm::formatv(
        "file {0} {1} {2}\n", real, status.getSize(),
        status.getLastModificationTime().time_since_epoch().count());
    return;
  }
  std::set<std::string> inside;
  std::error_code code;
  for (llvm::sys::fs::directory_iterator at(real, code), end;
       !code && at != end; at.increment(code))
    inside.insert(at->path());
  for (const std::string &file : inside)
    addFile(key, file);
}

} // namespace

std::string partialFolder(llvm::StringRef output) {
  // What `quantc eval` makes is no file of the user's.
  return output.empty() || output == "-" ? "" : (output + ".partial").str();
}

/// All that the results of the graph's passes depend on.
std::string Compiler::journalKey(const ImportedModel &model,
                                 llvm::StringRef pipeline) const {
  std::string key = std::string("quantc ") + version() + "\n";
  addFile(key, "/proc/self/exe");
  key += (pipeline + "\n").str();
  // Samples run on this machine's highest level.
  key += "target " + request.target + "\n";
  if (llvm::Expected<std::vector<Level>> own = targetLevels("native:highest"))
    key += "machine " + own->back().name + "\n";
  else
    llvm::consumeError(own.takeError());
  addFile(key, model.path);
  std::set<std::string> data;
  for (const WeightHandle &entry :
       qgraph::getWeights(*model.module).overlay()->entries())
    if (const char *file = mappedFileAt(entry->bytes.data()))
      data.insert(file);
  for (const std::string &file : data)
    addFile(key, file);
  addFile(key, request.graph.calibration);
  if (request.emit != Emit::Statistics)
    addFile(key, request.graph.statistics);
  for (const std::string &plugin : request.plugins)
    addFile(key, plugin);
  return key;
}

void Compiler::openJournal(const ImportedModel &model,
                           llvm::StringRef pipeline) {
  std::string folder = partialFolder(models.size() > 1 && request.output != "-"
                                         ? request.output + "." + model.entry
                                         : request.output);
  if (folder.empty())
    return;
  uint64_t bytes = 0;
  for (const WeightHandle &entry :
       qgraph::getWeights(*model.module).overlay()->entries())
    bytes += entry->bytes.size();
  if (bytes < leastWeights() && !llvm::sys::fs::exists(folder))
    return;
  Journal::Found found;
  std::unique_ptr<Journal> journal =
      Journal::open(folder, journalKey(model, pipeline), found);
  auto note = [&](const llvm::Twine &text) {
    listener.message("note", ("'" + folder + "' " + text).str());
  };
  switch (found) {
  case Journal::Found::Nothing:
    break;
  case Journal::Found::Records:
    note("has what was finished before the interruption: going on from there");
    break;
  case Journal::Found::Others:
    note("was left by a command on other files or with other options, and is "
         "removed");
    break;
  case Journal::Found::InUse:
    note("is in use by another quantc: this one keeps nothing to go on from");
    break;
  case Journal::Found::Foreign:
    note("is not quantc's: nothing is kept to go on from");
    break;
  }
  setJournal(std::move(journal));
}

/// Has passes use another journal; those before are kept until the end.
void Compiler::setJournal(std::unique_ptr<Journal> journal) {
  auto *dialect = context.getOrLoadDialect<qgraph::QGraphDialect>();
  journals.push_back(dialect->setJournal(std::move(journal)));
}

void Compiler::removeJournals() {
  setJournal(std::make_unique<Journal>());
  unsigned reused = 0;
  for (std::unique_ptr<Journal> &journal : journals) {
    reused += journal->reused();
    journal->remove();
  }
  journals.clear();
  if (reused)
    listener.message("note", "taken over from the interrupted run: " +
                                 std::to_string(reused) + " finished steps");
}

} // namespace quantc::driver

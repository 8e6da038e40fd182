//===- Driver.cpp - The command line of quantc ----------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Driver/Driver.h"

#include "Console.h"
#include "Options.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/Program.h"

#include <csignal>
#include <cstring>
#include <unistd.h>

using namespace llvm;

namespace quantc::driver {
namespace {

std::string theCommandLine;

/// `quantc NAME` of another program, as git does. Returns only if there is
/// none of that name.
void execute(StringRef name, char **argv) {
  ErrorOr<std::string> path = sys::findProgramByName(("quantc-" + name).str());
  if (path)
    execv(path->c_str(), argv + 1);
}

/// Descriptions in lines that fit a terminal.
class Formatter : public CLI::Formatter {
public:
  std::string make_option_desc(const CLI::Option *option) const override {
    constexpr size_t kWidth = 50;
    std::string text, line;
    SmallVector<StringRef, 32> words;
    StringRef(option->get_description()).split(words, ' ');
    for (StringRef word : words) {
      if (!line.empty() && line.size() + 1 + word.size() > kWidth) {
        text += line + "\n";
        line.clear();
      }
      line += (line.empty() ? "" : " ") + word.str();
    }
    return text + line;
  }
};

struct Verbs {
  std::vector<std::pair<CLI::App *, RunVerb>> list;

  void add(CLI::App &program, RunVerb (*adder)(CLI::App &)) {
    RunVerb run = adder(program);
    list.emplace_back(program.get_subcommands({}).back(), std::move(run));
  }
};

int usageError(const std::string &message, const CLI::App *verb) {
  fail(message, ExitBadUsage);
  errs() << "Try 'quantc" << (verb ? " " + verb->get_name() : std::string())
         << " --help'.\n";
  return ExitBadUsage;
}

int unknownVerb(StringRef name, const Verbs &verbs, char **argv) {
  execute(name, argv);
  std::vector<std::string> names;
  for (auto &[app, run] : verbs.list)
    names.push_back(app->get_name());
  return usageError(("'" + name +
                     "' is no verb of quantc and there is no "
                     "program 'quantc-" +
                     name + "' on the path" + didYouMean(name, names))
                        .str(),
                    nullptr);
}

int run(int argc, char **argv) {
  CLI::App program("quantc compiles ONNX models into native libraries with "
                   "low-bit weights and arithmetic.",
                   "quantc");
  program.formatter(std::make_shared<Formatter>()); // the verbs inherit it
  program.set_version_flag("--version",
                           std::string("quantc ") + version() + " (LLVM " +
                               LLVM_VERSION_STRING + ")",
                           "Print the version and exit");
  program.set_help_flag("-h,--help", "Print this help and exit");
  program.footer(
      "quantc VERB --help says more. A first example:\n"
      "  quantc compile model.onnx -o build/model --recipe w8a8-dynamic\n"
      "  quantc run build/model.so --input x=x.npy -o outputs.npz\n"
      "  quantc bench build/model.so --dim batch=8 --threads 2\n"
      "'quantc NAME' runs 'quantc-NAME' from the path where NAME is none of "
      "the above.\n"
      "Exit status: 0 done, 1 the input cannot be processed, 2 the command "
      "line is wrong,\n3 a defect of quantc, 130 interrupted.");
  Verbs verbs;
  verbs.add(program, addCompile);
  verbs.add(program, addCalibrate);
  verbs.add(program, addRun);
  verbs.add(program, addBench);
  verbs.add(program, addEval);
  verbs.add(program, addInspect);
  verbs.add(program, addRecipes);
  verbs.add(program, addOperators);
  verbs.add(program, addCompletion);

  if (argc < 2) {
    outs() << program.help();
    return finishOutput(ExitBadUsage);
  }
  StringRef first = argv[1];
  if (first == "help") {
    outs() << program.help();
    return finishOutput();
  }
  if (!first.starts_with("-") && none_of(verbs.list, [&](auto &v) {
        return v.first->get_name() == first;
      }))
    return unknownVerb(first, verbs, argv);

  const CLI::App *chosen = nullptr;
  for (auto &[app, runVerb] : verbs.list)
    if (app->get_name() == first)
      chosen = app;
  try {
    program.parse(argc, argv);
  } catch (const CLI::CallForHelp &) {
    outs() << (chosen ? chosen->help("quantc") : program.help());
    return finishOutput();
  } catch (const CLI::CallForVersion &request) {
    outs() << request.what() << '\n';
    return finishOutput();
  } catch (const CLI::ParseError &error) {
    return usageError(error.what(), chosen);
  }
  for (auto &[app, runVerb] : verbs.list)
    if (app->parsed())
      return finishOutput(runVerb());
  return usageError("a verb is missing", nullptr);
}

/// Before there is a worker, and where a verb has none.
void onInterrupt(int) {
  constexpr char kText[] = "quantc: interrupted\n";
  (void)!write(STDERR_FILENO, kText, sizeof kText - 1);
  _exit(ExitInterrupted);
}

} // namespace

std::string shellQuoted(StringRef text) {
  bool plain = !text.empty() && all_of(text, [](char c) {
    return isAlnum(c) || StringRef("_-+=./:,@%").contains(c);
  });
  if (plain)
    return text.str();
  std::string result = "'";
  for (char c : text)
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

const std::string &commandLine() { return theCommandLine; }

const char *version() { return QUANTC_VERSION; }

} // namespace quantc::driver

int quantc::runDriver(int argc, char **argv) {
  using namespace driver;
  // A reader that leaves is an error of write(), not the death of the program.
  signal(SIGPIPE, SIG_IGN);
  for (int number : {SIGINT, SIGTERM, SIGHUP})
    if (signal(number, onInterrupt) == SIG_IGN) // nohup
      signal(number, SIG_IGN);
  theCommandLine = "quantc";
  for (int i = 1; i < argc; ++i)
    theCommandLine += " " + shellQuoted(argv[i]);
  try {
    return driver::run(argc, argv);
  } catch (const std::bad_alloc &) {
    return fail("out of memory");
  } catch (const std::exception &exception) {
    return fail(exception.what(), ExitDefect);
  }
}

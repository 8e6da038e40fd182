//===- Worker.cpp - Work in a process of its own --------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Worker.h"

#include "Console.h"
#include "Options.h"
#include "quantc/Support/AtomicFile.h"
#include "quantc/Support/MappedFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Signals.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <execinfo.h>
#include <fcntl.h>
#include <mutex>
#include <new>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace llvm;

namespace quantc::driver {
namespace {

/// Shared with the child: what it did last.
constexpr size_t kStageBytes = 4096;
char *stagePage = nullptr;

/// The child, for the signal handler of the parent.
volatile pid_t childGroup = 0;
volatile sig_atomic_t interruptedBy = 0;

void forwardSignal(int signal) {
  interruptedBy = signal;
  if (childGroup > 0)
    kill(-childGroup, signal);
}

// --- In the child -----------------------------------------------------------

int traceFile = -1;

/// Ends the child with a message, from a signal handler.
[[noreturn]] void endWith(int code, std::initializer_list<const char *> texts) {
  for (const char *text : texts)
    (void)!write(STDERR_FILENO, text, strlen(text));
  _exit(code);
}

/// A hexadecimal number at `*at`, which is moved behind it.
uintptr_t readHex(const char *&at) {
  uintptr_t value = 0;
  for (;; ++at) {
    unsigned digit = hexDigitValue(*at);
    if (digit == ~0u)
      return value;
    value = value * 16 + digit;
  }
}

/// The file that any code of this process, a compiled model's runtime for one,
/// has mapped at `address`; null if there is none. For a signal handler: only
/// system calls and memory that is there.
const char *fileMappedAt(const void *address) {
  static char text[1 << 16];
  int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  size_t kept = 0;
  ssize_t got;
  while (maps >= 0 &&
         (got = read(maps, text + kept, sizeof text - 1 - kept)) > 0) {
    text[kept + got] = 0;
    char *line = text;
    while (char *end = strchr(line, '\n')) {
      *end = 0;
      const char *at = line;
      uintptr_t from = readHex(at), to = readHex(++at);
      auto wanted = reinterpret_cast<uintptr_t>(address);
      if (from <= wanted && wanted < to) {
        close(maps);
        return strchr(line, '/');
      }
      line = end + 1;
    }
    kept = strlen(line);
    memmove(text, line, kept);
  }
  return nullptr;
}

void onBusError(int, siginfo_t *info, void *) {
  // All threads of a model meet the same hole; one is enough to tell.
  static std::atomic<bool> entered{false};
  while (entered.exchange(true))
    pause();
  const char *path = mappedFileAt(info->si_addr);
  if (!path)
    path = fileMappedAt(info->si_addr);
  if (path) {
    // Runs LLVM's clean-up of files under construction, without its signals.
    sys::RunInterruptHandlers();
    endWith(ExitBadInput,
            {"quantc: error: '", path,
             "' shrank while it was being read; do not write to a model's "
             "files while it is compiled or run\n"});
  }
  signal(SIGBUS, SIG_DFL);
  kill(getpid(), SIGBUS);
}

void onFatalError(void *, const char *reason, bool) {
  sys::RunInterruptHandlers();
  endWith(ExitDefect, {"quantc: error: ", reason, "\n"});
}

void onBadAlloc(void *, const char *, bool) {
  sys::RunInterruptHandlers();
  endWith(ExitBadInput, {"quantc: error: out of memory\n"});
}

/// Writes the addresses of the stack, with the names of exported functions,
/// without allocating: the crash may have been in malloc.
void writeStackTrace(void *) {
  void *addresses[64];
  backtrace_symbols_fd(addresses, backtrace(addresses, 64), traceFile);
}

void prepareChild(const std::string &temporary) {
  // A parent that is killed takes the child with it.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  setpgid(0, 0);
  setenv("TMPDIR", temporary.c_str(), /*replace=*/1);
  for (int number : {SIGINT, SIGTERM, SIGHUP})
    signal(number, SIG_DFL);
  // Deeply nested models make deep recursions in passes and code generation.
  rlimit stack;
  constexpr rlim_t kStack = rlim_t(256) << 20;
  if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur < kStack &&
      stack.rlim_cur != RLIM_INFINITY) {
    stack.rlim_cur = std::min(kStack, stack.rlim_max);
    setrlimit(RLIMIT_STACK, &stack);
  }
  // No core files: the reproducer says more.
  rlimit core = {0, 0};
  setrlimit(RLIMIT_CORE, &core);

  traceFile = open((temporary + "/trace").c_str(),
                   O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  // The first call loads libgcc, which a signal handler must not do.
  void *address;
  backtrace(&address, 1);
  sys::AddSignalHandler(writeStackTrace, nullptr);
  // LLVM has taken SIGBUS with that; ours knows more.
  struct sigaction action = {};
  action.sa_sigaction = onBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGBUS, &action, nullptr);
  // A file size limit is an error of write(), to be reported like a full disk.
  signal(SIGXFSZ, SIG_IGN);
  install_fatal_error_handler(onFatalError);
  install_bad_alloc_error_handler(onBadAlloc);
}

[[noreturn]] void runChild(const std::string &temporary,
                           function_ref<int()> work) {
  prepareChild(temporary);
  int code = ExitDefect;
  try {
    code = work();
  } catch (const std::bad_alloc &) {
    code = fail("out of memory");
  } catch (const std::exception &exception) {
    code = fail(exception.what(), ExitDefect);
  }
  code = finishOutput(code);
  errs().flush();
  // The system takes a compiler's memory back faster than its destructors do.
  _exit(code);
}

// --- In the parent ----------------------------------------------------------

/// What AtomicFile calls `path` until it is complete: `<path>.tmp-XXXXXXXX`.
void removeLeftovers(StringRef path) {
  StringRef folder = sys::path::parent_path(path);
  std::string stem = (sys::path::filename(path) + ".tmp-").str();
  std::error_code code;
  for (sys::fs::directory_iterator at(folder.empty() ? "." : folder, code), end;
       !code && at != end; at.increment(code)) {
    StringRef name = sys::path::filename(at->path());
    if (name.starts_with(stem) && name.size() == stem.size() + 8)
      sys::fs::remove(at->path());
  }
}

std::string readText(const Twine &path) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer = MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().str() : "";
}

/// Writes the reproducer; returns where, or an empty string.
std::string writeReproducer(const WorkerOptions &options, StringRef cause,
                            StringRef trace) {
  if (!options.reproducer)
    return "";
  std::string text = "#!/bin/sh\n# quantc failed: " + cause.str() + "\n" +
                     options.reproducer();
  SmallVector<StringRef, 64> lines;
  trace.split(lines, '\n', -1, /*KeepEmpty=*/false);
  for (StringRef line : lines)
    text += "# " + line.str() + "\n";
  SmallString<128> fallback;
  sys::path::system_temp_directory(/*ErasedOnReboot=*/true, fallback);
  sys::path::append(fallback, sys::path::filename(options.reproducerPath));
  for (StringRef path : {StringRef(options.reproducerPath), fallback.str()}) {
    if (Error error = writeFileAtomically(path, text)) {
      consumeError(std::move(error));
      continue;
    }
    return path.str();
  }
  return "";
}

int reportDefect(const WorkerOptions &options, const std::string &cause,
                 const std::string &trace) {
  std::string path = writeReproducer(options, cause, trace);
  std::string text = cause + "; this is a defect of quantc";
  if (!path.empty())
    text += ", and '" + path + "' reproduces it";
  return fail(text, ExitDefect);
}

int judge(int status, const WorkerOptions &options, const std::string &trace) {
  std::string stage = stagePage;
  std::string during = stage.empty() ? "" : " in " + stage;
  std::string goesOn;
  if (!options.partialFolder.empty() && sys::fs::exists(options.partialFolder))
    goesOn = "; the same command goes on from '" + options.partialFolder + "'";
  if (interruptedBy) {
    errs() << "quantc: interrupted" << goesOn << "\n";
    return ExitInterrupted;
  }
  if (WIFEXITED(status)) {
    int code = WEXITSTATUS(status);
    return code == ExitDefect
               ? reportDefect(options, "internal error" + during, trace)
               : code;
  }
  int signal = WTERMSIG(status);
  if (signal == SIGKILL)
    return fail("the system killed the work" + during +
                ", most likely because memory ran out; use fewer threads (-j "
                "1), a smaller model or a machine with more memory" +
                goesOn);
  if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP) {
    errs() << "quantc: interrupted" << goesOn << "\n";
    return ExitInterrupted;
  }
  return reportDefect(options, strsignal(signal) + during, trace);
}

} // namespace

void noteStage(const Twine &stage) {
  static std::mutex mutex;
  if (!stagePage)
    return;
  std::lock_guard<std::mutex> lock(mutex);
  SmallString<256> text;
  StringRef value = stage.toStringRef(text).take_front(kStageBytes - 1);
  std::copy(value.begin(), value.end(), stagePage);
  stagePage[value.size()] = 0;
}

WorkerOptions commandWorker(StringRef verb) {
  WorkerOptions options;
  options.reproducerPath = ("quantc-" + verb + ".reproduce.sh").str();
  options.reproducer = [] { return commandLine() + "\n"; };
  return options;
}

int runInWorker(const WorkerOptions &options, function_ref<int()> work) {
  SmallString<128> temporary;
  if (std::error_code code =
          sys::fs::createUniqueDirectory("quantc", temporary))
    return fail("cannot make a temporary folder (TMPDIR says where): " +
                code.message());
  void *page = mmap(nullptr, kStageBytes, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED)
    return fail("out of memory");
  stagePage = static_cast<char *>(page);

  // The signals wait until it is known whom to pass them on to.
  sigset_t passed, before;
  sigemptyset(&passed);
  for (int number : {SIGINT, SIGTERM, SIGHUP})
    sigaddset(&passed, number);
  sigprocmask(SIG_BLOCK, &passed, &before);
  outs().flush();
  errs().flush();
  pid_t child = fork();
  if (child < 0) {
    std::string why = strerror(errno);
    sys::fs::remove_directories(temporary);
    return fail("cannot start a process: " + why);
  }
  if (child == 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    runChild(std::string(temporary), work);
  }
  setpgid(child, child);
  childGroup = child;
  struct sigaction action = {};
  action.sa_handler = forwardSignal;
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction old;
    sigaction(number, nullptr, &old);
    if (old.sa_handler != SIG_IGN) // nohup
      sigaction(number, &action, nullptr);
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);

  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  childGroup = 0;
  std::string trace = readText(temporary + "/trace");
  sys::fs::remove_directories(temporary);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != ExitDone)
    for (const std::string &path : options.outputs)
      removeLeftovers(path);
  return judge(status, options, trace);
}

} // namespace quantc::driver

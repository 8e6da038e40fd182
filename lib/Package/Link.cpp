//===- Link.cpp - Objects and runtime archive to a shared library ---------===//

#include "Internal.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/TargetParser/Triple.h"

#include <dlfcn.h>

using namespace llvm;

namespace quantc::package {
namespace {

/// The folder of the program or library that this code is in.
std::string ownFolder() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void *>(&ownFolder), &info) || !info.dli_fname)
    return "";
  SmallString<256> path;
  if (sys::fs::real_path(info.dli_fname, path))
    return "";
  return sys::path::parent_path(path).str();
}

/// The folder of the target's runtime archive: that of the caller, of the
/// installation or build tree that this code is in, or of the build.
Expected<std::string> runtimeFolder(StringRef triple,
                                    const PackageOptions &options) {
  Triple target(triple);
  std::string folder = (target.getArchName() + "-linux-gnu").str();
  SmallVector<std::string, 4> roots;
  if (!options.runtimeDirectory.empty()) {
    roots.push_back(options.runtimeDirectory);
  } else {
    std::string own = ownFolder();
    roots.append({own + "/../lib/quantc/runtime", own + "/runtime",
                  own + "/../lib64/quantc/runtime", QUANTC_RUNTIME_DIR});
  }
  for (const std::string &root : roots) {
    SmallString<256> path(root);
    sys::path::append(path, folder);
    if (sys::fs::exists(path + "/libquantc-model-rt.a"))
      return path.str().str();
  }
  return createStringError(
      "there is no runtime for target '%s': looked for "
      "%s/libquantc-model-rt.a under %s; build quantc with the C headers of "
      "that target installed",
      triple.str().c_str(), folder.c_str(), join(roots, ", ").c_str());
}

Expected<std::string> findLinker(const PackageOptions &options) {
  if (!options.linker.empty())
    return options.linker;
  for (StringRef name : {"ld.lld-22", "ld.lld"}) {
    if (ErrorOr<std::string> path =
            sys::findProgramByName(name, {QUANTC_LLVM_TOOLS_DIR}))
      return *path;
    if (ErrorOr<std::string> path = sys::findProgramByName(name))
      return *path;
  }
  return createStringError("cannot find the linker ld.lld of LLVM 22: install "
                           "the package lld-22 or put it on the path");
}

Error writeFile(StringRef path, ArrayRef<char> bytes) {
  std::error_code code;
  raw_fd_ostream os(path, code);
  if (!code) {
    os.write(bytes.data(), bytes.size());
    os.close();
    code = os.error();
    os.clear_error();
  }
  if (code)
    return createStringError(code, "cannot write '%s': %s", path.str().c_str(),
                             code.message().c_str());
  return Error::success();
}

std::string contents(StringRef path) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer = MemoryBuffer::getFile(path);
  return buffer ? (*buffer)->getBuffer().trim().str() : "";
}

} // namespace

Expected<std::unique_ptr<MemoryBuffer>>
linkLibrary(StringRef triple, StringRef name, StringRef soname,
            ArrayRef<ArrayRef<char>> objects, const PackageOptions &options) {
  Expected<std::string> runtime = runtimeFolder(triple, options);
  if (!runtime)
    return runtime.takeError();
  Expected<std::string> linker = findLinker(options);
  if (!linker)
    return linker.takeError();

  SmallString<256> folder;
  if (std::error_code code =
          sys::fs::createUniqueDirectory("quantc-link", folder))
    return createStringError(code, "cannot make a temporary folder: %s",
                             code.message().c_str());
  scope_exit cleanup([&] { sys::fs::remove_directories(folder, true); });
  auto file = [&](const Twine &leaf) { return (folder + "/" + leaf).str(); };

  std::string output = file("library"), exports = file("exports"),
              log = file("log");
  std::vector<std::string> arguments = {*linker,
                                        "-shared",
                                        "-soname",
                                        soname.str(),
                                        "-u",
                                        "quantc_entry",
                                        "--version-script=" + exports,
                                        "--no-undefined",
                                        "--gc-sections",
                                        "--build-id=none",
                                        "--hash-style=gnu",
                                        "--strip-debug",
                                        "-z",
                                        "relro",
                                        "-z",
                                        "now",
                                        "-z",
                                        "noexecstack",
                                        "-o",
                                        output};
  std::string script =
      "{ global: quantc_entry; " + name.str() + "_model; local: *; };\n";
  if (Error error = writeFile(exports, script))
    return std::move(error);
  for (auto [i, object] : enumerate(objects)) {
    arguments.push_back(file(Twine(i) + ".o"));
    if (Error error = writeFile(arguments.back(), object))
      return std::move(error);
  }
  arguments.push_back(*runtime + "/libquantc-model-rt.a");
  arguments.push_back(*runtime + "/libc.so");

  SmallVector<StringRef, 32> references(arguments.begin(), arguments.end());
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(log),
                                          StringRef(log)};
  std::string problem;
  int status =
      sys::ExecuteAndWait(*linker, references, std::nullopt, redirects,
                          /*SecondsToWait=*/0, /*MemoryLimit=*/0, &problem);
  if (status != 0) {
    std::string said = problem.empty() ? contents(log) : problem;
    if (StringRef(said).contains("PLEASE submit a bug report"))
      said = "it crashed, most likely because there is no room for its output "
             "in '" +
             folder.str().str() + "'; TMPDIR names another temporary folder";
    return createStringError("linking the library with '%s' failed: %s",
                             linker->c_str(), said.c_str());
  }
  ErrorOr<std::unique_ptr<MemoryBuffer>> library =
      MemoryBuffer::getFile(output, /*IsText=*/false,
                            /*RequiresNullTerminator=*/false,
                            /*IsVolatile=*/true);
  if (!library)
    return createStringError(
        library.getError(), "cannot read the linked library '%s': %s",
        output.c_str(), library.getError().message().c_str());
  return std::move(*library);
}

} // namespace quantc::package

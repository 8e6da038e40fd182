//===- Plugin.cpp - Libraries that add operators and passes ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Pipelines/Plugin.h"

#include "mlir/IR/DialectRegistry.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"

#include <dlfcn.h>

using namespace llvm;

namespace quantc {

static constexpr char kEntry[] = "quantcGetPluginInfo";

static std::vector<const PluginInfo *> &plugins() {
  static std::vector<const PluginInfo *> loaded;
  return loaded;
}

Error loadPlugin(StringRef path) {
  // Without a folder in its path the system would look elsewhere.
  SmallString<256> absolute(path);
  if (std::error_code code = sys::fs::make_absolute(absolute))
    return createStringError(code, "cannot load the plugin '" + path +
                                       "': " + code.message());
  if (!sys::fs::is_regular_file(absolute))
    return createStringError("cannot load the plugin '" + path +
                             "': there is no such file");
  // All that it needs is looked up now: what is missing would end the program
  // later, without a word of which plugin it was.
  void *library = dlopen(absolute.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!library)
    return createStringError("cannot load the plugin '" + path +
                             "': " + dlerror());
  using Entry = const PluginInfo *(*)();
  auto entry = reinterpret_cast<Entry>(dlsym(library, kEntry));
  if (!entry)
    return createStringError("'" + path +
                             "' is no plugin of quantc: it does not define '" +
                             kEntry + "'");
  const PluginInfo *info = entry();
  if (!info || info->apiVersion != QUANTC_PLUGIN_API_VERSION)
    return createStringError(
        "the plugin '" + path + "' is for version " +
        Twine(info ? info->apiVersion : 0) +
        " of the plugin interface, this quantc has version " +
        Twine(QUANTC_PLUGIN_API_VERSION) + "; build it against this quantc");
  if (StringRef(info->build) != QUANTC_PLUGIN_BUILD)
    return createStringError(
        "the plugin '" + path + "' was built for " + StringRef(info->build) +
        ", this is " + QUANTC_PLUGIN_BUILD + "; build it against this quantc");
  for (const PluginInfo *other : plugins())
    if (other == info)
      return Error::success(); // given twice
  if (info->registerOperators)
    if (Error error = info->registerOperators())
      return createStringError("the plugin '" + path + "' (" +
                               StringRef(info->name ? info->name : "") +
                               "): " + toString(std::move(error)));
  if (info->registerPasses)
    info->registerPasses();
  plugins().push_back(info);
  return Error::success();
}

void registerPluginDialects(mlir::DialectRegistry &registry) {
  for (const PluginInfo *info : plugins())
    if (info->registerDialects)
      info->registerDialects(registry);
}

} // namespace quantc

//===- QGraphWeights.cpp - Weight references of a module -*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QGraph/Weights.h"

#include "mlir/IR/AttrTypeSubElements.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qgraph;

WeightStores &qgraph::getWeights(Operation *op) {
  return op->getContext()->getOrLoadDialect<QGraphDialect>()->getWeights();
}

Journal &qgraph::getJournal(Operation *op) {
  return op->getContext()->getOrLoadDialect<QGraphDialect>()->getJournal();
}

namespace {
/// Tells which stores have entries that are in no file.
class Overlays {
public:
  explicit Overlays(WeightStores &stores) : stores(stores) {}

  bool contains(StringRef store) {
    auto [known, isNew] = answers.try_emplace(store, false);
    if (isNew)
      known->second = ask(store);
    return known->second;
  }

private:
  bool ask(StringRef name) {
    if (name == WeightStores::kNew)
      return true;
    llvm::Expected<std::shared_ptr<WeightStore>> store = stores.get(name);
    if (store)
      return !(*store)->isFile();
    // A file that cannot be opened is reported by whoever reads it.
    llvm::consumeError(store.takeError());
    return false;
  }

  WeightStores &stores;
  llvm::StringMap<bool> answers;
};
} // namespace

/// The references under `root`, each once, in order.
static llvm::SetVector<WeightAttr> collect(Operation *root) {
  llvm::SetVector<WeightAttr> found;
  AttrTypeWalker walker;
  walker.addWalk([&](WeightAttr weight) { found.insert(weight); });
  root->walk([&](Operation *op) { walker.walk(op->getAttrDictionary()); });
  return found;
}

static void replace(Operation *root,
                    llvm::function_ref<WeightAttr(WeightAttr)> replacement) {
  AttrTypeReplacer replacer;
  replacer.addReplacement(
      [&](WeightAttr weight) -> Attribute { return replacement(weight); });
  replacer.recursivelyReplaceElementsIn(root, /*replaceAttrs=*/true);
}

/// `path` as seen from `directory`; both may be relative to the current one.
static std::string relativeTo(StringRef path, StringRef directory) {
  SmallString<128> target(path), base(directory);
  llvm::sys::fs::make_absolute(target);
  llvm::sys::fs::make_absolute(base);
  llvm::sys::path::remove_dots(target, /*remove_dot_dot=*/true);
  llvm::sys::path::remove_dots(base, /*remove_dot_dot=*/true);
  auto t = llvm::sys::path::begin(target), tEnd = llvm::sys::path::end(target);
  auto b = llvm::sys::path::begin(base), bEnd = llvm::sys::path::end(base);
  while (t != tEnd && b != bEnd && *t == *b)
    ++t, ++b;
  SmallString<128> result;
  for (; b != bEnd; ++b)
    llvm::sys::path::append(result, "..");
  for (; t != tEnd; ++t)
    llvm::sys::path::append(result, *t);
  return std::string(result);
}

bool qgraph::refersToNewWeights(Operation *root) {
  Overlays overlays(getWeights(root));
  return llvm::any_of(collect(root), [&](WeightAttr weight) {
    return overlays.contains(weight.getStore());
  });
}

llvm::Error qgraph::saveNewWeights(Operation *root, StringRef path,
                                   StringRef directory) {
  WeightStores &stores = getWeights(root);
  std::vector<WeightHandle> entries;
  Overlays overlays(stores);
  llvm::StringSet<> seen;
  for (WeightAttr weight : collect(root)) {
    if (!overlays.contains(weight.getStore()))
      continue;
    llvm::Expected<WeightHandle> entry =
        stores.find(weight.getStore(), weight.getName());
    if (!entry)
      return entry.takeError();
    // Another type for the same entry (`reinterpret`) is the same entry.
    if (seen.insert((weight.getStore() + "\n" + weight.getName()).str()).second)
      entries.push_back(*entry);
  }
  if (entries.empty())
    return llvm::Error::success();
  if (llvm::Expected<WrittenWeights> written = writeSafetensors(path, entries);
      !written)
    return written.takeError();
  llvm::Expected<std::shared_ptr<WeightStore>> file =
      WeightStore::openSafetensors(path);
  if (!file)
    return file.takeError();
  std::string name = relativeTo(path, directory);
  stores.bind(name, *file);
  replace(root, [&](WeightAttr weight) {
    return overlays.contains(weight.getStore())
               ? WeightAttr::get(weight.getContext(), name, weight.getName(),
                                 weight.getType())
               : weight;
  });
  return llvm::Error::success();
}

void qgraph::moveWeightReferences(Operation *root, StringRef from,
                                  StringRef to) {
  if (relativeTo(from, to).empty())
    return;
  Overlays overlays(getWeights(root));
  replace(root, [&](WeightAttr weight) {
    StringRef store = weight.getStore();
    if (overlays.contains(store) || llvm::sys::path::is_absolute(store))
      return weight;
    SmallString<128> path(from);
    llvm::sys::path::append(path, store);
    return WeightAttr::get(weight.getContext(), relativeTo(path, to),
                           weight.getName(), weight.getType());
  });
}

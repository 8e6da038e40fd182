//===- Lock.h - Files that keep the precision of layers ---------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A lock lists the precision of every layer, a line each:
//
//   {"quantc_lock":1,"layers":[
//   {"name":"fc","shape":[48,64],"format":"si4","scales":"group 32",
//    "scheme":"symmetric","activations":"si8 token"}
//   ]}
//
// (the layer's in one line), sorted, with `"entry"` in front for a library of
// several models. What the fields say is in Analysis/LayerPrecision.h.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_LOCK_H
#define QUANTC_LIB_DRIVER_LOCK_H

#include "quantc/Analysis/LayerPrecision.h"
#include "quantc/Pipelines/Pipelines.h"

#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace quantc::driver {

struct LockedLayer : LayerPrecision {
  /// The model in a library of several; empty: there is one.
  std::string entry;
};

struct Lock {
  std::string path; ///< for messages
  std::vector<LockedLayer> layers;
};

/// Whether there is something at the path, be it a lock or not.
bool lockExists(const std::string &path);

/// Errors: what cannot be read or is no lock, with the place.
llvm::Expected<Lock> readLock(const std::string &path);

/// The text of a lock. Errors: a layer's name that JSON cannot hold.
llvm::Expected<std::string> lockText(std::vector<LockedLayer> layers);

/// Gives the layers of `entry` the formats that the lock has for them. Errors:
/// two layers of one name with different formats, which no option can tell
/// apart.
llvm::Error applyLock(const Lock &lock, llvm::StringRef entry,
                      GraphOptions &options);

/// Chooses a recipe that rounds to nearest and leaves the inputs of layers as
/// the lock has them, for who has not said which; w8a8-static needs samples.
/// Errors: those of readLock.
llvm::Error chooseRecipe(const std::string &lock, GraphOptions &options);

enum class LockUse {
  Check, ///< --check-lock: nothing may be lost
  Follow ///< --lock: formats are those of the lock
};

/// Holds the layers, as compiled, to the lock. Errors: a list of all that are
/// gone, are of another shape, or have lost what the lock says. With Follow
/// also those that the lock has as float.
llvm::Error checkLock(const Lock &lock, llvm::ArrayRef<LockedLayer> layers,
                      LockUse use);

/// Names of layers that are not in the lock.
std::vector<std::string> notLocked(const Lock &lock,
                                   llvm::ArrayRef<LockedLayer> layers);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_LOCK_H

//===- Journal.h - What an interrupted command had finished -----*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A compile is deterministic: the same quantc takes the same steps for the same
// files and options. So what a step has found is kept under the step's name,
// and when the command is given again after it was killed, steps that had been
// finished are not taken again.
//
// A journal is a folder with a safetensors file for each record and a text,
// the key, that tells all that the results depend on. Records appear whole or
// not at all and have a hash: one that is damaged is as good as none. Nothing
// is synced to the disk, so a power cut may cost more than a kill; never a
// wrong result.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_SUPPORT_JOURNAL_H
#define QUANTC_SUPPORT_JOURNAL_H

#include "quantc/Support/WeightStore.h"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace quantc {

/// What a step has found: tensors and texts, by names.
struct Record {
  std::shared_ptr<WeightStore> tensors = WeightStore::createOverlay();
  std::map<std::string, std::string> texts;

  /// Adds a tensor of rank 1; T is float, double or int64_t.
  template <typename T>
  llvm::Error add(llvm::StringRef name, llvm::ArrayRef<T> values);
  /// The values of one; none if there is no such tensor, or of another type.
  template <typename T>
  std::optional<std::vector<T>> get(llvm::StringRef name) const;
  /// A text; empty if there is none.
  std::string text(llvm::StringRef name) const;
};

class Journal {
public:
  /// Keeps nothing and knows nothing.
  Journal() = default;
  ~Journal();
  Journal(const Journal &) = delete;
  Journal &operator=(const Journal &) = delete;

  /// What was found in the place of a journal.
  enum class Found {
    Nothing,
    Records, ///< of this key
    Others,  ///< records of another key, which are removed
    InUse,   ///< another process works with it: this journal keeps nothing
    Foreign, ///< a file or folder that is no journal: this one keeps nothing
  };
  /// A journal in `folder`, which is made when the first record is kept.
  static std::unique_ptr<Journal> open(llvm::StringRef folder,
                                       llvm::StringRef key, Found &found);

  bool keeps() const { return !folder.empty(); }

  /// A prefix for the names of a piece of work that is the `what` and has a
  /// number beside: those who ask in the same order get the same.
  std::string begin(llvm::StringRef what);

  /// The record of that name, if there is one that is not damaged.
  std::optional<Record> find(llvm::StringRef name);
  /// Keeps a record; `name` is part of a file's name. An error if it cannot be
  /// written.
  llvm::Error put(llvm::StringRef name, const Record &record);
  /// The path of a file that belongs to the journal, for who writes it itself.
  llvm::Expected<std::string> fileFor(llvm::StringRef name);

  /// How many records have been found.
  unsigned reused() const { return foundCount; }

  /// Removes it with all that it keeps.
  void remove();

private:
  llvm::Error create();
  std::string path(llvm::StringRef name) const;

  std::string folder; ///< empty: nothing is kept
  std::string key;
  int lock = -1; ///< of the file that holds the key, once it is there
  unsigned foundCount = 0, putCount = 0, begun = 0;
};

} // namespace quantc

#endif // QUANTC_SUPPORT_JOURNAL_H

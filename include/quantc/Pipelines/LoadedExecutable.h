//===- LoadedExecutable.h - A library as a function of tensors --*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_PIPELINES_LOADEDEXECUTABLE_H
#define QUANTC_PIPELINES_LOADEDEXECUTABLE_H

#include "quantc/Support/Executor.h"
#include "quantc/runtime.h"

#include "llvm/ADT/STLFunctionalExtras.h"

#include <string>

namespace quantc {

/// A compiled library, loaded as a user would: its first entry, with as many
/// threads as this process may use. Its inputs and outputs are tensors.
class LoadedExecutable : public Executable {
public:
  /// `elements`: the element types of the results, of which DLPack tells less.
  /// Errors are the runtime's.
  static llvm::Expected<std::unique_ptr<LoadedExecutable>>
  load(const std::string &library, std::vector<std::string> elements);

  LoadedExecutable() = default;
  LoadedExecutable(const LoadedExecutable &) = delete;
  LoadedExecutable &operator=(const LoadedExecutable &) = delete;
  ~LoadedExecutable() override;

  const quantc_entry_info &entry() const { return *quantc_entry_of(session); }
  void setElements(std::vector<std::string> types) {
    elements = std::move(types);
  }

  llvm::Error run(llvm::ArrayRef<TensorView> inputs,
                  std::vector<TensorView> &outputs) override;

private:
  quantc_model *model = nullptr;
  quantc_session *session = nullptr;
  std::vector<std::string> elements;
};

} // namespace quantc

#endif // QUANTC_PIPELINES_LOADEDEXECUTABLE_H

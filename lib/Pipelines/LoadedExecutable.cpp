//===- LoadedExecutable.cpp - A library as a function of tensors ----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Pipelines/LoadedExecutable.h"

#include "quantc/Package/Package.h"

#include "llvm/ADT/STLExtras.h"

namespace quantc {

llvm::Expected<std::unique_ptr<LoadedExecutable>>
LoadedExecutable::load(const std::string &library,
                       std::vector<std::string> elements) {
  auto loaded = std::make_unique<LoadedExecutable>();
  quantc_error error = {};
  loaded->model = quantc_load(library.c_str(), nullptr, &error);
  if (!loaded->model)
    return llvm::createStringError("%s", error.message);
  quantc_options options = {};
  loaded->session = quantc_open(loaded->model, &options, &error);
  if (!loaded->session)
    return llvm::createStringError("%s", error.message);
  loaded->elements = std::move(elements);
  return std::move(loaded);
}

LoadedExecutable::~LoadedExecutable() {
  if (session)
    quantc_close(session);
  if (model)
    quantc_unload(model, nullptr);
}

llvm::Error LoadedExecutable::run(llvm::ArrayRef<TensorView> inputs,
                                  std::vector<TensorView> &outputs) {
  std::vector<quantc_value> arguments, results(elements.size());
  for (const TensorView &input : inputs) {
    llvm::Expected<std::pair<int64_t, int64_t>> type =
        dlpackType(input.type.element);
    if (!type)
      return type.takeError();
    // The runtime only reads inputs.
    arguments.push_back(
        quantc_tensor(const_cast<char *>(input.bytes.data()),
                      const_cast<int64_t *>(input.type.shape.data()),
                      input.type.shape.size(), type->first, type->second));
  }
  quantc_error error = {};
  if (quantc_run(session, arguments.data(), arguments.size(), results.data(),
                 results.size(), &error))
    return llvm::createStringError("%s", error.message);
  outputs.clear();
  for (auto [element, value] : llvm::zip_equal(elements, results)) {
    TensorView view;
    const DLTensor &tensor = value.tensor;
    view.type.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
    view.type.element = element;
    llvm::Expected<uint64_t> size = storedSize(view.type);
    if (!size)
      return size.takeError();
    view.bytes = {static_cast<const char *>(tensor.data), *size};
    outputs.push_back(std::move(view));
  }
  return llvm::Error::success();
}

} // namespace quantc

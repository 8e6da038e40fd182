//===- TensorFile.cpp - Tensors in files of their own ---------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/TensorFile.h"

#include "quantc/Dialect/ONNX/ProtoMessages.h"

#include "llvm/Support/raw_ostream.h"

#include <climits>

namespace quantc::onnx_ir {

llvm::Expected<FiledTensor> readTensorFile(llvm::StringRef path,
                                           mlir::MLIRContext *context) {
  llvm::Expected<std::shared_ptr<const MappedFile>> file =
      MappedFile::open(path);
  if (!file)
    return file.takeError();
  auto bad = [&](const llvm::Twine &why) {
    return llvm::createStringError("'" + path + "' cannot be read: " + why);
  };
  llvm::ArrayRef<char> message = (*file)->bytes();
  onnx::TensorProto tensor;
  if (message.size() > INT_MAX ||
      !tensor.ParseFromArray(message.data(), static_cast<int>(message.size())))
    return bad("it is no tensor of ONNX (TensorProto), or damaged");
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL)
    return bad("its data lies in another file; write them into this one");
  std::string why;
  mlir::RankedTensorType type = tensorTypeFromProto(tensor, context, why);
  if (!type)
    return bad(why);
  std::optional<TensorBytes> bytes = tensorBytes(tensor, why);
  if (!bytes)
    return bad(why);
  FiledTensor result;
  result.name = tensor.name();
  llvm::raw_string_ostream(result.type.element) << type.getElementType();
  result.type.shape.assign(type.getShape().begin(), type.getShape().end());
  result.bytes.assign(bytes->bytes.begin(), bytes->bytes.end());
  return std::move(result);
}

} // namespace quantc::onnx_ir

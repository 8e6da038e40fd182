//===- ModelFile.h - The files of an ONNX model -----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_IMPORT_ONNX_MODELFILE_H
#define QUANTC_LIB_IMPORT_ONNX_MODELFILE_H

#include "quantc/Support/MappedFile.h"

#include "onnx/onnx_pb.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"

#include <memory>
#include <optional>
#include <string>

namespace quantc {

/// Receives a problem: the name of the node or tensor, and a message that names
/// it too.
using ReportProblem =
    llvm::function_ref<void(llvm::StringRef where, const llvm::Twine &message)>;

/// Reads the model without its external data; null after an error, whose text
/// says what the file seems to be instead.
std::shared_ptr<const onnx::ModelProto> readModel(llvm::StringRef path,
                                                  std::string &error);

/// What ONNX's checker objects to in versions, functions and nodes. It goes on
/// after a problem. Data of tensors is not looked at.
bool checkModel(const onnx::ModelProto &model, ReportProblem report);

/// The files with external data beside a model.
class ExternalData {
public:
  explicit ExternalData(llvm::StringRef modelPath);

  struct Range {
    std::shared_ptr<const MappedFile> file;
    uint64_t offset;
  };
  /// Where the `size` bytes of the tensor are. Refused are paths that are
  /// absolute or lead out of the model's folder (symbolic links resolved; a
  /// model that is a link may have its data where it points to), missing files,
  /// and ranges that are not in the file.
  std::optional<Range> find(const onnx::TensorProto &tensor, uint64_t size,
                            std::string &why);

private:
  std::shared_ptr<const MappedFile> open(llvm::StringRef location,
                                         std::string &why);
  bool isInside(llvm::StringRef realPath) const;

  std::string folder;
  llvm::SmallVector<std::string, 2> realFolders;
  llvm::StringMap<std::shared_ptr<const MappedFile>> files;
};

} // namespace quantc

#endif // QUANTC_LIB_IMPORT_ONNX_MODELFILE_H

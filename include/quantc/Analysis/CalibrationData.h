//===- CalibrationData.h - The user's samples -------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Samples come in one of these forms:
//   FILE.safetensors, FILE.npz   arrays named as the inputs, whose first
//                                dimension is the sample
//   a folder of NAME.npy         the same, an array a file
//   a folder of test_data_set_N  ONNX's test data: a folder a sample, where
//                                input_I.pb is input I as a whole; or one such
//                                folder
//
// Arrays stay on disk: they are mapped where they lie there as they are in
// memory; what is deflated or column-major is written to a temporary file once.
// Of test data one sample is in memory.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_ANALYSIS_CALIBRATIONDATA_H
#define QUANTC_ANALYSIS_CALIBRATIONDATA_H

#include "quantc/Support/Executor.h"

#include "mlir/IR/BuiltinTypes.h"

#include <map>
#include <string>

namespace mlir {
class MLIRContext;
} // namespace mlir

namespace quantc {

class CalibrationData {
public:
  /// Opens samples. `inputs` are the names of the model's inputs in their
  /// order, which the files of test data refer to. Reads everything once.
  /// Errors name file, array and sample: there is no such path or nothing of
  /// the above in it, damaged files, no sample, arrays of different numbers of
  /// samples, test data of different inputs, values that are NaN or infinite.
  static llvm::Expected<CalibrationData>
  open(llvm::StringRef path, llvm::ArrayRef<std::string> inputs,
       mlir::MLIRContext *context);

  int64_t samples() const { return count; }

  /// What `get` is told of an input of this type.
  static WeightType inputType(mlir::RankedTensorType type);

  /// Input `name` of a sample, valid until another sample is asked for. `input`
  /// is what the model takes; extents below 0 may be any. An array of its rank
  /// gives slices of extent 1, one of a rank more slices without the first
  /// dimension. NumPy lacks bf16 and the 8-bit floats: such an input takes
  /// elements of NumPy's of as many bits that are no floats. Errors: there is
  /// no such array (lists those there are), or it does not fit.
  llvm::Expected<TensorView> get(llvm::StringRef name, int64_t sample,
                                 const WeightType &input);

private:
  llvm::Error openFile();
  llvm::Error openNpz(std::shared_ptr<const MappedFile> file);
  llvm::Error openFolder();
  llvm::Error addNpy(llvm::StringRef name, const llvm::Twine &what,
                     llvm::ArrayRef<char> npy,
                     std::shared_ptr<const void> owner);
  llvm::Error checkArrays();
  llvm::Error checkSets();
  /// Makes a sample of the test data the one that is in memory.
  llvm::Error readSet(int64_t sample);
  llvm::Expected<TensorView> getOfSet(llvm::StringRef name, int64_t sample,
                                      const WeightType &input);

  std::string path;
  std::vector<std::string> inputs;
  mlir::MLIRContext *context = nullptr;
  int64_t count = 0;

  std::map<std::string, WeightHandle> arrays;
  std::shared_ptr<WeightStore> unpacked; ///< arrays that are not mapped
  std::vector<std::string> sets;         ///< folders of test data

  /// Tensors of the sample `current`: all of test data, copies of those that
  /// lie where their elements must not.
  int64_t current = -1;
  struct Tensor {
    WeightType type;
    std::vector<char> bytes;
  };
  std::map<std::string, Tensor> tensors;
};

} // namespace quantc

#endif // QUANTC_ANALYSIS_CALIBRATIONDATA_H

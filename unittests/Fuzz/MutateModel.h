//===- MutateModel.h - Small changes of ONNX models -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_UNITTESTS_FUZZ_MUTATEMODEL_H
#define QUANTC_UNITTESTS_FUZZ_MUTATEMODEL_H

#include "onnx/onnx_pb.h"

#include <random>

namespace quantc::fuzz {

/// Changes one to four places of a model: a number, a name, a repeated field's
/// elements, a message that is cleared or copied. What it knows of ONNX is what
/// protobuf's reflection tells, and that strings are most often names, which it
/// exchanges. The result is a message, whether or not a valid model.
void mutateModel(onnx::ModelProto &model, std::mt19937_64 &random);

} // namespace quantc::fuzz

#endif // QUANTC_UNITTESTS_FUZZ_MUTATEMODEL_H

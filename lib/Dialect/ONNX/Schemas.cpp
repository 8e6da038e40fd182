//===- Schemas.cpp - The operators that have schemas ----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/Schemas.h"

#include "quantc/Dialect/ONNX/ProtoMessages.h"

#include "onnx/defs/schema.h"

#include <algorithm>
#include <map>

using onnx::OpSchema;

namespace quantc::onnx_ir {

static std::vector<std::string> typesOf(const OpSchema &schema) {
  const auto &formals =
      schema.inputs().empty() ? schema.outputs() : schema.inputs();
  std::vector<std::string> types;
  if (formals.empty())
    return types;
  for (const auto *type : formals.front().GetTypes())
    types.push_back(*type);
  std::sort(types.begin(), types.end());
  return types;
}

std::vector<OperatorInfo> allOperators() {
  registerSchemas();
  std::map<std::pair<std::string, std::string>, OperatorInfo> byName;
  for (const OpSchema &schema :
       onnx::OpSchemaRegistry::get_all_schemas_with_history()) {
    OperatorInfo &info = byName[{schema.domain(), schema.Name()}];
    info.domain = schema.domain();
    info.name = schema.Name();
    info.versions.push_back(schema.SinceVersion());
    if (schema.SinceVersion() <
        *std::max_element(info.versions.begin(), info.versions.end()))
      continue;
    info.deprecated = schema.Deprecated();
    info.hasBody = schema.HasFunction() || schema.HasContextDependentFunction();
    info.types = typesOf(schema);
  }
  std::vector<OperatorInfo> result;
  for (auto &[name, info] : byName) {
    std::sort(info.versions.begin(), info.versions.end());
    result.push_back(std::move(info));
  }
  return result;
}

} // namespace quantc::onnx_ir

//===- Operators.cpp - quantc operators -----------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Console.h"
#include "Options.h"
#include "quantc/Conversion/ONNXToKernels.h"
#include "quantc/Conversion/ONNXToQGraph.h"
#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/ONNX/Schemas.h"

#include "llvm/Support/JSON.h"

using namespace llvm;

namespace quantc::driver {
namespace {

/// In which of these ways an operator is handled, in the order in which they
/// are tried; empty: not at all.
std::vector<std::string> handling(const onnx_ir::OperatorInfo &info) {
  std::vector<std::string> ways;
  if (info.deprecated)
    return ways;
  bool elementwise =
      info.domain.empty() && onnx_ir::lookupElementwise(info.name);
  if (hasWalkHandler(info.domain, info.name, info.versions.back()))
    ways.push_back("walk");
  if (elementwise)
    ways.push_back("elementwise");
  else if (hasNodeKernel(info.domain, info.name))
    ways.push_back("kernel");
  if (info.hasBody)
    ways.push_back("body");
  return ways;
}

void printOperators() {
  Table table({"domain", "operator", "versions", "handled by"});
  for (const onnx_ir::OperatorInfo &info : onnx_ir::allOperators())
    table.add({info.domain.empty() ? "ai.onnx" : info.domain, info.name,
               join(map_range(info.versions,
                              [](int64_t version) {
                                return std::to_string(version);
                              }),
                    " "),
               info.deprecated ? "(deprecated)" : join(handling(info), ", ")});
  table.print(outs());
}

void printOperatorsJSON() {
  json::OStream json(outs(), 1);
  json.array([&] {
    for (const onnx_ir::OperatorInfo &info : onnx_ir::allOperators())
      json.object([&] {
        json.attribute("domain", info.domain);
        json.attribute("name", info.name);
        json.attribute("versions", json::Array(info.versions));
        json.attribute("deprecated", info.deprecated);
        json.attribute("types", json::Array(info.types));
        json.attribute("handling", json::Array(handling(info)));
      });
  });
  outs() << '\n';
}

} // namespace

RunVerb addOperators(CLI::App &program) {
  auto json = std::make_shared<bool>(false);
  CLI::App *verb = program.add_subcommand(
      "operators", "List the ONNX operators and how each is handled");
  verb->add_flag("--json", *json, "Print as JSON");
  verb->footer(
      "walk: raised to qgraph, or brought to a canonical form, while the "
      "model is imported;\nelementwise, kernel: lowered to loops as it is; "
      "body: replaced by the function body\nof its schema. docs/onnx.md has "
      "the "
      "same with the results of ONNX's own tests.");
  return [json] {
    *json ? printOperatorsJSON() : printOperators();
    return ExitDone;
  };
}

} // namespace quantc::driver

//===- CheckModel.cpp - ONNX's checker, all problems at once --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ONNX's own check_model ends at the first problem and reads external data by
// its own rules, so the checks that it is made of are called one by one here.
//
//===----------------------------------------------------------------------===//

#include "ModelFile.h"

#include "quantc/Dialect/ONNX/ProtoMessages.h"

#include "onnx/checker.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;

namespace quantc {
namespace {

/// Subgraphs in one another, and types in one another, that are taken. Passes
/// over the module recurse.
constexpr unsigned kMaxSubgraphs = 64, kMaxTypes = 16;

/// The element type of a type that has one.
const onnx::TypeProto *elementOf(const onnx::TypeProto &type) {
  switch (type.value_case()) {
  case onnx::TypeProto::kSequenceType:
    return &type.sequence_type().elem_type();
  case onnx::TypeProto::kOptionalType:
    return &type.optional_type().elem_type();
  case onnx::TypeProto::kMapType:
    return &type.map_type().value_type();
  default:
    return nullptr;
  }
}

class ModelChecker {
public:
  ModelChecker(const onnx::ModelProto &model, ReportProblem report)
      : model(model), report(report) {}

  bool run() {
    checkVersions();
    checkNesting();
    if (!good)
      return false;
    context.set_ir_version(int(model.ir_version()));
    context.set_opset_imports(opsets);
    if (model.functions_size() > 0)
      tryCheck("", "", [&] {
        onnx::checker::LexicalScopeContext scope;
        onnx::checker::check_model_local_functions(model, context, scope);
      });
    checkNodes();
    return good;
  }

private:
  void problem(StringRef where, const Twine &message) {
    good = false;
    report(where, message);
  }

  /// Runs a check of ONNX's, and passes its objection on without the parts that
  /// only make sense inside its library.
  template <typename Check>
  void tryCheck(StringRef where, const Twine &what, Check check) {
    try {
      check();
    } catch (const std::exception &error) {
      StringRef text = StringRef(error.what()).split("\n\n==> Context").first;
      problem(where, what + text.trim());
    }
  }

  void checkVersions() {
    if (model.ir_version() <= 0)
      problem("", "it has no ir_version; it is damaged, or not an ONNX model");
    else if (model.ir_version() > onnx::IR_VERSION)
      problem("", formatv("its ir_version is {0}, and this quantc knows "
                          "versions up to {1}; export it with an older "
                          "version, or use a newer quantc",
                          model.ir_version(), int64_t(onnx::IR_VERSION)));
    for (const onnx::OperatorSetIdProto &import : model.opset_import()) {
      int64_t latest = onnx_ir::latestOpset(import.domain());
      std::string domain =
          import.domain().empty() ? "ai.onnx" : import.domain();
      if (import.version() < 1 ||
          import.version() > std::numeric_limits<int>::max())
        problem("", formatv("it imports opset {0} of domain '{1}'; there is "
                            "no such version",
                            import.version(), domain));
      else if (latest && import.version() > latest)
        problem("", formatv("it imports opset {0} of domain '{1}', and this "
                            "quantc knows opsets up to {2}; export it with an "
                            "older opset, or use a newer quantc",
                            import.version(), domain, latest));
      else
        opsets[import.domain()] = int(import.version());
    }
    if (model.opset_import_size() == 0) {
      if (model.ir_version() >= 3)
        problem("", "it does not say which opset it uses (no opset_import)");
      opsets[""] = 1;
    }
  }

  void checkType(StringRef where, const onnx::TypeProto &type) {
    unsigned depth = 0;
    for (const onnx::TypeProto *inner = &type; inner; inner = elementOf(*inner))
      if (++depth > kMaxTypes)
        return problem(where, formatv("'{0}': its type is nested more than {1} "
                                      "deep",
                                      where, kMaxTypes));
  }

  /// Does not recurse, unlike all that comes later.
  void checkNesting() {
    struct Level {
      const onnx::GraphProto *graph;
      unsigned depth;
    };
    SmallVector<Level> todo;
    auto addSubgraphs = [&](const auto &nodes, unsigned depth) {
      for (const onnx::NodeProto &node : nodes)
        for (const onnx::AttributeProto &attribute : node.attribute()) {
          if (attribute.has_tp())
            checkType(node.name(), attribute.tp());
          for (const onnx::TypeProto &type : attribute.type_protos())
            checkType(node.name(), type);
          if (depth == kMaxSubgraphs &&
              (attribute.has_g() || attribute.graphs_size()))
            return problem(node.name(),
                           formatv("node '{0}' ({1}): subgraphs are nested "
                                   "more than {2} deep",
                                   node.name(), node.op_type(), kMaxSubgraphs));
          if (attribute.has_g())
            todo.push_back({&attribute.g(), depth + 1});
          for (const onnx::GraphProto &graph : attribute.graphs())
            todo.push_back({&graph, depth + 1});
        }
    };
    todo.push_back({&model.graph(), 0});
    for (const onnx::FunctionProto &function : model.functions())
      addSubgraphs(function.node(), 0);
    while (!todo.empty()) {
      auto [graph, depth] = todo.pop_back_val();
      for (const auto *values :
           {&graph->input(), &graph->output(), &graph->value_info()})
        for (const onnx::ValueInfoProto &value : *values)
          checkType(value.name(), value.type());
      addSubgraphs(graph->node(), depth);
    }
  }

  void checkNodes() {
    const onnx::GraphProto &graph = model.graph();
    onnx::checker::LexicalScopeContext scope;
    for (const onnx::ValueInfoProto &input : graph.input())
      scope.add(input.name());
    for (const onnx::TensorProto &tensor : graph.initializer())
      scope.add(tensor.name());
    for (const onnx::SparseTensorProto &tensor : graph.sparse_initializer())
      scope.add(tensor.values().name());
    for (const onnx::NodeProto &node : graph.node()) {
      std::string name = node.name();
      if (name.empty() && node.output_size() > 0)
        name = node.output(0);
      // Where external data may be is for our own rules to say.
      bool external = any_of(node.attribute(), [](const auto &attribute) {
        return attribute.t().data_location() == onnx::TensorProto::EXTERNAL;
      });
      if (!external)
        tryCheck(name, formatv("node '{0}' ({1}): ", name, node.op_type()),
                 [&] { onnx::checker::check_node(node, context, scope); });
      for (const std::string &output : node.output())
        scope.add(output);
    }
  }

  const onnx::ModelProto &model;
  ReportProblem report;
  onnx::checker::CheckerContext context;
  std::unordered_map<std::string, int> opsets;
  bool good = true;
};

} // namespace

bool checkModel(const onnx::ModelProto &model, ReportProblem report) {
  onnx_ir::registerSchemas();
  return ModelChecker(model, report).run();
}

} // namespace quantc

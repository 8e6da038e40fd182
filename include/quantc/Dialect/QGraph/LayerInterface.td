//===- LayerInterface.td - What layers with weights share ---*- tablegen -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QGRAPH_LAYERINTERFACE_TD
#define QUANTC_DIALECT_QGRAPH_LAYERINTERFACE_TD

include "mlir/IR/OpBase.td"

def QGraph_EpilogueOpInterface : OpInterface<"EpilogueOpInterface"> {
  let cppNamespace = "::quantc::qgraph";
  let description = [{
    A sum of products with an epilogue that is applied to each result: layers,
    and the product of two stored activations.
  }];
  let methods = [
    InterfaceMethod<"The op's one result.", "::mlir::Value", "getResult">,
    InterfaceMethod<"The `#qgraph.step`s.", "::mlir::ArrayAttr", "getEpilogue">,
    InterfaceMethod<"Sets them.", "void", "setEpilogueAttr", (ins "::mlir::ArrayAttr":$steps)>,
    InterfaceMethod<"What the steps refer to.", "::mlir::OperandRange", "getEpilogueOperands">,
    InterfaceMethod<"The same, to be added to.", "::mlir::MutableOperandRange",
                    "getEpilogueOperandsMutable">,
    InterfaceMethod<"The ONNX node's name, or null.", "::mlir::StringAttr", "getNameAttr">
  ];
}

def QGraph_LayerOpInterface
    : OpInterface<"LayerOpInterface", [QGraph_EpilogueOpInterface]> {
  let cppNamespace = "::quantc::qgraph";
  let description = [{
    A layer: a sum of products with a weight whose first dimension is the
    result's last (the columns), a bias [columns], and an epilogue that is
    applied to each result. `linear`, `conv` and their quantized forms.
  }];
  let methods = [
    InterfaceMethod<"The activations.", "::mlir::Value", "getInput">,
    InterfaceMethod<"[columns, ..]; what each column sums over comes last.",
                    "::mlir::Value", "getWeight">,
    InterfaceMethod<"[columns], or null.", "::mlir::Value", "getBias">,
    InterfaceMethod<"The bias as an operand that can be set.",
                    "::mlir::MutableOperandRange", "getBiasMutable">
  ];
}

#endif // QUANTC_DIALECT_QGRAPH_LAYERINTERFACE_TD

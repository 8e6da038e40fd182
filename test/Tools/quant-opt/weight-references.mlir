// References are relative to the IR file, so they change when the IR is written
// to another folder.
// RUN: rm -rf %t && mkdir -p %t/in %t/out
// RUN: cp %s %t/in/model.mlir
// RUN: quant-opt %t/in/model.mlir -o %t/out/model.mlir
// RUN: FileCheck %s --input-file=%t/out/model.mlir --check-prefix=MOVED
// RUN: quant-opt %t/in/model.mlir -o %t/in/same.mlir
// RUN: FileCheck %s --input-file=%t/in/same.mlir --check-prefix=SAME
// RUN: quant-opt --weights-dir=%t/in - -o %t/out/stdin.mlir < %t/in/model.mlir
// RUN: FileCheck %s --input-file=%t/out/stdin.mlir --check-prefix=MOVED
// On standard output they stay.
// RUN: quant-opt %t/in/model.mlir | FileCheck %s --check-prefix=SAME

// MOVED: qgraph.constant #qgraph.weight<"../in/w.safetensors", "w">
// SAME: qgraph.constant #qgraph.weight<"w.safetensors", "w">
%0 = qgraph.constant #qgraph.weight<"w.safetensors", "w"> : tensor<128xsi8>

// Weights that are in no file must go somewhere when the IR is printed.
// RUN: not quant-opt %s 2>&1 | FileCheck %s --check-prefix=WHERE
// RUN: not quant-opt %s --weights-out %t.safetensors 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not quant-opt %s -o %t.mlir 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not ls %t.safetensors %t.mlir %t.mlir.safetensors

// WHERE: error: the passes have made new weights; say where they go with --weights-out FILE, or write the IR to a file with -o
// MISSING: error: {{.*}}fc.weight@pass

%0 = qgraph.constant #qgraph.weight<"new", "fc.weight@pass"> : tensor<128xsi8>

// RUN: quant-opt %s --verify-diagnostics --split-input-file

func.func @linear(%x: tensor<4x64xsi8>, %s: tensor<4x1xf32>, %p: tensor<1152xi8>) {
  // expected-error @+1 {{format is 'si5', but must be f32, si8, si4, ui4 or a float of at most 16 bits}}
  %y = qkernel.linear %x scale %s, %p {format = "si5", group = 0, input_group = 0, k = 64, n = 16}
       : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<1152xi8>) -> tensor<4x16xf32>
  return
}

// -----

func.func @linear(%x: tensor<4x64xsi8>, %s: tensor<4x1xf32>, %p: tensor<1152xi8>) {
  // expected-error @+1 {{weights are [0, 64], but both must be positive}}
  %y = qkernel.linear %x scale %s, %p {format = "si8", group = 0, input_group = 0, k = 64, n = 0}
       : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<1152xi8>) -> tensor<4x16xf32>
  return
}

// -----

func.func @linear(%x: tensor<4x64xsi8>, %s: tensor<4x1xf32>, %p: tensor<1152xi8>) {
  // expected-error @+1 {{input 'tensor<4x64xsi8>' does not end with k = 32}}
  %y = qkernel.linear %x scale %s, %p {format = "si8", group = 0, input_group = 0, k = 32, n = 16}
       : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<1152xi8>) -> tensor<4x16xf32>
  return
}

// -----

func.func @linear(%x: tensor<4x64xsi8>, %s: tensor<4x1xf32>, %p: tensor<1152xi8>) {
  // expected-error @+1 {{result 'tensor<4x8xf32>' is not that of input 'tensor<4x64xsi8>' with n = 16}}
  %y = qkernel.linear %x scale %s, %p {format = "si8", group = 0, input_group = 0, k = 64, n = 16}
       : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<1152xi8>) -> tensor<4x8xf32>
  return
}

// -----

func.func @linear(%x: tensor<4x64xsi8>, %p: tensor<1152xi8>) {
  // expected-error @+1 {{with weights of si8 and an input of 'si8' needs a scale}}
  %y = qkernel.linear %x , %p {format = "si8", group = 0, input_group = 0, k = 64, n = 16}
       : (tensor<4x64xsi8>, tensor<1152xi8>) -> tensor<4x16xf32>
  return
}

// -----

func.func @linear(%x: tensor<4x64xf32>, %s: tensor<4x1xf32>, %p: tensor<1152xi8>) {
  // expected-error @+1 {{with weights of f32 takes no scale}}
  %y = qkernel.linear %x scale %s, %p {format = "f32", group = 0, input_group = 0, k = 64, n = 16}
       : (tensor<4x64xf32>, tensor<4x1xf32>, tensor<1152xi8>) -> tensor<4x16xf32>
  return
}

// -----

func.func @linear(%x: tensor<4x64xf32>, %s: tensor<4x1xf32>, %p: tensor<1152xi8>) {
  // expected-error @+1 {{input has element type 'f32', but weights of si8 go with si8 or ui8}}
  %y = qkernel.linear %x scale %s, %p {format = "si8", group = 0, input_group = 0, k = 64, n = 16}
       : (tensor<4x64xf32>, tensor<4x1xf32>, tensor<1152xi8>) -> tensor<4x16xf32>
  return
}

// -----

func.func @linear(%x: tensor<4x64xsi8>, %s: tensor<4x1xf32>, %p: tensor<2x2xi8>) {
  // expected-error @+1 {{packed weights are 'tensor<2x2xi8>', but must be rank 1 of i8}}
  %y = qkernel.linear %x scale %s, %p {format = "si8", group = 0, input_group = 0, k = 64, n = 16}
       : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<2x2xi8>) -> tensor<4x16xf32>
  return
}

// -----

func.func @linear(%x: tensor<4x64xsi8>, %s: tensor<4x1xf32>, %p: tensor<1152xi8>) {
  // expected-error @+1 {{group is -1 with weights of si8}}
  %y = qkernel.linear %x scale %s, %p {format = "si8", group = -1, input_group = 0, k = 64, n = 16}
       : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<1152xi8>) -> tensor<4x16xf32>
  return
}

// -----

func.func @linear(%x: tensor<4x64xf32>, %p: tensor<1152xi8>) {
  // expected-error @+1 {{input_group is 32 with weights of f32}}
  %y = qkernel.linear %x , %p {format = "f32", group = 0, input_group = 32, k = 64, n = 16}
       : (tensor<4x64xf32>, tensor<1152xi8>) -> tensor<4x16xf32>
  return
}

// -----

func.func @linear(%x: tensor<4x64xsi8>, %s: tensor<4x1xf32>, %p: tensor<1152xi8>) {
  // expected-error @+1 {{epilogue step 0 is 'Conv', which is no elementwise operator}}
  %y = qkernel.linear %x scale %s, %p {epilogue = [#qgraph.step<"Conv">], format = "si8", group = 0, input_group = 0, k = 64, n = 16}
       : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<1152xi8>) -> tensor<4x16xf32>
  return
}

// -----

func.func @buffer(%frame: !llvm.ptr, %n: index) {
  // expected-error @+1 {{a buffer is dense and row-major}}
  %0 = qkernel.buffer output %frame : memref<4x4xf32, strided<[1, 4]>>
  return
}

// -----

func.func @buffer(%frame: !llvm.ptr, %n: index) {
  // expected-error @+1 {{has 0 sizes for the 1 dynamic dimensions of 'memref<?xf32>'}}
  %0 = qkernel.buffer output %frame : memref<?xf32>
  return
}

// -----

func.func @buffer(%frame: !llvm.ptr, %n: index) {
  // expected-error @+1 {{in arena needs an offset}}
  %0 = qkernel.buffer arena %frame : memref<4xf32>
  return
}

// -----

func.func @buffer(%frame: !llvm.ptr, %n: index) {
  // expected-error @+1 {{in input takes no offset}}
  %0 = qkernel.buffer input %frame offset(%n) : memref<4xf32>
  return
}

// -----

func.func @buffer(%frame: !llvm.ptr, %n: index) {
  // expected-error @+1 {{in weights has index 2}}
  %0 = qkernel.buffer weights %frame offset(%n) {index = 2 : i64} : memref<4xf32>
  return
}

// -----

func.func @call(%frame: !llvm.ptr) {
  // expected-error @+1 {{calls @nothing, which is no function of this module}}
  qkernel.call @nothing[%frame]()
  return
}

// -----

func.func @tile(%a: memref<?x?xi8>, %w: memref<?xi8>, %m: index, %i: vector<16xi32>) {
  // expected-error @+1 {{format is 'ui8', but must be f32, si8 or si4}}
  %0 = qkernel.tile_dot %a[%m, %m], %w[%m] stride %m length %m init(%i)
    {format = "ui8", panels = 1 : i64, rows = 1 : i64} : memref<?x?xi8>, memref<?xi8>, vector<16xi32>
  return
}

// -----

func.func @tile(%a: memref<?x?xf32>, %w: memref<?xi8>, %m: index, %i: vector<16xi32>) {
  // expected-error @+1 {{a is 'memref<?x?xf32>', but weights of si8 go with rank 2 of i8}}
  %0 = qkernel.tile_dot %a[%m, %m], %w[%m] stride %m length %m init(%i)
    {format = "si8", panels = 1 : i64, rows = 1 : i64} : memref<?x?xf32>, memref<?xi8>, vector<16xi32>
  return
}

// -----

func.func @tile(%a: memref<?x?xi8>, %w: memref<?xi32>, %m: index, %i: vector<16xi32>) {
  // expected-error @+1 {{packed weights are 'memref<?xi32>', but must be rank 1 of i8}}
  %0 = qkernel.tile_dot %a[%m, %m], %w[%m] stride %m length %m init(%i)
    {format = "si8", panels = 1 : i64, rows = 1 : i64} : memref<?x?xi8>, memref<?xi32>, vector<16xi32>
  return
}

// -----

func.func @tile(%a: memref<?x?xi8>, %w: memref<?xi8>, %m: index, %i: vector<16xi32>) {
  // expected-error @+1 {{has a tile of 0 x 1}}
  %0 = qkernel.tile_dot %a[%m, %m], %w[%m] stride %m length %m init(%i)
    {format = "si8", panels = 1 : i64, rows = 0 : i64} : memref<?x?xi8>, memref<?xi8>, vector<16xi32>
  return
}

// -----

func.func @tile(%a: memref<?x?xi8>, %w: memref<?xi8>, %m: index, %i: vector<16xi32>) {
  // expected-error @+1 {{has 1 accumulators for a tile of 2 x 1}}
  %0 = qkernel.tile_dot %a[%m, %m], %w[%m] stride %m length %m init(%i)
    {format = "si8", panels = 1 : i64, rows = 2 : i64} : memref<?x?xi8>, memref<?xi8>, vector<16xi32>
  return
}

// -----

func.func @tile(%a: memref<?x?xi8>, %w: memref<?xi8>, %m: index, %i: vector<16xf32>) {
  // expected-error @+1 {{has an accumulator of 'vector<16xf32>', but weights of si8 sum in 'vector<16xi32>'}}
  %0 = qkernel.tile_dot %a[%m, %m], %w[%m] stride %m length %m init(%i)
    {format = "si8", panels = 1 : i64, rows = 1 : i64} : memref<?x?xi8>, memref<?xi8>, vector<16xf32>
  return
}

// -----

func.func @conv(%x: tensor<1x8x8x4xf32>, %p: tensor<2368xi8>) {
  // expected-error @+1 {{packed weights are 'tensor<2368xi8>', but must be 640 bytes}}
  %y = qkernel.conv %x, %p {format = "f32", n = 4, taps = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 4}
       : (tensor<1x8x8x4xf32>, tensor<2368xi8>) -> tensor<1x8x8x4xf32>
  return
}

// -----

func.func @conv(%x: tensor<1x8x8x4xf32>, %p: tensor<2368xi8>) {
  // expected-error @+1 {{3 groups must divide 4 channels and 16 columns}}
  %y = qkernel.conv %x, %p {format = "f32", n = 16, taps = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 3}
       : (tensor<1x8x8x4xf32>, tensor<2368xi8>) -> tensor<1x8x8x16xf32>
  return
}

// -----

func.func @conv(%x: tensor<1x8x8x4xf32>, %p: tensor<2368xi8>) {
  // expected-error @+1 {{result 'tensor<1x8x8x16xf32>' is not that of input 'tensor<1x8x8x4xf32>'}}
  %y = qkernel.conv %x, %p {format = "f32", n = 16, taps = array<i64: 3, 3>, strides = array<i64: 1, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1}
       : (tensor<1x8x8x4xf32>, tensor<2368xi8>) -> tensor<1x8x8x16xf32>
  return
}

// -----

func.func @conv(%x: tensor<1x8x8x4xf32>, %p: tensor<2368xi8>) {
  // expected-error @+1 {{input has element type 'f32', but weights of si8 go with si8 or ui8}}
  %y = qkernel.conv %x, %p {format = "si8", n = 16, taps = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1}
       : (tensor<1x8x8x4xf32>, tensor<2368xi8>) -> tensor<1x8x8x16xf32>
  return
}

// -----

func.func @conv(%x: tensor<1x8x8x4xf32>, %p: tensor<2368xi8>) {
  // expected-error @+1 {{taps must be 2 positive numbers}}
  %y = qkernel.conv %x, %p {format = "f32", n = 16, taps = array<i64: 3, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = 1}
       : (tensor<1x8x8x4xf32>, tensor<2368xi8>) -> tensor<1x8x8x16xf32>
  return
}

// -----

func.func @linear(%x: tensor<4x64xf32>, %p: tensor<1152xi8>) {
  // expected-error @+1 {{needs a codebook of 16 values for weights of ui4, and none for others}}
  %y = qkernel.linear %x, %p {format = "ui4", codebook = array<f32: 1.0, 2.0>, group = 0, input_group = 0, k = 64, n = 16}
       : (tensor<4x64xf32>, tensor<1152xi8>) -> tensor<4x16xf32>
  return
}

// -----

func.func @linear(%x: tensor<4x64xsi8>, %s: tensor<4x1xf32>, %p: tensor<1152xi8>) {
  // expected-error @+1 {{has weight_offsets, which only stored weights beside an f32 input have}}
  %y = qkernel.linear %x scale %s, %p {format = "si8", weight_offsets, group = 0, input_group = 0, k = 64, n = 16}
       : (tensor<4x64xsi8>, tensor<4x1xf32>, tensor<1152xi8>) -> tensor<4x16xf32>
  return
}

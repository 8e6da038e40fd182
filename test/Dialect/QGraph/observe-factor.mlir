// The factor of a calibration site: one for each channel.

// RUN: quant-opt %s | quant-opt | FileCheck %s

// CHECK-LABEL: @factor
// CHECK: qgraph.observe "a" %{{.*}} {factor = dense<[5.000000e-01, 2.000000e+00]> : tensor<2xf32>} : tensor<?x2xf32>
func.func @factor(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %0 = qgraph.observe "a" %x {factor = dense<[0.5, 2.0]> : tensor<2xf32>} : tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

//===- KernelInterface.td - How an op becomes a kernel ------*- tablegen -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QKERNEL_KERNELINTERFACE_TD
#define QUANTC_DIALECT_QKERNEL_KERNELINTERFACE_TD

include "mlir/IR/OpBase.td"

def QKernel_KernelOpInterface : OpInterface<"KernelOpInterface"> {
  let cppNamespace = "::quantc::qkernel";
  let description = [{
    How one tensor op becomes the body of a kernel. The schedule
    (`--lower-to-kernels`) knows no op by name: it gives each op its buffers and
    asks this interface for the body. Implementations are external models, so the
    plain loop nests, the ONNX families and the fast tiles live in files of their own
    (lib/Conversion).
  }];
  let methods = [
    InterfaceMethod<[{
      The stem of the kernel's name, after the grammar `<op>[_<format>][_<variant>]`.
    }], "std::string", "getKernelName">,
    InterfaceMethod<[{
      Succeeds if a body can be emitted; otherwise says why, so that all ops that cannot
      be lowered are reported at once.
    }], "::llvm::LogicalResult", "canEmit", (ins "std::string &":$why)>,
    InterfaceMethod<[{
      Emits the body. Everything the body reads of the op must be its types and attributes
      (or a constant operand's value, if `getKernelKey` includes it), since ops with equal
      keys share a kernel.
    }], "::llvm::LogicalResult", "emitKernel", (ins "::quantc::qkernel::KernelBody &":$body)>,
    InterfaceMethod<[{
      What distinguishes this op's kernel from others of its name beyond attributes and types.
    }], "std::string", "getKernelKey", (ins), [{}], [{ return {}; }]>,
    InterfaceMethod<[{
      Bytes of scratch memory each thread needs, as an index value computed from `dims`
      (emitted in the schedule), or null.
    }], "::mlir::Value", "getScratchBytes", (ins "::mlir::OpBuilder &":$builder), [{}], [{ return {}; }]>
  ];
}

#endif // QUANTC_DIALECT_QKERNEL_KERNELINTERFACE_TD

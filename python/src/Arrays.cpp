//===- Arrays.cpp - Arrays of Python as values of the runtime -------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Arrays.h"

#include <nanobind/stl/string.h>

#include <cstring>

namespace nb = nanobind;
using namespace quantc::python;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

namespace {

struct TypeRow {
  int64_t code, bits;
  const char *name;
};

const TypeRow kTypes[] = {
    {kDLBool, 8, "bool"},
    {kDLInt, 2, "int2"},
    {kDLInt, 4, "int4"},
    {kDLInt, 8, "int8"},
    {kDLInt, 16, "int16"},
    {kDLInt, 32, "int32"},
    {kDLInt, 64, "int64"},
    {kDLUInt, 2, "uint2"},
    {kDLUInt, 4, "uint4"},
    {kDLUInt, 8, "uint8"},
    {kDLUInt, 16, "uint16"},
    {kDLUInt, 32, "uint32"},
    {kDLUInt, 64, "uint64"},
    {kDLFloat, 16, "float16"},
    {kDLFloat, 32, "float32"},
    {kDLFloat, 64, "float64"},
    {kDLBfloat, 16, "bfloat16"},
    {kDLComplex, 64, "complex64"},
    {kDLComplex, 128, "complex128"},
    {kDLFloat8_e3m4, 8, "float8_e3m4"},
    {kDLFloat8_e4m3, 8, "float8_e4m3"},
    {kDLFloat8_e4m3b11fnuz, 8, "float8_e4m3b11fnuz"},
    {kDLFloat8_e4m3fn, 8, "float8_e4m3fn"},
    {kDLFloat8_e4m3fnuz, 8, "float8_e4m3fnuz"},
    {kDLFloat8_e5m2, 8, "float8_e5m2"},
    {kDLFloat8_e5m2fnuz, 8, "float8_e5m2fnuz"},
    {kDLFloat8_e8m0fnu, 8, "float8_e8m0fnu"},
    {kDLFloat6_e2m3fn, 6, "float6_e2m3fn"},
    {kDLFloat6_e3m2fn, 6, "float6_e3m2fn"},
    {kDLFloat4_e2m1fn, 4, "float4_e2m1fn"},
};

const TypeRow *findType(const std::string &name) {
  for (const TypeRow &row : kTypes)
    if (name == row.name)
      return &row;
  return nullptr;
}

const TypeRow *findType(int64_t code, int64_t bits) {
  for (const TypeRow &row : kTypes)
    if (row.code == code && row.bits == bits)
      return &row;
  return nullptr;
}

/// Whether NumPy has the type only through the package ml_dtypes.
bool isMlDtype(const TypeRow &row) {
  return row.bits < 8 || row.code == kDLBfloat || row.code > kDLBool;
}

std::string typeOf(nb::handle object) {
  return nb::cast<std::string>(object.type().attr("__name__"));
}

/// Why `object`, which is no array that we can read, is none.
std::string whyNoArray(nb::handle object) {
  if (nb::hasattr(object, "__dlpack__")) {
    try {
      object.attr("__dlpack__")();
    } catch (nb::python_error &error) {
      return nb::cast<std::string>(nb::str(error.value()));
    }
  }
  if (nb::hasattr(object, "dtype"))
    return "elements of type " +
           nb::cast<std::string>(nb::str(object.attr("dtype"))) +
           " are not taken";
  return "a NumPy array or an object with __dlpack__ is needed";
}

} // namespace

std::string quantc::python::typeName(int64_t code, int64_t bits) {
  const TypeRow *row = findType(code, bits);
  return row ? row->name : "";
}

//===----------------------------------------------------------------------===//
// In
//===----------------------------------------------------------------------===//

Input::Input(nb::handle object, const quantc_tensor_info &info) {
  if (object.is_none()) {
    none = true;
    return;
  }
  if (info.kind == QUANTC_SEQUENCE &&
      (nb::isinstance<nb::list>(object) || nb::isinstance<nb::tuple>(object))) {
    sequence = true;
    quantc_tensor_info element = info;
    element.kind = QUANTC_TENSOR;
    for (nb::handle item : object)
      items.emplace_back(item, element);
    for (const Input &item : items)
      itemValues.push_back(item.value());
    return;
  }
  if (nb::try_cast(object, array, false))
    return;

  // NumPy exports no array of an ml_dtypes type: take its bytes.
  const TypeRow *row = nullptr;
  if (nb::isinstance(object, nb::module_::import_("numpy").attr("ndarray")))
    row = findType(
        nb::cast<std::string>(nb::str(object.attr("dtype").attr("name"))));
  if (row && isMlDtype(*row)) {
    nb::object bytes;
    if (row->bits < 8) {
      bytes = nb::module_::import_("quantc._packing")
                  .attr("pack")(object, row->bits);
      for (nb::handle dim : object.attr("shape"))
        packedShape.push_back(nb::cast<int64_t>(dim));
    } else {
      bytes = object.attr("view")(row->bits == 8 ? "uint8" : "uint16");
    }
    if (nb::try_cast(bytes, array, false)) {
      code = row->code;
      bits = row->bits;
      return;
    }
  }
  throw Error(std::string("input '") + info.name +
              "' cannot be read from an object of type " + typeOf(object) +
              ": " + whyNoArray(object));
}

quantc_value Input::value() const {
  quantc_value v;
  memset(&v, 0, sizeof v);
  if (none)
    return v;
  if (sequence) {
    v.kind = QUANTC_SEQUENCE;
    v.items = const_cast<quantc_value *>(itemValues.data());
    v.n_items = static_cast<int64_t>(itemValues.size());
    return v;
  }
  v.kind = QUANTC_TENSOR;
  v.tensor.data = const_cast<void *>(array.data_handle());
  v.tensor.byte_offset = array.byte_offset();
  v.tensor.device.device_type = static_cast<DLDeviceType>(array.device_type());
  v.tensor.device.device_id = array.device_id();
  v.tensor.ndim = static_cast<int32_t>(array.ndim());
  v.tensor.shape = const_cast<int64_t *>(array.shape_ptr());
  v.tensor.strides = const_cast<int64_t *>(array.stride_ptr());
  v.tensor.dtype.code = array.dtype().code;
  v.tensor.dtype.bits = array.dtype().bits;
  v.tensor.dtype.lanes = array.dtype().lanes;
  if (bits) {
    v.tensor.dtype.code = static_cast<uint8_t>(code);
    v.tensor.dtype.bits = static_cast<uint8_t>(bits);
  }
  if (bits && bits < 8) {
    v.tensor.ndim = static_cast<int32_t>(packedShape.size());
    v.tensor.shape = const_cast<int64_t *>(packedShape.data());
    v.tensor.strides = nullptr;
  }
  return v;
}

//===----------------------------------------------------------------------===//
// Out
//===----------------------------------------------------------------------===//

nb::object quantc::python::outputArray(const quantc_value &value) {
  if (value.kind == QUANTC_NONE)
    return nb::none();
  if (value.kind == QUANTC_SEQUENCE) {
    nb::list list;
    for (int64_t i = 0; i < value.n_items; ++i)
      list.append(outputArray(value.items[i]));
    return list;
  }
  const DLTensor &t = value.tensor;
  const TypeRow *row = findType(t.dtype.code, t.dtype.bits);
  if (value.kind != QUANTC_TENSOR || !row)
    throw Error("an output of a kind or type that NumPy lacks");

  size_t elements = 1;
  nb::list shape;
  for (int32_t i = 0; i < t.ndim; ++i) {
    elements *= static_cast<size_t>(t.shape[i]);
    shape.append(t.shape[i]);
  }
  size_t bytes = (elements * t.dtype.bits + 7) / 8;

  nb::module_ numpy = nb::module_::import_("numpy");
  nb::object raw = numpy.attr("empty")(bytes, "uint8");
  auto memory = nb::cast<nb::ndarray<uint8_t, nb::ndim<1>>>(raw);
  if (bytes)
    memcpy(memory.data(), static_cast<char *>(t.data) + t.byte_offset, bytes);
  if (row->bits < 8)
    return nb::module_::import_("quantc._packing")
        .attr("unpack")(raw, row->name, row->bits, nb::tuple(shape));
  nb::object type = isMlDtype(*row)
                        ? nb::module_::import_("ml_dtypes").attr(row->name)
                        : nb::object(nb::str(row->name));
  return raw.attr("view")(type).attr("reshape")(nb::tuple(shape));
}

//===- Module.cpp - quantc._native ----------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Model.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace nb::literals;
using namespace quantc::python;

static std::string describe(const Tensor &t) {
  return t.name + ": " + t.dtype +
         nb::cast<std::string>(nb::str(nb::list(t.shape)));
}

static std::string describe(const std::vector<Tensor> &tensors) {
  std::string text;
  for (const Tensor &t : tensors)
    text += (text.empty() ? "" : ", ") + describe(t);
  return text;
}

NB_MODULE(_native, m) {
  m.doc() =
      "Runs models that quantc compiled. Use it through the package quantc.";

  nb::register_exception_translator([](const std::exception_ptr &p, void *) {
    try {
      std::rethrow_exception(p);
    } catch (const Error &error) {
      nb::object type = nb::module_::import_("quantc._error").attr("Error");
      PyErr_SetString(type.ptr(), error.what());
    }
  });

  nb::class_<Tensor>(m, "Tensor", "An input or output of a model.")
      .def_ro("name", &Tensor::name)
      .def_ro("dtype", &Tensor::dtype,
              "The name of the element type, NumPy's or (bfloat16, "
              "float8_e4m3fn, int4, ...) that "
              "of ml_dtypes.")
      .def_ro("shape", &Tensor::shape,
              "A tuple; a dynamic dimension is the str that names it (see "
              "Model.dims).")
      .def("__repr__", [](const Tensor &t) { return describe(t); });

  nb::class_<Binding>(m, "Binding",
                      "A model with its inputs bound: run() looks at no Python "
                      "object. The arrays "
                      "are kept alive, and read again by every run().")
      .def("run", &Binding::run,
           "Runs the model on what the bound arrays hold now. Raises "
           "quantc.Error.")
      .def_prop_ro(
          "outputs", &Binding::outputs,
          "The outputs of the last run(): a dict of fresh NumPy arrays.");

  nb::class_<Model>(
      m, "Model",
      "One entry of a library that quantc compiled. Made by quantc.load.\n\n"
      "A call takes a dict with an array for every input and returns a dict of "
      "NumPy arrays:\n\n"
      "    out = model({\"x\": x})[\"y\"]\n\n"
      "Arrays are NumPy's or anything with __dlpack__, on the CPU, of the "
      "input's type and shape; "
      "dense ones are not copied. Calls release the GIL, and may come from "
      "several threads at the "
      "same time. Whatever does not fit raises quantc.Error, whose message "
      "names the input.")
      .def("__call__", &Model::call, "inputs"_a, "Runs the model.")
      .def("bind", &Model::bind, "inputs"_a,
           "A Binding of the inputs, for runs without any work in Python.")
      .def("close", &Model::close,
           "Frees the sessions and, with the last model of it, the library; "
           "calls then raise.")
      .def("__enter__", [](nb::object self) { return self; })
      .def(
          "__exit__", [](Model &self, nb::args) { self.close(); }, "args"_a)
      .def_prop_ro("path", &Model::path, "Where the library was loaded from.")
      .def_prop_ro("name", &Model::name,
                   "The model's name, as in NAME_model() of C.")
      .def_prop_ro("entry", &Model::entry, "The entry that runs.")
      .def_prop_ro("entries", &Model::entries, "All entries of the library.")
      .def_prop_ro("inputs", &Model::inputs, "A list of Tensor.")
      .def_prop_ro("outputs", &Model::outputs, "A list of Tensor.")
      .def_prop_ro("dims", &Model::dims,
                   "The dynamic dimensions: name to (least, most); most is "
                   "None if unbounded.")
      .def_prop_ro("layers", &Model::layers,
                   "The names of the layers, in the order of profile().")
      .def_prop_ro(
          "isa", &Model::isa,
          "The instruction set level that runs, as QUANTC_ISA names it.")
      .def_prop_ro("threads", &Model::threads, "Threads of one call.")
      .def_prop_ro("weights_bytes", &Model::weightsBytes, "Bytes of weights.")
      .def_prop_ro("memory", &Model::memory,
                   "Bytes that the idle sessions hold for intermediate values, "
                   "outputs and copies.")
      .def_prop_ro("manifest", &Model::manifest,
                   "The manifest (PREFIX.json) as Python values, or None.")
      .def("profile", &Model::profile, "reset"_a = false,
           "A list of (layer, seconds, calls), summed over the calls so far; "
           "needs "
           "load(..., profile=True).")
      .def("__repr__", [](const Model &self) {
        return "<quantc.Model " + self.name() + "(" + describe(self.inputs()) +
               ") -> (" + describe(self.outputs()) + "), " + self.isa() + ">";
      });

  m.def(
      "load",
      [](const std::string &path, int64_t threads, const std::string &weights,
         const std::string &entry, bool profile) {
        return std::make_unique<Model>(
            path, LoadOptions{threads, weights, entry, profile});
      },
      "path"_a, "threads"_a, "weights"_a, "entry"_a, "profile"_a,
      "See quantc.load.");
}

//===- quantc.cpp - The compiler as a program -----------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Driver/Driver.h"

int main(int argc, char **argv) { return quantc::runDriver(argc, argv); }

//===- Ngrams.cpp - Kernel of TfIdfVectorizer -----------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Coordinates.h"
#include "NodeKernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <map>

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

/// Every n-gram of the pool is code of its own.
constexpr size_t kLargestPool = 4096;

using Ngram = SmallVector<int64_t>;

/// The n-grams that each column of the output counts.
std::map<int64_t, SmallVector<Ngram>> columnsOf(NodeOp op) {
  SmallVector<int64_t> pool = op.getIntsAttr("pool_int64s"),
                       starts = op.getIntsAttr("ngram_counts"),
                       indexes = op.getIntsAttr("ngram_indexes");
  int64_t shortest = op.getIntAttr("min_gram_length", 1),
          longest = op.getIntAttr("max_gram_length", 1);
  // Of equal n-grams the last one counts.
  std::map<Ngram, int64_t> columnOf;
  size_t number = 0;
  for (auto [i, start] : llvm::enumerate(starts)) {
    int64_t length = int64_t(i) + 1;
    int64_t end = i + 1 < starts.size() ? starts[i + 1] : int64_t(pool.size());
    for (int64_t at = start; at + length <= end; at += length, ++number)
      if (length >= shortest && length <= longest && number < indexes.size())
        columnOf[Ngram(ArrayRef(pool).slice(at, length))] = indexes[number];
  }
  std::map<int64_t, SmallVector<Ngram>> columns;
  for (const auto &[ngram, column] : columnOf)
    columns[column].push_back(ngram);
  return columns;
}

LogicalResult acceptsTfIdf(NodeOp op, std::string &why) {
  StringRef mode = op.getStringAttr("mode", "");
  llvm::raw_string_ostream os(why);
  if (!isa<IntegerType>(inputElement(op, 0)))
    os << "TfIdfVectorizer is there for integers only";
  else if (op.getIntsAttr("pool_int64s").size() > kLargestPool)
    os << "TfIdfVectorizer is there for pools of up to " << kLargestPool
       << " numbers";
  else if (mode != "TF" && mode != "IDF" && mode != "TFIDF")
    os << "TfIdfVectorizer has no mode " << mode;
  else
    return success();
  return failure();
}

/// For each row, how often each n-gram is there, its items next to each other
/// or up to max_skip_count apart, all equally; n-grams of one item count once.
void emitTfIdf(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], output = body.outputs[0];
  int64_t rank = cast<MemRefType>(input.getType()).getRank();
  OpBuilder &b = body.builder;
  Value zero = body.index(0), one = body.index(1);
  Value rows = rank == 2 ? body.dim(input, 0) : one;
  Value length = rank == 0 ? one : body.dim(input, rank - 1);
  Value width =
      body.dim(output, cast<MemRefType>(output.getType()).getRank() - 1);
  Value items = body.flatten(input), target = body.flatten(output);
  Type stored = cast<MemRefType>(items.getType()).getElementType();
  MathEmitter m(b, body.loc, b.getF32Type());
  StringRef mode = op.getStringAttr("mode", "");
  SmallVector<double> weights;
  if (auto list = dyn_cast_or_null<ArrayAttr>(op.getNodeAttr("weights")))
    for (Attribute value : list)
      weights.push_back(cast<FloatAttr>(value).getValueAsDouble());
  int64_t skips = op.getIntAttr("max_skip_count", 0);
  std::map<int64_t, SmallVector<Ngram>> columns = columnsOf(op);

  auto occurrences = [&](Value row, const Ngram &ngram, int64_t distance,
                         Value count) {
    int64_t reach = distance * int64_t(ngram.size() - 1);
    Value end = body.sub(length, body.index(reach));
    return body.loop(zero, end, 1, ValueRange{count},
                     [&](Value start, ValueRange acc) {
                       Value all = body.constant(b.getBoolAttr(true));
                       for (auto [i, item] : llvm::enumerate(ngram)) {
                         Value at = body.add(body.add(row, start),
                                             body.index(int64_t(i) * distance));
                         Value x = loadElement(body, items, at, Type());
                         Value wanted = m.constantInt(item, stored);
                         all = both(body, all, equals(body, x, wanted));
                       }
                       return SmallVector<Value>{
                           select(body, all, body.add(acc[0], one), acc[0])};
                     })[0];
  };
  auto [lo, hi] = body.share(rows);
  body.loop(lo, hi, 1, [&](Value r) {
    Value row = body.mul(r, length), to = body.mul(r, width);
    body.loop(zero, width, 1, [&](Value j) {
      storeElement(body, m.f32(0), target, body.add(to, j), Type());
    });
    for (const auto &[column, ngrams] : columns) {
      Value count = zero;
      for (const Ngram &ngram : ngrams)
        for (int64_t distance = 1;
             distance <= (ngram.size() == 1 ? 1 : skips + 1); ++distance)
          count = occurrences(row, ngram, distance, count);
      Value y = toReal(body, count, b.getF32Type());
      bool weighted = mode != "TF" && size_t(column) < weights.size();
      Value weight = m.f32(weighted ? float(weights[column]) : 1.0f);
      if (mode == "IDF")
        y = select(body, lessThan(body, zero, count), weight, m.f32(0));
      else if (weighted)
        y = m.mul(weight, y);
      storeElement(body, y, target, body.add(to, body.index(column)), Type());
    }
  });
}

} // namespace

ArrayRef<NodeKernel> ngramKernels() {
  static const NodeKernel kernels[] = {
      {"TfIdfVectorizer", acceptsTfIdf, emitTfIdf},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels

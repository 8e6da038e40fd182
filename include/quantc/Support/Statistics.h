//===- Statistics.h - What calibration has found, as a file -----*- C++ -*-===//
//
// The statistics of all sites of one graph. A file of them is a safetensors
// file (Support/WeightStore.h): the tensors `<what>/<site>`, and in the
// metadata the version of the format, the graph's fingerprint and a hash of all
// of it, by which a damaged file is known.
//
// Parts that were made from different samples, by different processes, are
// merged; whatever the parts and the order, the bytes of the file are the same.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_SUPPORT_STATISTICS_H
#define QUANTC_SUPPORT_STATISTICS_H

#include "quantc/Numerics/Observers.h"
#include "quantc/Support/Journal.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <map>
#include <string>

namespace quantc {

class Statistics {
public:
  /// The version of the file format that is written, and the only one read.
  static constexpr llvm::StringLiteral kVersion = "1";

  /// `fingerprint`: any text that tells the graph from others.
  explicit Statistics(llvm::StringRef fingerprint = "")
      : graph(fingerprint.str()) {}

  llvm::StringRef fingerprint() const { return graph; }
  const std::map<std::string, numerics::SiteStatistics> &sites() const {
    return table;
  }
  bool empty() const { return table.empty(); }

  /// The statistics of a site, or null.
  const numerics::SiteStatistics *lookup(llvm::StringRef site) const;
  /// Those to add samples to, made on first use. An error if the site has
  /// another number of channels than it had.
  llvm::Expected<numerics::SiteStatistics *>
  getOrCreate(llvm::StringRef site, int64_t channels,
              numerics::SiteOptions options = {});
  /// Replaces what the site had.
  void set(llvm::StringRef site, numerics::SiteStatistics statistics);

  /// Adds another part. Errors name the site: fingerprints or channels that
  /// differ, a sample that both have. After an error nothing has changed.
  llvm::Error merge(const Statistics &other);

  /// Reads a file. A file that is no statistics file, is of another version,
  /// or is damaged is an error that says so.
  static llvm::Expected<Statistics> read(llvm::StringRef path);
  /// An error if they are not of the graph with this fingerprint: says to
  /// calibrate again. `path` is for the message.
  llvm::Error checkFingerprint(llvm::StringRef expected,
                               llvm::StringRef path) const;
  /// Writes a file, whole or not at all.
  llvm::Error write(llvm::StringRef path) const;

  /// The same as a record, from which `load` makes them again.
  llvm::Error save(Record &record) const;
  static llvm::Expected<Statistics> load(const Record &record);

private:
  std::string graph;
  std::map<std::string, numerics::SiteStatistics> table;
};

} // namespace quantc

#endif // QUANTC_SUPPORT_STATISTICS_H

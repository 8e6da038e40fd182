//===- Statistics.cpp - What calibration has found, as a file -------------===//
//
// The tensors of a site:
//
//     counts/<site>   si64 [5]      channels, tokens, non-finite, histogram?,
//                                   XᵀX?
//     min/, max/      f32 [channels]
//     histogram/, token_histogram/  si64 [bins], where there are histograms
//     samples/        si64 [n, 2]   index, rows
//     extrema/        f32 [n, 2]    of each sample
//     nodes/          si64 [m, 2]   level, index in the tree of sums
//     sums/           f64 [m, 3, channels]  x, |x|, x^2
//     gram/           f32 [m, channels (channels + 1) / 2], where there is XᵀX
//
//===----------------------------------------------------------------------===//

#include "quantc/Support/Statistics.h"

#include "quantc/Support/WeightStore.h"
#include "quantc/hash.h"

#include "llvm/ADT/StringExtras.h"

#include <cstring>

using namespace llvm;
using quantc::numerics::ChannelSums;
using quantc::numerics::SiteOptions;
using quantc::numerics::SiteStatistics;

namespace quantc {
namespace {

constexpr StringLiteral kVersionKey = "quantc.statistics";
constexpr StringLiteral kGraphKey = "quantc.statistics.graph";
constexpr StringLiteral kHashKey = "quantc.statistics.hash";

/// Of all there is in the file: fingerprint, names, types and bytes.
std::string contentHash(StringRef graph, ArrayRef<WeightHandle> entries) {
  std::string text = graph.str();
  for (const WeightHandle &entry : entries)
    text += '\n' + entry->name + '\t' + entry->type.str() + '\t' +
            utohexstr(entry->hash());
  return utohexstr(quantc_hash(text.data(), text.size()));
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// Collects the tensors of one site.
class SiteWriter {
public:
  SiteWriter(StringRef site, WeightStore &store) : site(site), store(store) {}

  template <typename T>
  void add(StringRef what, StringRef element, ArrayRef<int64_t> shape,
           ArrayRef<T> values) {
    if (error)
      return;
    const char *bytes = reinterpret_cast<const char *>(values.data());
    error = store.add(
        (what + "/" + site).str(),
        {element.str(), SmallVector<int64_t, 4>(shape.begin(), shape.end())},
        std::vector<char>(bytes, bytes + values.size() * sizeof(T)));
  }

  Error error = Error::success();

private:
  StringRef site;
  WeightStore &store;
};

Error addSite(StringRef site, const SiteStatistics::State &state,
              WeightStore &store) {
  SiteWriter to(site, store);
  int64_t channels = state.channels;
  const int64_t counts[] = {channels, state.tokens, state.nonFinite,
                            state.options.histogram, state.options.gram};
  to.add<int64_t>("counts", "si64", {5}, counts);
  to.add<float>("min", "f32", {channels}, state.min);
  to.add<float>("max", "f32", {channels}, state.max);
  if (state.options.histogram) {
    auto bins = static_cast<int64_t>(state.histogram.size());
    to.add<int64_t>("histogram", "si64", {bins}, state.histogram);
    to.add<int64_t>("token_histogram", "si64", {bins}, state.rowHistogram);
  }

  std::vector<int64_t> samples;
  std::vector<float> extrema;
  for (const SiteStatistics::Sample &sample : state.samples) {
    samples.insert(samples.end(), {sample.index, sample.rows});
    extrema.insert(extrema.end(), {sample.extrema.lo, sample.extrema.hi});
  }
  auto sampleCount = static_cast<int64_t>(state.samples.size());
  to.add<int64_t>("samples", "si64", {sampleCount, 2}, samples);
  to.add<float>("extrema", "f32", {sampleCount, 2}, extrema);

  std::vector<int64_t> nodes;
  std::vector<double> sums;
  std::vector<float> gram;
  for (const SiteStatistics::State::Node &node : state.nodes) {
    nodes.insert(nodes.end(), {node.level, node.index});
    for (const std::vector<double> *which :
         {&node.sums.x, &node.sums.abs, &node.sums.squares})
      sums.insert(sums.end(), which->begin(), which->end());
    gram.insert(gram.end(), node.sums.gram.begin(), node.sums.gram.end());
  }
  auto nodeCount = static_cast<int64_t>(state.nodes.size());
  to.add<int64_t>("nodes", "si64", {nodeCount, 2}, nodes);
  to.add<double>("sums", "f64", {nodeCount, 3, channels}, sums);
  if (state.options.gram)
    to.add<float>("gram", "f32", {nodeCount, channels * (channels + 1) / 2},
                  gram);
  return std::move(to.error);
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// Gives the tensors of one site; what is missing or of another type is an
/// error, kept, and an empty list.
class SiteReader {
public:
  SiteReader(StringRef site, const WeightStore &store)
      : site(site), store(store) {}

  template <typename T>
  std::vector<T> get(StringRef what, StringRef element,
                     ArrayRef<int64_t> shape) {
    std::vector<T> values;
    WeightHandle entry = find(what);
    if (!entry)
      return values;
    if (entry->type.element != element ||
        ArrayRef<int64_t>(entry->type.shape) != shape) {
      fail("tensor '" + entry->name + "' has type " + entry->type.str());
      return values;
    }
    values.resize(entry->bytes.size() / sizeof(T));
    if (!values.empty())
      std::memcpy(values.data(), entry->bytes.data(), entry->bytes.size());
    return values;
  }

  /// The first extent of a tensor, 0 if it is missing.
  int64_t rows(StringRef what) {
    WeightHandle entry = find(what);
    return entry && !entry->type.shape.empty() ? entry->type.shape[0] : 0;
  }

  std::string reason; ///< the first error, or empty

private:
  WeightHandle find(StringRef what) {
    WeightHandle entry = store.lookup((what + "/" + site).str());
    if (!entry)
      fail("there is no tensor '" + what + "/" + site + "'");
    return entry;
  }
  void fail(const Twine &what) {
    if (reason.empty())
      reason = what.str();
  }

  StringRef site;
  const WeightStore &store;
};

std::string readSite(StringRef site, const WeightStore &store,
                     SiteStatistics &result) {
  SiteReader from(site, store);
  SiteStatistics::State state;
  std::vector<int64_t> counts = from.get<int64_t>("counts", "si64", {5});
  if (counts.empty())
    return from.reason;
  int64_t channels = counts[0];
  if (channels < 0 || channels > (int64_t(1) << 30))
    return "it has " + std::to_string(channels) + " channels";
  state.channels = channels;
  state.tokens = counts[1];
  state.nonFinite = counts[2];
  state.options.histogram = counts[3] != 0;
  state.options.gram = counts[4] != 0;
  state.min = from.get<float>("min", "f32", {channels});
  state.max = from.get<float>("max", "f32", {channels});
  if (state.options.histogram) {
    int64_t bins = numerics::HistogramBins::kCount;
    state.histogram = from.get<int64_t>("histogram", "si64", {bins});
    state.rowHistogram = from.get<int64_t>("token_histogram", "si64", {bins});
  }

  int64_t sampleCount = from.rows("samples");
  auto samples = from.get<int64_t>("samples", "si64", {sampleCount, 2});
  auto extrema = from.get<float>("extrema", "f32", {sampleCount, 2});
  int64_t nodeCount = from.rows("nodes");
  auto nodes = from.get<int64_t>("nodes", "si64", {nodeCount, 2});
  auto sums = from.get<double>("sums", "f64", {nodeCount, 3, channels});
  int64_t triangle = channels * (channels + 1) / 2;
  std::vector<float> gram;
  if (state.options.gram)
    gram = from.get<float>("gram", "f32", {nodeCount, triangle});
  if (!from.reason.empty())
    return from.reason;

  for (int64_t i = 0; i < sampleCount; ++i)
    state.samples.push_back({samples[2 * i],
                             samples[2 * i + 1],
                             {extrema[2 * i], extrema[2 * i + 1]}});
  for (int64_t i = 0; i < nodeCount; ++i) {
    if (nodes[2 * i] < 0 || nodes[2 * i] > 62)
      return "a node has level " + std::to_string(nodes[2 * i]);
    auto slice = [](const auto &values, int64_t begin, int64_t count) {
      return std::decay_t<decltype(values)>(values.begin() + begin,
                                            values.begin() + begin + count);
    };
    ChannelSums node;
    node.x = slice(sums, (3 * i) * channels, channels);
    node.abs = slice(sums, (3 * i + 1) * channels, channels);
    node.squares = slice(sums, (3 * i + 2) * channels, channels);
    if (state.options.gram)
      node.gram = slice(gram, i * triangle, triangle);
    state.nodes.push_back(
        {static_cast<int>(nodes[2 * i]), nodes[2 * i + 1], std::move(node)});
  }
  return SiteStatistics::fromState(std::move(state), result);
}

} // namespace

//===----------------------------------------------------------------------===//
// Statistics
//===----------------------------------------------------------------------===//

const SiteStatistics *Statistics::lookup(StringRef site) const {
  auto found = table.find(site.str());
  return found == table.end() ? nullptr : &found->second;
}

Expected<SiteStatistics *>
Statistics::getOrCreate(StringRef site, int64_t channels, SiteOptions options) {
  auto [place, isNew] = table.try_emplace(site.str(), channels, options);
  if (!isNew && place->second.channels() != channels)
    return createStringError(
        "site '" + site + "' has " + Twine(place->second.channels()) +
        " channels in one sample and " + Twine(channels) + " in another");
  return &place->second;
}

void Statistics::set(StringRef site, SiteStatistics statistics) {
  table[site.str()] = std::move(statistics);
}

Error Statistics::merge(const Statistics &other) {
  if (graph != other.graph)
    return createStringError(
        "the statistics are of two graphs, whose fingerprints are " + graph +
        " and " + other.graph +
        "; parts that are to be merged are made from one model with one "
        "recipe");
  std::map<std::string, SiteStatistics> merged = table;
  for (const auto &[site, statistics] : other.table) {
    auto [place, isNew] = merged.try_emplace(site, statistics);
    if (isNew)
      continue;
    if (std::string reason = place->second.merge(statistics); !reason.empty())
      return createStringError("site '" + site + "': " + reason);
  }
  table = std::move(merged);
  return Error::success();
}

Error Statistics::checkFingerprint(StringRef expected, StringRef path) const {
  if (expected == graph)
    return Error::success();
  return createStringError(
      "the statistics of '" + path + "' are of another graph (fingerprint " +
      graph + ", this one's is " + expected +
      "): calibrate this model, with the passes that run before, again");
}

Error Statistics::save(Record &record) const {
  for (const auto &[site, statistics] : table)
    if (Error error = addSite(site, statistics.state(), *record.tensors))
      return createStringError("site '" + site +
                               "': " + toString(std::move(error)));
  record.texts = {
      {kVersionKey.str(), kVersion.str()},
      {kGraphKey.str(), graph},
      {kHashKey.str(), contentHash(graph, record.tensors->entries())}};
  return Error::success();
}

Expected<Statistics> Statistics::load(const Record &record) {
  std::string version = record.text(kVersionKey);
  if (version.empty())
    return createStringError("it is a safetensors file of something else");
  if (version != kVersion)
    return createStringError("its format is version " + version +
                             ", this quantc reads " + kVersion +
                             "; calibrate again");
  Statistics result(record.text(kGraphKey));
  for (const WeightHandle &entry : record.tensors->entries()) {
    auto [what, site] = StringRef(entry->name).split('/');
    if (what != "counts")
      continue;
    SiteStatistics statistics;
    if (std::string reason = readSite(site, *record.tensors, statistics);
        !reason.empty())
      return createStringError("site '" + site + "': " + reason);
    result.table.emplace(site.str(), std::move(statistics));
  }
  return result;
}

Error Statistics::write(StringRef path) const {
  Record record;
  if (Error error = save(record))
    return createStringError("cannot write '" + path +
                             "': " + toString(std::move(error)));
  return writeSafetensors(path, record.tensors->entries(), record.texts)
      .takeError();
}

Expected<Statistics> Statistics::read(StringRef path) {
  Expected<std::shared_ptr<WeightStore>> store =
      WeightStore::openSafetensors(path);
  if (!store)
    return store.takeError();
  Record record{*store, (*store)->metadata()};
  auto bad = [&](const Twine &what) {
    return createStringError(
        "'" + path + "' cannot be read as calibration statistics: " + what);
  };
  // A file's version is asked first, for another one may hash otherwise.
  if (record.text(kVersionKey) == kVersion &&
      contentHash(record.text(kGraphKey), record.tensors->entries()) !=
          record.text(kHashKey))
    return bad("its contents are not those that were written; it is damaged");
  Expected<Statistics> result = load(record);
  if (!result)
    return bad(toString(result.takeError()));
  return result;
}

} // namespace quantc

//===- WeightsFile.cpp - PREFIX.safetensors -------------------------------===//
//
// Support's writer sorts entries by name; here the order is the lowering's,
// whose offsets the generated code already holds. The conventions are the same
// (Support/WeightStore.h): types that the format lacks are U8 with
// `quantc.type/<name>` in the metadata, and `quantc.pad/<n>` tensors fill gaps.
//
//===----------------------------------------------------------------------===//

#include "Internal.h"

#include "quantc/Support/WeightLayout.h"
#include "quantc/hash.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"

#include <cstring>

using namespace llvm;

namespace quantc::package {
namespace {

/// The format's name of an element type, or empty.
StringRef formatType(StringRef element) {
  return StringSwitch<StringRef>(element)
      .Case("i1", "BOOL")
      .Case("ui8", "U8")
      .Case("si8", "I8")
      .Case("ui16", "U16")
      .Case("si16", "I16")
      .Case("ui32", "U32")
      .Case("si32", "I32")
      .Case("ui64", "U64")
      .Case("si64", "I64")
      .Case("f16", "F16")
      .Case("bf16", "BF16")
      .Case("f32", "F32")
      .Case("f64", "F64")
      .Case("f8E5M2", "F8_E5M2")
      .Case("f8E4M3FN", "F8_E4M3")
      .Case("f8E8M0FNU", "F8_E8M0")
      .Default("");
}

void describe(json::OStream &json, const Twine &name, StringRef type,
              ArrayRef<int64_t> shape, uint64_t begin, uint64_t end) {
  json.attributeObject(name.str(), [&] {
    json.attribute("dtype", type);
    json.attributeArray("shape", [&] {
      for (int64_t extent : shape)
        json.value(extent);
    });
    json.attributeArray("data_offsets", [&] {
      json.value(static_cast<int64_t>(begin));
      json.value(static_cast<int64_t>(end));
    });
  });
}

Expected<std::string> headerOf(ArrayRef<WeightHandle> entries) {
  StringSet<> names;
  for (const WeightHandle &entry : entries)
    if (!json::isUTF8(entry->name) || entry->name == "__metadata__" ||
        !names.insert(entry->name).second)
      return createStringError("'%s' cannot be the name of a weight: it is "
                               "reserved, used twice or no UTF-8",
                               entry->name.c_str());
  std::string header;
  raw_string_ostream os(header);
  json::OStream json(os);
  WeightLayout layout;
  json.objectBegin();
  json.attributeObject("__metadata__", [&] {
    json.attribute("quantc.layout", "packed");
    for (const WeightHandle &entry : entries)
      if (formatType(entry->type.element).empty())
        json.attribute("quantc.type/" + entry->name, entry->type.str());
  });
  for (const WeightHandle &entry : entries) {
    uint64_t bytes = entry->bytes.size();
    uint64_t begin = layout.add(bytes), end = begin + bytes;
    StringRef type = formatType(entry->type.element);
    if (type.empty())
      describe(json, entry->name, "U8", {static_cast<int64_t>(bytes)}, begin,
               end);
    else
      describe(json, entry->name, type, entry->type.shape, begin, end);
    if (end != layout.bytes())
      describe(json, "quantc.pad/" + Twine(layout.size() - 1), "U8",
               {static_cast<int64_t>(layout.bytes() - end)}, end,
               layout.bytes());
  }
  json.objectEnd();
  header.append(WeightLayout::align(8 + header.size()) - 8 - header.size(),
                ' ');
  return header;
}

/// Calls `write` for the pieces of the data section, each but an entry's last a
/// multiple of 64 bytes and that padded to one, and hashes them.
WeightsSection walk(ArrayRef<WeightHandle> entries,
                    function_ref<void(const char *, size_t)> write) {
  WeightsSection section;
  quantc_hash_state state;
  quantc_hash_begin(&state);
  auto put = [&](const char *data, size_t bytes) {
    quantc_hash_blocks(&state, data, bytes);
    write(data, bytes);
    section.bytes += bytes;
  };
  for (const WeightHandle &entry : entries) {
    ArrayRef<char> bytes = entry->bytes;
    size_t whole = bytes.size() / 64 * 64;
    if (whole)
      put(bytes.data(), whole);
    if (whole == bytes.size())
      continue;
    char tail[64] = {};
    std::memcpy(tail, bytes.data() + whole, bytes.size() - whole);
    put(tail, sizeof tail);
  }
  section.hash = quantc_hash_end(&state, "", 0);
  return section;
}

} // namespace

Expected<WeightsSection> writeWeights(AtomicFile &file,
                                      ArrayRef<WeightHandle> entries) {
  Expected<std::string> header = headerOf(entries);
  if (!header)
    return header.takeError();
  char length[8];
  support::endian::write64le(length, header->size());
  raw_ostream &os = file.os();
  os.write(length, sizeof length);
  os << *header;
  return walk(entries, [&](const char *data, size_t bytes) {
    // After an error (a full disk) the rest is not worth the time; commit will
    // say what it was.
    if (!file.os().has_error())
      os.write(data, bytes);
  });
}

Expected<std::vector<char>> weightsImage(ArrayRef<WeightHandle> entries,
                                         WeightsSection &section) {
  std::vector<char> image;
  section = walk(entries, [&](const char *data, size_t bytes) {
    image.insert(image.end(), data, data + bytes);
  });
  return image;
}

} // namespace quantc::package

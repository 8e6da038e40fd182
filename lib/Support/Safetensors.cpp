//===- Safetensors.cpp - Reading and writing safetensors files ------------===//
//
// The format: https://huggingface.co/docs/safetensors. Eight bytes of header
// length (little-endian), a JSON header, the data without gaps.
//
//===----------------------------------------------------------------------===//

#include "quantc/Support/AtomicFile.h"
#include "quantc/Support/WeightStore.h"
#include "quantc/hash.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace llvm;

namespace quantc {
namespace {

constexpr uint64_t kAlignment = 64;
/// The reference implementation's limit on the header.
constexpr uint64_t kMaxHeader = 100000000;
constexpr StringLiteral kTypePrefix = "quantc.type/";
constexpr StringLiteral kPadPrefix = "quantc.pad/";

/// Bytes from `offset` to the next multiple of the alignment.
uint64_t paddingAfter(uint64_t offset) {
  return alignTo(offset, kAlignment) - offset;
}

/// The element types that the format itself has.
constexpr std::pair<StringLiteral, StringLiteral> kTypes[] = {
    {"BOOL", "i1"},           {"U8", "ui8"},         {"I8", "si8"},
    {"U16", "ui16"},          {"I16", "si16"},       {"U32", "ui32"},
    {"I32", "si32"},          {"U64", "ui64"},       {"I64", "si64"},
    {"F16", "f16"},           {"BF16", "bf16"},      {"F32", "f32"},
    {"F64", "f64"},           {"F8_E5M2", "f8E5M2"}, {"F8_E4M3", "f8E4M3FN"},
    {"F8_E8M0", "f8E8M0FNU"},
};

StringRef elementOf(StringRef dtype) {
  for (const auto &[theirs, ours] : kTypes)
    if (theirs == dtype)
      return ours;
  return {};
}

StringRef dtypeOf(StringRef element) {
  for (const auto &[theirs, ours] : kTypes)
    if (ours == element)
      return theirs;
  return {};
}

/// A tensor as the header describes it.
struct Described {
  std::string name;
  WeightType type;
  uint64_t begin = 0;
  uint64_t end = 0;
};

Expected<Described> describe(StringRef name, const json::Value &value) {
  auto bad = [&](const Twine &what) {
    return createStringError("tensor '" + name + "' of the header: " + what);
  };
  const json::Object *object = value.getAsObject();
  if (!object)
    return bad("not an object");
  Described tensor;
  tensor.name = name.str();
  std::optional<StringRef> dtype = object->getString("dtype");
  if (!dtype)
    return bad("no dtype");
  tensor.type.element = elementOf(*dtype).str();
  if (tensor.type.element.empty())
    return bad("dtype '" + *dtype + "' is not supported");
  const json::Array *shape = object->getArray("shape");
  if (!shape)
    return bad("no shape");
  for (const json::Value &extent : *shape) {
    std::optional<int64_t> number = extent.getAsInteger();
    if (!number || *number < 0)
      return bad("the shape is not made of sizes");
    tensor.type.shape.push_back(*number);
  }
  const json::Array *offsets = object->getArray("data_offsets");
  std::optional<int64_t> begin, end;
  if (offsets && offsets->size() == 2) {
    begin = (*offsets)[0].getAsInteger();
    end = (*offsets)[1].getAsInteger();
  }
  if (!begin || !end || *begin < 0 || *end < *begin)
    return bad("data_offsets is not a pair of rising offsets");
  tensor.begin = *begin;
  tensor.end = *end;
  Expected<uint64_t> size = storedSize(tensor.type);
  if (!size)
    return bad(toString(size.takeError()));
  if (*size != tensor.end - tensor.begin)
    return bad("type " + tensor.type.str() + " needs " + Twine(*size) +
               " bytes, data_offsets span " + Twine(tensor.end - tensor.begin));
  return tensor;
}

/// The metadata's true type of a tensor that is stored as U8.
Error applyTrueType(Described &tensor, StringRef text) {
  Expected<WeightType> type = WeightType::parse(text);
  if (!type)
    return type.takeError();
  Expected<uint64_t> size = storedSize(*type);
  if (!size)
    return size.takeError();
  if (tensor.type.element != "ui8" || *size != tensor.end - tensor.begin)
    return createStringError("tensor '" + tensor.name + "' is stored as " +
                             tensor.type.str() +
                             ", which cannot hold its type " + text);
  tensor.type = std::move(*type);
  return Error::success();
}

} // namespace

Error WeightStore::parseHeader() {
  ArrayRef<char> bytes = file->bytes();
  if (bytes.size() < 8)
    return createStringError("it is too short to be a safetensors file");
  uint64_t headerBytes = support::endian::read64le(bytes.data());
  if (headerBytes > kMaxHeader || headerBytes > bytes.size() - 8)
    return createStringError(
        "its header is said to have " + Twine(headerBytes) +
        " bytes, which it does not; it is truncated or no safetensors file");
  Expected<json::Value> header =
      json::parse(StringRef(bytes.data() + 8, headerBytes));
  if (!header)
    return createStringError("its header is no JSON: " +
                             toString(header.takeError()));
  const json::Object *object = header->getAsObject();
  if (!object)
    return createStringError("its header is no JSON object");

  if (const json::Value *value = object->get("__metadata__")) {
    const json::Object *map = value->getAsObject();
    for (const auto &item : map ? *map : json::Object()) {
      std::optional<StringRef> text = item.second.getAsString();
      if (!text)
        return createStringError("its metadata has a value that is no string");
      fileMetadata[item.first.str()] = text->str();
    }
  }

  ArrayRef<char> data = bytes.drop_front(8 + headerBytes);
  std::vector<Described> tensors;
  for (const auto &item : *object) {
    if (item.first == "__metadata__")
      continue;
    Expected<Described> tensor = describe(item.first, item.second);
    if (!tensor)
      return tensor.takeError();
    tensors.push_back(std::move(*tensor));
  }
  llvm::sort(tensors, [](const Described &a, const Described &b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t next = 0;
  for (const Described &tensor : tensors) {
    if (tensor.end > data.size())
      return createStringError("tensor '" + tensor.name + "' ends at byte " +
                               Twine(tensor.end) + " of " + Twine(data.size()) +
                               " bytes of data; the file is truncated");
    if (tensor.begin != next)
      return createStringError(
          "tensor '" + tensor.name + "' begins at byte " + Twine(tensor.begin) +
          " of the data, where " + Twine(next) +
          " is the end of the one before" +
          (tensor.begin < next ? ": they overlap" : ": gaps are not allowed"));
    next = tensor.end;
  }
  if (next != data.size())
    return createStringError("its tensors end at byte " + Twine(next) + " of " +
                             Twine(data.size()) + " bytes of data");

  for (Described &tensor : tensors) {
    if (StringRef(tensor.name).starts_with(kPadPrefix))
      continue;
    auto found = fileMetadata.find((kTypePrefix + tensor.name).str());
    if (found != fileMetadata.end()) {
      if (Error error = applyTrueType(tensor, found->second))
        return error;
      fileMetadata.erase(found);
    }
    table[tensor.name] = std::make_shared<WeightEntry>(
        tensor.name, tensor.type,
        data.slice(tensor.begin, tensor.end - tensor.begin), file);
  }
  return Error::success();
}

Expected<std::shared_ptr<WeightStore>>
WeightStore::openSafetensors(StringRef path) {
  Expected<std::shared_ptr<const MappedFile>> mapped = MappedFile::open(path);
  if (!mapped)
    return mapped.takeError();
  std::shared_ptr<WeightStore> store(new WeightStore());
  store->file = std::move(*mapped);
  if (Error error = store->parseHeader())
    return createStringError("'" + path + "' cannot be read as weights: " +
                             toString(std::move(error)));
  return store;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

namespace {

/// Writes and hashes. Pieces other than the last end at a multiple of 64.
class HashingWriter {
public:
  explicit HashingWriter(raw_ostream &os) : os(os) {
    quantc_hash_begin(&state);
  }

  /// The bytes, then zeros up to `paddedSize`, which is a multiple of 64.
  void write(ArrayRef<char> bytes, uint64_t paddedSize) {
    os.write(bytes.data(), bytes.size());
    size_t whole = alignDown(bytes.size(), kAlignment);
    quantc_hash_blocks(&state, bytes.data(), whole);
    if (paddedSize == whole)
      return;
    char tail[kAlignment] = {};
    std::memcpy(tail, bytes.data() + whole, bytes.size() - whole);
    quantc_hash_blocks(&state, tail, sizeof(tail));
    os.write_zeros(static_cast<unsigned>(paddedSize - bytes.size()));
  }

  uint64_t finish() { return quantc_hash_end(&state, nullptr, 0); }

private:
  raw_ostream &os;
  quantc_hash_state state;
};

} // namespace

Expected<WrittenWeights>
writeSafetensors(StringRef path, ArrayRef<WeightHandle> entries,
                 const std::map<std::string, std::string> &metadata) {
  auto bad = [&](const Twine &what) {
    return createStringError("cannot write '" + path + "': " + what);
  };
  std::vector<size_t> order(entries.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  llvm::sort(order, [&](size_t a, size_t b) {
    return entries[a]->name < entries[b]->name;
  });

  std::map<std::string, std::string> allMetadata = metadata;
  for (size_t at = 0; at < order.size(); ++at) {
    const WeightEntry &entry = *entries[order[at]];
    if (at != 0 && entries[order[at - 1]]->name == entry.name)
      return bad("there are two weights of the name '" + entry.name + "'");
    if (!json::isUTF8(entry.name) || entry.name == "__metadata__" ||
        StringRef(entry.name).starts_with(kPadPrefix))
      return bad("'" + entry.name + "' cannot be the name of a weight");
    if (dtypeOf(entry.type.element).empty())
      allMetadata[(kTypePrefix + entry.name).str()] = entry.type.str();
  }

  // The header lists the tensors in the order of their data.
  WrittenWeights written;
  written.offsets.resize(entries.size());
  std::string header;
  uint64_t offset = 0;
  {
    raw_string_ostream text(header);
    json::OStream json(text);
    auto tensor = [&](StringRef name, StringRef dtype, ArrayRef<int64_t> shape,
                      uint64_t bytes) {
      json.attributeObject(name, [&] {
        json.attribute("dtype", dtype);
        json.attributeArray("shape", [&] {
          for (int64_t extent : shape)
            json.value(extent);
        });
        json.attributeArray("data_offsets", [&] {
          json.value(static_cast<int64_t>(offset));
          json.value(static_cast<int64_t>(offset + bytes));
        });
      });
      offset += bytes;
    };
    json.objectBegin();
    if (!allMetadata.empty())
      json.attributeObject("__metadata__", [&] {
        for (const auto &[key, value] : allMetadata)
          json.attribute(json::fixUTF8(key), json::fixUTF8(value));
      });
    for (size_t at = 0; at < order.size(); ++at) {
      const WeightEntry &entry = *entries[order[at]];
      written.offsets[order[at]] = offset;
      auto bytes = static_cast<int64_t>(entry.bytes.size());
      StringRef dtype = dtypeOf(entry.type.element);
      if (dtype.empty())
        tensor(entry.name, "U8", {bytes}, bytes);
      else
        tensor(entry.name, dtype, entry.type.shape, bytes);
      if (auto pad = static_cast<int64_t>(paddingAfter(offset)))
        tensor((kPadPrefix + Twine(at)).str(), "U8", {pad}, pad);
    }
    json.objectEnd();
  }
  header.append(paddingAfter(8 + header.size()), ' ');
  if (header.size() > kMaxHeader)
    return bad("the header would have " + Twine(header.size()) + " bytes");
  char length[8];
  support::endian::write64le(length, header.size());
  header.insert(0, length, sizeof(length));
  for (uint64_t &begin : written.offsets)
    begin += header.size();
  written.fileBytes = header.size() + offset;

  Expected<std::unique_ptr<AtomicFile>> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  HashingWriter writer((*file)->os());
  writer.write(ArrayRef<char>(header.data(), header.size()), header.size());
  for (size_t index : order) {
    ArrayRef<char> bytes = entries[index]->bytes;
    writer.write(bytes, alignTo(bytes.size(), kAlignment));
    if ((*file)->os().has_error())
      break; // A full disk: commit says so.
  }
  written.hash = writer.finish();
  if (Error error = (*file)->commit())
    return std::move(error);
  return written;
}

} // namespace quantc

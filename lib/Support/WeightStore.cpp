//===- WeightStore.cpp - Weights beside the IR ----------------------------===//

#include "quantc/Support/WeightStore.h"

#include "quantc/Numerics/Packing.h"
#include "quantc/hash.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace llvm;

namespace quantc {
namespace {

Error failure(const Twine &message) { return createStringError(message); }

/// Zeroed memory in an unnamed temporary file whose blocks are reserved, or
/// null where there is no room for one.
std::shared_ptr<char> allocateSpilled(uint64_t bytes) {
  int descriptor = -1;
  SmallString<128> path;
  if (sys::fs::createTemporaryFile("quantc-weights", "bin", descriptor, path))
    return nullptr;
  ::unlink(path.c_str());
  void *memory = MAP_FAILED;
  // Without reserved blocks a full disk would be a SIGBUS at the first write.
  if (::posix_fallocate(descriptor, 0, static_cast<off_t>(bytes)) == 0)
    memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                    descriptor, 0);
  ::close(descriptor);
  if (memory == MAP_FAILED)
    return nullptr;
  return std::shared_ptr<char>(static_cast<char *>(memory),
                               [bytes](char *p) { ::munmap(p, bytes); });
}

Error checkSize(StringRef name, const WeightType &type, uint64_t bytes) {
  Expected<uint64_t> want = storedSize(type);
  if (!want)
    return failure("weight '" + name + "': " + toString(want.takeError()));
  if (*want != bytes)
    return failure("weight '" + name + "' of type " + type.str() + " needs " +
                   Twine(*want) + " bytes, but has " + Twine(bytes));
  return Error::success();
}

} // namespace

std::string WeightType::str() const {
  std::string text;
  for (int64_t extent : shape)
    text += std::to_string(extent) + "x";
  return text + element;
}

Expected<WeightType> WeightType::parse(StringRef text) {
  WeightType type;
  StringRef rest = text;
  while (!rest.empty() && isDigit(rest.front())) {
    int64_t extent;
    if (rest.consumeInteger(10, extent) || !rest.consume_front("x"))
      return failure("'" + text + "' is not a tensor type such as 2x3xf32");
    type.shape.push_back(extent);
  }
  type.element = rest.str();
  if (storedBits(type.element) == 0)
    return failure("'" + text + "' has the unknown element type '" + rest +
                   "'");
  return type;
}

unsigned storedBits(StringRef element) {
  if (auto format = numerics::parseFormat(element))
    return numerics::packedBits(*format);
  return StringSwitch<unsigned>(element)
      .Case("i1", 8)
      .Case("ui32", 32)
      .Cases({"si64", "ui64", "f64"}, 64)
      .Default(0);
}

Expected<uint64_t> storedSize(const WeightType &type) {
  unsigned bits = storedBits(type.element);
  if (bits == 0)
    return failure("unknown element type '" + type.element + "'");
  uint64_t count = 1;
  for (int64_t extent : type.shape) {
    if (extent < 0)
      return failure("negative extent in " + type.str());
    // Counts stay below 2^56, so bits do not overflow.
    if (extent != 0 && count > (uint64_t(1) << 56) / extent)
      return failure(type.str() + " is too large");
    count *= extent;
  }
  return (count * bits + 7) / 8;
}

uint64_t WeightEntry::hash() const {
  if (!hashed.load(std::memory_order_acquire)) {
    cachedHash = quantc_hash(bytes.data(), bytes.size());
    hashed.store(true, std::memory_order_release);
  }
  return cachedHash;
}

//===----------------------------------------------------------------------===//
// WeightStore
//===----------------------------------------------------------------------===//

/// Smaller entries are not worth a file.
static constexpr uint64_t kLeastSpilled = 256 << 10;

std::shared_ptr<WeightStore> WeightStore::createOverlay(uint64_t spillBytes) {
  std::shared_ptr<WeightStore> store(new WeightStore());
  store->spillBytes = spillBytes;
  return store;
}

WeightHandle WeightStore::lookup(StringRef name) const {
  std::lock_guard<std::mutex> lock(mutex);
  return table.lookup(name);
}

std::vector<WeightHandle> WeightStore::entries() const {
  std::vector<WeightHandle> result;
  {
    std::lock_guard<std::mutex> lock(mutex);
    for (const auto &item : table)
      result.push_back(item.second);
  }
  llvm::sort(result, [](const WeightHandle &a, const WeightHandle &b) {
    return a->name < b->name;
  });
  return result;
}

Error WeightStore::insert(WeightHandle entry) {
  if (isFile())
    return failure("weight '" + entry->name +
                   "' cannot be added to the file '" + file->path() +
                   "'; new weights go to an overlay");
  WeightHandle existing;
  {
    std::lock_guard<std::mutex> lock(mutex);
    auto [item, inserted] = table.try_emplace(entry->name, entry);
    if (inserted)
      return Error::success();
    existing = item->second;
  }
  if (existing->type == entry->type && existing->bytes == entry->bytes)
    return Error::success();
  return failure("weight '" + entry->name + "' exists with other contents (" +
                 existing->type.str() + ", now " + entry->type.str() +
                 "); entries never change, so give the new one its own name");
}

bool WeightStore::spills(uint64_t bytes) const {
  return bytes > std::min(kLeastSpilled, spillBytes) &&
         heldBytes + bytes > spillBytes;
}

Error WeightStore::add(StringRef name, WeightType type,
                       std::vector<char> bytes) {
  if (Error error = checkSize(name, type, bytes.size()))
    return error;
  if (spills(bytes.size()))
    return addFilled(name, std::move(type), [&](MutableArrayRef<char> to) {
      llvm::copy(bytes, to.begin());
      return Error::success();
    });
  heldBytes += bytes.size();
  auto owner = std::make_shared<std::vector<char>>(std::move(bytes));
  ArrayRef<char> view(*owner);
  return addShared(name, std::move(type), view, std::move(owner));
}

Error WeightStore::addShared(StringRef name, WeightType type,
                             ArrayRef<char> bytes,
                             std::shared_ptr<const void> owner) {
  if (Error error = checkSize(name, type, bytes.size()))
    return error;
  return insert(std::make_shared<WeightEntry>(name.str(), std::move(type),
                                              bytes, std::move(owner)));
}

Error WeightStore::addRange(StringRef name, WeightType type,
                            std::shared_ptr<const MappedFile> mapped,
                            uint64_t offset) {
  Expected<uint64_t> size = storedSize(type);
  if (!size)
    return failure("weight '" + name + "': " + toString(size.takeError()));
  Expected<ArrayRef<char>> bytes = mapped->range(offset, *size);
  if (!bytes)
    return failure("weight '" + name + "': " + toString(bytes.takeError()));
  return addShared(name, std::move(type), *bytes, std::move(mapped));
}

Error WeightStore::addFilled(StringRef name, WeightType type,
                             function_ref<Error(MutableArrayRef<char>)> fill) {
  Expected<uint64_t> size = storedSize(type);
  if (!size)
    return failure("weight '" + name + "': " + toString(size.takeError()));
  std::shared_ptr<char> memory;
  if (spills(*size))
    memory = allocateSpilled(*size);
  if (!memory) { // Small, or no room on disk: then memory has to do.
    heldBytes += *size;
    auto buffer = std::make_shared<std::vector<char>>(*size);
    memory = std::shared_ptr<char>(buffer, buffer->data());
  }
  MutableArrayRef<char> bytes(memory.get(), *size);
  if (Error error = fill(bytes))
    return error;
  return addShared(name, std::move(type), bytes, std::move(memory));
}

void WeightStore::retain(const StringSet<> &live) {
  std::vector<WeightHandle> dropped; // Freed after the lock.
  std::lock_guard<std::mutex> lock(mutex);
  for (auto item = table.begin(); item != table.end();) {
    auto current = item++;
    if (live.contains(current->first()))
      continue;
    dropped.push_back(current->second);
    table.erase(current);
  }
}

//===----------------------------------------------------------------------===//
// WeightStores
//===----------------------------------------------------------------------===//

void WeightStores::setBaseDirectory(StringRef directory) {
  std::lock_guard<std::mutex> lock(mutex);
  baseDirectory = directory.str();
}

std::shared_ptr<WeightStore> WeightStores::overlay(StringRef name) {
  std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<WeightStore> &store = stores[name];
  if (!store)
    store = WeightStore::createOverlay();
  return store;
}

void WeightStores::bind(StringRef name, std::shared_ptr<WeightStore> store) {
  std::lock_guard<std::mutex> lock(mutex);
  stores[name] = std::move(store);
}

Expected<std::shared_ptr<WeightStore>> WeightStores::get(StringRef name) {
  std::lock_guard<std::mutex> lock(mutex);
  if (std::shared_ptr<WeightStore> store = stores.lookup(name))
    return store;
  SmallString<256> path(name);
  if (!sys::path::is_absolute(path) && !baseDirectory.empty()) {
    path = baseDirectory;
    sys::path::append(path, name);
  }
  Expected<std::shared_ptr<WeightStore>> opened =
      WeightStore::openSafetensors(path);
  if (!opened)
    return failure("weights of the store '" + name +
                   "': " + toString(opened.takeError()));
  stores[name] = *opened;
  return *opened;
}

Expected<WeightHandle> WeightStores::find(StringRef store, StringRef name) {
  Expected<std::shared_ptr<WeightStore>> found = get(store);
  if (!found)
    return found.takeError();
  if (WeightHandle entry = (*found)->lookup(name))
    return entry;
  return failure("the store '" + store + "' has no weight '" + name +
                 "'; is it the file that was written with this IR?");
}

Expected<ArrayRef<char>> WeightStores::lookup(StringRef store, StringRef name) {
  Expected<WeightHandle> entry = find(store, name);
  if (!entry)
    return entry.takeError();
  return (*entry)->bytes;
}

} // namespace quantc

//===- WeightStore.h - Weights beside the IR --------------------*- C++ -*-===//
//
// The IR holds `#qgraph.weight<store, name> : type`; the bytes are here. A
// *store* is a safetensors file, mapped and never copied, or an overlay in
// memory to which importers and passes add. Entries are immutable and reference
// counted; everything is safe to use from several threads.
//
// The format of a file: https://huggingface.co/docs/safetensors. Element types
// that it lacks (sub-byte integers, FP4, FP6, FNUZ) are stored as U8 of rank 1,
// packed as in Numerics/Packing.h, and the metadata `quantc.type/<name>` gives
// the true type, as `4096x11008xsi4`. The data of every tensor begins at a
// multiple of 64 bytes; since the format forbids gaps, U8 tensors named
// `quantc.pad/<n>` fill them, which readers of this library do not see.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_SUPPORT_WEIGHTSTORE_H
#define QUANTC_SUPPORT_WEIGHTSTORE_H

#include "quantc/Support/MappedFile.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace quantc {

/// Element type, by MLIR's spelling (`f32`, `bf16`, `si64`, `ui4`, `i1`,
/// `f8E4M3FN`), and static shape.
struct WeightType {
  std::string element;
  llvm::SmallVector<int64_t, 4> shape;

  bool operator==(const WeightType &other) const {
    return element == other.element && shape == other.shape;
  }
  /// `2x3xf32`; `f32` for rank 0.
  std::string str() const;
  static llvm::Expected<WeightType> parse(llvm::StringRef text);
};

/// Bits an element takes in a store: 1, 2 and 4 bits are packed, `i1` and all
/// other sub-byte types take a byte. 0 if there is no such element type.
unsigned storedBits(llvm::StringRef element);

/// Bytes of a tensor in a store; an error for an unknown element type, a
/// negative extent or a size beyond 2^62.
llvm::Expected<uint64_t> storedSize(const WeightType &type);

/// One tensor. Its bytes are valid as long as the entry is held.
class WeightEntry {
public:
  WeightEntry(std::string name, WeightType type, llvm::ArrayRef<char> bytes,
              std::shared_ptr<const void> owner)
      : name(std::move(name)), type(std::move(type)), bytes(bytes),
        owner(std::move(owner)) {}

  const std::string name;
  const WeightType type;
  /// Little-endian, row-major, sub-byte elements packed.
  const llvm::ArrayRef<char> bytes;

  /// quantc_hash of the bytes (quantc/hash.h); computed on first use.
  uint64_t hash() const;

private:
  const std::shared_ptr<const void> owner; // of the bytes
  mutable std::atomic<uint64_t> cachedHash{0};
  mutable std::atomic<bool> hashed{false};
};
using WeightHandle = std::shared_ptr<const WeightEntry>;

/// A file or an overlay.
class WeightStore {
public:
  /// Maps a safetensors file and checks its header: sizes against offsets and
  /// types, no overlap, no gap, nothing outside the file.
  static llvm::Expected<std::shared_ptr<WeightStore>>
  openSafetensors(llvm::StringRef path);

  /// An empty overlay. What would make the data in memory more than
  /// `spillBytes` bytes lives in an unnamed temporary file (in TMPDIR) that the
  /// system can write back, so that it does not count against memory; but for
  /// small entries.
  static std::shared_ptr<WeightStore>
  createOverlay(uint64_t spillBytes = uint64_t(64) << 20);

  bool isFile() const { return file != nullptr; }

  /// The entry, or null.
  WeightHandle lookup(llvm::StringRef name) const;
  /// All entries, sorted by name.
  std::vector<WeightHandle> entries() const;
  /// `__metadata__` of the file, without the keys that are quantc's own.
  const std::map<std::string, std::string> &metadata() const {
    return fileMetadata;
  }

  // Adding to an overlay. All check the size against the type. An entry of that
  // name with the same type and bytes is kept and shared; another one of that
  // name is an error, for entries never change.

  /// Takes the bytes over.
  llvm::Error add(llvm::StringRef name, WeightType type,
                  std::vector<char> bytes);
  /// Refers to memory that `owner` keeps alive.
  llvm::Error addShared(llvm::StringRef name, WeightType type,
                        llvm::ArrayRef<char> bytes,
                        std::shared_ptr<const void> owner);
  /// Refers to a range of a mapped file (ONNX external data).
  llvm::Error addRange(llvm::StringRef name, WeightType type,
                       std::shared_ptr<const MappedFile> file, uint64_t offset);
  /// Allocates the bytes, zeroed, where they will stay (memory or temporary
  /// file) and has `fill` write them.
  llvm::Error
  addFilled(llvm::StringRef name, WeightType type,
            llvm::function_ref<llvm::Error(llvm::MutableArrayRef<char>)> fill);

  /// Drops every entry of an overlay that is not named. Handles stay valid.
  void retain(const llvm::StringSet<> &live);

private:
  WeightStore() = default;
  llvm::Error parseHeader();
  llvm::Error insert(WeightHandle entry);
  bool spills(uint64_t bytes) const;

  mutable std::mutex mutex;
  llvm::StringMap<WeightHandle> table;
  std::map<std::string, std::string> fileMetadata;
  std::shared_ptr<const MappedFile> file;
  uint64_t spillBytes = 0;
  std::atomic<uint64_t> heldBytes = 0; ///< in memory
};

/// The stores that one MLIR context refers to, by name. A name that has not
/// been given an overlay or a file is a path, relative to the base directory.
class WeightStores {
public:
  /// The overlay to which passes add, and whose live entries whoever prints the
  /// IR writes to a file.
  static constexpr llvm::StringLiteral kNew = "new";

  /// Directory of the IR file; the current one by default.
  void setBaseDirectory(llvm::StringRef directory);

  /// The overlay of that name, made on first use.
  std::shared_ptr<WeightStore> overlay(llvm::StringRef name = kNew);
  /// Gives a store, for instance an opened file, a name; replaces what had it.
  void bind(llvm::StringRef name, std::shared_ptr<WeightStore> store);

  /// The store of that name; opens the file on first use.
  llvm::Expected<std::shared_ptr<WeightStore>> get(llvm::StringRef store);
  /// The entry, or an error that names store and entry.
  llvm::Expected<WeightHandle> find(llvm::StringRef store,
                                    llvm::StringRef name);
  /// Its bytes, valid while the store keeps the entry.
  llvm::Expected<llvm::ArrayRef<char>> lookup(llvm::StringRef store,
                                              llvm::StringRef name);

private:
  std::mutex mutex;
  std::string baseDirectory;
  llvm::StringMap<std::shared_ptr<WeightStore>> stores;
};

/// What `writeSafetensors` wrote.
struct WrittenWeights {
  uint64_t fileBytes = 0;
  uint64_t hash = 0; ///< quantc_hash of the whole file
  /// Offset of every tensor's data from the beginning of the file, in the order
  /// of the `entries` given; multiples of 64.
  std::vector<uint64_t> offsets;
};

/// Writes a safetensors file: the same bytes for the same entries (whatever
/// their order) and metadata. Written beside and renamed; on an error (a full
/// disk, no permission, two entries of one name) nothing is left.
llvm::Expected<WrittenWeights>
writeSafetensors(llvm::StringRef path, llvm::ArrayRef<WeightHandle> entries,
                 const std::map<std::string, std::string> &metadata = {});

} // namespace quantc

#endif // QUANTC_SUPPORT_WEIGHTSTORE_H

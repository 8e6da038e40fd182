//===- AtomicFile.cpp - Output files that are whole or absent -------------===//

#include "quantc/Support/AtomicFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Errc.h"

using namespace llvm;

namespace quantc {

Error AtomicFile::failure(std::error_code code) const {
  return createStringError(code, "cannot write '%s': %s", path.c_str(),
                           code.message().c_str());
}

Expected<std::unique_ptr<AtomicFile>> AtomicFile::create(StringRef path) {
  std::unique_ptr<AtomicFile> file(new AtomicFile());
  file->path = path.str();
  file->target = path.str();

  sys::fs::file_status status;
  if (!sys::fs::status(path, status) && sys::fs::exists(status)) {
    if (sys::fs::is_directory(status))
      return file->failure(make_error_code(errc::is_a_directory));
    if (!sys::fs::is_regular_file(status)) {
      std::error_code code;
      file->stream = std::make_unique<raw_fd_ostream>(path, code);
      if (code)
        return file->failure(code);
      return std::move(file);
    }
    SmallString<256> real;
    if (!sys::fs::real_path(path, real))
      file->target = std::string(real);
  }

  Expected<sys::fs::TempFile> temporary =
      sys::fs::TempFile::create(file->target + ".tmp-%%%%%%%%");
  if (!temporary)
    return file->failure(errorToErrorCode(temporary.takeError()));
  file->temporary.emplace(std::move(*temporary));
  file->stream = std::make_unique<raw_fd_ostream>(file->temporary->FD,
                                                  /*shouldClose=*/false);
  return std::move(file);
}

AtomicFile::~AtomicFile() {
  if (stream) {
    stream->flush();
    stream->clear_error(); // Nobody asked for the file any more.
    stream.reset();
  }
  if (temporary)
    consumeError(temporary->discard());
}

Error AtomicFile::commit() {
  stream->flush();
  std::error_code code = stream->error();
  stream->clear_error();
  stream.reset();
  if (!temporary)
    return code ? failure(code) : Error::success();
  sys::fs::TempFile file = std::move(*temporary);
  temporary.reset();
  if (code) {
    consumeError(file.discard());
    return failure(code);
  }
  if (Error error = file.keep(target))
    return failure(errorToErrorCode(std::move(error)));
  return Error::success();
}

Error writeFileAtomically(StringRef path, StringRef contents) {
  Expected<std::unique_ptr<AtomicFile>> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  (*file)->os() << contents;
  return (*file)->commit();
}

} // namespace quantc

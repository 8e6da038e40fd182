//===- Console.cpp - What verbs print -------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Console.h"

#include "quantc/Support/Errors.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/FormatVariadic.h"

#include <unistd.h>

using namespace llvm;

namespace quantc::driver {

/// The bar on the screen, if there is one: messages go above it.
static Progress *activeProgress = nullptr;

void say(StringRef severity, const Twine &text) {
  if (activeProgress)
    activeProgress->clear();
  // In one piece, so that lines of several threads do not mix.
  errs() << ("quantc: " + severity + ": " + text + "\n").str();
}

int fail(const Twine &text, ExitCode code) {
  say("error", text);
  return code;
}

int fail(Error error) {
  ExitCode code = error.isA<DefectError>()  ? ExitDefect
                  : error.isA<UsageError>() ? ExitBadUsage
                                            : ExitBadInput;
  std::string text = toString(std::move(error));
  if (!text.empty())
    say("error", text);
  return code;
}

int finishOutput(int code) {
  raw_fd_ostream &os = outs();
  os.flush();
  if (!os.has_error())
    return code;
  std::error_code problem = os.error();
  os.clear_error();
  if (problem == errc::broken_pipe)
    return code ? code : ExitBadInput;
  return fail("cannot write standard output: " + problem.message());
}

std::string bytesText(double bytes) {
  static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
  unsigned unit = 0;
  while (bytes >= 999.5 && unit + 1 < std::size(units))
    bytes /= 1000, ++unit;
  if (unit == 0)
    return formatv("{0:f0} B", bytes);
  if (bytes < 9.995)
    return formatv("{0:f2} {1}", bytes, units[unit]);
  if (bytes < 99.95)
    return formatv("{0:f1} {1}", bytes, units[unit]);
  return formatv("{0:f0} {1}", bytes, units[unit]);
}

std::string secondsText(double seconds) {
  double scaled = seconds;
  const char *unit = "s";
  if (seconds < 1e-3)
    scaled *= 1e6, unit = "us";
  else if (seconds < 1)
    scaled *= 1e3, unit = "ms";
  if (scaled < 9.995)
    return formatv("{0:f2} {1}", scaled, unit);
  if (scaled < 99.95)
    return formatv("{0:f1} {1}", scaled, unit);
  return formatv("{0:f0} {1}", scaled, unit);
}

std::string didYouMean(StringRef word, ArrayRef<std::string> choices) {
  unsigned best = std::max<unsigned>(1, word.size() / 3) + 1;
  StringRef nearest;
  for (const std::string &choice : choices) {
    unsigned distance =
        word.edit_distance(choice, /*AllowReplacements=*/true, best);
    if (distance < best)
      best = distance, nearest = choice;
  }
  return nearest.empty() ? "" : (" (did you mean '" + nearest + "'?)").str();
}

/// The number of characters of UTF-8 text.
static size_t width(StringRef text) {
  return count_if(text, [](char c) { return (c & 0xc0) != 0x80; });
}

static bool isNumber(StringRef text) {
  return text.empty() || isDigit(text[0]) || text == "-" ||
         (text[0] == '-' && text.size() > 1 && isDigit(text[1]));
}

void Table::print(raw_ostream &os) const {
  std::vector<size_t> widths;
  std::vector<bool> right;
  for (auto [r, row] : enumerate(rows))
    for (auto [c, cell] : enumerate(row)) {
      if (c == widths.size()) {
        widths.push_back(0);
        right.push_back(true);
      }
      widths[c] = std::max(widths[c], width(cell));
      if (r > 0 && !isNumber(cell))
        right[c] = false;
    }
  for (const std::vector<std::string> &row : rows) {
    std::string line;
    for (auto [c, cell] : enumerate(row)) {
      std::string padding(widths[c] - width(cell), ' ');
      line += c ? "  " : "";
      line += right[c] ? padding + cell : cell + padding;
    }
    os << StringRef(line).rtrim(' ') << '\n';
  }
}

Progress::Progress(bool quiet)
    : quiet(quiet), terminal(isatty(STDERR_FILENO)), start(Clock::now()),
      lastLine(start) {
  activeProgress = this;
}

Progress::~Progress() {
  clear();
  activeProgress = nullptr;
}

void Progress::clear() {
  std::lock_guard<std::mutex> lock(mutex);
  if (drawn)
    errs() << "\r\033[K";
  drawn = false;
}

void Progress::update(StringRef what, double done) {
  // Elsewhere than on a terminal, who reads wants to know that it goes on.
  constexpr std::chrono::seconds kBetweenLines(10);
  constexpr unsigned kBar = 24;
  if (quiet)
    return;
  std::lock_guard<std::mutex> lock(mutex);
  Clock::time_point now = Clock::now();
  double spent = std::chrono::duration<double>(now - start).count();
  std::string left;
  if (done > 0.05 && spent > 1)
    left = formatv(", {0:f0} s left", spent * (1 - done) / done);
  unsigned percent = static_cast<unsigned>(100 * done);
  if (terminal) {
    unsigned full = static_cast<unsigned>(kBar * done);
    std::string bar = std::string(full, '#') + std::string(kBar - full, '.');
    errs() << formatv("\r\033[K[{0}] {1}%{2}  {3}", bar, percent, left,
                      what.take_front(40));
    drawn = true;
  } else if (now - lastLine >= kBetweenLines) {
    errs() << formatv("quantc: {0}%{1}: {2}\n", percent, left, what);
    lastLine = now;
  }
}

} // namespace quantc::driver

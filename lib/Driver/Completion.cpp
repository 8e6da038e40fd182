//===- Completion.cpp - quantc completion ---------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scripts made from the options that the verbs declare, so that they cannot
// fall behind.
//
//===----------------------------------------------------------------------===//

#include "Console.h"
#include "Options.h"
#include "quantc/Pipelines/Pipelines.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace quantc::driver {
namespace {

std::vector<const CLI::App *> verbsOf(const CLI::App &program) {
  return program.get_subcommands([](const CLI::App *) { return true; });
}

/// Names of an option as they are typed: `-o`, `--output`.
std::vector<std::string> spellings(const CLI::Option &option) {
  std::vector<std::string> names;
  for (const std::string &name : option.get_snames())
    names.push_back("-" + name);
  for (const std::string &name : option.get_lnames())
    names.push_back("--" + name);
  return names;
}

std::vector<std::string> flagsOf(const CLI::App &verb) {
  std::vector<std::string> flags;
  for (const CLI::Option *option : verb.get_options())
    for (std::string &name : spellings(*option))
      flags.push_back(std::move(name));
  return flags;
}

std::string recipeNames() {
  return join(map_range(recipes(), [](const RecipeInfo &r) { return r.name; }),
              " ");
}

constexpr StringLiteral
    kStages("onnx qgraph fused kernel llvm asm object library");

void printBash(const CLI::App &program) {
  outs() << "_quantc() {\n"
            "  local word=${COMP_WORDS[COMP_CWORD]} "
            "before=${COMP_WORDS[COMP_CWORD-1]} words=\n"
            "  case $before in\n"
            "  --recipe|-r) words='"
         << recipeNames() << "' ;;\n  --emit) words='" << kStages
         << "' ;;\n"
            "  *) case ${COMP_CWORD}:${COMP_WORDS[1]} in\n"
            "    1:*) words='";
  for (const CLI::App *verb : verbsOf(program))
    outs() << verb->get_name() << ' ';
  outs() << "--help --version' ;;\n";
  for (const CLI::App *verb : verbsOf(program)) {
    std::string words = join(flagsOf(*verb), " ");
    if (verb->get_name() == "recipes")
      words += " " + recipeNames();
    if (verb->get_name() == "completion")
      words += " bash zsh fish";
    outs() << "    *:" << verb->get_name() << ") words='" << words << "' ;;\n";
  }
  outs() << "    esac ;;\n"
            "  esac\n"
            "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
            "}\n"
            "complete -o default -F _quantc quantc\n";
}

/// Text between single quotes of zsh's _arguments and of fish.
std::string plain(StringRef text) {
  std::string result;
  for (char c : text)
    result += StringRef("'[]:\\").contains(c) ? ' ' : c;
  return result;
}

void printZsh(const CLI::App &program) {
  outs() << "#compdef quantc\n"
            "_quantc() {\n"
            "  if (( CURRENT == 2 )); then\n"
            "    local -a verbs=(\n";
  for (const CLI::App *verb : verbsOf(program))
    outs() << "      '" << verb->get_name() << ':'
           << plain(verb->get_description()) << "'\n";
  outs() << "    )\n    _describe 'verb' verbs\n    return\n  fi\n"
            "  case ${words[2]} in\n";
  for (const CLI::App *verb : verbsOf(program)) {
    outs() << "  " << verb->get_name() << ")\n    _arguments";
    for (const CLI::Option *option : verb->get_options())
      for (const std::string &name : spellings(*option)) {
        outs() << " \\\n      '*" << name << '['
               << plain(option->get_description()) << ']';
        if (option->get_items_expected_max() > 0) {
          StringRef values = name == "--recipe" ? "recipe:(" : "value:_files";
          if (name == "--recipe")
            outs() << ":recipe:(" << recipeNames() << ')';
          else if (name == "--emit")
            outs() << ":stage:(" << kStages << ')';
          else
            outs() << ':' << values;
        }
        outs() << '\'';
      }
    if (verb->get_name() == "recipes")
      outs() << " \\\n      '*:recipe:(" << recipeNames() << ")'";
    else
      outs() << " \\\n      '*:file:_files'";
    outs() << " ;;\n";
  }
  outs() << "  esac\n}\ncompdef _quantc quantc\n";
}

void printFish(const CLI::App &program) {
  for (const CLI::App *verb : verbsOf(program)) {
    outs() << "complete -c quantc -n __fish_use_subcommand -f -a "
           << verb->get_name() << " -d '" << plain(verb->get_description())
           << "'\n";
    for (const CLI::Option *option : verb->get_options()) {
      if (spellings(*option).empty())
        continue;
      outs() << "complete -c quantc -n '__fish_seen_subcommand_from "
             << verb->get_name() << '\'';
      for (const std::string &name : option->get_snames())
        outs() << " -s " << name;
      for (const std::string &name : option->get_lnames())
        outs() << " -l " << name;
      if (option->get_items_expected_max() > 0)
        outs() << " -r";
      if (option->check_lname("recipe"))
        outs() << " -f -a '" << recipeNames() << '\'';
      if (option->check_lname("emit"))
        outs() << " -f -a '" << kStages << '\'';
      outs() << " -d '" << plain(option->get_description()) << "'\n";
    }
  }
}

} // namespace

RunVerb addCompletion(CLI::App &program) {
  auto shell = std::make_shared<std::string>();
  CLI::App *verb = program.add_subcommand(
      "completion", "Print a script that completes command lines in a shell");
  verb->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->type_name("")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  verb->footer("Examples:\n"
               "  quantc completion bash > "
               "~/.local/share/bash-completion/completions/quantc\n"
               "  quantc completion zsh > \"${fpath[1]}/_quantc\"\n"
               "  quantc completion fish > "
               "~/.config/fish/completions/quantc.fish");
  return [shell, &program] {
    if (*shell == "bash")
      printBash(program);
    else if (*shell == "zsh")
      printZsh(program);
    else
      printFish(program);
    return ExitDone;
  };
}

} // namespace quantc::driver

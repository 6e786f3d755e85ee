// Answers of the reference implementation, for export.py and the benchmark.
//
//   driver scripts             code point TAB script number TAB lower case, for every letter and mark
//   driver invalid             code points at which CLD3 stops reading
//   driver find MIN MAX        label TAB probability for each text of standard input
//   driver time MIN MAX        the same work without output: seconds TAB texts
//
// Texts come as their length in bytes on a line, then the bytes.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "getonescriptspan.h"
#include "nnet_language_identifier.h"

using namespace chrome_lang_id;

namespace {

std::string Utf8(unsigned code) {
  std::string text;
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xc0 | code >> 6);
    text += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    text += static_cast<char>(0xe0 | code >> 12);
    text += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    text += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    text += static_cast<char>(0xf0 | code >> 18);
    text += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    text += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    text += static_cast<char>(0x80 | (code & 0x3f));
  }
  return text;
}

void ForEachCodePoint(void (*visit)(unsigned, const std::string &)) {
  for (unsigned code = 0; code < 0x110000; ++code) {
    if (code < 0xd800 || code >= 0xe000) visit(code, Utf8(code));
  }
}

void PrintScript(unsigned code, const std::string &text) {
  const int script = CLD2::GetUTF8LetterScriptNum(text.c_str());
  // The scanner that passes over what is no letter must agree with the scripts.
  CLD2::ScriptScanner scanner(text.data(), text.size(), true);
  CLD2::LangSpan span;
  const bool found = code != 0 && scanner.GetOneScriptSpanLower(&span);
  if (found != (script != 0)) {
    std::fprintf(stderr, "U+%04X: script %d, but found: %d\n", code, script, found);
  }
  if (script == 0) return;
  const std::string lower(span.text + 1, span.text_bytes - 2);
  std::printf("%x\t%d\t%s\n", code, script, lower.c_str());
}

void PrintInvalid(unsigned code, const std::string &text) {
  if (CLD2::SpanInterchangeValid(text.data(), text.size()) == 0) std::printf("%x\n", code);
}

std::vector<std::string> ReadTexts() {
  std::vector<std::string> texts;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::string text(std::strtoul(line.c_str(), nullptr, 10), '\0');
    std::cin.read(&text[0], text.size());
    std::getline(std::cin, line);
    texts.push_back(text);
  }
  return texts;
}

}  // namespace

int main(int count, char **arguments) {
  std::ios::sync_with_stdio(false);
  const std::string mode = count > 1 ? arguments[1] : "";
  if (mode == "scripts") {
    ForEachCodePoint(PrintScript);
  } else if (mode == "invalid") {
    ForEachCodePoint(PrintInvalid);
  } else if (count == 4) {
    NNetLanguageIdentifier identifier(std::atoi(arguments[2]), std::atoi(arguments[3]));
    const std::vector<std::string> texts = ReadTexts();
    const auto start = std::chrono::steady_clock::now();
    double sum = 0;
    for (const std::string &text : texts) {
      const NNetLanguageIdentifier::Result result = identifier.FindLanguage(text);
      sum += result.probability;
      if (mode == "find") std::printf("%s\t%.9g\n", result.language.c_str(), result.probability);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (mode == "time") std::printf("%.6f\t%zu\t%.3f\n", seconds.count(), texts.size(), sum);
  }
}

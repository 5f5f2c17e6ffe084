// For tests: random rule sets that use most of what YARA has, and random bytes
// that they are likely to match.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace dragnet::scan {

class RandomRules {
 public:
  // With `whole_file` false, nothing in a condition reads more than strings and
  // the file's size.
  RandomRules(uint32_t seed, bool whole_file) : random_(seed), whole_file_(whole_file) {}

  // A source, which may be one that doesn't compile.
  std::string Source() {
    std::string source;
    if (whole_file_) source += "import \"math\"\nimport \"elf\"\n";
    const int count = 1 + Number(6);
    for (int i = 0; i < count; ++i) source += Rule(i);
    return source;
  }

  // Made of the alphabet and the texts of the rules so far.
  std::string Bytes(size_t size) {
    std::string bytes;
    while (bytes.size() < size) {
      std::string piece = Number(3) == 0 && !texts_.empty()
                              ? texts_[Number(static_cast<uint32_t>(texts_.size()))]
                              : Text(1 + Number(9));
      if (Number(4) == 0) piece = Wide(piece);
      if (Number(12) == 0) {
        const char key = static_cast<char>(Number(256));
        for (char& c : piece) c = static_cast<char>(c ^ key);
      }
      if (Number(8) == 0) piece += std::string(1 + Number(3), Number(2) ? '\0' : '\xff');
      if (Number(40) == 0) piece += std::string(Number(400), '.');
      bytes += piece;
    }
    bytes.resize(size);
    return bytes;
  }

  uint32_t Number(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

 private:
  std::string Text(size_t length) {
    static constexpr char kAlphabet[] = "aaabbbccABC01 _.";
    std::string text;
    while (text.size() < length) text += kAlphabet[Number(sizeof(kAlphabet) - 1)];
    return text;
  }

  static std::string Wide(const std::string& text) {
    std::string wide;
    for (char c : text) {
      wide += c;
      wide += '\0';
    }
    return wide;
  }

  std::string TextString() {
    const size_t lengths[] = {1, 2, 3, 4, 5, 6, 8, 12, 31, 32, 33, 60};
    std::string text = Text(lengths[Number(std::size(lengths))]);
    texts_.push_back(text);
    std::string modifiers;
    const uint32_t kind = Number(12);
    if (kind == 0) return "\"" + text + "\" xor" + (Number(2) ? "(1-3)" : "");
    if (kind == 1) return "\"" + text + "\" xor wide ascii";
    if (kind == 2 && text.size() >= 3) return "\"" + text + "\" base64";
    if (kind == 3 && text.size() >= 3) return "\"" + text + "\" base64wide";
    if (Number(3) == 0) modifiers += " nocase";
    if (Number(3) == 0) modifiers += " wide";
    if (Number(3) == 0) modifiers += " ascii";
    if (Number(3) == 0) modifiers += " fullword";
    if (Number(10) == 0) modifiers += " private";
    return "\"" + text + "\"" + modifiers;
  }

  std::string HexByte() {
    static constexpr const char* kBytes[] = {"61", "62", "63", "41", "30", "00",
                                             "FF", "20", "2E", "6?", "?1", "??"};
    return std::string(kBytes[Number(std::size(kBytes))]) + " ";
  }

  std::string HexString() {
    static constexpr const char* kFirst[] = {"61 ", "62 ", "00 ", "63 61 ", "62 62 63 "};
    std::string hex = "{ ";
    hex += kFirst[Number(std::size(kFirst))];
    for (int i = static_cast<int>(Number(7)); i >= 0; --i) {
      char jump[32];
      switch (Number(12)) {
        case 0:
          snprintf(jump, sizeof(jump), "[%u] ", 1 + Number(4));
          hex += jump;
          break;
        case 1:
          snprintf(jump, sizeof(jump), "[%u-%u] ", Number(3), 3 + Number(30));
          hex += jump;
          break;
        case 2:
          if (Number(3) == 0) hex += Number(2) ? "[-] " : "[5-300] ";
          break;
        case 3: hex += "( " + HexByte() + "| " + HexByte() + HexByte() + ") "; break;
        default: break;
      }
      hex += HexByte();
    }
    return hex + "62 }";
  }

  std::string RegexPiece(int depth) {
    switch (Number(depth > 0 ? 16 : 12)) {
      case 0: return "[a-c]";
      case 1: return "[^a]";
      case 2: return ".";
      case 3: return "\\w";
      case 4: return "\\b";
      case 5: return "\\x00";
      case 12:
      case 13: return "(" + Regex(depth - 1) + "|" + Regex(depth - 1) + ")";
      case 14: return "(" + Regex(depth - 1) + ")";
      default: {
        const std::string text = Text(1 + Number(5));
        std::string escaped;
        for (char c : text) escaped += c == '.' ? std::string("\\.") : std::string(1, c);
        return escaped;
      }
    }
  }

  std::string Regex(int depth) {
    static constexpr const char* kQuantifiers[] = {"*", "+", "?", "{2}", "{1,3}", "{2,}", "*?",
                                                   "+?", "??", "{0,20}"};
    std::string regex;
    for (int i = static_cast<int>(Number(4)); i >= 0; --i) {
      regex += RegexPiece(depth);
      if (Number(4) == 0) regex += kQuantifiers[Number(std::size(kQuantifiers))];
    }
    return regex;
  }

  std::string RegexString() {
    std::string regex = "/";
    if (Number(12) == 0) regex += "^";
    regex += Regex(2);
    if (Number(12) == 0) regex += "$";
    regex += "/";
    if (Number(5) == 0) regex += "i";
    if (Number(5) == 0) regex += "s";
    if (Number(5) == 0) regex += " nocase";
    if (Number(4) == 0) regex += Number(2) ? " wide" : " wide ascii";
    if (Number(6) == 0) regex += " fullword";
    return regex;
  }

  std::string Some() {
    static constexpr const char* kCounts[] = {"any", "all", "2", "none"};
    return std::string(kCounts[Number(std::size(kCounts))]) + " of " +
           (Number(2) ? "them" : "($_a*)");
  }

  std::string Condition(int index, int depth) {
    const std::string n = std::to_string(Number(40));
    const std::string name = std::string("_a") + static_cast<char>('0' + Number(3));
    switch (Number(depth > 0 ? 18 : 11)) {
      case 0:
      case 1: return Some();
      case 2:
      case 3: return "$" + name;
      case 4: return "#" + name + " > " + std::to_string(Number(5));
      case 5: return "@" + name + "[1] < " + n;
      case 6: return "$" + name + " at " + n;
      case 7: return "$" + name + " in (" + n + "..filesize)";
      case 8: return Number(3) ? "uint8(" + n + ") == 0x61" : "filesize > " + n;
      case 9: return "!" + name + "[1] > 3";
      case 10:
        if (whole_file_) {
          static constexpr const char* kWhole[] = {
              "uint16(@_a0) == 0x6161", "math.entropy(0, filesize) > 3.0",
              "elf.number_of_sections > 0", "entrypoint > 0", "uint8(filesize - 1) == 0x61"};
          return kWhole[Number(std::size(kWhole))];
        }
        return "external > " + n;
      case 11: return "not (" + Condition(index, depth - 1) + ")";
      case 12:
        if (index > 0)
          return "r" + std::to_string(Number(static_cast<uint32_t>(index))) + " or " + Some();
        return Some();
      case 13:
        return "for any i in (1..#" + name + ") : ( @" + name + "[i] % 2 == 0 )";
      case 14: return "for any of them : ( # > 1 )";
      case 15:
      case 16:
        return "(" + Condition(index, depth - 1) + " and " + Condition(index, depth - 1) + ")";
      default:
        return "(" + Condition(index, depth - 1) + " or " + Condition(index, depth - 1) + ")";
    }
  }

  std::string Rule(int index) {
    std::string rule;
    if (Number(12) == 0) rule += "private ";
    if (Number(25) == 0) rule += "global ";
    rule += "rule r" + std::to_string(index) + " {\n  strings:\n";
    for (int i = 0; i < 3; ++i) {
      const uint32_t kind = Number(4);
      rule += "    $_a" + std::to_string(i) + " = " +
              (kind < 2    ? TextString()
               : kind == 2 ? HexString()
                           : RegexString()) +
              "\n";
    }
    return rule + "  condition: " + Condition(index, 3) + "\n}\n";
  }

  std::mt19937 random_;
  const bool whole_file_;
  std::vector<std::string> texts_;
};

}  // namespace dragnet::scan

#include "protocol/json_scan.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "protocol/json.hpp"
#include "protocol/utf8.hpp"

namespace perijove {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// A cursor over the text. Every scan_* leaves `at` behind what it accepted and returns false at a
// fault; none reads past `text`.
struct Scanner {
  ByteView text;
  std::size_t at = 0;

  bool end() const { return at == text.size(); }
  char peek() const { return end() ? '\0' : text[at]; }
  void skip_space() {
    while (!end() && is_space(text[at])) ++at;
  }
  bool take(char c) {
    if (end() || text[at] != c) return false;
    ++at;
    return true;
  }
  bool take(ByteView word) {
    if (text.substr(at, word.size()) != word) return false;
    at += word.size();
    return true;
  }

  // Eight characters at a time while none of them is a quote, a backslash, a control character or
  // the start of a multi-byte sequence: base64 images and program text are almost only this.
  void skip_plain() {
    constexpr std::uint64_t kOnes = 0x0101010101010101u;
    constexpr std::uint64_t kHigh = 0x8080808080808080u;
    while (text.size() - at >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data() + at, 8);
      const std::uint64_t quote = word ^ (kOnes * '"');
      const std::uint64_t backslash = word ^ (kOnes * '\\');
      const std::uint64_t special = (word - kOnes * 0x20) | ((quote - kOnes) & ~quote) |
                                    ((backslash - kOnes) & ~backslash) | word;
      if (const std::uint64_t found = special & kHigh) {
        // The lowest one is exact, which is the first where bytes count from the lowest.
        if constexpr (std::endian::native == std::endian::little) {
          at += static_cast<std::size_t>(std::countr_zero(found)) / 8;
        }
        return;
      }
      at += 8;
    }
  }

  bool scan_multi_byte() {
    const std::size_t size = utf8_character_size(text.substr(at));
    at += size;
    return size > 0;
  }

  bool scan_string() {
    if (!take('"')) return false;
    for (;;) {
      skip_plain();
      if (end()) return false;
      const char c = text[at];
      if (c == '"') {
        ++at;
        return true;
      }
      if (c == '\\') {
        ++at;
        if (end()) return false;
        const char escape = text[at++];
        if (escape == 'u') {
          for (int i = 0; i < 4; ++i) {
            if (end() || !is_hex(text[at++])) return false;
          }
        } else if (std::strchr("\"\\/bfnrt", escape) == nullptr || escape == '\0') {
          return false;
        }
      } else if (static_cast<unsigned char>(c) < 0x20) {
        return false;
      } else if (static_cast<unsigned char>(c) < 0x80) {
        ++at;
      } else if (!scan_multi_byte()) {
        return false;
      }
    }
  }

  bool scan_digits() {
    if (end() || !is_digit(text[at])) return false;
    while (!end() && is_digit(text[at])) ++at;
    return true;
  }

  bool scan_number() {
    take('-');
    if (!take('0') && !scan_digits()) return false;
    if (take('.') && !scan_digits()) return false;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!scan_digits()) return false;
    }
    return true;
  }

  bool scan_scalar() {
    switch (peek()) {
      case '"':
        return scan_string();
      case 't':
        return take(ByteView("true"));
      case 'f':
        return take(ByteView("false"));
      case 'n':
        return take(ByteView("null"));
      default:
        return scan_number();
    }
  }

  bool scan_key() {
    skip_space();
    if (!scan_string()) return false;
    skip_space();
    return take(':');
  }

  // Iterative: the text decides the nesting, so the nesting must not decide our stack.
  bool scan_value(int depth_max = kJsonDepthMax) {
    char closers[kJsonDepthMax];
    int depth = 0;
    for (;;) {
      skip_space();
      const char open = peek();
      if (open == '{' || open == '[') {
        if (depth == depth_max) return false;
        ++at;
        closers[depth++] = open == '{' ? '}' : ']';
        skip_space();
        if (!take(closers[depth - 1])) {
          if (open == '{' && !scan_key()) return false;
          continue;
        }
        --depth;
      } else if (!scan_scalar()) {
        return false;
      }
      // A value ended: close what it was the last of, or go on behind the comma.
      for (;;) {
        if (depth == 0) return true;
        skip_space();
        if (take(',')) {
          if (closers[depth - 1] == '}' && !scan_key()) return false;
          break;
        }
        if (!take(closers[depth - 1])) return false;
        --depth;
      }
    }
  }
};

void append_utf8(std::string& out, std::uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0 | (point >> 6));
    out += static_cast<char>(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xe0 | (point >> 12));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (point & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (point >> 18));
    out += static_cast<char>(0x80 | ((point >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (point & 0x3f));
  }
}

std::uint32_t hex4(ByteView text) {
  std::uint32_t value = 0;
  for (const char c : text.substr(0, 4)) {
    const auto lower = static_cast<char>(c | 0x20);
    value = value * 16 + static_cast<std::uint32_t>(is_digit(c) ? c - '0' : lower - 'a' + 10);
  }
  return value;
}

}  // namespace

bool is_json_value(ByteView text) {
  Scanner scan{text};
  if (!scan.scan_value()) return false;
  scan.skip_space();
  return scan.end();
}

JsonMembers::JsonMembers(ByteView text, int depth_max) : text_(text), depth_max_(depth_max) {
  Scanner scan{text_};
  scan.skip_space();
  done_ = !scan.take('{');
  at_ = scan.at;
}

std::optional<JsonMember> JsonMembers::next() {
  if (done_) return std::nullopt;
  done_ = true;  // until this member proves to be whole
  Scanner scan{text_, at_};
  scan.skip_space();
  if (scan.take('}')) {
    scan.skip_space();
    complete_ = scan.end();
    return std::nullopt;
  }
  if (!first_) {
    if (!scan.take(',')) return std::nullopt;
    scan.skip_space();
  }
  JsonMember member;
  std::size_t start = scan.at;
  if (!scan.scan_string()) return std::nullopt;
  member.key = text_.substr(start + 1, scan.at - start - 2);
  scan.skip_space();
  if (!scan.take(':')) return std::nullopt;
  scan.skip_space();
  start = scan.at;
  if (!scan.scan_value(depth_max_)) return std::nullopt;
  member.value = text_.substr(start, scan.at - start);
  at_ = scan.at;
  first_ = false;
  done_ = false;
  return member;
}

std::optional<std::string> json_string(ByteView raw) {
  Scanner check{raw};
  if (!check.scan_string() || !check.end()) return std::nullopt;
  ByteView body = raw.substr(1, raw.size() - 2);
  std::string out;
  out.reserve(body.size());
  while (!body.empty()) {
    const std::size_t plain = std::min(body.find('\\'), body.size());
    out += body.substr(0, plain);
    body.remove_prefix(plain);
    if (body.empty()) break;
    const char escape = body[1];
    body.remove_prefix(2);
    switch (escape) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        std::uint32_t point = hex4(body);
        body.remove_prefix(4);
        const bool high = point >= 0xd800 && point < 0xdc00;
        const bool paired = high && body.size() >= 6 && body[0] == '\\' && body[1] == 'u' &&
                            hex4(body.substr(2)) >= 0xdc00 && hex4(body.substr(2)) < 0xe000;
        if (paired) {
          point = 0x10000 + ((point - 0xd800) << 10) + (hex4(body.substr(2)) - 0xdc00);
          body.remove_prefix(6);
        } else if (point >= 0xd800 && point < 0xe000) {
          point = 0xfffd;
        }
        append_utf8(out, point);
        break;
      }
      default:
        out += escape;
    }
  }
  return out;
}

void append_json_string(std::string& out, ByteView text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  Scanner scan{text};
  while (!scan.end()) {
    const std::size_t start = scan.at;
    scan.skip_plain();
    out += text.substr(start, scan.at - start);
    if (scan.end()) break;
    const char c = text[scan.at];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
      ++scan.at;
    } else if (c == '\n') {
      out += "\\n";
      ++scan.at;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
      ++scan.at;
    } else if (byte < 0x80) {
      out += c;
      ++scan.at;
    } else if (const std::size_t from = scan.at; scan.scan_multi_byte()) {
      out += text.substr(from, scan.at - from);
    } else {
      out += "\xef\xbf\xbd";
      ++scan.at;
    }
  }
  out += '"';
}

}  // namespace perijove

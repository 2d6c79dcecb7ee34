#include "platform/driver_lab/debug_print.h"

#include <cstdint>
#include <cstdio>
#include <cstring>

#include "api/wdm.h"

namespace iommu::platform::lab {

namespace {

std::string narrow(const WCHAR* text, std::size_t characters) {
  std::string result;
  for (std::size_t i = 0; i < characters; ++i) result += text[i] < 0x80 ? static_cast<char>(text[i]) : '?';
  return result;
}

std::size_t length_of(const WCHAR* text) {
  std::size_t length = 0;
  while (text[length] != 0) ++length;
  return length;
}

/// One conversion: "%", flags, width and precision in `style`, the size that its letters name, the conversion.
struct Conversion {
  std::string style = "%";
  bool wide = false;     // 64 bits
  bool unicode = false;  // w, or l before s
  char letter = 0;
};

class Formatter {
 public:
  Formatter(const char* format, std::va_list arguments) : at_(format) { va_copy(arguments_, arguments); }
  ~Formatter() { va_end(arguments_); }
  Formatter(const Formatter&) = delete;
  Formatter& operator=(const Formatter&) = delete;

  std::string text() {
    std::string result;
    while (*at_ != 0) {
      if (*at_ != '%') {
        result += *at_++;
        continue;
      }
      ++at_;
      result += one(read());
    }
    while (!result.empty() && (result.back() == '\n' || result.back() == '\r')) result.pop_back();
    return result;
  }

 private:
  bool accept(const char* letters) {
    const std::size_t length = std::strlen(letters);
    if (std::strncmp(at_, letters, length) != 0) return false;
    at_ += length;
    return true;
  }

  Conversion read() {
    Conversion c;
    for (; *at_ != 0 && std::strchr("-+ #0123456789.*", *at_) != nullptr; ++at_) {
      c.style += *at_ == '*' ? std::to_string(va_arg(arguments_, int)) : std::string(1, *at_);
    }
    for (bool more = true; more;) {
      if (accept("I64") || accept("ll") || accept("j") || accept("t") || accept("z")) {
        c.wide = true;
      } else if (accept("I32") || accept("h")) {
      } else if (accept("l") || accept("w")) {
        c.unicode = true;
      } else if (accept("I")) {
        c.wide = true;
      } else {
        more = false;
      }
    }
    if (*at_ != 0) c.letter = *at_++;
    return c;
  }

  template <class T>
  static std::string printed(const std::string& style, T value) {
    char buffer[512];
    std::snprintf(buffer, sizeof buffer, style.c_str(), value);
    return buffer;
  }

  std::string one(const Conversion& c) {
    switch (c.letter) {
      case '%':
        return "%";
      case 'd':
      case 'i':
        return c.wide ? printed(c.style + "lld", va_arg(arguments_, long long))
                      : printed(c.style + "d", va_arg(arguments_, int));
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        return c.wide ? printed(c.style + "ll" + c.letter, va_arg(arguments_, unsigned long long))
                      : printed(c.style + c.letter, va_arg(arguments_, unsigned));
      case 'c':
        return printed(c.style + "c", va_arg(arguments_, int));
      case 'p':
        return printed(c.style + "p", va_arg(arguments_, void*));
      case 's':
      case 'S':
        return string(c);
      case 'Z': {
        const auto* text = va_arg(arguments_, PCUNICODE_STRING);
        return text == nullptr || text->Buffer == nullptr ? "(null)"
                                                          : narrow(text->Buffer, text->Length / sizeof(WCHAR));
      }
      default:
        return c.style + c.letter;  // as it stands: nothing is known of its argument
    }
  }

  std::string string(const Conversion& c) {
    if (c.unicode || c.letter == 'S') {
      const auto* text = va_arg(arguments_, const WCHAR*);
      return text == nullptr ? "(null)" : printed(c.style + "s", narrow(text, length_of(text)).c_str());
    }
    const char* text = va_arg(arguments_, const char*);
    return printed(c.style + "s", text == nullptr ? "(null)" : text);
  }

  const char* at_;
  std::va_list arguments_;
};

}  // namespace

std::string format_message(const char* format, std::va_list arguments) { return Formatter(format, arguments).text(); }

}  // namespace iommu::platform::lab

// JSON from and into the types of a program: the values of a call that the executor makes.
// It brings no names but its own, and no container's header.
#pragma once
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cxxabi.h>
#include <string>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace executor_call {

template <typename> inline constexpr bool never = false;

struct Refused {
  std::string words;
};

template <typename Type> std::string name_of() {
  char *name = abi::__cxa_demangle(typeid(Type).name(), nullptr, nullptr, nullptr);
  std::string found = name ? name : typeid(Type).name();
  std::free(name);
  if (found.starts_with("std::__cxx11::basic_string<char"))
    return "std::string";
  return found;
}

// A place in a JSON text that the executor has checked.
class Reader {
public:
  explicit Reader(const char *text) : at(text) {}

  char next() {
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')
      at++;
    return *at;
  }

  bool take(char wanted) {
    if (next() != wanted)
      return false;
    at++;
    return true;
  }

  bool take_null() {
    if (next() != 'n')
      return false;
    at += 4;
    return true;
  }

  std::string text() {
    std::string found;
    take('"');
    while (*at != '"')
      if (*at == '\\')
        escaped(found);
      else
        found += *at++;
    at++;
    return found;
  }

  std::string number() {
    next();
    const char *from = at;
    while ((*at >= '0' && *at <= '9') || *at == '-' || *at == '+' || *at == '.' || *at == 'e' || *at == 'E')
      at++;
    return std::string(from, at);
  }

  void skip() {
    const char first = next();
    if (first == '"') {
      text();
    } else if (first == '[' || first == '{') {
      at++;
      const char end = first == '[' ? ']' : '}';
      while (!take(end)) {
        skip();
        take(':');
        take(',');
      }
    } else {
      while (*at && *at != ',' && *at != ']' && *at != '}')
        at++;
    }
  }

  // What stands here, for a message.
  std::string shown() {
    const Reader before = *this;
    next();
    const char *from = at;
    skip();
    std::string found(from, at);
    *this = before;
    if (found.size() > 60) {
      found.resize(60);
      found += "...";
    }
    return found;
  }

  template <typename Type> [[noreturn]] void refuse() { throw Refused{shown() + " is no " + name_of<Type>()}; }

private:
  unsigned hex() {
    const unsigned code = std::strtoul(std::string(at + 2, at + 6).c_str(), nullptr, 16);
    at += 6;
    return code;
  }

  void escaped(std::string &found) {
    if (at[1] != 'u') {
      const char letter = at[1];
      at += 2;
      found += letter == 'n' ? '\n' : letter == 't' ? '\t' : letter == 'r' ? '\r' : letter == 'b' ? '\b' : letter == 'f' ? '\f' : letter;
      return;
    }
    unsigned code = hex();
    if (code >= 0xD800 && code < 0xDC00 && at[0] == '\\' && at[1] == 'u')
      code = 0x10000 + ((code - 0xD800) << 10) + (hex() - 0xDC00);
    if (code < 0x80) {
      found += char(code);
    } else if (code < 0x800) {
      found += char(0xC0 | code >> 6);
      found += char(0x80 | (code & 63));
    } else if (code < 0x10000) {
      found += char(0xE0 | code >> 12);
      found += char(0x80 | (code >> 6 & 63));
      found += char(0x80 | (code & 63));
    } else {
      found += char(0xF0 | code >> 18);
      found += char(0x80 | (code >> 12 & 63));
      found += char(0x80 | (code >> 6 & 63));
      found += char(0x80 | (code & 63));
    }
  }

  const char *at;
};

// Kinds of types, by what they can do: no container's header is needed here.
template <typename Type> concept Text = std::is_same_v<Type, std::string>;
template <typename Type> concept Map = requires(Type map) { typename Type::mapped_type; map[typename Type::key_type()]; };
template <typename Type> concept List = !Text<Type> && requires(Type list, typename Type::value_type item) {
  list.push_back(item);
  list.begin();
};
template <typename Type> concept Optional = requires(Type maybe) { maybe.has_value(); maybe.reset(); *maybe; };
template <typename Type> concept Tuple = requires { std::tuple_size<Type>::value; };
template <typename Type> concept Fixed = Tuple<Type> && requires(Type list) { list.begin(); list.fill(list[0]); };

template <typename Type> void read(Reader &from, Type &into) {
  if constexpr (std::is_same_v<Type, bool>) {
    const char first = from.next();
    if (first != 't' && first != 'f')
      from.refuse<Type>();
    into = first == 't';
    from.skip();
  } else if constexpr (std::is_same_v<Type, char>) {
    Reader before = from;
    if (from.next() != '"')
      from.refuse<Type>();
    const std::string text = from.text();
    if (text.size() != 1)
      before.refuse<Type>();
    into = text[0];
  } else if constexpr (std::is_integral_v<Type>) {
    Reader before = from;
    const std::string text = from.number();
    char *end = nullptr;
    errno = 0;
    if constexpr (std::is_signed_v<Type>) {
      const long long found = std::strtoll(text.c_str(), &end, 10);
      into = Type(found);
      if (text.empty() || *end || errno || (long long)(into) != found)
        before.refuse<Type>();
    } else {
      const unsigned long long found = std::strtoull(text.c_str(), &end, 10);
      into = Type(found);
      if (text.empty() || text[0] == '-' || *end || errno || (unsigned long long)(into) != found)
        before.refuse<Type>();
    }
  } else if constexpr (std::is_floating_point_v<Type>) {
    Reader before = from;
    const std::string text = from.number();
    if (text.empty())
      before.refuse<Type>();
    into = Type(std::strtold(text.c_str(), nullptr));
  } else if constexpr (Text<Type>) {
    if (from.next() != '"')
      from.refuse<Type>();
    into = from.text();
  } else if constexpr (Optional<Type>) {
    if (from.take_null())
      into.reset();
    else
      read(from, into.emplace());
  } else if constexpr (Map<Type>) {
    if (from.next() != '{')
      from.refuse<Type>();
    for (from.take('{'); !from.take('}'); from.take(',')) {
      typename Type::key_type key{};
      const std::string name = from.text();
      from.take(':');
      if constexpr (Text<typename Type::key_type>) {
        key = name;
      } else {
        Reader text(name.c_str());
        read(text, key);
      }
      read(from, into[key]);
    }
  } else if constexpr (List<Type>) {
    if (from.next() != '[')
      from.refuse<Type>();
    for (from.take('['); !from.take(']'); from.take(',')) {
      typename Type::value_type item{};
      read(from, item);
      into.push_back(std::move(item));
    }
  } else if constexpr (Fixed<Type>) {
    Reader before = from;
    if (from.next() != '[')
      from.refuse<Type>();
    std::size_t count = 0;
    for (from.take('['); !from.take(']'); from.take(',')) {
      if (count == into.size())
        before.refuse<Type>();
      read(from, into[count++]);
    }
    if (count != into.size())
      before.refuse<Type>();
  } else if constexpr (Tuple<Type>) {
    Reader before = from;
    if (!from.take('['))
      from.refuse<Type>();
    std::apply([&](auto &...items) { ((from.next() == ']' ? before.refuse<Type>() : (read(from, items), void(from.take(',')))), ...); }, into);
    if (!from.take(']'))
      before.refuse<Type>();
  } else {
    static_assert(never<Type>, "the function takes an argument of a type that cannot be made of JSON");
  }
}

inline void write_text(std::string &into, const std::string &text) {
  into += '"';
  for (const char letter : text) {
    if (letter == '"' || letter == '\\')
      into += '\\';
    if ((unsigned char)(letter) < 32) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", letter);
      into += code;
    } else {
      into += letter;
    }
  }
  into += '"';
}

inline void write_number(std::string &into, double value) {
  if (value != value || value - value != 0)
    throw Refused{"nan or an infinity"};
  char digits[40];
  // The shortest that is read as the same number.
  for (int precision = 15; precision <= 17; precision++) {
    std::snprintf(digits, sizeof digits, "%.*g", precision, value);
    if (std::strtod(digits, nullptr) == value)
      break;
  }
  into += digits;
}

template <typename Items> void write_items(std::string &into, const Items &items);

template <typename Type> void write(std::string &into, const Type &value) {
  if constexpr (std::is_same_v<Type, bool>)
    into += value ? "true" : "false";
  else if constexpr (std::is_same_v<Type, char>)
    write_text(into, std::string(1, value));
  else if constexpr (std::is_integral_v<Type>)
    into += std::to_string(value);
  else if constexpr (std::is_floating_point_v<Type>)
    write_number(into, double(value));
  else if constexpr (std::is_convertible_v<const Type &, std::string>)
    write_text(into, value);
  else if constexpr (Optional<Type>) {
    if (value.has_value())
      write(into, *value);
    else
      into += "null";
  } else if constexpr (Map<Type>) {
    into += '{';
    for (const auto &[key, item] : value) {
      if (into.back() != '{')
        into += ',';
      if constexpr (Text<typename Type::key_type>)
        write_text(into, key);
      else {
        std::string name;
        write(name, key);
        into += name[0] == '"' ? name : '"' + name + '"';
      }
      into += ':';
      write(into, item);
    }
    into += '}';
  } else if constexpr (List<Type> || Fixed<Type>) {
    write_items(into, value);
  } else if constexpr (Tuple<Type>) {
    bool first = true;
    into += '[';
    std::apply([&](const auto &...items) { ((into += first ? "" : ",", first = false, write(into, items)), ...); }, value);
    into += ']';
  } else {
    static_assert(never<Type>, "the function returns a value of a type that JSON cannot carry");
  }
}

template <typename Items> void write_items(std::string &into, const Items &items) {
  bool first = true;
  into += '[';
  for (const auto &item : items) {
    if (!first)
      into += ',';
    first = false;
    write<typename Items::value_type>(into, item);
  }
  into += ']';
}

} // namespace executor_call

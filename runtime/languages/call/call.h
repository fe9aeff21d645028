// Calls one function of a submission, and leaves what it returns in a file: prints have nothing to do with it.
// It is included before a program, so that no macro of the program's can change it.
#pragma once
#include "json.h"
#include <exception>
#include <new>

namespace executor_call {

inline const std::string &folder() {
  static const std::string found = [] {
    char *path = realpath(".case", nullptr);
    std::string absolute = path ? path : ".case";
    std::free(path);
    return absolute;
  }();
  return found;
}

inline void leave(const char *key, const std::string &text) {
  if (std::FILE *file = std::fopen((folder() + "/returned").c_str(), "w")) {
    std::fprintf(file, "{\"%s\":", key);
    std::fwrite(text.data(), 1, text.size(), file);
    std::fputc('}', file);
    std::fclose(file);
  }
}

inline int fail(const std::string &message) {
  std::string text;
  write_text(text, message);
  leave("error", text);
  return 1;
}

// What the executor has put there: {"function": ..., "most_bytes": ..., "arguments": [...]}.
inline std::string call_text() {
  std::string found;
  if (std::FILE *file = std::fopen((folder() + "/call").c_str(), "r")) {
    char part[1 << 12];
    while (const std::size_t length = std::fread(part, 1, sizeof part, file))
      found.append(part, length);
    std::fclose(file);
  }
  return found;
}

template <typename Result, typename... Arguments, typename Function> int run_with(const char *name, Function function) {
  // Before the program can leave the directory.
  const std::string text = call_text();
  Reader reader(text.c_str());
  std::size_t most_bytes = 0;
  std::tuple<std::remove_cvref_t<Arguments>...> arguments;
  const auto said = [name](const std::string &words) { return name + (" returned a value that JSON cannot carry: " + words); };
  try {
    for (reader.take('{'); reader.text() != "arguments"; reader.take(',')) {
      reader.take(':');
      if (reader.next() == '"')
        reader.skip();
      else
        read(reader, most_bytes);
    }
    reader.take(':');
    Reader counted = reader;
    std::size_t count = 0;
    for (counted.take('['); !counted.take(']'); counted.take(','), count++)
      counted.skip();
    if (count != sizeof...(Arguments))
      return fail(std::string(name) + " is called with " + std::to_string(count) + (count == 1 ? " argument" : " arguments") +
                  ", and takes " + std::to_string(sizeof...(Arguments)));
    int number = 0;
    reader.take('[');
    try {
      std::apply([&](auto &...items) { ((number++, read(reader, items), reader.take(',')), ...); }, arguments);
    } catch (const Refused &refused) {
      return fail("argument " + std::to_string(number) + " of " + name + ": " + refused.words);
    }
    std::string returned;
    const auto called = [&](auto &...items) -> Result { return function(static_cast<Arguments &&>(items)...); };
    if constexpr (std::is_void_v<Result>) {
      std::apply(called, arguments);
      returned = "null";
    } else {
      const std::remove_cvref_t<Result> value = std::apply(called, arguments);
      try {
        write(returned, value);
      } catch (const Refused &refused) {
        return fail(said(refused.words));
      }
    }
    if (returned.size() > most_bytes)
      return fail(std::string(name) + " returned " + std::to_string(returned.size()) + " bytes of JSON: at most " +
                  std::to_string(most_bytes) + " may be");
    leave("value", returned);
    return 0;
  } catch (const std::bad_alloc &) {
    throw;
  } catch (const std::exception &error) {
    char *kind = abi::__cxa_demangle(typeid(error).name(), nullptr, nullptr, nullptr);
    const std::string words = std::string(kind ? kind : typeid(error).name()) + ": " + error.what();
    std::fprintf(stderr, "%s threw %s\n", name, words.c_str());
    return fail(words);
  } catch (...) {
    if (abi::__cxa_current_exception_type() == nullptr)
      throw; // a thread that is ended
    std::fprintf(stderr, "%s threw something that is no std::exception\n", name);
    return fail(std::string(name) + " threw something that is no std::exception");
  }
}

template <typename Result, typename... Arguments> int run(const char *name, Result (*function)(Arguments...)) {
  return run_with<Result, Arguments...>(name, function);
}

template <typename Class, typename Result, typename... Arguments> int run(const char *name, Result (Class::*function)(Arguments...)) {
  return run_with<Result, Arguments...>(name, [function](Arguments... arguments) -> Result {
    Class object{};
    return (object.*function)(static_cast<Arguments &&>(arguments)...);
  });
}

template <typename Class, typename Result, typename... Arguments>
int run(const char *name, Result (Class::*function)(Arguments...) const) {
  return run_with<Result, Arguments...>(name, [function](Arguments... arguments) -> Result {
    const Class object{};
    return (object.*function)(static_cast<Arguments &&>(arguments)...);
  });
}

} // namespace executor_call

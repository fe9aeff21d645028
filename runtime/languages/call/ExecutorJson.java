// JSON from and into values of Java, for a call that the executor makes.

import java.lang.reflect.Array;
import java.lang.reflect.RecordComponent;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

class ExecutorJson {
  // What ends the call in an orderly way, with words for whoever wrote the program.
  @SuppressWarnings("serial")
  static class Refused extends RuntimeException {
    Refused(String words) {
      super(words, null, false, false);
    }
  }

  static void write(StringBuilder into, Object value) {
    if (value == null || value instanceof Boolean || value instanceof Integer || value instanceof Long
        || value instanceof Short || value instanceof Byte || value instanceof BigInteger || value instanceof BigDecimal) {
      into.append(value);
    } else if (value instanceof Double || value instanceof Float) {
      if (!Double.isFinite(((Number) value).doubleValue())) {
        throw new Refused("NaN or an infinity");
      }
      into.append(value);
    } else if (value instanceof String || value instanceof Character) {
      writeText(into, value.toString());
    } else if (value instanceof Optional<?> maybe) {
      write(into, maybe.orElse(null));
    } else if (value.getClass().isArray()) {
      into.append('[');
      for (int at = 0; at < Array.getLength(value); at++) {
        into.append(at == 0 ? "" : ",");
        write(into, Array.get(value, at));
      }
      into.append(']');
    } else if (value instanceof Collection<?> items && !(value instanceof Set)) {
      into.append('[');
      String between = "";
      for (Object item : items) {
        into.append(between);
        write(into, item);
        between = ",";
      }
      into.append(']');
    } else if (value instanceof Map<?, ?> items) {
      into.append('{');
      String between = "";
      for (Map.Entry<?, ?> item : items.entrySet()) {
        into.append(between);
        writeText(into, String.valueOf(item.getKey()));
        into.append(':');
        write(into, item.getValue());
        between = ",";
      }
      into.append('}');
    } else if (value.getClass().isRecord()) {
      write(into, parts(value));
    } else {
      throw new Refused(value instanceof Set ? "a Set" : "a " + value.getClass().getSimpleName());
    }
  }

  private static Map<String, Object> parts(Object value) {
    Map<String, Object> found = new LinkedHashMap<>();
    try {
      for (RecordComponent part : value.getClass().getRecordComponents()) {
        part.getAccessor().setAccessible(true);
        found.put(part.getName(), part.getAccessor().invoke(value));
      }
    } catch (ReflectiveOperationException error) {
      throw new Refused("a " + value.getClass().getSimpleName());
    }
    return found;
  }

  static void writeText(StringBuilder into, String text) {
    into.append('"');
    for (char letter : text.toCharArray()) {
      if (letter == '"' || letter == '\\') {
        into.append('\\').append(letter);
      } else if (letter < 32 || Character.isSurrogate(letter)) {
        into.append(String.format("\\u%04x", (int) letter));
      } else {
        into.append(letter);
      }
    }
    into.append('"');
  }

  // Reads a JSON text that the executor has checked; every number is a BigDecimal.
  static class Reader {
    private final String text;
    private int at;

    Reader(String text) {
      this.text = text;
    }

    private char next() {
      while (" \t\r\n".indexOf(text.charAt(at)) >= 0) {
        at++;
      }
      return text.charAt(at);
    }

    private boolean take(char wanted) {
      if (next() != wanted) {
        return false;
      }
      at++;
      return true;
    }

    Object value() {
      switch (next()) {
        case '{':
          Map<String, Object> members = new LinkedHashMap<>();
          for (at++; !take('}'); take(',')) {
            next();
            String name = string();
            take(':');
            members.put(name, value());
          }
          return members;
        case '[':
          List<Object> items = new ArrayList<>();
          for (at++; !take(']'); take(',')) {
            items.add(value());
          }
          return items;
        case '"':
          return string();
        case 't':
          at += 4;
          return true;
        case 'f':
          at += 5;
          return false;
        case 'n':
          at += 4;
          return null;
        default:
          int start = at;
          while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
            at++;
          }
          return new BigDecimal(text.substring(start, at));
      }
    }

    private String string() {
      StringBuilder found = new StringBuilder();
      for (at++; text.charAt(at) != '"'; at++) {
        if (text.charAt(at) != '\\') {
          found.append(text.charAt(at));
          continue;
        }
        char letter = text.charAt(++at);
        if (letter == 'u') {
          found.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16));
          at += 4;
        } else {
          int place = "nrtbf".indexOf(letter);
          found.append(place < 0 ? letter : "\n\r\t\b\f".charAt(place));
        }
      }
      at++;
      return found.toString();
    }
  }
}

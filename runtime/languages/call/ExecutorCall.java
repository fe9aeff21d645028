// Calls one method of a submission, and leaves what it returns in a file: prints have nothing to do with it.

import java.io.IOException;
import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

public class ExecutorCall {
  private static final Path FOLDER = Path.of(".case").toAbsolutePath();

  public static void main(String[] arguments) throws Throwable {
    // Of names, numbers and lists as the executor has put them there.
    Map<?, ?> call = (Map<?, ?>) new ExecutorJson.Reader(Files.readString(FOLDER.resolve("call"))).value();
    String name = (String) call.get("function");
    try {
      List<?> given = (List<?>) call.get("arguments");
      Method method = found(name, Files.readString(FOLDER.resolve("unit")), given);
      method.setAccessible(true);
      Object[] values = converted(method, given);
      Object target = Modifier.isStatic(method.getModifiers()) ? null : made(method.getDeclaringClass());
      Object returned = method.invoke(target, values);
      StringBuilder text = new StringBuilder();
      try {
        ExecutorJson.write(text, returned);
      } catch (ExecutorJson.Refused refused) {
        throw new ExecutorJson.Refused(name + " returned a value that JSON cannot carry: " + refused.getMessage());
      } catch (StackOverflowError error) {
        throw new ExecutorJson.Refused(name + " returned a value that JSON cannot carry: it is nested too deeply, or contains itself");
      }
      int size = text.toString().getBytes(StandardCharsets.UTF_8).length;
      long most = ((BigDecimal) call.get("most_bytes")).longValue();
      if (size > most) {
        throw new ExecutorJson.Refused(name + " returned " + size + " bytes of JSON: at most " + most + " may be");
      }
      leave("value", text);
    } catch (ExecutorJson.Refused refused) {
      fail(refused.getMessage());
    } catch (InvocationTargetException | ExceptionInInitializerError error) {
      Throwable cause = error.getCause();
      // The frames that are not the submission's go.
      StackTraceElement[] frames = cause.getStackTrace();
      int end = frames.length;
      for (int at = frames.length - 1; at >= 0; at--) {
        String owner = frames[at].getClassName();
        if (owner.equals("ExecutorCall") || owner.startsWith("java.lang.reflect.") || owner.startsWith("jdk.internal.")) {
          end = at;
        }
      }
      cause.setStackTrace(Arrays.copyOf(frames, end));
      cause.printStackTrace();
      fail(cause.toString());
    }
  }

  private static void fail(String message) throws IOException {
    StringBuilder text = new StringBuilder();
    ExecutorJson.writeText(text, message);
    leave("error", text);
    System.out.flush();
    System.exit(1);
  }

  private static void leave(String key, CharSequence text) throws IOException {
    Files.writeString(FOLDER.resolve("returned"), "{\"" + key + "\":" + text + "}");
  }

  // The method: of the class that is named with it, else of the one that a reader takes for the program, else of any.
  private static Method found(String name, String unit, List<?> given) throws Exception {
    int dot = name.lastIndexOf('.');
    String simple = name.substring(dot + 1);
    List<String> classes = new ArrayList<>();
    if (dot < 0) {
      classes.add(unit);
    }
    try (Stream<Path> files = Files.walk(FOLDER.getParent())) {
      files.map(path -> FOLDER.getParent().relativize(path).toString())
          .filter(path -> path.endsWith(".class") && !path.startsWith("ExecutorCall"))
          .map(path -> path.substring(0, path.length() - ".class".length()).replace('/', '.'))
          .filter(each -> dot < 0 || each.equals(name.substring(0, dot)) || each.endsWith("." + name.substring(0, dot)))
          .sorted()
          .forEach(classes::add);
    }
    List<Method> methods = new ArrayList<>();
    for (String each : classes) {
      for (Method method : loaded(each)) {
        if (method.getName().equals(simple) && !method.isSynthetic() && !Modifier.isAbstract(method.getModifiers())) {
          methods.add(method);
        }
      }
      if (!methods.isEmpty()) {
        break;
      }
    }
    if (methods.isEmpty()) {
      throw new ExecutorJson.Refused("there is no method " + name);
    }
    List<Method> fitting = methods.stream().filter(method -> method.getParameterCount() == given.size()).toList();
    if (fitting.isEmpty()) {
      int count = given.size();
      String words = name + " is called with " + count + (count == 1 ? " argument" : " arguments");
      throw new ExecutorJson.Refused(words + ", and takes " + methods.get(0).getParameterCount());
    }
    for (Method method : fitting.size() > 1 ? fitting : List.<Method>of()) {
      try {
        converted(method, given);
        return method;
      } catch (ExecutorJson.Refused refused) {
        continue;
      }
    }
    return fitting.get(0);
  }

  private static Method[] loaded(String name) {
    try {
      return Class.forName(name, false, ExecutorCall.class.getClassLoader()).getDeclaredMethods();
    } catch (ClassNotFoundException | LinkageError error) {
      return new Method[0];
    }
  }

  private static Object made(Class<?> owner) throws Exception {
    try {
      Constructor<?> constructor = owner.getDeclaredConstructor();
      constructor.setAccessible(true);
      return constructor.newInstance();
    } catch (NoSuchMethodException | InstantiationException error) {
      String words = owner.getName() + " cannot be made: ";
      throw new ExecutorJson.Refused(words + "it needs a constructor without arguments, or the method must be static");
    }
  }

  private static Object[] converted(Method method, List<?> given) {
    Type[] types = method.getGenericParameterTypes();
    Object[] values = new Object[types.length];
    for (int at = 0; at < types.length; at++) {
      try {
        values[at] = converted(given.get(at), types[at]);
      } catch (ExecutorJson.Refused refused) {
        throw new ExecutorJson.Refused("argument " + (at + 1) + " of " + method.getName() + ": " + refused.getMessage());
      }
    }
    return values;
  }

  private static ExecutorJson.Refused unfit(Object value, Type type) {
    StringBuilder text = new StringBuilder();
    ExecutorJson.write(text, value);
    String shown = text.length() > 60 ? text.substring(0, 60) + "..." : text.toString();
    return new ExecutorJson.Refused(shown + " is no " + type.getTypeName());
  }

  private static Object converted(Object value, Type type) {
    if (type instanceof WildcardType wildcard) {
      return converted(value, wildcard.getUpperBounds()[0]);
    }
    if (type instanceof GenericArrayType array) {
      return list(value, array.getGenericComponentType(), type);
    }
    if (type instanceof ParameterizedType generic) {
      return generic(value, (Class<?>) generic.getRawType(), generic.getActualTypeArguments(), type);
    }
    if (!(type instanceof Class<?> kind)) {
      return natural(value);
    }
    if (value == null) {
      if (kind.isPrimitive()) {
        throw unfit(null, type);
      }
      return null;
    }
    if (kind.isArray()) {
      return list(value, kind.getComponentType(), type);
    }
    if (value instanceof BigDecimal number) {
      return number(number, kind, type);
    }
    if (value instanceof Boolean && (kind == boolean.class || kind.isAssignableFrom(Boolean.class))) {
      return value;
    }
    if (value instanceof String text) {
      if (kind.isAssignableFrom(String.class)) {
        return text;
      }
      if ((kind == char.class || kind == Character.class) && text.length() == 1) {
        return text.charAt(0);
      }
    }
    if (value instanceof List || value instanceof Map) {
      return kind.isRecord() ? record(value, kind, type) : generic(value, kind, new Type[] {Object.class, Object.class}, type);
    }
    throw unfit(value, type);
  }

  private static Object number(BigDecimal number, Class<?> kind, Type type) {
    try {
      if (kind == int.class || kind == Integer.class) {
        return number.intValueExact();
      } else if (kind == long.class || kind == Long.class) {
        return number.longValueExact();
      } else if (kind == double.class || kind == Double.class) {
        return number.doubleValue();
      } else if (kind == float.class || kind == Float.class) {
        return number.floatValue();
      } else if (kind == short.class || kind == Short.class) {
        return number.shortValueExact();
      } else if (kind == byte.class || kind == Byte.class) {
        return number.byteValueExact();
      } else if (kind == BigInteger.class) {
        return number.toBigIntegerExact();
      } else if (kind == BigDecimal.class) {
        return number;
      } else if (kind == Object.class || kind == Number.class || kind == Comparable.class) {
        return natural(number);
      }
    } catch (ArithmeticException error) {
      throw unfit(number, type);
    }
    throw unfit(number, type);
  }

  // As the language writes such a value itself.
  private static Object natural(Object value) {
    if (value instanceof BigDecimal number) {
      if (number.scale() > 0) {
        return number.doubleValue();
      }
      BigInteger whole = number.toBigInteger();
      return whole.bitLength() < 32 ? (Object) whole.intValue() : whole.bitLength() < 64 ? (Object) whole.longValue() : whole;
    }
    if (value instanceof List<?> items) {
      List<Object> found = new ArrayList<>();
      items.forEach(item -> found.add(natural(item)));
      return found;
    }
    if (value instanceof Map<?, ?> items) {
      Map<String, Object> found = new LinkedHashMap<>();
      items.forEach((key, item) -> found.put((String) key, natural(item)));
      return found;
    }
    return value;
  }

  private static Object list(Object value, Type inner, Type type) {
    if (value == null) {
      return null;
    }
    if (!(value instanceof List<?> items)) {
      throw unfit(value, type);
    }
    Object array = Array.newInstance(raw(inner), items.size());
    for (int at = 0; at < items.size(); at++) {
      Array.set(array, at, converted(items.get(at), inner));
    }
    return array;
  }

  private static Class<?> raw(Type type) {
    if (type instanceof Class<?> kind) {
      return kind;
    }
    if (type instanceof ParameterizedType generic) {
      return (Class<?>) generic.getRawType();
    }
    if (type instanceof GenericArrayType array) {
      return Array.newInstance(raw(array.getGenericComponentType()), 0).getClass();
    }
    return Object.class;
  }

  private static Object generic(Object value, Class<?> kind, Type[] inner, Type type) {
    if (kind == Optional.class) {
      return Optional.ofNullable(converted(value, inner[0]));
    }
    if (value == null) {
      return null;
    }
    if (value instanceof List<?> items) {
      Collection<Object> found = kind.isAssignableFrom(ArrayList.class) ? new ArrayList<>()
          : kind.isAssignableFrom(LinkedList.class) ? new LinkedList<>()
          : kind.isAssignableFrom(ArrayDeque.class) ? new ArrayDeque<>() : null;
      if (found == null) {
        throw unfit(value, type);
      }
      for (Object item : items) {
        found.add(converted(item, inner[0]));
      }
      return found;
    }
    if (value instanceof Map<?, ?> items) {
      Map<Object, Object> found = kind.isAssignableFrom(LinkedHashMap.class) ? new LinkedHashMap<>()
          : kind.isAssignableFrom(HashMap.class) ? new HashMap<>() : kind.isAssignableFrom(TreeMap.class) ? new TreeMap<>() : null;
      if (found == null) {
        throw unfit(value, type);
      }
      for (Map.Entry<?, ?> item : items.entrySet()) {
        found.put(key((String) item.getKey(), inner[0], type), converted(item.getValue(), inner[1]));
      }
      return found;
    }
    throw unfit(value, type);
  }

  private static Object key(String text, Type kind, Type type) {
    if (raw(kind).isAssignableFrom(String.class)) {
      return text;
    }
    try {
      return raw(kind) == Character.class ? converted(text, kind) : converted(new BigDecimal(text), kind);
    } catch (NumberFormatException error) {
      throw unfit(text, type);
    }
  }

  private static Object record(Object value, Class<?> kind, Type type) {
    RecordComponent[] parts = kind.getRecordComponents();
    Class<?>[] kinds = Arrays.stream(parts).map(RecordComponent::getType).toArray(Class<?>[]::new);
    Object[] values = new Object[parts.length];
    for (int at = 0; at < parts.length; at++) {
      if (!(value instanceof Map<?, ?> items) || !items.containsKey(parts[at].getName())) {
        throw unfit(value, type);
      }
      values[at] = converted(items.get(parts[at].getName()), parts[at].getGenericType());
    }
    try {
      Constructor<?> constructor = kind.getDeclaredConstructor(kinds);
      constructor.setAccessible(true);
      return constructor.newInstance(values);
    } catch (ReflectiveOperationException error) {
      throw unfit(value, type);
    }
  }
}

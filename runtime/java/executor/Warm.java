package executor;

import java.io.BufferedReader;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.StringReader;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Scanner;
import java.util.StringTokenizer;
import java.util.TreeMap;
import java.util.stream.Collectors;
import jdk.internal.access.SharedSecrets;
import jdk.internal.misc.MethodFinder;
import jdk.internal.misc.Unsafe;
import jdk.internal.util.StaticProperty;
import jdk.internal.vm.annotation.Hidden;
import sun.launcher.LauncherHelper;

/**
 * The main class of a JVM that is started ahead: it waits for its run, then starts the program's own main class as the
 * launcher would have. It is on the boot class path, where a program's class path does not show it and where the JVM
 * leaves a hidden method out of stack traces.
 */
public final class Warm {
    private static final int CHANNEL = 3;
    /** More than the arguments of a request, which come in one message. */
    private static final int LONGEST_MESSAGE = 1 << 16;
    /** The launcher's number for a main class that is given by its name. */
    private static final int BY_CLASS_NAME = 1;

    private Warm() {}

    @Hidden
    public static void main(String[] none) throws Throwable {
        MethodHandle nothing = handle(Warm.class.getMethod("nothing", String[].class));
        nothing.invokeExact(none);
        touch();
        ClassLoader loader = ClassLoader.getSystemClassLoader();
        Method append = loader.getClass().getDeclaredMethod("appendToClassPathForInstrumentation", String.class);
        append.setAccessible(true);
        String[] words = awaitRun();
        if (words[0].equals("live")) {
            // The answer to this call is a pipe in the place of the input file.
            new File(".").setLastModified(0);
        }
        // The directory was not there when the JVM looked at its class path, so it was taken for a missing archive.
        String path = System.getProperty("java.class.path");
        append.invoke(loader, path.substring(path.lastIndexOf(File.pathSeparatorChar) + 1));
        makeTemporaryFilesIn(System.getProperty("user.dir"));
        String[] arguments = Arrays.copyOfRange(words, 2, words.length);
        System.setProperty("sun.java.command", String.join(" ", Arrays.copyOfRange(words, 1, words.length)));
        // It says in the launcher's own words what is wrong with a main class, and ends the JVM.
        Class<?> program = LauncherHelper.checkAndLoadMain(true, BY_CLASS_NAME, words[1]);
        Method main = MethodFinder.findMainMethod(program);
        initialize(program, loader);
        start(program, main, arguments);
    }

    /** Calls a main method, which may belong to an object and need no arguments (JEP 512), as the launcher does. */
    @Hidden
    private static void start(Class<?> program, Method main, String[] arguments) throws Throwable {
        MethodHandle method = handle(main);
        if (!Modifier.isStatic(main.getModifiers())) {
            Constructor<?> constructor = program.getDeclaredConstructor();
            constructor.setAccessible(true);
            MethodHandle maker = MethodHandles.lookup().unreflectConstructor(constructor);
            Object made = (Object) maker.asType(MethodType.methodType(Object.class)).invokeExact();
            method = method.bindTo(made);
        }
        try {
            if (main.getParameterCount() == 0) {
                method.invokeExact();
            } else {
                method.invokeExact(arguments);
            }
        } catch (OutOfMemoryError error) {
            throw shownFromTheMainMethodOn(error, program);
        }
    }

    /** The JVM keeps some of these ready, whose frames have those that are hidden too. */
    @Hidden
    private static OutOfMemoryError shownFromTheMainMethodOn(OutOfMemoryError error, Class<?> program) {
        try {
            List<StackTraceElement> frames = Arrays.asList(error.getStackTrace());
            int last = frames.stream().map(StackTraceElement::getClassName).toList().lastIndexOf(program.getName());
            error.setStackTrace(frames.subList(0, last + 1).toArray(StackTraceElement[]::new));
        } catch (OutOfMemoryError nothingLeft) {
            // Then it is shown as it is.
        }
        return error;
    }

    /** Runs its static initializers, whose exceptions show no frame of the call that caused them. */
    @Hidden
    private static void initialize(Class<?> program, ClassLoader loader) throws Throwable {
        try {
            Class.forName(program.getName(), true, loader);
        } catch (Throwable error) {
            for (Throwable each = error; each != null; each = each.getCause()) {
                List<StackTraceElement> frames = Arrays.asList(each.getStackTrace());
                int end = frames.stream().map(StackTraceElement::getMethodName).toList().lastIndexOf("forName0");
                if (end >= 0) {
                    each.setStackTrace(frames.subList(0, end).toArray(StackTraceElement[]::new));
                }
            }
            throw error;
        }
    }

    /** What the first call of a method handle needs is loaded by calling one. */
    public static void nothing(String[] none) {}

    private static MethodHandle handle(Method main) throws IllegalAccessException {
        main.setAccessible(true); // a main class need not be public
        return MethodHandles.lookup().unreflect(main);
    }

    /** The JVM, which would complain of a directory that is not there yet, keeps the property's value from its start. */
    private static void makeTemporaryFilesIn(String directory) throws NoSuchFieldException {
        System.setProperty("java.io.tmpdir", directory);
        Unsafe unsafe = Unsafe.getUnsafe();
        Field field = StaticProperty.class.getDeclaredField("JAVA_IO_TMPDIR");
        unsafe.putReference(unsafe.staticFieldBase(field), unsafe.staticFieldOffset(field), directory);
    }

    private static String[] awaitRun() throws IOException {
        FileDescriptor channel = new FileDescriptor();
        SharedSecrets.getJavaIOFileDescriptorAccess().set(channel, CHANNEL);
        byte[] message = new byte[LONGEST_MESSAGE];
        try (FileInputStream in = new FileInputStream(channel); FileOutputStream out = new FileOutputStream(channel)) {
            out.write("up".getBytes(StandardCharsets.UTF_8));
            int length = in.read(message);
            if (length <= 0) {
                Runtime.getRuntime().halt(0);
            }
            return new String(message, 0, length, StandardCharsets.UTF_8).split("\0", -1);
        }
    }

    /** Loads what most programs use. */
    private static void touch() throws IOException {
        Scanner scanner = new Scanner("1 2.5 word\nline");
        int number = scanner.nextInt();
        String text = scanner.nextDouble() + scanner.next() + scanner.nextLine() + number;
        StringTokenizer tokens = new StringTokenizer(new BufferedReader(new StringReader(text)).readLine());
        Map<String, Integer> counts = new TreeMap<>(new HashMap<>(Map.of(tokens.nextToken(), number)));
        List<Integer> numbers = new ArrayList<>(new ArrayDeque<>(new PriorityQueue<>(counts.values())));
        numbers.sort((a, b) -> b - a);
        String joined = numbers.stream().map(n -> n + "," + text).filter(s -> !s.isEmpty()).collect(Collectors.joining());
        if (String.format("%d %s %.2f%n", number, joined, 1.5).isEmpty()) {
            throw new IllegalStateException(joined);
        }
    }
}

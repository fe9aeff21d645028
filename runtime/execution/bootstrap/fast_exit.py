"""How a program's interpreter ends: as soon as nothing that it would still do could be noticed.

Taking an interpreter apart takes longer than many a program. It is left out where the program came to its end by itself,
its streams are plain ones, no other thread is alive, and the end of no object would run code or write something. In doubt
Python ends as it always does. Loaded into the origin of workers, which forks the interpreters of programs.
"""

import atexit
import ctypes
import os
import sys

# Modules in C whose objects do nothing visible when they end, or are found by their type.
_HARMLESS = (
    "_abc _ast _asyncio _bisect _blake2 _bz2 _codecs _collections _contextvars _csv _datetime _decimal _elementtree "
    "_functools _hashlib _heapq _imp _io _json _locale _lsprof _lzma _md5 _opcode _operator _pickle _posixsubprocess "
    "_queue _random _sha1 _sha2 _sha256 _sha3 _sha512 _signal _socket _sre _ssl _stat _statistics _string _struct "
    "_suggestions _symtable _sysconfig _thread _tokenize _tracemalloc _typing _uuid _warnings _weakref _zoneinfo array "
    "atexit binascii cmath errno fcntl grp itertools marshal math mmap posix pwd pyexpat resource select termios time "
    "unicodedata zlib"
)
# Types whose objects do nothing visible when they end, beside those of `builtins` and `itertools`, and beside classes
# without `__del__`.
_QUIET = (
    "_abc._abc_data _collections._tuplegetter _contextvars.Context _contextvars.ContextVar _contextvars.Token _io.BytesIO "
    "_io.IncrementalNewlineDecoder _io.StringIO _struct.Struct _thread.RLock _thread._ThreadHandle _thread._local "
    "_thread._localdummy _thread.lock array.array collections.OrderedDict collections._tuplegetter collections.defaultdict "
    "collections.deque decimal.Context decimal.Decimal decimal.SignalDictMixin functools.KeyWrapper "
    "functools._lru_cache_wrapper functools.partial operator.attrgetter operator.itemgetter operator.methodcaller re.Match "
    "re.Pattern threading._DeleteDummyThreadOnDel types.GenericAlias types.SimpleNamespace types.UnionType typing.ParamSpec "
    "typing.TypeVar"
)
_TRACING = ("sys.settrace", "sys.setprofile", "sys.monitoring.register_callback")
_WITH_FINALIZERS = ("generator", "coroutine", "async_generator")
# Made by a class statement: on the heap, and not immutable (Include/object.h: Py_TPFLAGS_HEAPTYPE, _IMMUTABLETYPE).
_CLASS_FLAGS, _CLASS = 0x300, 0x200
_MOST_OBJECTS = 50_000
# References, more than any object has and fewer than those of an immortal one.
_MANY = 1 << 28

# The names that the first functions use are theirs alone: see `arrange`.
# ruff: noqa: F821


def _hook(event, arguments):
    if event == "exec":
        if not (ordinary or arguments[0].co_filename.startswith(library)) and mentions(arguments[0]):
            ordinary.append(event)
    elif event == "import":
        if arguments[0] == "gc" and waiting:
            ordinary.append(event)
            waiting.pop()()
            if immortal:
                count_again()
    elif event in telling:
        ordinary.append(event)
        if event in tracing:
            # It would trace the functions here.
            unregister(end)
            release_streams()
            if waiting:
                waiting.pop()()


def _count_again():
    """Has the collector find the interpreter's own objects, for which it must not take them to be immortal.

    It leaves such objects out, and counts them as frozen (PEP 683). They are counted from a number that never comes to 0.
    """
    # SAFETY: `immortal` is set only where `make_immortal` has shown that an object begins with its count, and the collector's
    # list keeps each object alive meanwhile.
    for thing in objects():
        counter = counter_at(id(thing))
        if counter.value > many:  # noqa: PLR1730 - the others are not to be written to
            counter.value = many


def _mentions(code):
    """Whether code, which may delete it, names what tells a program's end from an exit."""
    if "__cached__" in code.co_names:
        return True
    for constant in code.co_consts:  # noqa: SIM110 - a generator would be one more frame on a stack that may be nearly full
        if constant == "__cached__" or (type(constant) is Code and mentions(constant)):
            return True
    return False


def _end():
    """Is the last of all callbacks at exit: ends the process, or lets Python end with no object frozen.

    The collector would not find frozen ones in cycles, so that finalizers of what a program has left in them would not run.
    """
    try:
        if not ordinary and came_to_its_end() and streams_are_plain() and modules_are_harmless() and objects_are_quiet():
            flush()
            leave(0)
    except BaseException:  # noqa: BLE001, S110 - a program can put anything anywhere; then Python ends as always
        pass
    release_streams()
    if waiting:
        waiting.pop()()


def _release_streams():
    """Lets go of the streams, which write what was held back when nothing refers to them any more."""
    global stdout, stderr  # noqa: PLW0603 - of the names that `arrange` makes
    stdout = stderr = None


def _came_to_its_end():
    """Whether the program's last line has been run, and no thread or function is left that Python would still call."""
    # `__file__` and `__cached__` are taken from a program's names at its end, and not where SystemExit ends it.
    main = sys.modules["__main__"].__dict__
    if id(main) != id_of_main or "__file__" in main or "__cached__" in main or not names_of_main.issubset(main):
        return False
    return not threads()


def _streams_are_plain():
    """Whether the two streams are those of the start, and are flushed as such streams are."""
    for stream, name in ((stdout, "stdout"), (stderr, "stderr")):
        if sys.__dict__[name] is not stream or "flush" in stream.__dict__:
            return False
    # Warnings that are asked for can come from the end of objects that are on no list.
    return tuple(filters) == filters_before


def _flush():
    """Writes what Python would write now; where that fails, Python ends as always, and tries it again."""
    stdout.flush()
    stderr.flush()


def _modules_are_harmless():
    """Whether each module is one that was there before, or written in Python, or known here."""
    for name in known.symmetric_difference(sys.modules):
        if name not in harmless:
            module = sys.modules[name]
            spec = module.__dict__["__spec__"]
            if type(module) is not type(sys) or (type(spec.loader) is not Loader and spec.loader is not Frozen):
                return False
    return True


def _objects_are_quiet():
    """Whether no object that the program has made, or could have changed, has a finalizer."""
    found = objects()
    if len(found) > most_objects or any("__del__" in contents(kind) for kind in made):
        return False
    for thing in found:
        kind = type(thing)
        if id(kind) in quiet:
            continue
        if kind is Reference:
            if not is_harmless_callback(thing.__callback__):
                return False
        elif kind in files:
            if not thing.closed:
                return False
        elif issubclass(kind, type):
            # Some of its objects may be on no list.
            if any(has_finalizer(base) for base in mro(thing) if flags(base) & class_flags == of_a_class):
                return False
        elif any(has_finalizer(base) for base in mro(kind)):
            return False
        else:
            quiet.add(id(kind))
    return True


def _is_harmless_callback(callback):
    """Whether what a weak reference calls is nothing, or that of a container of weak references."""
    if type(callback) is type(hook):
        return callback.__globals__["__name__"] in ("_weakrefset", "weakref")
    return callback is None or (
        type(callback) is type(leave) and callback.__name__ in ("_destroy", "_localdummy_destroyed", "clear_locals")
    )


def _has_finalizer(kind):
    if flags(kind) & class_flags == of_a_class:
        if "__del__" not in contents(kind) and not hasattr(type(kind), "__del__"):
            return False
    elif kind.__module__ in own_modules:
        return kind.__name__ in with_finalizers
    return f"{kind.__module__}.{kind.__qualname__}" not in named


def arrange(gc, known, kinds):
    """Puts the last callback in its place, for an interpreter whose own objects are frozen.

    `known` are the names of the modules that a program finds imported, `kinds` the types of the frozen objects. A program
    that imports `gc` finds no object frozen, thanks to an audit hook. Returns the names of the functions that were put there;
    `immortal` is to be true among them where the interpreter's objects are not counted.
    """
    import _frozen_importlib as imports
    import _frozen_importlib_external as external
    import _io
    import _thread
    import _warnings
    import _weakref

    count = vars(_thread)["_count"]
    used = (BaseException, any, hasattr, id, issubclass, len, tuple, type)
    contents, mro, flags = (vars(type)[name].__get__ for name in ("__dict__", "__mro__", "__flags__"))
    names = {
        "__builtins__": {thing.__name__: thing for thing in used},
        "sys": sys, "leave": os._exit, "threads": count, "stdout": sys.stdout, "stderr": sys.stderr,
        "ordinary": [], "waiting": [gc.unfreeze], "unregister": atexit.unregister,
        "telling": ("sys.excepthook", "sys.addaudithook", *_TRACING), "tracing": _TRACING,
        "filters": _warnings.filters, "filters_before": tuple(_warnings.filters),
        "names_of_main": frozenset(vars(sys.modules["__main__"])) - {"__file__", "__cached__"},
        "library": os.path.dirname(os.__file__) + "/",
        "Code": type(_hook.__code__), "id_of_main": id(vars(sys.modules["__main__"])), "known": frozenset(known),
        "harmless": frozenset(_HARMLESS.split()), "Loader": external.SourceFileLoader, "Frozen": imports.FrozenImporter,
        "counter_at": ctypes.c_uint32.from_address, "many": _MANY, "immortal": False,
        "objects": gc.get_objects, "most_objects": _MOST_OBJECTS, "Reference": _weakref.ReferenceType, "quiet": set(),
        "files": (_io.TextIOWrapper, _io.BufferedReader, _io.BufferedWriter, _io.BufferedRandom, _io.FileIO),
        "contents": contents, "mro": mro, "flags": flags, "class_flags": _CLASS_FLAGS, "of_a_class": _CLASS,
        "made": frozenset(kind for kind in kinds if kind.__flags__ & _CLASS_FLAGS == _CLASS),
        "own_modules": ("builtins", "itertools"), "with_finalizers": _WITH_FINALIZERS, "named": frozenset(_QUIET.split()),
    }  # fmt: skip
    for function in (
        _hook, _count_again, _mentions, _end, _came_to_its_end, _streams_are_plain, _flush, _release_streams,
        _modules_are_harmless, _objects_are_quiet, _is_harmless_callback, _has_finalizer,
    ):  # fmt: skip
        # With `names` as all its globals, so that it has no way back to this module.
        code = function.__code__.replace(co_filename="<frozen site>")
        names[function.__name__[1:]] = type(function)(code, names)
    atexit.register(names["end"])
    sys.addaudithook(names["hook"])
    return names

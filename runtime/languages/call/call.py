"""Calls one function of a submission, and leaves what it returns in a file: prints have nothing to do with it."""

import json
import os
import sys

_FOLDER = os.path.join(os.getcwd(), ".case")
_FILE, _MODULE = "{file}", "{module}"


def _leave(key, text):
    with open(os.path.join(_FOLDER, "returned"), "w", encoding="utf-8", errors="surrogatepass") as target:
        target.write('{"' + key + '":' + text + "}")


def _fail(message):
    _leave("error", json.dumps(message))
    sys.exit(1)


def _loaded():
    path = os.path.join(os.getcwd(), _FILE)
    sys.path[0] = os.path.dirname(path)
    module = type(sys)(_MODULE)
    module.__file__ = path
    sys.modules[_MODULE] = module
    with open(path, "rb") as source:
        code = compile(source.read(), path, "exec", dont_inherit=True)
    exec(code, module.__dict__)
    return module


def _found(module, name):
    """The function; a method of a class is one of a new object, where it is not static."""
    owner, _, method = name.rpartition(".")
    if not owner:
        found = getattr(module, name, None)
    else:
        kind = getattr(module, owner, None)
        if kind is None:
            _fail(f"there is no class {owner}")
        plain = next((vars(base)[method] for base in getattr(kind, "__mro__", ()) if method in vars(base)), None)
        static = isinstance(plain, (staticmethod, classmethod))
        found = getattr(kind if static or not isinstance(kind, type) else kind(), method, None)
    if not callable(found):
        _fail(f"there is no function {name}" if found is None else f"{name} is no function")
    return found


def _plain(value):
    """What JSON has no kind for: arrays and numbers of NumPy become lists and numbers."""
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist()
    raise TypeError(type(value).__name__)


def _as_json(name, value):
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    except TypeError as error:
        words = f"a {error}" if str(error).isidentifier() else str(error)
        return _fail(f"{name} returned a value that JSON cannot carry: {words}")
    except ValueError as error:
        circular = "Circular" in str(error)
        words = "it contains itself" if circular else "nan or an infinity" if "range" in str(error) else str(error)
        return _fail(f"{name} returned a value that JSON cannot carry: {words}")
    except RecursionError:
        return _fail(f"{name} returned a value that JSON cannot carry: it is nested too deeply")


def _main():
    with open(os.path.join(_FOLDER, "call"), encoding="utf-8") as source:
        call = json.load(source)
    name = call["function"]
    try:
        function = _found(_loaded(), name)
        returned = function(*call["arguments"])
        if hasattr(returned, "__await__"):
            import asyncio

            returned = asyncio.run(returned)
    except Exception as error:
        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        words = str(error)
        if trace is None and isinstance(error, TypeError):
            # The call itself, which Python explains.
            _fail(words)
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        _fail(type(error).__name__ + (f": {words}" if words else ""))
    text = _as_json(name, returned)
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > call["most_bytes"]:
        _fail(f"{name} returned {size} bytes of JSON: at most {call['most_bytes']} may be")
    _leave("value", text)


if __name__ == "__main__":
    _main()

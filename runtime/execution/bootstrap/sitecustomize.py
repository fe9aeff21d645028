"""Turns the Python that is just starting into the origin of warm workers; each worker goes on as if nothing had been.

`site` imports this module at the very end of the interpreter's own start, before the program. Here the interpreter
stops and forks one worker on each request of the supervisor. A worker confines itself, removes every trace of this
module, and waits; when its run comes, the import ends and the interpreter goes on to run `main.py` by itself, so that
names, paths and tracebacks are those of `python3 main.py`.
"""

import os
import sys

_CHANNEL = 3


def _hook(event, arguments):
    if event == "import" and arguments[0] == "gc" and waiting:  # noqa: F821 - see below
        waiting.pop()()  # noqa: F821


def _freeze(gc):
    """Spares programs the collector's passes over the interpreter's own objects, three of them at the end alone.

    A program that imports `gc` finds no object frozen, thanks to an audit hook. The hook and what it refers to are in
    no list of the collector's, and are never freed because that would take them off one.
    """
    gc.collect()
    gc.freeze()
    import ctypes

    # With names of its own, so that it has no way back to this module.
    names = {"__builtins__": {}, "waiting": [gc.unfreeze]}
    hook = type(_hook)(_hook.__code__.replace(co_filename="<frozen site>"), names)
    for thing in (hook, names, names["waiting"]):
        ctypes.pythonapi.PyObject_GC_UnTrack(ctypes.py_object(thing))
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    sys.addaudithook(hook)


def _serve(modules):
    """Forks workers, and returns only in a worker whose run has come: its arguments."""
    # _socket and marshal are compiled into the interpreter or its own library: nothing of Python's is imported for them.
    import _socket
    import marshal

    control = _socket.socket(fileno=_CHANNEL)
    runtime_root, plan = marshal.loads(control.recv(1 << 20))
    path = list(sys.path)
    importers = set(sys.path_importer_cache)
    import gc

    # All that comes after it is collected in each worker.
    _freeze(gc)
    sys.path.insert(0, runtime_root)
    from runtime.sandbox.confine import Confinement, confine, fork_into
    from runtime.sandbox.syscalls import copy_pages, pages_in_use

    plan = Confinement(*plan)
    sys.path[:] = path
    for name in set(sys.path_importer_cache) - importers:
        del sys.path_importer_cache[name]
    supervisor = os.getppid()
    pages = pages_in_use()
    control.send(b"up")
    while True:
        message, ancillary, _, _ = control.recvmsg(4096, _socket.CMSG_SPACE(16))
        if not message:
            os._exit(0)
        descriptors = [
            int.from_bytes(data[position : position + 4], sys.byteorder)
            for _, _, data in ancillary
            for position in range(0, len(data), 4)
        ]
        uid, directory = marshal.loads(message)
        middle = os.fork()
        if middle:
            for descriptor in descriptors:
                os.close(descriptor)
            os.waitpid(middle, 0)
            continue
        stdin, stdout, stderr, go = descriptors
        channel = _socket.socket(fileno=go)
        try:
            worker, first = fork_into(plan, supervisor)
        except OSError as error:
            channel.send(b"!" + str(error).encode())
            os._exit(127)
        if worker:
            # The worker now becomes a child of the supervisor, which is the nearest subreaper.
            channel.send(b"pid %d %d" % (worker, first))
            os._exit(0)
        # While nobody waits for it, so that the program does not meet a page fault at every step.
        copy_pages(pages)
        control.close()
        try:
            os.dup2(stdin, 0)
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)
            os.dup2(go, _CHANNEL)
            channel.close()
            channel = _socket.socket(fileno=_CHANNEL)
            os.chdir(directory)
            listener = confine(plan, directory, uid)
        except OSError as error:
            channel.send(b"!" + str(error).encode())
            os._exit(127)
        ancillary = []
        if listener >= 0:
            ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, listener.to_bytes(4, sys.byteorder))]
        del Confinement, confine, copy_pages, fork_into, pages, pages_in_use, plan
        for name in set(sys.modules) - modules:
            del sys.modules[name]
        gc.collect()
        vars(gc).clear()  # it would be garbage for the program's first collection
        try:
            channel.sendmsg([b"up"], ancillary)
            message = b"told"
        except OSError:
            message = b""  # the supervisor is gone
        # Open here, it would make this process's own end wait for an answer that nobody gives.
        if listener >= 0:
            os.close(listener)
        message = message and channel.recv(1 << 18)
        channel.close()
        if not message:
            os._exit(0)
        return message.split(b"\0")[1:]


def _start():
    modules = set(sys.modules)
    here = os.path.dirname(__file__)
    del os.environ["PYTHONPATH"]
    sys.path.remove(here)
    sys.path_importer_cache.pop(here, None)
    arguments = [os.fsdecode(argument) for argument in _serve(modules)]
    sys.argv += arguments
    sys.orig_argv += arguments
    # From here on, an installation's own module of this name has its turn; where there is none, `site` expects the error.
    del sys.modules["sitecustomize"]


_start()
# The module is freed only where no function leads back to it.
for name in ("_hook", "_serve", "_start", "_freeze"):
    del globals()[name]
import sitecustomize  # noqa: E402,F401

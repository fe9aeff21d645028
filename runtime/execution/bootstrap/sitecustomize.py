"""Turns the Python that is just starting into the origin of warm workers; each worker goes on as if nothing had been.

`site` imports this module at the very end of the interpreter's own start, before the program. It takes the place of the
first thing that the interpreter then asks about the program: whether `main.py` can be imported from, as a zip archive
can. There the interpreter stops and forks one worker on each request of the supervisor. A worker confines itself,
removes every trace of this module, and waits; when its run comes, the question is answered, and the interpreter goes on
to run `main.py` by itself, so that names, paths and tracebacks are those of `python3 main.py`. Another main file's name
comes with an origin of its own.
"""

import os
import sys

_CHANNEL = 3


def _serve(bootstrap):
    """Forks workers, and returns only in a worker whose run has come, with its arguments, and for the rehearsal."""
    modules = set(sys.modules)
    path = list(sys.path)
    importers = set(sys.path_importer_cache)
    import gc

    gc.collect()
    own = gc.get_objects()
    kinds = set(map(type, own))
    # Spares programs the collector's passes over the interpreter's own objects.
    gc.freeze()
    # Compiled into the interpreter or its own library: nothing of Python's is imported for them.
    import _socket
    import marshal

    control = _socket.socket(fileno=_CHANNEL)
    runtime_root, fields = marshal.loads(control.recv(1 << 20))
    sys.path[:0] = (bootstrap, runtime_root)
    from fast_exit import arrange

    from runtime.execution.copy_on_write import Pages, fill_gaps, hide, learn, make_immortal, pages_of_its_own
    from runtime.sandbox.confine import be_killed_first, confine, fork_into
    from runtime.sandbox.landlock import opened
    from runtime.sandbox.syscalls import PR_SET_PDEATHSIG, fork_beside, prctl

    end = arrange(gc, modules, kinds)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    # For standard input that becomes a pipe: the one in use keeps what it knows of its file, and one that is made later is an
    # open file of the program's, of which `fast_exit` cannot know that nobody would notice its end.
    raw = type(sys.stdin.buffer.raw)(0, "rb", False)
    raw.name = "<stdin>"
    rehearsal = bootstrap + "/rehearsal.py"
    learn(rehearsal)
    # Where output is buffered, no worker may begin with what the rehearsal has written.
    sys.stdout.flush()
    plan = type(sys.implementation)(**fields)
    if plan.landlock_abi:
        plan.opened = opened(plan.rules, plan.landlock_abi)
    be_killed_first()
    sys.path[:] = path
    for name in set(sys.path_importer_cache) - importers:
        del sys.path_importer_cache[name]
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    supervisor = os.getppid()
    gc.collect()  # which also stops looking at dictionaries that hold nothing to look at
    made = (gc, *gc.get_objects())
    end["immortal"] = make_immortal((*own, *made), gc)
    gc.collect()  # which also empties the free lists
    taken = fill_gaps()
    hide((*made, taken))
    del own, made, taken
    # A child that goes on to a program as workers will, and reports at its end which pages it has written to.
    os.symlink(rehearsal, sys.argv[0])
    reader, writer = os.pipe()
    if os.fork() == 0:
        # This module's own names are gone by then.
        def leave(code, write=os.write, leave=os._exit):
            write(writer, marshal.dumps(pages_of_its_own()))
            leave(code)

        end["leave"] = leave
        prctl(PR_SET_PDEATHSIG, 9)
        control.close()
        hide(gc.get_objects())
        return []
    os.close(writer)
    with open(reader, "rb") as answer:
        found = answer.read()
    os.wait()
    os.unlink(sys.argv[0])
    pages = Pages(marshal.loads(found) if found else ())
    if not pages.work():
        pages = Pages(())
    hide(gc.get_objects())
    # Without a rehearsal workers copy each page when they first write to it, which works and takes longer.
    control.send(b"up" if pages.known else b"up, but the rehearsal failed")
    while True:
        message, ancillary, _, _ = control.recvmsg(4096, _socket.CMSG_SPACE(16))
        if not message:
            os._exit(0)
        stdin, stdout, stderr, go = descriptors = [
            int.from_bytes(data[position : position + 4], sys.byteorder)
            for _, _, data in ancillary
            for position in range(0, len(data), 4)
        ]
        uid, directory = marshal.loads(message)
        channel = _socket.socket(fileno=go)
        middle = 0
        try:
            beside = -1 if plan.own_pids else fork_beside()
            if beside < 0:
                middle = os.fork()
        except OSError as error:
            channel.send(b"!" + str(error).encode())
            beside = 1
        if beside > 0 or middle:
            channel.detach()
            for descriptor in descriptors:
                os.close(descriptor)
            if middle:
                os.waitpid(middle, 0)
            continue
        # Before anything else, so that the supervisor knows the pid before the worker reports that it is up.
        if beside == 0:
            channel.send(b"pid %d 0" % os.getpid())
        else:
            # The worker becomes a child of the supervisor, the nearest subreaper, when the process in between ends.
            try:
                worker, first = fork_into(plan, supervisor)
            except OSError as error:
                channel.send(b"!" + str(error).encode())
                os._exit(127)
            if worker:
                channel.send(b"pid %d %d" % (worker, first))
                os._exit(0)
        # Ahead of the run, so that the program does not meet a page fault at every step.
        pages.copy()
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
        hide(gc.get_objects())  # what confining has made
        try:
            channel.sendmsg([b"up"], ancillary)
            message = b"reported"
        except OSError:
            message = b""  # the supervisor is gone
        # An open listener here would make this process's own end wait for an answer that nothing gives.
        if listener >= 0:
            os.close(listener)
        if message:
            message, pipes, _, _ = channel.recvmsg(1 << 18, _socket.CMSG_SPACE(4))
        channel.close()
        if not message:
            os._exit(0)
        word, *arguments = message.split(b"\0")
        if word == b"live":
            [(_, _, pipe)] = pipes
            _take_input_pipe(int.from_bytes(pipe, sys.byteorder), raw)
        return arguments


def _take_input_pipe(pipe, raw):
    """Puts a pipe in the place of the input file, and opens standard input, on `raw`, as if it had been one all along."""
    os.dup2(pipe, 0)
    os.close(pipe)
    text, binary = sys.stdin, sys.stdin.buffer
    encoding, errors = text.encoding, text.errors
    binary.__init__(raw, raw._blksize)  # noqa: SLF001 - the size that the interpreter chooses
    text.__init__(binary, encoding, errors, "\n")


def _wait(path):
    """Stands in the place of the interpreter's own first path hook until that is asked about the program."""
    hook, bootstrap = _hook, _bootstrap
    if path != _main:
        return hook(path)
    try:
        arguments = [os.fsdecode(argument) for argument in _serve(bootstrap)]
    except BaseException:  # noqa: BLE001 - whatever it is, an interpreter that is not confined must not go on to a program
        os._exit(127)
    sys.path_hooks[0] = hook
    sys.argv += arguments
    sys.orig_argv += arguments
    globals().clear()  # no function leads back to this module any more, so it is freed
    return hook(path)


_bootstrap = os.path.dirname(__file__)
del os.environ["PYTHONPATH"]
sys.path.remove(_bootstrap)
sys.path_importer_cache.pop(_bootstrap, None)
_main = os.path.join(os.getcwd(), sys.argv[0])
_hook, sys.path_hooks[0] = sys.path_hooks[0], _wait
# From here on, an installation's own module of this name has its turn; where there is none, `site` expects the error.
del sys.modules["sitecustomize"]
import sitecustomize  # noqa: E402,F401

"""What Jobe executes for each of its languages: the commands, their usual flags, and the names of files.

Facts are from github.com/trampgeek/jobe (app/Libraries, one task for each language). Arguments of a request are split as a
shell splits them, and reach a compiler or interpreter that is confined like every program. No shell sees them.
"""

import re
import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from runtime.http.doors.languages import taken_as_sent
from runtime.languages.registry import Language, Warm

#: The compiler's last words where it is the linker that has failed.
LINKER_FAILED = "collect2: error: ld returned"
_CODERUNNERS_FILE = "__tester__.python3"
_CLASS = re.compile(r"(?:^|\W)public\s+class\s+(\w+)", re.MULTILINE)
_MAIN = re.compile(r"(?:public\s+static|static\s+public)\s+void\s+main\s*\(\s*String")
_NO_MAIN_CLASS = (
    "WARNING: can't determine main class, so source file has been named 'prog.java', which probably won't compile."
)


class ArgumentsError(Exception):
    """Arguments that no shell could split; the message is the shell's."""


class Program(NamedTuple):
    """The main file's name, and what is asked for besides; `arguments` gives those of a parameter, or its usual ones."""

    file: str
    arguments: Callable[[str, tuple[str, ...]], tuple[str, ...]]
    main_class: str


class JobeLanguage(NamedTuple):
    """One language: ours of the same toolchain, its usual memory in MB (0: without a limit), and what is executed."""

    base: str
    file: str
    commands: Callable[[Language, Program], Language]
    memory_mb: int = 400
    #: Of a copy of the main file beside it, whose name is longer by this.
    copy_suffix: str = ""
    #: Whether stderr, where there is any, may mean that the program does not even compile; and what finds that out.
    check: tuple[str, ...] = ()


def shell_words(arguments: list[Any]) -> tuple[str, ...]:
    """The words that a shell makes of the arguments in a row; raises ArgumentsError."""
    try:
        return tuple(shlex.split(" ".join(map(str, arguments))))
    except ValueError as error:
        raise ArgumentsError("sh: 1: Syntax error: Unterminated quoted string\n") from error


def default_file(name: str, language: JobeLanguage, code: str) -> tuple[str, str]:
    """The name of a main file that came without one, and what the compiler's words begin with then."""
    if name != "java":
        return language.file, ""
    found = _classes_with_main(code)
    if len(found) != 1:
        return language.file, _NO_MAIN_CLASS
    return f"{found[0]}.java", ""


def _classes_with_main(code: str) -> list[str]:
    """Public classes that a main method follows, as Jobe's one pattern finds them, but in one pass over any text."""
    found = []
    position = 0
    while (named := _CLASS.search(code, position)) and (begun := code.find("{", named.end())) >= 0:
        main = _MAIN.search(code, begun)
        if main is None:
            break
        found.append(named[1])
        position = main.end()
    return found


def _literal(words: tuple[str, ...]) -> tuple[str, ...]:
    """Words in which nothing is a place to be filled in."""
    return tuple(word.replace("{", "{{").replace("}", "}}") for word in words)


def _derived(base: Language, program: Program, **changes: Any) -> Language:  # noqa: ANN401 - fields of Language
    """`base` with other commands; none of its workers was started with these."""
    return msgspec.structs.replace(taken_as_sent(base), file=program.file, **changes)


def _compiled(command: str, usual: tuple[str, ...]) -> Callable[[Language, Program], Language]:
    def commands(base: Language, program: Program) -> Language:
        made = f"{program.file}.exe"
        words = (
            *_literal(program.arguments("compileargs", usual)),
            "-o", *_literal((made, program.file)),
            *_literal(program.arguments("linkargs", ())),
        )  # fmt: skip
        # A folder with a faster linker, where the image has one.
        ours = tuple(word for word in base.compile if word.startswith("-B"))
        return _derived(
            base,
            program,
            compile=(command, *ours, *words),
            artifacts=(made,),
            run=(f"{{box}}/{_literal((made,))[0]}", *_literal(program.arguments("interpreterargs", ()))),
        )

    return commands


def _interpreted(command: str, usual: tuple[str, ...]) -> Callable[[Language, Program], Language]:
    def commands(base: Language, program: Program) -> Language:
        words = _literal((*program.arguments("interpreterargs", usual), program.file))
        return _derived(base, program, compile=(), artifacts=(), run=(command, *words))

    return commands


def coderunners_python(base: Language) -> Language:
    """Python as CodeRunner asks for it, with the main file's name that it gives: warm workers are started with that."""
    return msgspec.structs.replace(
        _usual_python(base, _CODERUNNERS_FILE),
        warm=Warm(run=("python3", _CODERUNNERS_FILE), kind="python of jobe", forks=True, ready=2, on_demand=True),
    )


def _usual_python(base: Language, file: str) -> Language:
    """Jobe's `python3 -BE`, said in the environment: nothing that starts with -E can become a warm worker.

    So output is buffered as with Jobe, and what a program holds back when a limit ends it is lost.
    """
    environment = {name: value for name, value in base.env.items() if name != "PYTHONUNBUFFERED"}
    return msgspec.structs.replace(
        taken_as_sent(base),
        file=file,
        compile=(),
        artifacts=(),
        run=("python3", *_literal((file,))),
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
    )


def _python(base: Language, program: Program) -> Language:
    words = program.arguments("interpreterargs", ())
    if words:
        return _interpreted("python3", ())(base, program)
    if program.file == _CODERUNNERS_FILE:
        return coderunners_python(base)
    return _usual_python(base, program.file)


def _java(base: Language, program: Program) -> Language:
    name = program.main_class or program.file.partition(".")[0]
    # What makes a short program start sooner, and no program can see.
    compiler = tuple(word for word in base.compile if word.startswith("-J-XX"))
    machine = tuple(word for word in base.run if word.startswith("-XX:") and "RAM" not in word)
    usual = ("-Xrs", "-Xss8m", "-Xmx200m")
    return _derived(
        base,
        program,
        compile=("javac", *compiler, *_literal((*program.arguments("compileargs", ()), program.file))),
        artifacts=("*.class",),
        run=("java", *machine, *_literal((*program.arguments("interpreterargs", usual), name))),
    )


def _pascal(base: Language, program: Program) -> Language:
    made = f"{program.file}.exe"
    words = _literal((*program.arguments("compileargs", ("-vew", "-Se")), f"-o{made}", program.file))
    run = (f"{{box}}/{_literal((made,))[0]}", *_literal(program.arguments("interpreterargs", ())))
    return _derived(base, program, compile=("fpc", *words), artifacts=(made,), run=run)


#: In the order of Jobe's answer.
LANGUAGES = {
    "c": JobeLanguage("c", "prog.c", _compiled("gcc", ("-Wall", "-Werror", "-std=c99", "-x", "c"))),
    "cpp": JobeLanguage("cpp", "prog.cpp", _compiled("g++", ("-Wall", "-Werror"))),
    "java": JobeLanguage("java", "prog.java", _java, memory_mb=0),
    "nodejs": JobeLanguage("javascript", "prog.js", _interpreted("node", ("--use_strict",))),
    "octave": JobeLanguage(
        "octave",
        "prog.m",
        _interpreted("octave", ("--norc", "--no-window-system", "--silent", "-H")),
        memory_mb=500,
        # CodeRunner calls the program `prog`. Octave then executes `prog.m`, and names it in its messages.
        copy_suffix=".m",
    ),
    "pascal": JobeLanguage("pascal", "prog.pas", _pascal),
    "php": JobeLanguage("php", "prog.php", _interpreted("php", ("--no-php-ini",)), check=("php", "-l", "{file}")),
    "python3": JobeLanguage(
        "python",
        "prog.py",
        _python,
        memory_mb=1000,
        check=("python3", "-m", "py_compile", "{file}"),
    ),
}

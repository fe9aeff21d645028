"""Language files: a wrong one stops the start with its name and key, and adding one is adding a file."""

from pathlib import Path

import pytest

from runtime.languages.registry import FOLDER, LanguageFileError, Registry, UnknownLanguageError, load

_PATH = "/usr/bin:/bin"
_SHELL = 'name = "dash"\nfile = "main.sh"\nrun = ["sh", "{file}"]\nversion = ["sh", "--version"]\n'


def test_the_languages_that_ship_are_well_formed() -> None:
    assert {"python", "javascript", "bash", "c"} <= {language.name for language in load()}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (_SHELL + "colour = 1\n", "colour"),
        (_SHELL.replace('file = "main.sh"\n', ""), "file"),
        (_SHELL + 'data_headroom_mb = "big"\n', "data_headroom_mb"),
        (_SHELL + 'memory_error = "("\n', "unterminated"),
        (_SHELL + 'defines = "["\n', "unterminated"),
        (_SHELL + "time_factor = 0.5\n", "time_factor"),
        (_SHELL + 'workers = "python"\n', "workers: 'python' is no language with a warm start"),
        ("name = ", "Invalid value"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "dash.toml").write_text(text)
    with pytest.raises(LanguageFileError, match=f"dash.toml: .*{named}"):
        load(tmp_path)


def test_two_files_cannot_claim_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(_SHELL)
    (tmp_path / "b.toml").write_text(_SHELL.replace('"dash"', '"other"') + 'aliases = ["dash"]\n')
    with pytest.raises(LanguageFileError, match=r"b\.toml: aliases: 'dash' is also in a\.toml"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            _SHELL.replace('["sh", "{file}"]', '["no-such-interpreter", "{file}"]'),
            "there is no no-such-interpreter on EXECUTOR_PATH",
        ),
        (_SHELL + 'compile = ["no-such-compiler"]\n', "there is no no-such-compiler on EXECUTOR_PATH"),
        (_SHELL + 'needs = ["no-such-command"]\n', "there is no no-such-command on EXECUTOR_PATH"),
        (_SHELL + 'needs = ["/no/such/library"]\n', "there is no /no/such/library"),
    ],
)
def test_a_language_without_its_toolchain_is_not_listed_and_the_reason_is_known(
    tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "x.toml").write_text(text)
    registry = Registry(load(tmp_path), _PATH, can_execute_files=True)
    assert (registry.languages, registry.unavailable) == ({}, {"dash": reason})


def test_nothing_compiled_is_listed_where_files_cannot_be_executed() -> None:
    registry = Registry(load(FOLDER), _PATH, can_execute_files=False)
    assert "c" not in registry.languages
    assert "bash" in registry.languages
    assert registry.languages.keys() | registry.unavailable.keys() == {language.name for language in load(FOLDER)}
    assert "noexec" in registry.unavailable["c"]


def test_an_unknown_language_gets_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "dash.toml").write_text(_SHELL)
    registry = Registry(load(tmp_path), _PATH, can_execute_files=True)
    with pytest.raises(UnknownLanguageError, match=r"did you mean 'dash'\? Available: dash\."):
        registry.get("bash")
    assert registry.get("DASH").name == "dash"


def test_commands_are_filled_in_and_found_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "dash.toml").write_text(_SHELL)
    registry = Registry(load(tmp_path), _PATH, can_execute_files=True)
    words = registry.command(("sh", "-o", "{box}/x", "{sources}", "{file}"), box="/b", file="f", sources=("1", "2"))
    assert words[0] in ("/usr/bin/sh", "/bin/sh")
    assert words[1:] == ("-o", "/b/x", "1", "2", "f")

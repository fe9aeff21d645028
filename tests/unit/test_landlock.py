"""Which of the paths that programs may read become rules."""

from pathlib import Path

from runtime.sandbox.landlock import READ, READ_EXECUTE, WRITE_FILE, distinct


def test_only_rules_that_say_something_new_are_kept(tmp_path: Path) -> None:
    tools, other = tmp_path / "tools", tmp_path / "other"
    (tools / "bin").mkdir(parents=True)
    other.mkdir()
    (tmp_path / "link").symlink_to(tools / "bin")
    rules = (
        (str(tools), READ_EXECUTE),
        (str(tools / "bin"), READ),  # less than what is allowed above
        (str(tmp_path / "link"), READ_EXECUTE),  # the same place
        (str(tools / "log"), WRITE_FILE),  # more
        (str(other), READ),
        (str(other) + "/.", WRITE_FILE),
        ("", READ_EXECUTE),
        ("bin", READ_EXECUTE),
    )
    assert dict(distinct(rules)) == {
        str(tools): READ_EXECUTE,
        str(tools / "log"): WRITE_FILE,
        str(other): READ | WRITE_FILE,
    }
    assert distinct((*rules, ("/", READ_EXECUTE | WRITE_FILE))) == (("/", READ_EXECUTE | WRITE_FILE),)

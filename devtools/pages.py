"""`make docs`: writes what the pages of `docs/` and `Pulumi.yaml` have from the code. Tests compare them with it."""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devtools import stack_files
from devtools.executor import ROOT
from infra.pricing import Size, estimate, load_rates
from infra.settings import DECLARATIONS, parse_settings
from infra.settings.schema import PROJECT_FILE, project_file
from runtime.languages.registry import Language, load
from runtime.sandbox import seccomp
from runtime.sandbox.filters import OWN_PID

_DOCS = ROOT / "docs"
CONTENTS = ROOT / "tests/image/contents.toml"
#: Stages of the Dockerfile: each has what the ones before it have.
TARGETS = ("python", "node", "judge", "full")


@dataclass(frozen=True)
class Part:
    """A generated part of a page, between `<!-- NAME: written by ... -->` and `<!-- end of NAME -->`."""

    page: Path
    name: str
    lines: Callable[[], Iterator[str]]

    def written(self) -> str:
        """The text of the page as it should be; raises ValueError where it lacks one of the marks."""
        return replaced(self.page, self.name, self.lines())


def replaced(page: Path, name: str, lines: Iterator[str]) -> str:
    """The text of a page with other lines between the marks of a name; raises ValueError where it lacks one of them."""
    text = page.read_text("utf-8")
    found = re.search(rf"(?<=<!-- {name}: )[^\n]* -->\n(.*?)<!-- end of {name} -->\n", text, re.DOTALL)
    if found is None:
        raise ValueError(f"{page.name} has no place for `{name}`: <!-- {name}: ... --> and <!-- end of {name} -->")
    return text[: found.start(1)] + "".join(f"{line}\n" for line in lines) + text[found.end(1) :]


def _rules() -> Iterator[str]:
    rules = seccomp.rules(
        notify=True, shared_uid=True, own_pid_namespace=False, devices_readable_only=True, neighbours=True, warm=True
    )
    yield "| calls | when | answer | why |"
    yield "|---|---|---|---|"
    for rule in rules:
        when = " and ".join(map(str, rule.when)).replace(f"{OWN_PID:#x}", "its own pid")
        yield f"| {', '.join(f'`{call}`' for call in rule.calls)} | {when} | {rule.answer} | {rule.reason} |"


def _corpus() -> Iterator[str]:
    """What a file of the corpus is about is said by the comment on its first line."""
    yield "| file of `tests/attacks/corpus` | programs | what they are about |"
    yield "|---|---|---|"
    hostile = 0
    ordinary = ""
    for path in sorted((ROOT / "tests/attacks/corpus").glob("*.toml")):
        text = path.read_text("utf-8")
        entries = tomllib.loads(text)
        about = text.partition("\n")[0].removeprefix("# ")
        row = f"| `{path.stem}` | {len(entries.get('attack', entries.get('program', ())))} | {about} |"
        if "program" in entries:
            ordinary = row
        else:
            hostile += len(entries["attack"])
            yield row
    yield f"| all of these | {hostile} | hostile programs |"
    yield ordinary


def _languages() -> Iterator[str]:
    yield "| language | names | main file | compiled | time factor | started ahead |"
    yield "|---|---|---|---|---|---|"
    for language in load():
        names = ", ".join(f"`{name}`" for name in (language.name, *language.aliases))
        compiled = "yes" if language.compiled else "no"
        cells = (language.name, names, f"`{language.file}`", compiled, f"{language.time_factor:g}", _ahead(language))
        yield f"| {' | '.join(cells)} |"


def _ahead(language: Language) -> str:
    if language.workers:
        return f"by {language.workers}'s"
    return "yes" if language.warm else "no"


def _versions() -> Iterator[str]:
    yield "| language | line | from | upstream's end of life | mended until |"
    yield "|---|---|---|---|---|"
    for language in load():
        release = language.release
        if release is None:
            raise ValueError(f"{language.name} does not say which line of releases it is: [release]")
        upstream = f"{release.upstream or release.policy}" + (f". {release.because}" if release.because else "")
        yield f"| {language.name} | {release.line} | {release.origin} | {upstream} | {release.ends} |"


def _contents() -> Iterator[str]:
    for kind in tomllib.loads(CONTENTS.read_text("utf-8"))["kind"]:
        yield ""
        yield f"## {kind['name']}"
        yield ""
        yield "| target | |"
        yield "|---|---|"
        for target in TARGETS:
            if kind.get(target):
                yield f"| `{target}` | {', '.join(kind[target])} |"
        if "science" in kind:
            yield f"| any, with `PYTHON_SCIENCE=1` | {', '.join(kind['science'])} |"
        yield f"| *absent* | {', '.join(kind['absent'])} |"
    yield ""


def _settings() -> Iterator[str]:
    yield "| setting | default | meaning |"
    yield "|---|---|---|"
    for declared in DECLARATIONS:
        default = declared.default
        text = str(default).lower() if isinstance(default, bool) else str(default)
        shown = "–" if default in ("", [], {}, None) else f"`{text}`"
        yield f"| `{declared.key}` | {shown} | {declared.meaning} |"


def _costs() -> Iterator[str]:
    rates = load_rates()
    yield "| stack | a day | a contest | a month |"
    yield "|---|---|---|---|"
    for stack in ("dev", "contest", "idle"):
        config = {key.removeprefix("code-executor:"): value for key, value in stack_files.stack_config(stack).items()}
        apps = parse_settings(config).apps
        cost = estimate([Size(app.min_replicas, app.max_replicas, app.cpu, app.memory_gib) for app in apps], rates)
        day = f"{cost.idle_day:.2f} – {cost.busy_day:.2f}" if cost.busy_day else "0"
        yield f"| `{stack}` | {day} | {cost.contest:.0f} | {cost.month:.0f} |"


def _capacity() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-m", "infra.capacity", "--min", "5", "10", "100", "--svg", f"{folder}/chart.svg")
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    yield ""
    yield from (f"    {line}".rstrip() for line in done.stdout.partition("\nChart")[0].splitlines())
    yield ""


PARTS = (
    Part(_DOCS / "security.md", "corpus", _corpus),
    Part(_DOCS / "security.md", "rules", _rules),
    Part(_DOCS / "languages.md", "languages", _languages),
    Part(_DOCS / "languages.md", "versions", _versions),
    Part(_DOCS / "contents.md", "contents", _contents),
    Part(_DOCS / "operations.md", "costs", _costs),
    Part(_DOCS / "operations.md", "settings", _settings),
    Part(_DOCS / "burst.md", "capacity", _capacity),
)


def main() -> None:
    """Writes every part and names the files that are different now."""
    for part in PARTS:
        text = part.written()
        if text != part.page.read_text("utf-8"):
            part.page.write_text(text, "utf-8")
            print(f"{part.page.relative_to(ROOT)}: {part.name} is written anew")
    text = project_file()
    if text != PROJECT_FILE.read_text("utf-8"):
        PROJECT_FILE.write_text(text, "utf-8")
        print(f"{PROJECT_FILE.name}: the settings are written anew")


if __name__ == "__main__":
    main()

"""`python -m devtools.sbom IMAGE FILE`: what an image consists of, as a CycloneDX document.

The image itself is asked, not the files that it was built from: its system, Debian's packages, Python's, and toolchains that
are none of Debian's.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

_LABEL = "org.opencontainers.image"
# One component a line: its kind, name, version and, where there is one, architecture. A dist-info folder is called after
# package and version (packaging.python.org, "Recording installed projects").
_LISTING = r"""
. /etc/os-release && echo "os $ID $VERSION_ID"
dpkg-query -W -f 'deb ${Package} ${Version} ${Architecture}\n'
for folder in /opt/executor/venv/lib/python3*/site-packages/*.dist-info /usr/lib/python3/dist-packages/*.dist-info; do
  [ ! -d "$folder" ] || basename "$folder" .dist-info | sed 's/^\(.*\)-\([^-]*\)$/pypi \1 \2/'
done
PATH=$PATH:/usr/local/go/bin
foreign() { command -v "$1" >/dev/null && ! dpkg-query -S "$(readlink -f "$(command -v "$1")")" >/dev/null 2>&1; }
! foreign esbuild || echo "npm esbuild $(esbuild --version)"
! foreign node || echo "generic node $(node --version | tr -d v)"
! foreign go || echo "generic go $(go env GOVERSION | sed s/go//)"
"""
_KINDS = {"os": ComponentType.OPERATING_SYSTEM, "generic": ComponentType.APPLICATION, "deb": ComponentType.LIBRARY,
          "pypi": ComponentType.LIBRARY, "npm": ComponentType.LIBRARY}  # fmt: skip


class SbomError(Exception):
    """No document can be made; the message says why."""


def component(line: str) -> Component:
    """One line of the listing as a component; raises SbomError where it is none."""
    kind, name, version, architecture = (*line.split(), "", "", "", "")[:4]
    if kind not in _KINDS or not version:
        raise SbomError(f"{line!r} is no component")
    if kind == "os":
        return Component(type=_KINDS[kind], name=name, version=version, bom_ref=f"{name}-{version}")
    if kind == "pypi":
        name = re.sub(r"[-_.]+", "-", name).lower()
    url = PackageURL(
        type=kind,
        namespace="debian" if kind == "deb" else None,
        name=name,
        version=version,
        qualifiers={"arch": architecture} if architecture else None,
    )
    return Component(type=_KINDS[kind], name=name, version=version, purl=url, bom_ref=str(url))


def document(image: str, labels: Mapping[str, str], listing: Iterable[str]) -> str:
    """The document as JSON, for an image with these OCI labels; raises SbomError where it would not be a valid one."""
    bom = Bom(components={component(line) for line in listing})
    bom.metadata.component = Component(
        type=ComponentType.CONTAINER,
        name=labels.get(f"{_LABEL}.title") or image,
        version=labels.get(f"{_LABEL}.version"),
        description=f"revision {labels.get(f'{_LABEL}.revision') or 'unknown'}",
        bom_ref="image",
    )
    bom.register_dependency(bom.metadata.component, bom.components)
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise SbomError(f"the document is not valid: {fault}")
    return text


def _docker(*arguments: str) -> str:
    program = shutil.which("docker")
    if program is None:
        raise SbomError("there is no docker command")
    done = subprocess.run((program, *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SbomError(f"docker {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def main() -> int:
    """Returns 0, or 1 where the image cannot be asked."""
    parser = argparse.ArgumentParser(prog="python -m devtools.sbom", description=__doc__)
    parser.add_argument("image", help="a name or id that `docker run` takes")
    parser.add_argument("file", type=Path, help="where the document is written")
    options = parser.parse_args()
    try:
        labels = json.loads(_docker("image", "inspect", "-f", "{{json .Config.Labels}}", options.image)) or {}
        listing = _docker("run", "--rm", "--network", "none", "--entrypoint", "sh", options.image, "-c", _LISTING)
        text = document(options.image, labels, listing.splitlines())
    except (SbomError, OSError) as error:
        print(f"No document was written: {error}", file=sys.stderr)
        return 1
    options.file.parent.mkdir(parents=True, exist_ok=True)
    options.file.write_text(text + "\n", "utf-8")
    print(f"{options.file}: {len(listing.splitlines())} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())

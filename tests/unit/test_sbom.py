"""The list of what an image consists of, from what the image lists of itself."""

import json
import sys

import pytest

from devtools.sbom import SbomError, document, main

_LABELS = {
    "org.opencontainers.image.title": "code-executor-python",
    "org.opencontainers.image.version": "1.0.0",
    "org.opencontainers.image.revision": "0123abc",
}
_LISTING = (
    "os debian 13",
    "deb libstdc++6 14.2.0-19 amd64",
    "deb tzdata 2026b-0+deb13u1 all",
    "pypi prometheus_client 0.26.0",
    "npm esbuild 0.28.2",
    "generic go 1.24.4",
)


def test_each_line_is_a_component_with_the_address_by_which_scanners_know_it() -> None:
    found = json.loads(document("executor-image:dev", _LABELS, _LISTING))
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert {component.get("purl", component["name"]) for component in found["components"]} == {
        "debian",
        "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=amd64",
        "pkg:deb/debian/tzdata@2026b-0%2Bdeb13u1?arch=all",
        "pkg:pypi/prometheus-client@0.26.0",
        "pkg:npm/esbuild@0.28.2",
        "pkg:generic/go@1.24.4",
    }


def test_the_document_names_the_image_as_its_labels_do() -> None:
    image = json.loads(document("executor-image:dev", _LABELS, _LISTING))["metadata"]["component"]
    assert (image["name"], image["version"], image["description"]) == ("code-executor-python", "1.0.0", "revision 0123abc")


def test_an_image_without_labels_is_called_as_it_was_asked_for() -> None:
    image = json.loads(document("executor-image:dev", {}, _LISTING))["metadata"]["component"]
    assert (image["name"], image["description"]) == ("executor-image:dev", "revision unknown")


@pytest.mark.parametrize("line", ["", "deb bash", "sh: 1: dpkg-query: not found"])
def test_a_listing_that_is_none_makes_no_document(line: str) -> None:
    with pytest.raises(SbomError, match="is no component"):
        document("image", {}, [*_LISTING, line])


def test_an_image_that_is_not_there_is_one_line_and_no_traceback(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sbom", "no-such-image:here", f"{tmp_path}/sbom.json"])
    assert main() == 1
    assert capsys.readouterr().err.startswith("No document was written: ")

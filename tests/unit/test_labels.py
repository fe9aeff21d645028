"""What an image says of itself (github.com/opencontainers/image-spec, annotations.md)."""

import re

import pytest

from infra.settings.apps import DOCKERFILE, image_targets

_NAMES = ("title", "version", "revision", "source", "licenses")


def _instructions(target: str) -> list[str]:
    stage = re.search(rf"^FROM \S+ AS {target}\n(.*?)(?=^FROM |\Z)", DOCKERFILE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert stage
    lines = [line for line in stage[1].replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    return [" ".join(line.split()) for line in lines]


@pytest.mark.parametrize("target", image_targets())
def test_a_target_ends_with_its_labels_so_that_a_new_revision_builds_nothing_again(target: str) -> None:
    *_, arguments, environment, labels = _instructions(target)
    assert arguments == "ARG VERSION REVISION SOURCE"
    assert environment == "ENV IMAGE_REVISION=$REVISION"
    assert labels.startswith("LABEL ")
    assert re.findall(r"org\.opencontainers\.image\.(\w+)=", labels) == list(_NAMES)
    assert f'title="code-executor-{target}"' in labels

"""What the image is made of: the wheel holds every file that the service reads, and the build sees nothing else."""

import re
import zipfile
from pathlib import Path
from typing import Final

import pytest

from tests import compose
from tests.servers import REPOSITORY

PACKAGES: Final = ("alerts", "anju", "config", "devices", "ingest", "registry", "rules", "storage")
DOCKERFILE: Final = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    with zipfile.ZipFile(compose.wheel(tmp_path_factory.mktemp("wheel"))) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_file_of_its_packages(packed: set[str]) -> None:
    written = {
        str(file.relative_to(REPOSITORY))
        for package in PACKAGES
        for file in (REPOSITORY / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {name for name in packed if ".dist-info/" not in name} == written
    assert len([name for name in packed if re.search(r"storage/migrations/versions/\d{4}_.*\.sql$", name)]) >= 7
    assert any(name.endswith(".dist-info/entry_points.txt") for name in packed)


def test_the_image_is_built_from_those_packages_alone() -> None:
    copied = set(re.findall(r"^COPY ([a-z]+) \1$", DOCKERFILE, re.MULTILINE))
    assert copied == set(PACKAGES)
    seen = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in seen
    assert {line.removeprefix("!") for line in seen if line.startswith("!")} == {
        *PACKAGES,
        *("LICENSE", "README.md", "pyproject.toml", "requirements.lock"),
    }


def test_the_image_is_pinned_small_and_nobody_s_root() -> None:
    base = re.findall(r"^ARG PYTHON=(.*)$", DOCKERFILE, re.MULTILINE)
    assert len(base) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", base[0])
    assert re.findall(r"^FROM (.*)$", DOCKERFILE, re.MULTILINE) == ["${PYTHON} AS build", "${PYTHON}"]
    build, final = DOCKERFILE.split("FROM ${PYTHON}\n")
    assert "--require-hashes" in build
    assert re.findall(r"^COPY (.*)$", final, re.MULTILINE) == ["--from=build /opt/anju /opt/anju"]
    assert "pip" not in final
    assert re.findall(r"^USER (.*)$", final, re.MULTILINE) == ["10001:10001"]
    assert 'HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["anju", "health"]' in final
    assert 'ENTRYPOINT ["anju"]' in final
    assert "org.opencontainers.image.version" in final


def test_what_belongs_to_a_site_is_no_part_of_the_repository() -> None:
    ignored = Path(REPOSITORY / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/site/", "/.env"} <= set(ignored)

"""The tested versions of packages, and what installs them."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

TOP = Path(__file__).parents[2]
CONSTRAINTS = sorted((TOP / "constraints").glob("*.txt"))
PROJECT: dict[str, Any] = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
CLASSIFIER = "Programming Language :: Python :: "


def read_constraints(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    return {name: version for name, _, version in (line.partition("==") for line in lines)}


def requirements() -> Iterator[Requirement]:
    """What `make` installs and builds with."""
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    lists = [project["dependencies"], *(project["optional-dependencies"][name] for name in ("tests", "dev", "docs"))]
    for lines in [*lists, groups["install"], PROJECT["build-system"]["requires"]]:
        yield from (Requirement(line) for line in lines if not line.startswith(project["name"]))


def test_everything_names_the_same_versions_of_python() -> None:
    versions = [path.stem for path in CONSTRAINTS]
    project = PROJECT["project"]
    classified = [line.removeprefix(CLASSIFIER) for line in project["classifiers"] if line.startswith(CLASSIFIER)]
    assert classified == versions
    assert project["requires-python"] == f">={versions[0]}"
    major, minor = versions[0].split(".")
    assert f"sys.version_info < ({major}, {minor})" in (TOP / "qdsim/machine/install.sh").read_text(encoding="utf-8")
    assert f"Python {versions[0]} to {versions[-1]}" in (TOP / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CONSTRAINTS, ids=lambda path: path.stem)
def test_constraints_satisfy_the_project(path: Path) -> None:
    pinned = read_constraints(path)
    environment = {"python_version": path.stem, "python_full_version": f"{path.stem}.0"}
    for requirement in requirements():
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, requirement
    assert all(Version(version) for version in pinned.values())


@pytest.mark.parametrize("path", CONSTRAINTS, ids=lambda path: path.stem)
def test_constraints_hold_names_and_versions_alone(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "/" not in text
    assert "--" not in text


#: Stands for pip: writes down how it was called, tells its settings, and brings a uv that does the same.
PIP = """
import json, os, pathlib, sys

def note(name, arguments):
    told = {key: value for key, value in os.environ.items() if key.startswith(("UV_", "PIP_", "SSL_"))}
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(json.dumps([name, arguments, told]) + "\\n")

if sys.argv[1:] == ["config", "list"]:
    print(os.environ["SETTINGS"])
    sys.exit()
note("pip", sys.argv[1:])
if sys.argv[-1] == "uv":
    code = os.environ["UV_EXIT_CODE"]
    if code == "missing":
        sys.exit("no uv here")
    uv = pathlib.Path(sys.executable).with_name("uv")
    uv.write_text(f"#!/bin/sh\\nexec '{sys.executable}' -m pip from-uv \\"$@\\"\\n")
    uv.chmod(0o755)
if sys.argv[1] == "from-uv":
    sys.exit(int(os.environ["UV_EXIT_CODE"]))
"""

Call = tuple[list[str], dict[str, str]]


def install(folder: Path, *arguments: str, uv: str = "0", settings: str = "", **variables: str) -> list[Call]:
    """Run packages.py in an environment whose pip and uv are written here; return their calls."""
    project = folder / "my project"
    shutil.copytree(TOP / "constraints", project / "constraints")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / ".venv"], check=True)
    (folder / "modules" / "pip").mkdir(parents=True)
    (folder / "modules" / "pip" / "__main__.py").write_text(PIP)
    calls = folder / "calls"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "SSL_"))}
    environment |= {
        "PYTHONPATH": str(folder / "modules"),
        "CALLS": str(calls),
        "SETTINGS": settings,
        "UV_EXIT_CODE": uv,
    }
    command: list[str | Path] = [project / ".venv/bin/python", project / "constraints/packages.py", *arguments]
    subprocess.run(command, check=True, env=environment | variables, capture_output=True)
    return [(arguments, told) for _, arguments, told in map(json.loads, calls.read_text().splitlines())]


HERE = f"constraints/3.{sys.version_info.minor}.txt"


def test_uv_installs_the_tested_versions(tmp_path: Path) -> None:
    (getting, told_pip), (using, told_uv) = install(tmp_path, "install", "dev")
    assert getting == ["install", "--quiet", "uv"]
    assert told_pip["PIP_CONSTRAINT"] == told_pip["PIP_BUILD_CONSTRAINT"] == HERE
    assert using[:3] == ["from-uv", "pip", "install"]
    assert using[using.index("--editable") + 1] == ".[dev]"
    assert told_uv["UV_CONSTRAINT"] == told_uv["UV_BUILD_CONSTRAINT"] == HERE


@pytest.mark.parametrize("uv", ["missing", "1"])
def test_pip_installs_the_tested_versions_where_uv_does_not(tmp_path: Path, uv: str) -> None:
    arguments, told = install(tmp_path, "install", uv=uv)[-1]
    assert arguments == ["install", "--quiet", "--editable", "."]
    assert told["PIP_CONSTRAINT"] == told["PIP_BUILD_CONSTRAINT"] == HERE


SETTINGS = r"""global.index-url='mirror'
global.extra-index-url='\nfirst\nsecond'
global.constraint='theirs.txt'
global.find-links='global'
install.find-links='install'
install.no-index='true'
:env:.find-links='one two'
:env:.cert='bundle.pem'
"""


def test_uv_is_told_what_pip_is_set_up_with(tmp_path: Path) -> None:
    arguments, told = install(tmp_path, "install", settings=SETTINGS)[-1]
    assert told["UV_DEFAULT_INDEX"] == "mirror"
    assert told["UV_INDEX"] == "first second"
    assert told["UV_FIND_LINKS"] == "one,two"
    assert told["UV_CONSTRAINT"] == f"{HERE} theirs.txt"
    assert told["SSL_CERT_FILE"] == "bundle.pem"
    assert "--no-index" in arguments


def test_what_uv_is_set_up_with_itself_stays(tmp_path: Path) -> None:
    _, told = install(tmp_path, "install", settings=SETTINGS, UV_DEFAULT_INDEX="own", SSL_CERT_FILE="own.pem")[-1]
    assert (told["UV_DEFAULT_INDEX"], told["SSL_CERT_FILE"]) == ("own", "own.pem")
    assert told["UV_INDEX"] == "first second"

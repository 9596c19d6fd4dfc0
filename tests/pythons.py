"""Run the unit tests on each tested Python that this machine has, except that of .venv, which runs all of them.

Usage: .venv/bin/python tests/pythons.py [OPTION OF PYTEST...]
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
PACKAGES = TOP / "constraints" / "packages.py"

#: Where no test runs CP2K, a daemon or a browser, and all of them take two or three minutes.
FOLDERS = ("campaign", "cp2k", "debye", "exports", "machine", "provenance", "structures")


def main(options: list[str]) -> int:
    """Test, and say what was tested and which Python is missing; return 1 if a test failed."""
    told: dict[str, list[str]] = {"passed": [], "FAILED": [], "not found on this machine": []}
    for version in untested_versions():
        python = find_python(version)
        if python is None:
            told["not found on this machine"].append(version)
        else:
            told["passed" if run_tests(version, python, options) else "FAILED"].append(version)
    print(f"Unit tests of {', '.join(FOLDERS)} (no CP2K, no browser) on other Pythons than {sys.version.split()[0]}:")
    for what, versions in told.items():
        if versions:
            print(f"  {what}: {', '.join(versions)}")
    return 1 if told["FAILED"] else 0


def untested_versions() -> list[str]:
    """Tested versions of Python, as 3.12, without that which this script runs with."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [path.stem for path in sorted(PACKAGES.parent.glob("*.txt")) if path.stem != here]


def find_python(version: str) -> Path | None:
    """Find a Python of this version that can make environments in PATH, among pyenv's, or where uv finds one.

    What a PATH has by that name may be one of pyenv's shims, which runs nothing for a version that is not selected.
    """
    check = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    for python in interpreters(version):
        if os.access(python, os.X_OK):
            run = subprocess.run([python, "-c", check], check=False, capture_output=True, text=True)
            if run.returncode == 0 and run.stdout.strip() == version:
                return python
    return None


def interpreters(version: str) -> Iterator[Path]:
    """Where a Python of this version may be."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    folders = [*map(Path, os.get_exec_path()), *(path / "bin" for path in sorted(pyenv.glob(f"versions/{version}*")))]
    yield from (folder / f"python{version}" for folder in folders)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if uv is not None:
        options = ["--only-installed", "--no-python-downloads", "--output-format", "json"]
        found = subprocess.run([uv, "python", "list", *options, version], check=False, capture_output=True, text=True)
        yield from (Path(python["path"]) for python in json.loads(found.stdout or "[]"))


def run_tests(version: str, python: Path, options: list[str]) -> bool:
    """Install what the tests need into an environment of this Python, and run them there."""
    folder = TOP / ".venvs" / version
    environment_python = folder / "bin" / "python"
    if not environment_python.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
    print(f"Python {version}: {python}", flush=True)
    subprocess.run([environment_python, PACKAGES, "install", "tests"], check=True)
    select = ["-q", "-m", "not cp2k and not browser", "--numprocesses", "2", "--dist", "loadfile", *options]
    tests = [str(TOP / "tests" / name) for name in FOLDERS]
    return subprocess.run([environment_python, "-m", "pytest", *select, *tests], check=False, cwd=TOP).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

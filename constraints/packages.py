"""Install qdsim with the versions of packages that its tests have passed with, and renew those versions.

Usage: PYTHON constraints/packages.py install [EXTRA]   into the environment of this Python
       PYTHON constraints/packages.py renew             every constraints/VERSION.txt, for that version of Python

uv does it, and pip where uv is not to be had. Both take packages from where pip is set up to take them.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
FOLDER = TOP / "constraints"
UV = Path(sys.executable).with_name("uv")
PIP = (sys.executable, "-m", "pip")

#: uv does not read what pip is set up with: these variables, where they are not set already, tell it.
VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
    "trusted-host": "UV_INSECURE_HOST",
    "proxy": "ALL_PROXY",
}


def main(arguments: list[str]) -> int:
    """Do what the command line says; return its exit code."""
    match arguments:
        case ["install"]:
            return install(".")
        case ["install", extra]:
            return install(f".[{extra}]")
        case ["renew"]:
            return renew()
    say(__doc__ or "")
    return 2


def install(requirement: str) -> int:
    """Install the project, or it and an extra, so that its code can be edited."""
    settings = pip_settings()
    tested = FOLDER / f"{sys.version_info.major}.{sys.version_info.minor}.txt"
    variables = {}
    if tested.exists():
        # A relative path, since that of the project may have a space, where pip would end it.
        file = str(tested.relative_to(TOP))
        settings["constraint"] = f"{file} {settings.get('constraint', '')}".strip()
        variables = {
            "PIP_CONSTRAINT": settings["constraint"],
            "PIP_BUILD_CONSTRAINT": file,
            "UV_BUILD_CONSTRAINT": file,
        }
    else:
        say(f"There is no {tested}: the newest packages are installed, which are not tested together.")
    if run(*PIP, "install", "--quiet", "uv", variables=variables, stderr=subprocess.DEVNULL):
        say(f"Installing {requirement} with uv")
        if uv("install", "--python", sys.executable, "--editable", requirement, settings=settings, variables=variables):
            return 0
    say(f"Installing {requirement} with pip, which takes longer")
    return 0 if run(*PIP, "install", "--quiet", "--editable", requirement, variables=variables) else 1


def renew() -> int:
    """Write the newest versions that pyproject.toml allows into every file of constraints."""
    if not UV.exists():
        say(f"There is no {UV}, which renews the constraints: 'make venv' installs it where pip can get it.")
        return 2
    settings = pip_settings()
    what = ("--extra", "dev", "--extra", "docs", "--group", "install", "pyproject.toml")
    how = ("--upgrade", "--no-annotate", "--custom-compile-command", "make lock")
    for path in sorted(FOLDER.glob("*.txt")):
        where = ("--python-version", path.stem, "--output-file", str(path))
        if not uv("compile", *what, *how, *where, settings=settings, variables={}):
            return 1
    return 0


def uv(*arguments: str, settings: dict[str, str], variables: dict[str, str]) -> bool:
    """Run one of the commands `uv pip` with what pip is set up with; return whether it succeeded."""
    told = {VARIABLES[name]: value for name, value in settings.items() if name in VARIABLES} | dict(os.environ)
    if "find-links" in settings:
        told["UV_FIND_LINKS"] = told["UV_FIND_LINKS"].replace(" ", ",")
    # pip takes the best version of all its indexes, uv by default that of the first index with the package.
    told.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    no_index = settings.get("no-index", "").lower() in {"1", "true", "yes", "on"}
    options = ("--quiet", "--no-python-downloads", *(["--no-index"] if no_index else []))
    return run(str(UV), "pip", *arguments, *options, variables=told | variables, stdout=subprocess.DEVNULL)


def pip_settings() -> dict[str, str]:
    """Tell what pip's files and variables set, by option; several values stand with a space between them."""
    listing = subprocess.run((*PIP, "config", "list"), check=True, capture_output=True, text=True).stdout
    lines = [line.partition("=") for line in listing.splitlines()]
    return {
        key.removeprefix(f"{section}."): " ".join(str(ast.literal_eval(value)).split())
        for section in ("global", "install", ":env:")  # the last one wins
        for key, _, value in lines
        if key.startswith(f"{section}.")
    }


def run(*command: str, variables: dict[str, str], stdout: int | None = None, stderr: int | None = None) -> bool:
    """Run a command in the project's folder; return whether it succeeded."""
    environment = dict(os.environ) | variables
    return subprocess.run(command, check=False, cwd=TOP, env=environment, stdout=stdout, stderr=stderr).returncode == 0


def say(text: str) -> None:
    """Print to stderr."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What ended a run, told from what schedulers, shells, MPI and Fortran write; where from stands in the README there."""

from pathlib import Path

import pytest

from qdsim.cp2k.endings import End, Ending, find_ending

HERE = Path(__file__).parent
OUTPUTS = sorted((HERE / "recorded").rglob("aiida.out"))
TOLD = sorted(path for path in (HERE / "endings").glob("*/*/*") if path.suffix in {".txt", ".sacct"})


def read(path: Path) -> End | None:
    text = path.read_text(encoding="utf-8")
    return find_ending([""], text) if path.suffix == ".sacct" else find_ending(["", text])


@pytest.mark.parametrize("path", TOLD, ids=lambda path: "/".join(path.parts[-3:]))
def test_the_ending_is_named(path: Path) -> None:
    found = read(path)
    assert found is not None
    assert found.ending.name.lower() == path.parent.name


def test_every_ending_was_seen_or_described() -> None:
    assert {path.parent.name for path in TOLD} == {ending.name.lower() for ending in Ending}


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: "/".join(path.parts[-3:-1]))
def test_nothing_is_read_into_what_cp2k_prints_by_itself(path: Path) -> None:
    assert find_ending([path.read_text(encoding="utf-8")]) is None


@pytest.mark.parametrize(
    ("name", "used"),
    [("pbs.txt", 34.361), ("torque.txt", 4.427), ("lsf.txt", 21.475), ("slurm.sacct", 3.999), ("intel.txt", None)],
)
def test_used_memory_is_told_in_gigabytes(name: str, used: float | None) -> None:
    found = read(HERE / "endings" / "described" / "out_of_memory" / name)
    assert found is not None
    assert found.memory == (used if used is None else pytest.approx(used, abs=1e-3))
    assert ("had used" in found.explain()) is (used is not None)


@pytest.mark.parametrize(
    ("status", "ending"), [(110, Ending.OUT_OF_MEMORY), (120, Ending.TIME_LIMIT), (140, Ending.NODE_FAILURE)]
)
def test_what_aiida_has_read_of_the_scheduler_counts(status: int, ending: Ending) -> None:
    found = find_ending([], exit_status=status)
    assert found is not None
    assert found.ending == ending
    assert find_ending([], exit_status=303) is None


def test_accounting_that_cannot_be_had_says_nothing() -> None:
    assert find_ending(["", ""], "") is None
    assert find_ending([""], "JobID|State|ExitCode|\n") is None
    assert find_ending([""], "JobID|State|ExitCode|\n7|COMPLETED|0:0|\n7.0|FAILED|0:9|\n") is None


@pytest.mark.parametrize("ending", Ending)
def test_an_explanation_is_one_line_and_a_long_sign_is_cut(ending: Ending) -> None:
    sentence = End(ending, "a sign").explain()
    assert sentence.endswith(".")
    assert "\n" not in sentence
    found = find_ending([f"{'x' * 300} Out of memory {'y' * 300}"])
    assert found is not None
    assert len(found.sign) < 200

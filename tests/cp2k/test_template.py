from pathlib import Path

import pytest

from qdsim.cp2k.template import Template
from qdsim.errors import QdsimError


def _template(folder: Path, text: str) -> Template:
    path = folder / "mine.inp"
    path.write_text(text)
    return Template.load(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "&GLOBAL\n  RUN_TYP ENERGY\n&END\n",
            "line 2: CP2K knows no keyword RUN_TYP in section GLOBAL (did you mean 'RUN_TYPE'?)",
        ),
        ("&GLOBALL\n&END\n", "line 1: CP2K knows no section GLOBALL (did you mean 'GLOBAL'?)"),
        (
            "&FORCE_EVAL\n &DFT\n  &MGRIDS\n",
            "line 3: CP2K knows no section MGRIDS in section DFT (did you mean 'MGRID'?)",
        ),
        (
            "&GLOBAL\n\n  RUN_TYPE ${RUN_TIPE}\n&END\n",
            "line 3: variable ${RUN_TIPE} has no value (did you mean 'RUN_TYPE'?)",
        ),
        ("&GLOBAL\n  RUN_TYPE MAGIC\n&END\n", "line 2: invalid values for keyword: RUN_TYPE (invalid keyword 'MAGIC')"),
        ("&FORCE_EVAL\n &DFT\n  &SCF\n   MAX_SCF ten\n", "line 4: cannot be understood as CP2K input (invalid literal"),
        (
            "&FORCE_EVAL\n &DFT\n  &SCF\n   MAX_SCF 1\n   MAX_SCF 2\n",
            "line 5: the keyword 'MAX_SCF' can only be mentioned once",
        ),
        ("&FORCE_EVAL\n &DFT\n", "section 'DFT' not closed"),
        ("&GLOBAL\n&END\n&END\n&END\n", "line 4: there is an &END too many"),
        ("&FORCE_EVAL\n &SUBSYS\n  &CELL maybe\n", "line 3: section parameters given for non-parametrized section"),
        ("&FORCE_EVAL\n &PRINT\n  &FORCES maybe\n", "line 3: invalid"),
        ("@IF ${RUN_TYPE} == X\n", "conditional block not closed"),
        ("?\n", "line 1: cannot be understood as CP2K input"),
    ],
)
def test_mistakes_are_told_by_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    template = _template(tmp_path, text)
    with pytest.raises(QdsimError) as refusal:
        template.parse({"RUN_TYPE": "ENERGY"})
    assert message in str(refusal.value)
    assert str(tmp_path / "mine.inp") in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_mistakes_in_included_files_are_told_by_their_own_name(tmp_path: Path) -> None:
    (tmp_path / "scf.inc").write_text("MAX_SCF 3\nEPS_SFC 1E-6\n")
    template = _template(tmp_path, "&FORCE_EVAL\n &DFT\n  &SCF\n@INCLUDE scf.inc\n")
    with pytest.raises(QdsimError, match=r"scf\.inc, line 2 \(included by .*mine\.inp\): .*did you mean 'EPS_SCF'"):
        template.parse({})


def test_unread_variables_are_found_in_whatever_run_type_reads_them(tmp_path: Path) -> None:
    template = _template(
        tmp_path, "@IF ${RUN_TYPE} == GEO_OPT\n! steps\nMAX ${MAX_GEO_STEPS}\n@ENDIF\n@IF ${A} == 1\n${B}\n@ENDIF\n"
    )
    assert template.unread({"MAX_GEO_STEPS": "3", "A": "0", "B": "2"}) == {"B"}
    assert template.unread({"MAX_GEO_STEPS": "3", "A": "1", "B": "2", "C": "3"}) == {"C"}


def test_binary_file_is_no_template(tmp_path: Path) -> None:
    (tmp_path / "a.inp").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(QdsimError, match=r"a\.inp, line 1: not UTF-8 text"):
        Template.load(str(tmp_path / "a.inp"))

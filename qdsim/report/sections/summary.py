"""The first thing read: key numbers, sentences, failures, cost."""

from qdsim.report.data import ReportData
from qdsim.report.dipole_headline import dipole_numbers, dipole_sentences
from qdsim.report.formatting import duration
from qdsim.report.headline import failures, key_numbers, sentences
from qdsim.report.sections import Context, section
from qdsim.report.vacancy_headline import vacancy_numbers, vacancy_sentences


@section("", order=0)
def summary(data: ReportData) -> Context:
    """Return the headline of the campaign."""
    effort = data.effort
    return {
        "numbers": [*key_numbers(data), *vacancy_numbers(data), *dipole_numbers(data)],
        "sentences": [*sentences(data), *vacancy_sentences(data), *dipole_sentences(data)],
        "failures": failures(data),
        "effort": [
            ("calculations", f"{effort.computed} computed, {effort.reused} reused"),
            ("wall time", duration(effort.wall_time)),
            ("CPU time", duration(effort.cpu_time)),
        ],
    }

"""The report of a campaign as one HTML file."""

from datetime import UTC
from pathlib import Path

from qdsim.report.data import ReportData
from qdsim.report.document import DocumentSection, render_body, render_document, write_file


def render_report(data: ReportData) -> str:
    """Return the report as one HTML document, with plotly.js, styles and data inside.

    Parameters
    ----------
    data
        What the report shows. All its text is escaped.

    Returns
    -------
    str
        The document. Its content security policy allows no script but its own and no network.
    """
    from qdsim.report.headline import failures
    from qdsim.report.sections import all_sections

    sections = [
        DocumentSection(section.name, section.title, render_body(section.template, data=data, **context))
        for section in all_sections()
        if (context := section.build(data)) is not None
    ]
    facts = [
        data.campaign,
        f"{data.strain.compound}, {data.strain.protocol}" if data.strain else "",
        f"vacancies in {data.vacancies.compound}, {data.vacancies.protocol}" if data.vacancies else "",
        data.created.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        f"qdsim {data.qdsim_version}",
        data.code_version or "",
    ]
    return render_document(
        data.title,
        [fact for fact in facts if fact],
        sections,
        status=data.status,
        troubled=bool(failures(data)),
        version=data.qdsim_version,
    )


def write_report(data: ReportData, path: Path, force: bool = False) -> Path:
    """Write the report to a file.

    Parameters
    ----------
    data
        What the report shows.
    path
        The HTML file to write.
    force
        Replace a file that is there already.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    QdsimError
        If the file exists and `force` is not set, or cannot be written. What was there before is left as it was.
    """
    return write_file(Path(path), lambda: render_report(data), force)

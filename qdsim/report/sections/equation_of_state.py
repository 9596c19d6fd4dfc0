"""Equation of state and pressure."""

from qdsim.report.content import FigureBlock, Table, measured, number, words
from qdsim.report.data import ReportData
from qdsim.report.figures import energy_volume, pressure
from qdsim.report.sections import Context, section

_MEV = 1000.0


@section("Equation of state", order=30)
def equation_of_state(data: ReportData) -> Context | None:
    """Return E(V), the pressures and the fitted parameters."""
    results = data.strain
    if results is None:
        return None
    state = results.equation_of_state
    fitted = (
        ("lattice constant a₀", "lattice_constant", 4, "Å"),
        ("volume V₀ per formula unit", "volume", 3, "Å³"),
        ("bulk modulus B", "bulk_modulus", 2, "GPa"),
        ("derivative B′", "bulk_modulus_derivative", 2, ""),
    )
    rows = [
        [
            words(data, f"equation_of_state.{name}", label),
            measured(
                data, f"equation_of_state.{name}", getattr(state, name), getattr(state, f"{name}_error"), decimals, unit
            ),
        ]
        for label, name, decimals, unit in fitted
    ]
    rows.append(
        [
            words(data, "equation_of_state.rms_residual", "rms residual of the fit (meV / f.u.)"),
            number(data, "equation_of_state.rms_residual", _MEV * state.rms_residual, 4, "meV / f.u."),
        ]
    )
    samples = [
        [
            number(data, f"equation_of_state.volumes.{index}", volume, 4, "Å³"),
            number(data, f"equation_of_state.volumes.{index}", (4 * volume) ** (1 / 3), 4, "Å"),
            number(data, f"equation_of_state.energies.{index}", energy, 6, "eV"),
            number(
                data,
                f"equation_of_state.energies.{index}",
                _MEV * (energy - state.energy_at(volume)),
                3,
                "meV",
                signed=True,
            ),
        ]
        for index, (volume, energy) in enumerate(zip(state.volumes, state.energies, strict=True))
    ]
    return {
        "figures": [
            FigureBlock(
                "energy_volume",
                energy_volume(results, data.nodes, data.references),
                "Energy of both phases above the minimum of the curve; below, ΔE: relaxed minus centred.",
            ),
            FigureBlock(
                "pressure",
                pressure(results, data.nodes),
                "Pressure from the stress tensor of each phase, and from the equation of state of the centred one. "
                "Negative pressure is tension.",
            ),
        ],
        "tables": [
            Table("Fitted parameters, with standard errors", [("quantity", ""), ("value", "")], rows),
            Table(
                "Fitted points, per formula unit",
                [("V", "Å³"), ("a", "Å"), ("E", "eV"), ("E − fit", "meV")],
                samples,
            ),
        ],
    }

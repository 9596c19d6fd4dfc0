"""The curves of Fig. 1c and 1d of Bertolotti et al., Nature Materials 15, 987 (2016), from patterns made for it.

The measured patterns are not public, so patterns of the paper's three samples are computed from its parameters, with
background and counting noise. Then chi^2 is followed along the rhombohedral angle (1c) and, at the best angle, along
the offset of the lead atoms (1d); scale, background, lattice constant and B are fitted anew at each point.

    python examples/figure1.py          prints the minima and writes figure_1c.html and figure_1d.html

The self term is the linear one. The paper's equation (1) has squared occupancies there, which is too low for atoms
that are missing at random (Ferri et al., Acta Cryst. A79, 587 (2023)).
"""

from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from qdsim.debye import (
    Chi2Profile,
    Fit,
    FitSettings,
    ModelPattern,
    NanocrystalModel,
    ScanAxis,
    Scattering,
    ScatteringData,
    chi2_profile,
)
from qdsim.report.document import write_file
from qdsim.report.scattering_page import render_scan

ENERGY = 22.0
"""keV, one of the two at the beamline."""
COUNTS = 1e5
"""Mean number of photons in a point."""
Q = np.linspace(1.0, 13.0, 1200)

# Diameter (nm) and angle (deg) are the paper's. Its offset of the smallest particles follows from their bonds of 2.91
# and 3.05 Å, which differ by 2/sqrt(3) times the offset; those of the others are in proportion to 60 deg - alpha.
SAMPLES = {"3.2 nm": (32.0, 59.1, 0.121), "5.0 nm": (50.0, 59.5, 0.067), "7.7 nm": (77.0, 59.7, 0.040)}

SURFACE_TENSION = -3.86e-2
"""eV/Å^2; with the bulk modulus it gives Omega of a(D) = a (1 - Omega/D), Omega = 4 gamma/(3 B).

The paper's text does not state the B that it made gamma of Omega with: another one changes Omega in proportion."""
BULK_MODULUS = 53.0 / 160.2
"""eV/Å^3, PBE."""

ANGLES = ScanAxis("alpha_rh", tuple(np.linspace(58.6, 60.0, 15)))
OFFSETS = ScanAxis("pb_offset", tuple(np.linspace(0.0, 0.15, 16)))
SETTINGS = FitSettings(
    vary=dict.fromkeys(["lattice_constant", "b_iso_cation", "b_iso_anion", "pb_offset"]),
    background=6,
    energy_kev=ENERGY,
)


def sample(diameter: float, alpha_rh: float, pb_offset: float) -> NanocrystalModel:
    """Return a sample of the paper: a lead-deficient core and a sulfur-deficient shell of about 1 nm."""
    omega = 4 * SURFACE_TENSION / (3 * BULK_MODULUS)
    return NanocrystalModel(
        compound="PbS",
        diameter=diameter,
        diameter_sd=0.06 * diameter,
        shell_thickness=9.0,
        lattice_constant=5.93 * (1 - omega / diameter),
        alpha_rh=alpha_rh,
        pb_offset=pb_offset,
        occupancy_cation_core=0.9,
        occupancy_anion_shell=0.8,
        b_iso_cation=1.2,
        b_iso_anion=1.0,
    )


def measured(model: NanocrystalModel, name: str) -> ScatteringData:
    """Return a pattern of the model on a background, with counting noise."""
    x = (Q - Q.mean()) / 6
    intensity = ModelPattern(model, Q, scattering=Scattering(ENERGY)).intensity({})
    intensity /= intensity.mean()
    expected = COUNTS * (intensity + 0.3 * (1.2 - 0.5 * x + 0.2 * x**2))
    counts = np.random.default_rng(1).poisson(expected).astype(float)
    return ScatteringData(Q, counts, np.sqrt(counts), source=name)


def main() -> None:
    """Make the patterns, follow chi^2, print the minima, and draw the curves."""
    angles: dict[str, Chi2Profile] = {}
    offsets: dict[str, Chi2Profile] = {}
    table = Table("sample", "angle (°)", "lowest χ² at", "offset (Å)", "lowest χ² at", "χ²/χ²(0)")
    for name, (diameter, alpha_rh, pb_offset) in SAMPLES.items():
        model = sample(diameter, alpha_rh, pb_offset)
        data = measured(model, name)
        angles[name] = chi2_profile(Fit(model, data, SETTINGS), ANGLES)
        fit = Fit(model.with_values({"alpha_rh": angles[name].best}), data, SETTINGS)
        offsets[name] = chi2_profile(fit, OFFSETS)
        depth = min(offsets[name].chi2) / offsets[name].chi2[0]
        found = f"{angles[name].best:.2f}", f"{pb_offset:.3f}", f"{offsets[name].best:.3f}", f"{depth:.4f}"
        table.add_row(name, f"{alpha_rh:.2f}", *found)
    Console().print(table)
    title = "PbS nanocrystals after Bertolotti et al."
    for path, profiles, relative in (("figure_1c.html", angles, False), ("figure_1d.html", offsets, True)):
        render = partial(render_scan, title, "computed patterns", model, profiles, relative=relative)
        print(write_file(Path(path), render, force=True))


if __name__ == "__main__":
    main()

"""Make a pattern of the paper's smallest sample, for want of a measured one: examples/fits/pbs32.xye.

The patterns of Bertolotti et al., Nature Materials 15, 987 (2016), are not public. This one is computed from what the
paper says of its PbS dots of 3.2 nm (angle, bonds, a lead-deficient core and a sulfur-deficient shell), with a
background and counting noise. It shows how a measured pattern is checked, and says nothing about any sample.

    python examples/make_pattern.py
"""

from dataclasses import replace
from pathlib import Path

from figure1 import ENERGY, SAMPLES, measured, sample

from qdsim.debye import write_data
from qdsim.debye.abscissa import HC

LATTICE_CONSTANT = 5.956
"""Å; of crystals with bonds of 2.91 and 3.05 Å at 59.1 degrees."""


def main() -> None:
    """Write the pattern."""
    model = sample(*SAMPLES["3.2 nm"]).with_values({"lattice_constant": LATTICE_CONSTANT})
    data = measured(model, "computed, not measured: see examples/make_pattern.py")
    path = Path(__file__).parent / "fits" / "pbs32.xye"
    write_data(path, replace(data, wavelength=HC / ENERGY))
    print(path)


if __name__ == "__main__":
    main()

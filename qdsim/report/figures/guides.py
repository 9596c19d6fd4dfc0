"""Lines that guide the eye through a quantity that changes its behaviour at the onset."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CENTRED_OFFSET = 0.005
"""Offset (Å) below which a relaxed structure is called centred: a little above a relaxation's tolerance."""

_POINTS = 241


def guide(
    strains: Sequence[float],
    values: Sequence[float],
    centred: Sequence[float],
    offsets: Sequence[float],
    onset: float | None,
    exponent: float,
) -> tuple[list[float], list[float]]:
    """Interpolate values whose distance from the centred phase grows as a power of the strain beyond the onset.

    Near the onset the offset u follows u^2 ~ strain - onset, and so does the splitting of the bonds; angle, gap and
    pressure change as u^2. Between the points the distance from the centred phase is interpolated linearly in the
    variable that is linear there; the onset is a node of distance zero where it lies between a centred and an
    off-centred point. Between two such points without an onset nothing is known of the way, and the line is broken.

    Parameters
    ----------
    strains, values, centred, offsets
        Linear strain, the relaxed value, the centred phase's value and the relaxed offset (Å) of each point, one
        or more points by increasing strain.
    onset
        Linear strain of the onset, if known.
    exponent
        0.5 for what is linear in the offset, 1 for what is linear in its square.

    Returns
    -------
    tuple of list
        Strains, and interpolated values; not a number where the line is broken.
    """
    x = np.asarray(strains, dtype=float)
    baseline = np.asarray(centred, dtype=float)
    distance = np.asarray(values, dtype=float) - baseline
    linear = _signed_power(distance, 1 / exponent)
    off_centre = np.asarray(offsets) >= CENTRED_OFFSET
    changes = [left for left in range(len(x) - 1) if off_centre[left] != off_centre[left + 1]]
    place = np.nan if onset is None else onset
    known = [left for left in changes if x[left] < place < x[left + 1]]
    nodes = np.insert(x, [left + 1 for left in known], place)
    linear = np.insert(linear, [left + 1 for left in known], 0.0)
    dense = np.union1d(np.linspace(x[0], x[-1], _POINTS), nodes)
    drawn = np.interp(dense, x, baseline) + _signed_power(np.interp(dense, nodes, linear), exponent)
    for left in set(changes) - set(known):
        drawn[(dense > x[left]) & (dense < x[left + 1])] = np.nan
    return dense.tolist(), drawn.tolist()


def _signed_power(values: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    return np.asarray(np.sign(values) * np.abs(values) ** exponent)

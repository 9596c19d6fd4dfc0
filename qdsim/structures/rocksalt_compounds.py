"""Compounds AB that are rock salt, or its R3m distortion, under usual conditions."""

from functools import lru_cache

_KNOWN = (
    ("Li Na K Rb", "H F Cl Br I"),
    ("Cs", "H F"),
    ("Ag", "F Cl Br"),
    ("Mg", "O S Se"),
    ("Ca Sr Ba", "O S Se Te"),
    ("Ge Sn", "Te"),
    ("Pb", "S Se Te Po"),
    ("Mn", "O S Se"),
    ("Cd Fe Co Ni", "O"),
    ("Ti V", "C N O"),
    ("Zr Hf", "C N"),
    ("Nb", "C N"),
    ("Ta", "C"),
    ("Cr", "N"),
    ("Sc Y La Ce Pr Nd Sm Gd Tb Dy Ho Er Tm Yb Lu", "N P As Sb Bi"),
    ("La Ce Pr Nd Sm Gd Tb Dy Ho Er", "S Se Te"),
    ("Eu", "N O S Se Te"),
    ("Yb", "O S Se Te"),
    ("Th U Np Pu", "C N P As Sb S"),
    ("U Np Pu", "Se Te"),
)
"""Cations and anions (R. W. G. Wyckoff, Crystal Structures, 2nd ed., vol. 1, Interscience, New York (1963), chapter
III); GeTe is R3m below 670 K."""


@lru_cache(maxsize=1)
def rocksalt_compounds() -> frozenset[tuple[str, str]]:
    """Return cation and anion of each compound that is known as rock salt."""
    return frozenset(
        (cation, anion) for cations, anions in _KNOWN for cation in cations.split() for anion in anions.split()
    )

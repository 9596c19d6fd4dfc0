"""How many ligands a charged particle needs at its surface."""

from math import isfinite

from qdsim.errors import QdsimError

SQUARE_ANGSTROMS_PER_SQUARE_NANOMETRE = 100.0


def ligand_coverage(
    cations: float,
    anions: float,
    area: float,
    *,
    cation_charge: float = 2.0,
    anion_charge: float = -2.0,
    ligand_charge: float = -1.0,
) -> float:
    """Compute how densely ligands cover a particle when they alone balance its charge.

    By default Pb(2+), S(2-) and a carboxylate such as oleate, as in F. Bertolotti et al., Nature Materials 15, 987
    (2016), Fig. 6.

    Parameters
    ----------
    cations, anions
        Numbers of ions in the particle; with partial occupancies means, so they need not be integers.
    area
        Surface of the particle, Å^2, see `Shape.surface_area`.
    cation_charge, anion_charge, ligand_charge
        In elementary charges.

    Returns
    -------
    float
        Ligands per nm^2. Negative when the particle's charge has the sign of the ligands': a particle with anions in
        excess needs cations as ligands.

    Raises
    ------
    QdsimError
        If a number is not finite, a number of ions is negative, the area or the charge of the cation is not positive,
        the charge of the anion is not negative, or the ligand has no charge.
    """
    for name, number in (("cations", cations), ("anions", anions)):
        if not (isfinite(number) and number >= 0):
            raise QdsimError(f"The number of {name} is {number}: give a number that is not negative.")
    if not (isfinite(area) and area > 0):
        raise QdsimError(f"The surface of the particle is {area} Å^2: give a positive number.")
    if not (isfinite(cation_charge) and cation_charge > 0):
        raise QdsimError(f"The charge of the cation is {cation_charge}: give a positive number.")
    if not (isfinite(anion_charge) and anion_charge < 0):
        raise QdsimError(f"The charge of the anion is {anion_charge}: give a negative number.")
    if not isfinite(ligand_charge) or ligand_charge == 0:
        raise QdsimError(f"The charge of the ligand is {ligand_charge}: give a number other than zero.")
    ligands = -(cations * cation_charge + anions * anion_charge) / ligand_charge
    return ligands / area * SQUARE_ANGSTROMS_PER_SQUARE_NANOMETRE

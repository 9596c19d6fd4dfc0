"""X-ray scattering of finite sets of atoms by the Debye equation, and the data that it is compared with."""

from qdsim.debye.abscissa import q_from_two_theta, two_theta_from_q
from qdsim.debye.atoms import AtomicCluster, as_cluster
from qdsim.debye.candidates import shape_models, stoichiometry_models
from qdsim.debye.cluster_fit import ClusterFit, ClusterPattern, ClusterSettings, fit_cluster
from qdsim.debye.comparison import AveragedParameter, ComparedModel, Comparison, compare, compare_shapes
from qdsim.debye.corrections import absorption_factor_transmission, correct, lorentz_factor, polarisation_factor
from qdsim.debye.data import ScatteringData
from qdsim.debye.data_files import read_data, write_data
from qdsim.debye.fit_result import FitResult, FittedCurve, FittedParameter
from qdsim.debye.fitting import Fit, FitSettings
from qdsim.debye.form_factor_tables import FormFactorTable, read_form_factors
from qdsim.debye.form_factors import Scattering
from qdsim.debye.hypotheses import (
    HypothesisComparison,
    HypothesisFit,
    compare_hypotheses,
    free_hypothesis,
    imposed_hypotheses,
)
from qdsim.debye.intensity import intensity, reduced_structure_factor, structure_factor
from qdsim.debye.misfit import Misfit
from qdsim.debye.models import PARAMETERS, Lognormal, NanocrystalModel
from qdsim.debye.pair_distribution import pair_distribution
from qdsim.debye.particles import ParticleLibrary
from qdsim.debye.patterns import ModelPattern
from qdsim.debye.pdf_files import PairDistributionData, read_pdf, write_pdf
from qdsim.debye.plausibility import check_resemblance, explained_share
from qdsim.debye.scans import Chi2Map, Chi2Profile, ScanAxis, chi2_map, chi2_profile
from qdsim.debye.structure_files import read_structure

__all__ = [
    "PARAMETERS",
    "AtomicCluster",
    "AveragedParameter",
    "Chi2Map",
    "Chi2Profile",
    "ClusterFit",
    "ClusterPattern",
    "ClusterSettings",
    "ComparedModel",
    "Comparison",
    "Fit",
    "FitResult",
    "FitSettings",
    "FittedCurve",
    "FittedParameter",
    "FormFactorTable",
    "HypothesisComparison",
    "HypothesisFit",
    "Lognormal",
    "Misfit",
    "ModelPattern",
    "NanocrystalModel",
    "PairDistributionData",
    "ParticleLibrary",
    "ScanAxis",
    "Scattering",
    "ScatteringData",
    "absorption_factor_transmission",
    "as_cluster",
    "check_resemblance",
    "chi2_map",
    "chi2_profile",
    "compare",
    "compare_hypotheses",
    "compare_shapes",
    "correct",
    "explained_share",
    "fit_cluster",
    "free_hypothesis",
    "imposed_hypotheses",
    "intensity",
    "lorentz_factor",
    "pair_distribution",
    "polarisation_factor",
    "q_from_two_theta",
    "read_data",
    "read_form_factors",
    "read_pdf",
    "read_structure",
    "reduced_structure_factor",
    "shape_models",
    "stoichiometry_models",
    "structure_factor",
    "two_theta_from_q",
    "write_data",
    "write_pdf",
]

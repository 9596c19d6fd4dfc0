"""Where fits begin with what a calculation at rest does not tell."""

B_ISO = 1.0
"""Displacement parameter B of every atom, Å^2: usual in lead chalcogenides at room temperature."""
DIAMETER = 50.0
"""Å."""
RELATIVE_SPREAD = 0.08
"""Standard deviation of the diameter over its mean: that of a good synthesis."""
WAVELENGTH = 0.563
"""Å; 22 keV, as in Bertolotti et al., Nature Materials (2016)."""

"""Simulate lead chalcogenide quantum dots with DFT and check the result against X-ray scattering."""

__version__ = "0.1.0"

"""Sentences that several captions have."""

from collections.abc import Mapping

from qdsim.debye.amplitude_sources import AmplitudeSource, say_sources


def scattering_caption(amplitudes: Mapping[str, AmplitudeSource]) -> str:
    """Return a sentence, with a blank before it, on what each element scatters with; empty if it is not known."""
    return f" Scattering amplitudes: {say_sources(amplitudes)}." if amplitudes else ""

"""X-ray scattering of finite sets of atoms by the Debye equation, and the data that it is compared with."""

"""Setting up and checking this machine: CP2K, the AiiDA profile, its computers and codes, and the daemon."""

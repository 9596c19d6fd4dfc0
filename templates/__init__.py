"""Data only: CP2K input templates, protocols, computers."""

"""Work chains and their calcfunctions."""

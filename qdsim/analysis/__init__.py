"""Numbers in, numbers out: pure functions without AiiDA."""

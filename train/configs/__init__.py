"""Configurations: `get_config()` of each module is one recipe."""

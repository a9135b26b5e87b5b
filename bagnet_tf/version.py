"""Which version is this? The one literal that packaging reads."""

__version__ = "0.1.0"

"""The version of the whole package; read by the build and shown by every daemon."""

__version__ = "0.1.0"

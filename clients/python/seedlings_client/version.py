"""Made by scripts/generate_client.py from the version of the project."""

__version__ = "0.2.0"

"""Stands in for Colab's own package in tests: put tests/stand_in on PYTHONPATH, and the notebooks believe to be there."""

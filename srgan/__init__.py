"""SRGAN, photo-realistic 4x single-image super-resolution (Ledig et al. 2017, arXiv 1609.04802)."""

__version__ = "0.1.0"

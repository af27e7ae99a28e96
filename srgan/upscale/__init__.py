"""Inference: a trained generator made fast, large images in tiles, files in and out."""

"""The networks, their layers, and the number format they compute in."""

"""What only maintainers run: the bench, README's tables and pictures, weights into model/, stamped addresses."""

"""The pictures that explain: what the notebooks draw beside the training itself, one module for each of them."""

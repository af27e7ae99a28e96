"""The tests; `python -m tests.soak` and `python -m tests.faults` are the long ones."""

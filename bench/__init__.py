"""How fast the product is, beside the limit of the same machine. Whether it holds is in `tests.faults`."""

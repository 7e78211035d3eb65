"""Importing this package puts every attack on the list of `tests.faults.attack`."""

from tests.faults.attacks import kills, orders, people

__all__ = ["kills", "orders", "people"]

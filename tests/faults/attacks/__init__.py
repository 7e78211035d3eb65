"""Importing this package puts every attack on the list of `tests.faults.attack`."""

from tests.faults.attacks import (
    audiences,
    brokers,
    clocks,
    clusters,
    databases,
    kills,
    networks,
    orders,
    people,
    personal,
    providers,
    races,
    receipts,
    soak,
    tickets,
)

__all__ = [
    "audiences",
    "brokers",
    "clocks",
    "clusters",
    "databases",
    "kills",
    "networks",
    "orders",
    "people",
    "personal",
    "providers",
    "races",
    "receipts",
    "soak",
    "tickets",
]

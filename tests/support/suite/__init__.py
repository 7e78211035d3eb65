"""How a run of the tests goes: its passes, the engine of each, and which tests are in it."""

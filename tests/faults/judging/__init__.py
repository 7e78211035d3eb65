"""Whether an attack broke a promise: the judge, and the rules that are broken on purpose to try it."""

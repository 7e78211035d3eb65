"""The product's settings, with static files of the run's own: pages name their files by what is in them."""

import os
from pathlib import Path

from config.settings import *  # noqa: F403

STATIC_ROOT = Path(os.environ["BENCH_STATIC"])

"""REINFORCE learns to please users of MovieLens 1M more than the best-rated movie does.

Run as `python -m reproductions.reinforce_movielens_1m`.
Needs `pydeeprecsys data fetch ml-1m`; takes about five minutes on 2 cores. The same as
`pydeeprecsys compare --dataset ml-1m --episodes 8000 --n-envs 16 --seeds 5 --set reinforce.discount_factor=0.5`.
"""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from pydeeprecsys.data.library import open_world
from pydeeprecsys.experiments.compare import Comparison, compare

RESULTS = Path(__file__).parent / "results"

torch.set_num_threads(1)
comparison = Comparison(
    open_world("ml-1m"),
    ["random", "best-rated", "win-stay", "reinforce"],
    episodes=8000,
    seeds=5,
    n_envs=16,
    agent_options={"reinforce": {"discount_factor": 0.5}},
)
with TemporaryDirectory() as folder:  # all metrics are some 170 MB, and not kept
    print(compare(comparison, Path(folder)).to_string())
    for name in ("summary.csv", "learning_curves.png"):
        RESULTS.mkdir(exist_ok=True)
        shutil.copyfile(Path(folder) / name, RESULTS / f"reinforce_movielens_1m_{name}")

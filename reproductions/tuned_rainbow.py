"""Whether a search for hyperparameters is worth its time: `python -m reproductions.tuned_rainbow`.

Thirty trials for Rainbow on the embedded data; then the hyperparameters found against the defaults, on seeds that the
search has not seen. It can be stopped and started again. It writes results/tuned_rainbow.csv and .json.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
import pandas as pd
import torch

from pydeeprecsys.evaluation.intervals import median_interval
from pydeeprecsys.evaluation.scores import improvement_interval, paired_difference, probability_of_improvement
from pydeeprecsys.experiments.compare import Comparison, compare
from pydeeprecsys.experiments.run_folder import RunFolder
from pydeeprecsys.experiments.task import Task
from pydeeprecsys.experiments.tune import tune
from pydeeprecsys.experiments.tuning import Tuning
from pydeeprecsys.files import whole_file

RESULTS = Path(__file__).parent / "results"
EPISODES, SEEDS = 150, 10


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes side by side.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/tuned_rainbow"), show_default=True)
def main(jobs: int, out: Path) -> None:
    """Tune Rainbow, and compare what was found with the defaults."""
    torch.set_num_threads(1)
    task = Task()
    tune(Tuning(task=task, agent="rainbow", episodes=EPISODES, seeds=1), out / "tune", jobs=jobs)
    best = json.loads(RunFolder(out / "tune").best_file.read_text())
    for name, hyperparameters in (("default", {}), ("tuned", {"rainbow": best["hyperparameters"]})):
        comparison = Comparison(
            task=task, agents=["rainbow"], episodes=EPISODES, seeds=SEEDS, hyperparameters=hyperparameters
        )
        compare(comparison, out / name, jobs=jobs)
    keep_results(out)


def keep_results(out: Path) -> None:
    """Write the results from the folders of the search and of both comparisons, and print what they say."""
    rows = [
        {"options": name, "seed": seed, **RunFolder(out / name).run("rainbow", seed).result}
        for name in ("default", "tuned")
        for seed in range(SEEDS)
    ]
    table = pd.DataFrame(rows)[["options", "seed", "mean_return"]]
    with whole_file(RESULTS / "tuned_rainbow.csv") as path:
        table.to_csv(path, index=False)
    shutil.copyfile(RunFolder(out / "tune").best_file, RESULTS / "tuned_rainbow.json")

    default, tuned = (table[table["options"] == name].set_index("seed")["mean_return"] for name in ("default", "tuned"))
    for name, scores in (("default", default), ("tuned", tuned)):
        print(
            "{}: mean {:.2f}, median {:.2f} [{:.2f}, {:.2f}]".format(
                name, scores.mean(), scores.median(), *median_interval(scores)
            )
        )
    difference = paired_difference(tuned.to_dict(), default.to_dict())
    print("paired difference {:+.2f}, 95 % interval {:.2f}..{:.2f}".format(*difference))
    print(f"probability of improvement {probability_of_improvement(tuned, default):.2f}")
    print("its 95 % interval {:.2f}..{:.2f}".format(*improvement_interval(tuned, default)))


if __name__ == "__main__":
    main()

"""`pydeeprecsys export`."""

from __future__ import annotations

from pathlib import Path

from pydeeprecsys.cli.common import screen
from pydeeprecsys.serving import export as exporting


def export(folder: Path, out: Path, overwrite: bool) -> None:
    """Export the policy of the run in a folder."""
    with screen.status("exporting"):
        contract = exporting.export(folder, out, overwrite=overwrite)
    parity, trained_on = contract["parity"], contract["trained_on"]
    screen.print(
        f"{contract['agent']} on {trained_on['name']}: slates of {contract['slate_size']} from {contract['items']:,} "
        f"items\nONNX Runtime agrees with the agent in {parity['states']} states: {parity['slates']} equal slates, "
        f"scores within {parity['scores']:.1g}\nfiles in {out}: contract.json, items.jsonl, policy.onnx",
        soft_wrap=True,
    )

"""Free memory of the machine."""

from __future__ import annotations

import os
from pathlib import Path

from pydeeprecsys.errors import InputError


def check_memory(n_transitions: int, n_bytes: int) -> None:
    """Raise an InputError if the bytes that a number of transitions take are not free."""
    free = available_memory()
    if free is not None and n_bytes > free:
        raise InputError(
            f"{n_transitions:,} transitions take {n_bytes / 2**20:,.0f} MiB of memory, {free / 2**20:,.0f} MiB are "
            f"free; reduce max_experiences to {n_transitions * free // n_bytes:,} or less, or shrink the observations"
        )


def available_memory() -> int | None:
    """Bytes of memory that are available without swapping; None if the system does not report it."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text("utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    names = getattr(os, "sysconf_names", {})
    pages = next((name for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES") if name in names), None)
    return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE") if pages else None

"""Whether what is to be remembered fits into memory."""

from __future__ import annotations

import os
from pathlib import Path

from pydeeprecsys.errors import InputError


def check_memory(n_experiences: int, n_bytes: int) -> None:
    """Raise an InputError where n_bytes, which so many experiences take, are not free."""
    free = available_memory()
    if free is not None and n_bytes > free:
        raise InputError(
            f"{n_experiences:,} experiences take {n_bytes / 2**20:,.0f} MiB of memory, {free / 2**20:,.0f} MiB are "
            f"free; reduce max_experiences to {n_experiences * free // n_bytes:,} or less, or make the states smaller"
        )


def available_memory() -> int | None:
    """Bytes of memory that can be had without swapping; None where the system does not say."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    names = getattr(os, "sysconf_names", {})
    pages = next((name for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES") if name in names), None)
    return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE") if pages else None

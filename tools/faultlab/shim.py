# SPDX-License-Identifier: AGPL-3.0-or-later
"""disk_shim.c built with the compiler at hand, and the environment that puts it under a program."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("disk_shim.c")


class NoCompiler(RuntimeError):
    """Nothing here can build the shim; one line says what to install."""


def build(folder: Path) -> Path:
    """Compile into a folder. Raises NoCompiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NoCompiler("no C compiler for the fault shim: apt-get install gcc libc6-dev")
    out = folder / "disk_shim.so"
    argv = [compiler, "-shared", "-fPIC", "-O2", "-o", str(out), str(SOURCE), "-ldl", "-lpthread"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoCompiler(f"{compiler}: {done.stderr.strip().splitlines()[-1:]}")
    return out


def environment(
    library: Path,
    root: Path,
    *,
    log: Path | None = None,
    eio: float = 0.0,
    readonly: Path | None = None,
    clock: Path | None = None,
) -> dict[str, str]:
    """What a child needs. `eio`: share of syncs that fail; `readonly`: a file that, while it
    exists, makes everything below `root` read-only; `clock`: a file with the seconds by which
    the wall clock is wrong."""
    told = {"LD_PRELOAD": str(library), "EDGE_SHIM_ROOT": str(root), "EDGE_SHIM_EIO": str(eio)}
    if log is not None:
        told["EDGE_SHIM_LOG"] = str(log)
    if readonly is not None:
        told["EDGE_SHIM_READONLY"] = str(readonly)
    if clock is not None:
        told["EDGE_SHIM_CLOCK"] = str(clock)
    return told

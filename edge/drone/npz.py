# SPDX-License-Identifier: AGPL-3.0-or-later
"""Arrays in a file as numpy writes them (.npz), read where a power cut or a bad disk may have been
at it."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

# What numpy, zipfile and zlib raise for bytes that are not what was written: a flag says that a
# member is encrypted (RuntimeError), a method that it is packed otherwise (NotImplementedError),
# a header that it is larger than memory.
_DAMAGED = (
    EOFError,
    KeyError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays by name. Raises OSError (which a damaged directory, too, may lead to), and else
    ValueError however the file is damaged."""
    try:
        with path.open("rb") as file:
            data = np.load(file, allow_pickle=False)
            if not isinstance(data, NpzFile):
                raise ValueError("holds no named arrays")
            return {name: np.asarray(data[name]) for name in data.files}
    except _DAMAGED as error:
        raise ValueError(f"not a sound .npz file: {error}") from None

# SPDX-License-Identifier: GPL-2.0 OR MIT
"""What can be run in a guest: the built selftests and the scripts of ./programs."""

import os
from fnmatch import fnmatch

from setups import SETUPS

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))


def executables(folder):
    """Name and path of each program of a folder, in order."""
    if not os.path.isdir(folder):
        return {}
    paths = {name: os.path.join(folder, name) for name in sorted(os.listdir(folder))}
    return {name: path for name, path in paths.items()
            if os.path.isfile(path) and os.access(path, os.X_OK)}


def selftests():
    return executables(os.path.join(SOURCE, 'out', 'selftests'))


def scripts():
    return executables(os.path.join(HERE, 'programs'))


def chosen(setup, patterns=(), anywhere=True):
    """The programs of a set-up, in order. Patterns narrow them; with anywhere,
    they also choose programs that the set-up does not run by itself."""
    row = SETUPS[setup]

    def matches(name, several):
        return any(fnmatch(name, pattern) for pattern in several)

    names = [*selftests(), *scripts()]
    if not (patterns and anywhere):
        names = [n for n in names if matches(n, row.only) and not matches(n, row.never)]
    return [n for n in names if not patterns or matches(n, patterns)]

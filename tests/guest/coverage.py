#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Which lines of the driver have been run, as gcov counted them in guests.

By itself, it prints the table of what out/guest has. Each file is then in
out/coverage with the counts of its lines, as gcov writes it ('#####': never run).
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from glob import glob

from programs import SOURCE
from tap import Result

KEPT = 'counts'         # in a guest's folder of out/guest
OUT = os.path.join(SOURCE, 'out', 'coverage')
FLOOR = 85              # percent of all lines


def take(scratch, out):
    """Keeps what the program 'coverage' wrote on the scratch disk."""
    with tarfile.open(scratch) as tar:
        tar.extractall(os.path.join(out, KEPT), filter='data')


def kept(kernel):
    """The folders with what guests of a kernel have counted."""
    return glob(f'{SOURCE}/out/guest/{kernel}-*/{KEPT}')


def forget(kernel):
    """Those of an older build do not go with the compiler's notes of a new one."""
    for folder in kept(kernel):
        shutil.rmtree(folder)


def counts(folder, notes):
    """(file, line): how often, of one guest. gcov wants the compiler's notes beside
    the counts, and says one JSON object for each pair."""
    lines = Counter()
    with tempfile.TemporaryDirectory() as stage:
        for file in glob(f'{notes}/virtgpu_*.gcno') + glob(f'{folder}/*.gcda'):
            shutil.copy(file, stage)
        done = subprocess.run(['gcov', '--json-format', '--stdout',
                               *sorted(os.path.basename(f) for f in glob(f'{stage}/*.gcda'))],
                              cwd=stage, check=True, stdout=subprocess.PIPE, text=True)
    for text in done.stdout.splitlines():
        for file in json.loads(text)['files']:
            for line in file['lines']:
                lines[os.path.basename(file['file']), line['line_number']] += line['count']
    return lines


def merged(kernel):
    """The counts of all guests of a kernel, by file: {line: how often}."""
    files = defaultdict(Counter)
    for folder in kept(kernel):
        for (file, line), count in counts(folder, f'{SOURCE}/out/build/{kernel}').items():
            if os.path.exists(os.path.join(SOURCE, file)):
                files[file][line] += count
    return files


def annotate(file, lines):
    """The file with the counts of its lines."""
    with open(os.path.join(SOURCE, file), encoding='utf-8') as source, \
         open(os.path.join(OUT, file), 'w', encoding='utf-8') as out:
        for number, text in enumerate(source, 1):
            mark = '-' if number not in lines else lines[number] or '#####'
            out.write(f'{mark:>9}:{number:5}:{text}')


def table(kernel):
    """The result, and the rows of the table, of what out/guest has of a kernel."""
    files = merged(kernel)
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    run = total = 0
    rows = []
    for file, lines in sorted(files.items()):
        annotate(file, lines)
        hit = sum(count > 0 for count in lines.values())
        rows.append(f'{file:24} {hit:5} of {len(lines):5} lines  {100 * hit / len(lines):5.1f} %')
        run, total = run + hit, total + len(lines)
    percent = 100 * run / total if total else 0
    rows.append(f'{"all":24} {run:5} of {total:5} lines  {percent:5.1f} %')
    name = f'coverage of the driver is at least {FLOOR} %'
    what = 'pass' if percent >= FLOOR else 'fail'
    return Result(name, what, '' if what == 'pass' else f'{percent:.1f} %'), rows


if __name__ == '__main__':
    print('\n'.join(table(sys.argv[1] if len(sys.argv) > 1 else 'debug')[1]))

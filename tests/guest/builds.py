# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Builds as tests: no warning of the compiler, of sparse or of checkpatch.

What each printed is kept as out/build/NAME.log.
"""

import os
import re
import shutil
import subprocess
from glob import glob

from programs import SOURCE, selftests
from tap import Result

OUT = os.path.join(SOURCE, 'out', 'build')
PROBES = os.path.join(SOURCE, 'tests', 'build')
WARNING = re.compile(r'\bwarning:|\berror:|\*\*\*|^make.*Error', re.I)
GENERATED = re.compile(r'\.mod\.o$|\.module-common\.o$')
FLOOR = '6.12'
GENERATED_HEADER = 'virtgpu_config.h'

# checkpatch.pl comes with a kernel's source, which the lab has for this kernel
SOURCE_KERNEL = 'debug'
CHECKPATCH = f'/lab/boot/{SOURCE_KERNEL}/source/scripts/checkpatch.pl'

# What checkpatch reports that is right as it is
KERNEL_STYLE = (
    'LINUX_VERSION_CODE',       # the oldest kernel is told by an #error
    'CONSTANT_COMPARISON',      # ... in that very line
    'ALLOC_WITH_SIZEOF',        # kzalloc_obj() is not in every 6.12
    'UNCOMMENTED_DEFINITION',   # locks are explained in the structure's kernel-doc
    'MACRO_ARG_REUSE',          # of types and names, which have no side effects
    'ENOSYS',                   # is what programs expect of a host without 3D
)
STYLE = {
    'the driver': (KERNEL_STYLE, ('virtgpu_*.[ch]',)),
    # BIT() is not for a header that programs include
    'modules of the tests': ((*KERNEL_STYLE, 'BIT_MACRO'), (
        'tests/modules/*.[ch]', 'tests/faults/*.[ch]', 'tests/kunit/*.[ch]')),
}


def run(log, argv, cwd=SOURCE):
    """Runs a build; returns its exit code and its lines."""
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors='replace')
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(OUT, log + '.log'), 'w', encoding='utf-8') as file:
        file.write(done.stdout)
    return done.returncode, done.stdout.splitlines()


def judge(name, code, lines):
    """A build passes when it ends well and warns of nothing."""
    said = [line.strip() for line in lines if WARNING.search(line)]
    if not code and not said:
        return Result(name, 'pass')
    why = ' | '.join(said[:5]) or f'ended with code {code}'
    return Result(name, 'fail', why)


def module(kernel):
    """The modules, all of it anew: compiled with W=1, then read by sparse."""
    shutil.rmtree(os.path.join(OUT, kernel), ignore_errors=True)
    log = f'module-{kernel}'
    code, lines = run(log, ['lab/module', kernel, 'W=1', 'C=2'])
    checked = sum(line.split()[:1] == ['CHECK'] for line in lines)
    compiled = sum(line.split()[:2] == ['CC', '[M]'] and not GENERATED.search(line)
                   for line in lines)
    build = judge(f'{kernel}: modules with W=1 and sparse', code, lines)
    read = Result(f'{kernel}: sparse has read each file', 'pass')
    if not compiled or checked < compiled:
        read = Result(read.name, 'fail', f'{checked} of {compiled}')
    return [build, read, sparse_control(kernel), *intree(kernel)]


def intree(kernel):
    """The driver in a kernel's own tree, where the lab has such a tree."""
    if not os.path.isdir(f'/lab/boot/{kernel}/source'):
        return []
    code, lines = run(f'intree-{kernel}', ['tests/build/intree', kernel])
    return [judge(f'{kernel}: make intree, then built as a module and into the kernel',
                  code, lines)]


def is_built(kernel):
    """There is something to load, be it with warnings."""
    return os.path.isdir(os.path.join(OUT, kernel, 'install'))


def headers(kernel):
    """What modules for a kernel of the lab are built with."""
    with open(f'/lab/boot/{kernel}/release', encoding='ascii') as file:
        packaged = f'/usr/lib/modules/{file.read().strip()}/build'
    own = f'/lab/boot/{kernel}/build'
    return own if os.path.isdir(own) else packaged


def sparse_control(kernel):
    """sparse finds the fault that is put into tests/build/sparse.c."""
    folder = os.path.join(OUT, f'sparse-{kernel}')
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PROBES, folder)
    _, lines = run(f'sparse-{kernel}', [
        'make', '-C', headers(kernel), f'M={folder}', 'C=2'])
    if any('sparse.c' in t and 'different address spaces' in t for t in lines):
        return Result(f'{kernel}: sparse finds a planted fault', 'pass')
    return Result(f'{kernel}: sparse finds a planted fault', 'fail', 'it did not')


def floor():
    """A kernel too old gets one #error that names the oldest."""
    name = f'a kernel before {FLOOR} is refused by one #error'
    _, lines = run('floor', ['gcc', '-E', '-nostdinc', '-I', PROBES + '/old',
                             'virtgpu_compat.h', '-o', '/dev/null'])
    said = [line for line in lines if '#error' in line and 'error:' in line]
    if len(said) == 1 and FLOOR in said[0]:
        return Result(name, 'pass')
    return Result(name, 'fail', f'{len(said)} of them: ' + ' | '.join(said))


def selftest_build():
    code, lines = run('selftests', ['make', '-C', 'tests/selftests',
                                    f'OUT={SOURCE}/out/selftests'])
    result = judge('selftests', code, lines)
    if result.what == 'pass' and not selftests():
        return Result('selftests', 'fail', 'there are none')
    return result


def checkpatch(log, ignored, paths):
    """What checkpatch says of files: its exit code and its lines. It leaves a file
    where it runs."""
    os.makedirs(OUT, exist_ok=True)
    return run(log, [CHECKPATCH, '--strict', '--no-tree', '--no-summary', '--terse',
                     '--show-types', '--ignore', ','.join(ignored), '-f',
                     *(os.path.relpath(path, OUT) for path in paths)], cwd=OUT)


def style():
    """No report of checkpatch, but of the fault that is put into tests/build/style.c."""
    names = [f'checkpatch: {what}' for what in STYLE] + ['checkpatch finds a planted fault']
    if not os.path.exists(CHECKPATCH):
        why = f"the kernel '{SOURCE_KERNEL}' is not built: lab/lab kernel {SOURCE_KERNEL}"
        return [Result(name, 'skip', why) for name in names]
    results = []
    for name, (ignored, patterns) in zip(names, STYLE.values()):
        paths = [path for pattern in patterns
                 for path in sorted(glob(os.path.join(SOURCE, pattern)))
                 if os.path.basename(path) != GENERATED_HEADER]
        code, lines = checkpatch(name.replace(' ', '-'), ignored, paths)
        what = 'fail' if code or lines or not paths else 'pass'
        results.append(Result(name, what, ' | '.join(lines[:5])))
    _, lines = checkpatch('checkpatch-control', KERNEL_STYLE, [os.path.join(PROBES, 'style.c')])
    found = any('style.c:' in line and 'LONG_LINE' in line for line in lines)
    results.append(Result(names[-1], 'pass' if found else 'fail', '' if found else str(lines[:5])))
    return results


def others():
    return [floor(), selftest_build(), *style()]

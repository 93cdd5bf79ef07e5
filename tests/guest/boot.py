# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Boots one guest, serves it, and returns what its programs found."""

import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import coverage
import programs
from agent import Agent, ScriptedAgent
from panic import panic_results
from qemu import Qemu
from programs import HERE, SOURCE
from setups import SETUPS
from tap import Result, Stream, excerpt

LAB = '/lab'

# no_timer_check: on a host with much to do, an emulated timer may be late
CMDLINE = ('console=tty0 console=ttyS0,115200 loglevel=6 sysrq_always_enabled '
           'no_timer_check log_buf_len=4M random.trust_cpu=on mitigations=off audit=0 slab_nomerge')

# A kernel with checks built in takes several times as long for all it does. It is
# to report every fault, and at last the driver is unloaded and leaks are looked for.
# slab_debug: the allocator's caches of freed objects point to what was lost, too,
# and would hide it from kmemleak; with any flag there are none.
SLOW = 6

# Of a guest whose clock is wrong, or that hangs before its first program: an emulated
# timer that is late can do both. A boot takes some 10 s, and 20 s with checks built in.
BOOTS = 3
BOOT_LIMIT = 90
BOOT_LIMIT_CHECKED = 120

# Why a program was not begun: Job.seconds
OVER = 'the minutes for all are over (MINUTES)'

CHECKED_CMDLINE = 'kasan_multi_shot slab_debug=F kcsan.early_enable=1'
CHECKED_LAST = ('afterwards', 'coverage')


@dataclass
class Job:
    """One boot."""
    kernel: str                     # a folder of /lab/boot
    setup: str                      # a row of setups.py
    programs: list
    stock: bool = False             # the kernel's own module instead of ours
    append: str = ''
    timeout: int = 600
    limit: int = 300                # for each program
    seconds: int = 0                # after them, no program of the plan begins (0: all do)
    module: str = ''                # module parameters
    qemu_args: list = field(default_factory=list)
    accel: str = ''
    interactive: bool = False       # a window, and a shell on our terminal
    name: str = ''                  # of the folder in out/guest
    figures: dict = field(default_factory=dict)     # what its programs have counted
    times: dict = field(default_factory=dict)       # s, how long they and their tests took
    echo: Callable = None           # called with each line that is no TAP

    def __post_init__(self):
        stock = '-stock' if self.stock else ''
        self.name = self.name or f'{self.kernel}-{self.setup}{stock}'
        self.timeout *= self.slow
        self.limit *= self.slow
        if checked(self.kernel) and SETUPS[self.setup].kernels == 'all':
            self.programs = [*self.programs, *CHECKED_LAST]

    @property
    def slow(self):
        return SLOW if checked(self.kernel) else 1

    @property
    def cmdline(self):
        """The kernel's; of what is said twice, the last counts."""
        parts = [CMDLINE, CHECKED_CMDLINE if checked(self.kernel) else '',
                 SETUPS[self.setup].append, self.append]
        return ' '.join(part for part in parts if part)

    @property
    def out(self):
        return os.path.join(SOURCE, 'out', 'guest', self.name)


def checked(kernel):
    """Has checks built in: these are named, the others are numbers."""
    return not kernel[0].isdigit()


def known_kernels():
    """The kernels of the lab: the plain ones, oldest first, then the checked."""
    found = [name for name in os.listdir(f'{LAB}/boot')
             if os.path.exists(f'{LAB}/boot/{name}/release')]
    return sorted(found, key=lambda v: (checked(v), 0 if checked(v) else [*map(int, v.split('.'))]))


def kernels():
    """The plain kernels."""
    return [name for name in known_kernels() if not checked(name)]


def module_dir(kernel):
    """Where the build leaves what goes to /lib/modules/RELEASE of the guest."""
    return os.path.join(SOURCE, 'out', 'build', kernel, 'install')


def payload(job, dir):
    """The initramfs with the payload appended; returns its path."""
    stage = os.path.join(dir, 'stage')
    root = os.path.join(stage, 'payload')
    os.makedirs(os.path.join(root, 'selftests'))
    for name, path in programs.selftests().items():
        shutil.copy(path, os.path.join(root, 'selftests', name))
    shutil.copytree(os.path.join(HERE, 'programs'), os.path.join(root, 'programs'))
    shutil.copy(os.path.join(HERE, 'guest'), os.path.join(root, 'run'))
    for file in (os.path.join(HERE, 'tap.sh'), os.path.join(HERE, 'resume'),
                 os.path.join(SOURCE, 'lab', 'recipe', 'init')):
        shutil.copy(file, root)
    if not job.stock:
        shutil.copytree(module_dir(job.kernel), os.path.join(root, 'modules'))
    with open(os.path.join(root, 'plan'), 'w', encoding='utf-8') as plan:
        plan.write(f'programs="{" ".join(job.programs)}"\nlimit={job.limit}\n'
                   f'slow={job.slow}\nseconds={job.seconds}\nover="{OVER}"\n'
                   f'shell={int(job.interactive)}\nmodule="{job.module}"\n')
    initrd = os.path.join(dir, 'initrd')
    shutil.copy(f'{LAB}/boot/{job.kernel}/initramfs.img', initrd)
    with open(initrd, 'ab') as file:
        file.write(b'\0' * (-file.tell() % 4))
        file.flush()
        subprocess.run('find payload | cpio --quiet -o -H newc', shell=True,
                       cwd=stage, stdout=file, check=True)
    shutil.rmtree(stage)
    return initrd


class BadBoot(Exception):
    """The guest has to be booted again."""


class Guest:
    """A running guest and all that listens to it."""

    def __init__(self, job, dir, show):
        self.job = job
        self.dir = dir
        self.stream = Stream(show, job.echo)
        self.text = b''
        self.tap = open(os.path.join(job.out, 'tap'), 'wb', buffering=0)
        self.crashed = False
        self.booted = False
        setup = SETUPS[job.setup]
        self.started = time.monotonic()
        self.qemu = Qemu(setup, dir, job.out, f'{LAB}/boot/{job.kernel}',
                         payload(job, dir), f'{LAB}/disk.img',
                         job.cmdline, args=job.qemu_args,
                         terminal=job.interactive, accel=job.accel)
        self.agent = (ScriptedAgent if self.qemu.device else Agent)(self.qemu, dir, job.out)

    def serve(self):
        """Until the guest ends or its time is over."""
        end = time.monotonic() + self.job.timeout
        while not self.crashed:
            self.check_boot()
            left = end - time.monotonic()
            if left <= 0:
                self.add(Result('guest', 'fail',
                                f'not done after {self.job.timeout} s: killed',
                                excerpt(self.serial().splitlines())))
                break
            ready = select.select([self.qemu.tap, self.qemu.agent, *self.agent.heads],
                                  [], [], min(left, 1))[0]
            if not ready and not self.qemu.running():
                break
            if not all([self.take(source) for source in ready]):
                break

    def take(self, source):
        """What one connection says; False when QEMU has gone."""
        if source in self.agent.heads:
            try:
                source.readable()
            except ConnectionError:
                return self.agent.reconnect(source)
            return True
        try:
            data = source.recv(65536)
        except ConnectionError:
            data = b''
        if source is self.qemu.agent:
            self.agent.feed(data)
        else:
            self.tap_data(data)
        return bool(data)

    def tap_data(self, data):
        self.tap.write(data)
        self.text += data
        while b'\n' in self.text:
            line, self.text = self.text.split(b'\n', 1)
            line = line.decode(errors='replace').rstrip('\r')
            if line.startswith('# crash'):
                self.crash(screen='dark' not in line)
            elif line.startswith('# uptime'):
                self.booted = True
                self.check_clock(float(line.split()[2]))
            else:
                self.stream.line(line)

    def check_boot(self):
        limit = BOOT_LIMIT_CHECKED if checked(self.job.kernel) else BOOT_LIMIT
        if not self.booted and time.monotonic() - self.started > limit:
            last = (self.serial().splitlines() or ['nothing'])[-1]
            raise BadBoot(f'it hung for {limit} s, the last that it said: {last}')

    def check_clock(self, uptime):
        """A kernel that was kept waiting while it calibrated its clock has one that
        runs many times too fast, and all its time limits with it."""
        seconds = time.monotonic() - self.started
        if uptime > 2 * seconds + 5 and not SETUPS[self.job.setup].accel:
            raise BadBoot(f'its clock is wrong: {uptime:.0f} s in {seconds:.0f} s')

    def crash(self, screen):
        """The guest is about to crash itself, and says so."""
        for result in panic_results(self.qemu, self.serial, self.job.out, self.dir, screen):
            self.add(result)
        self.crashed = True

    def serial(self):
        path = os.path.join(self.job.out, 'serial.log')
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read()

    def last_words(self):
        """What the console said that the test port did not: the very end."""
        lines = self.serial().splitlines()
        marks = [n for n, line in enumerate(lines) if 'guest: done' in line]
        return lines[marks[-1]:] if marks else lines[-200:]

    def add(self, result):
        self.stream.results.append(result)
        self.stream.show(result)

    def discard(self):
        self.qemu.kill()
        self.tap.close()

    def finish(self):
        code = self.qemu.process.poll()
        if code:
            self.add(Result('guest', 'fail', f'QEMU ended with code {code}'))
        if self.qemu.device:
            self.add(self.qemu.device.judge())
        self.qemu.kill()
        self.tap.close()
        if not self.crashed:
            self.stream.finish(self.last_words())
        self.job.figures = self.stream.figures
        self.job.times = self.stream.seconds
        self.keep_times()
        if any(r.name == 'coverage: kept' and r.what == 'pass' for r in self.stream.results):
            coverage.take(self.qemu.scratch_path, self.job.out)
        return self.stream.results

    def keep_times(self):
        """The slowest first."""
        with open(os.path.join(self.job.out, 'times'), 'w', encoding='utf-8') as file:
            for name, seconds in sorted(self.job.times.items(), key=lambda row: -row[1]):
                print(f'{seconds:7.1f}  {name}', file=file)


def boot(job, show):
    """Runs one job. show is called with each Result as it comes."""
    for _ in range(BOOTS - 1):
        try:
            return boot_once(job, show)
        except BadBoot as error:
            print(f'# {job.name}: {error}, booting again', flush=True)
    return boot_once(job, show)


def boot_once(job, show):
    """As boot(), or BadBoot before the first result."""
    shutil.rmtree(job.out, ignore_errors=True)
    os.makedirs(job.out)
    dir = tempfile.mkdtemp(prefix='guest-')
    try:
        guest = Guest(job, dir, show)
        try:
            guest.serve()
        except BadBoot:
            guest.discard()
            raise
        except BaseException:
            guest.finish()
            raise
        results = guest.finish()
    finally:
        shutil.rmtree(dir, ignore_errors=True)
    return results

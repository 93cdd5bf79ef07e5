# SPDX-License-Identifier: GPL-2.0 OR MIT
"""The machines that a guest can be booted as, one row each."""

from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True)
class Setup:
    """One machine."""
    device: str              # the display device, as -device takes it
    about: str               # one line for --list
    heads: int = 1           # outputs, each with an RFB server of its own
    accel: str = ''          # instead of what the host is best at
    args: tuple = ()         # more of QEMU's arguments
    append: str = ''         # more of the kernel's command line
    gl: bool = False         # drawn by OpenGL: needs an X display, has no RFB
    kernels: str = 'all'     # or 'plain', or 'checked': those it is for
    hunt: bool = False       # looks for what nobody knows yet: only when it is named
    port: bool = False       # the device is in a PCIe slot of its own
    swap: bool = False       # a disk to hibernate to
    scripted: tuple = ()     # options of the scripted GPU (tests/device), if it is one
    only: tuple = ('*',)     # programs that run here (shell patterns) ...
    debug: tuple = ()        # ... of which these are worth the time on a debug kernel,
    judged: tuple = ('fuzz_ioctl',)     # these on no other, unless they are named,
    racing: tuple = ()       # these on a kernel that looks for data races, ...
    never: tuple = ('timing*', 'crash*', 'reload', 'show*', 'gpu_*', 'gl_*', 'dev_*',
                    'checkers', 'afterwards', 'coverage', 'failnth', 'igt', 'power*',
                    'reset_slow', 'unplug_host')   # ... and do not

    def suits(self, checked):
        """Whether it is for kernels with checks built in, or without."""
        return self.kernels in ('all', 'checked' if checked else 'plain')

    def is_for_plain(self, program):
        """Whether 'make check' runs it on a kernel without checks built in."""
        return self.hunt or program not in self.judged

    def is_for_debug(self, program):
        """Whether 'make check' runs it on the debug kernel, which is slow."""
        return self.kernels == 'checked' or any(fnmatch(program, p) for p in self.debug)

    def is_for_races(self, program):
        """Whether it runs on the kernel that looks for data races: what queues
        commands, signals fences and submits, in parallel."""
        return any(fnmatch(program, p) for p in self.racing)

    def in_slot(self):
        return self.port or bool(self.scripted)

    def device_arg(self):
        slot = ',bus=gpu0-port' if self.in_slot() else ''
        if self.scripted:
            return f'{self.device},id=gpu0,chardev=gpu0{slot}'
        heads = f',max_outputs={self.heads}' if self.heads > 1 else ''
        return f'{self.device},id=gpu0{heads}{slot}'


# The scripted GPU, as QEMU's generic device
SCRIPTED = ('vhost-user-test-device-pci,virtio-id=16,num_vqs=2,vq_size=256,config_size=20')

SCRIPT = ('--outputs', '2', '--window', '256M', '--memory', '1G',
          '--capsets', '2:2:64,4:0:160,31:1:32,32:1:48,63:3:16')

# Long ones, on a host that does everything wrong
HOSTILE = ('dev_fuzz', 'dev_hostile', 'dev_probe')

# Buffers that are shared, and what uses memory in more ways than one
SHARING = ('damage', 'prime', 'prime_export', 'prime_import')

SETUPS = {
    '2d': Setup('virtio-gpu-pci', 'one output, no 3D',
                debug=('addfb', 'badinput', 'console', 'cursor', 'failnth_probe', 'flip',
                       'fuzz_ioctl', 'kunit', 'plane', 'prime', 'prime_fence', 'reset',
                       'reset_broken', 'unplug', 'virtgpu'),
                racing=('cursor', 'damage', 'flip', 'prime_fence', 'reset_broken'),
                never=(*Setup.never, 'prime_import')),      # as 2d-two does
    '2d-two': Setup('virtio-gpu-pci', 'two devices that share buffers',
                    args=('-device', 'virtio-gpu-pci,id=gpu1'), only=('prime_import',)),
    # Without interrupt remapping, which QEMU's IOMMU does not do for this machine
    '2d-iommu': Setup('virtio-gpu-pci,iommu_platform=on', 'a device behind an IOMMU',
                      args=('-device', 'intel-iommu,intremap=off'), append='intel_iommu=on',
                      only=SHARING),
    '2d-swiotlb': Setup('virtio-gpu-pci,iommu_platform=on', 'all memory goes by bounce buffers',
                        append='swiotlb=force UNPLUG_CYCLES=2',
                        only=(*SHARING, 'nomemory', 'prime_move', 'unplug', 'virtgpu'),
                        debug=('nomemory', 'prime', 'prime_import', 'prime_move')),
    '2d4': Setup('virtio-gpu-pci', 'four outputs, no 3D', heads=4,
                 only=('hotplug', 'lease', 'outputs', 'plane')),
    # Its GPU is not reset in a sleep; that of the other set-ups is
    'power': Setup('virtio-gpu-pci,x-pcie-pm-no-soft-reset=on',
                   'sleep, hibernation, snapshots, a new kernel', port=True, swap=True,
                   append='rdinit=/payload/resume', kernels='plain',
                   only=('power*',), never=('power_gpu',)),
    'power-gl': Setup('virtio-gpu-gl-pci,blob=on,hostmem=512M,venus=on',
                      'hibernation with OpenGL', gl=True, swap=True,
                      append='rdinit=/payload/resume', kernels='plain',
                      only=('power_gpu',), never=()),
    'vga': Setup('virtio-vga', 'the variant that is VGA compatible',
                 only=('console', 'hotplug')),
    # The allocator checks and counts each object: slow, and nothing is cached
    'slab': Setup('virtio-gpu-pci', 'exact counts of kernel memory',
                  append='slab_debug=FZPU', only=('reload',), never=()),
    'panic': Setup('virtio-gpu-pci', 'ends in a crash: its last picture is judged',
                   only=('crash',), never=()),
    'panic-late': Setup('virtio-gpu-pci', 'ends in a crash without a device',
                        kernels='plain', only=('crash_late',), never=()),
    # They report a bug each, so that nothing else can run here
    'checkers': Setup('virtio-gpu-pci', 'controls: the checks of the kernel are alive',
                      kernels='checked', only=('checkers',), racing=('checkers',), never=()),
    # The guest's clock counts instructions: repeatable, but the host is not
    # in step with it, so that programs here cannot ask the agent.
    'icount': Setup('virtio-gpu-pci', 'guest clock counts instructions',
                    accel='tcg,thread=single', kernels='plain',
                    args=('-icount', 'shift=1,sleep=off', '-rtc', 'clock=vm'),
                    only=('timing*',), never=()),
    'gl': Setup('virtio-gpu-gl-pci,blob=on,hostmem=512M,venus=on',
                'OpenGL, Vulkan and blobs', gl=True,
                only=('fuzz_ioctl', 'gpu_*', 'gl_*', 'prime_import', 'prime_move'), never=(),
                debug=('fuzz_ioctl', 'gpu_context', 'gpu_exec', 'gpu_reset', 'gpu_resource',
                       'gpu_sync'),
                racing=('gpu_context', 'gpu_exec', 'gpu_stress', 'gpu_sync')),
    'gl-swiotlb': Setup('virtio-gpu-gl-pci,iommu_platform=on', 'OpenGL by bounce buffers',
                        gl=True, append='swiotlb=force', only=('gpu_exec', 'gpu_resource'),
                        debug=('gpu_resource',), never=()),
    'gl-reset': Setup('virtio-gpu-gl-pci,blob=on,hostmem=512M,venus=on', '3D that comes and goes',
                      gl=True, append='UNPLUG_CYCLES=10', only=('reset_broken', 'unplug'),
                      never=()),
    'dev': Setup(SCRIPTED, 'scripted GPU with all features: it checks what the driver sends',
                 heads=2, scripted=SCRIPT,
                 only=('cursor', 'damage', 'dev_*', 'failnth', 'fuzz_ioctl', 'gpu_caps',
                       'gpu_context', 'nomemory', 'plane', 'prime', 'prime_export', 'prime_fault',
                       'prime_fence', 'prime_large', 'prime_move', 'prime_uuid', 'reset_slow',
                       'unplug_host'),
                 never=HOSTILE,
                 debug=('dev_errors', 'dev_exec', 'dev_prime', 'dev_rebuild', 'dev_silent',
                        'failnth', 'fuzz_ioctl', 'nomemory', 'prime_export', 'prime_fault',
                        'prime_move', 'prime_uuid', 'unplug_host'),
                racing=('dev_errors', 'dev_exec', 'dev_prime', 'dev_silent', 'prime_move')),
    'hostile': Setup(SCRIPTED, 'the same one, doing everything wrong', heads=2, hunt=True,
                     scripted=SCRIPT, only=HOSTILE, never=()),
    'fuzz-2d': Setup('virtio-gpu-pci', 'programs that do everything wrong', hunt=True,
                     only=('fuzz_*',), never=()),
    'fuzz-gl': Setup('virtio-gpu-gl-pci,blob=on,hostmem=512M,venus=on', 'the same with 3D',
                     gl=True, hunt=True, only=('fuzz_*',), never=()),
    'fuzz-dev': Setup(SCRIPTED, 'the same with the scripted GPU', heads=2, hunt=True,
                      scripted=SCRIPT, only=('fuzz_*',), never=()),
}

# SPDX-License-Identifier: GPL-2.0 OR MIT
"""The picture that a crashed guest leaves: DRM's panic screen."""

import os
import re
import time

from tap import Result

PANIC = 'end Kernel panic'
# What a panic must not add to itself
AFTERSHOCK = re.compile(r'\bBUG:|\bOops|general protection|unable to handle')
WHITE = (255, 255, 255)
BLACK = (0, 0, 0)


def panic_results(qemu, serial, out, dir, screen):
    """Waits for the guest's panic, takes a picture of it and judges it: without a
    device there is none."""
    shown = os.path.join(dir, 'panic.ppm')
    deadline = time.monotonic() + 60
    while PANIC not in serial():
        if time.monotonic() > deadline:
            return [Result('crash: panic', 'fail', 'the guest did not panic in 60 s')]
        time.sleep(0.2)
    if not screen:
        again = AFTERSHOCK.search(serial()[serial().index('Kernel panic'):])
        return [Result('crash: panic without a device', 'fail' if again else 'pass',
                       again[0][-80:] if again else '')]
    picture = qemu.picture(0, shown)
    picture.save(os.path.join(out, 'panic.png'))
    fault = not_panic_screen(picture)
    return [Result('crash: panic screen', 'fail' if fault else 'pass', fault)]


def not_panic_screen(picture):
    """Why the picture is not a panic screen ('' if it is): DRM draws it in white
    on black, nothing else, and writes more than a cursor."""
    colours = picture.colours()
    total = picture.width * picture.height
    drawn = colours[WHITE]
    other = total - drawn - colours[BLACK]
    if other:
        return f'{other} of {total} pixels are neither black nor white'
    if not total / 500 < drawn < total / 2:
        return f'{drawn} of {total} pixels are drawn'
    return ''

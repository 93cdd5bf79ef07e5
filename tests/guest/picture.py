# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Pictures of a screen: 24 bits a pixel."""

import re
import struct
import zlib
from collections import Counter
from dataclasses import dataclass


@dataclass
class Picture:
    width: int
    height: int
    pixels: bytes       # red, green, blue; rows without padding

    def save(self, path):
        """Writes a PNG."""
        def chunk(kind, data):
            body = kind + data
            return struct.pack('>I', len(data)) + body + \
                struct.pack('>I', zlib.crc32(body))

        pitch = 3 * self.width
        rows = b''.join(b'\0' + self.pixels[y * pitch:(y + 1) * pitch]
                        for y in range(self.height))
        header = struct.pack('>IIBBBBB', self.width, self.height, 8, 2, 0, 0, 0)
        with open(path, 'wb') as file:
            file.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) +
                       chunk(b'IDAT', zlib.compress(rows, 1)) + chunk(b'IEND', b''))

    def words(self):
        """The pixels as little-endian words, 0x00RRGGBB."""
        words = bytearray(4 * self.width * self.height)
        for n in range(3):
            words[n::4] = self.pixels[2 - n::3]
        return bytes(words)

    def colours(self):
        """How many pixels have each colour, as (red, green, blue)."""
        p = self.pixels
        return Counter(zip(p[0::3], p[1::3], p[2::3]))


def read_ppm(path):
    """The binary PPM that QEMU writes; it pads rows to whole words."""
    with open(path, 'rb') as file:
        data = file.read()
    header = re.match(rb'P6\s+(\d+)\s+(\d+)\s+255\s', data)
    if not header:
        raise ValueError(f'{path}: not a PPM of 8 bits a colour')
    width, height = int(header[1]), int(header[2])
    body = data[header.end():]
    pitch = len(body) // height
    rows = (body[y * pitch:y * pitch + 3 * width] for y in range(height))
    return Picture(width, height, b''.join(rows))


def read_xwd(data):
    """The window dump that xwd makes on an X server of 24 bits a pixel."""
    head = struct.unpack('>25I', data[:100])
    width, height, lsb_first, bits, pitch = head[4], head[5], not head[7], head[11], head[12]
    if not lsb_first or bits != 32 or head[14] != 0xff0000:
        raise ValueError('xwd: not 32-bit words with red on top')
    start = head[0] + 12 * head[19]
    rows = (data[start + y * pitch:start + y * pitch + 4 * width] for y in range(height))
    words = b''.join(rows)
    pixels = bytearray(3 * width * height)
    for n in range(3):
        pixels[n::3] = words[2 - n::4]
    return Picture(width, height, bytes(pixels))

"""The sizes of pictures, read from their headers."""

import struct
import unittest
from pathlib import Path

from infra.local import images
from infra.local.demo import PHOTOS


class Size(unittest.TestCase):
    def test_the_size_of_a_carried_photo_is_read(self):
        kind, width, height = images.size(Path(PHOTOS, "photo-6mp.jpg").read_bytes())
        self.assertEqual((kind, width, height), ("jpeg", 3000, 2000))

    def test_a_table_before_the_frame_is_stepped_over(self):
        tables = b"\xff\xc4" + struct.pack(">H", 4) + b"ab"
        frame = b"\xff\xc2" + struct.pack(">HBHH", 11, 8, 480, 640) + bytes(4)
        self.assertEqual(images.size(b"\xff\xd8" + tables + b"\xff" + frame), ("jpeg", 640, 480))

    def test_each_kind_of_webp_is_read(self):
        riff = b"RIFF" + bytes(4) + b"WEBP"
        lossy = riff + b"VP8 " + bytes(10) + struct.pack("<HH", 640 | 1 << 14, 480)
        lossless = riff + b"VP8L" + bytes(4) + b"\x2f" + struct.pack("<I", 639 | 479 << 14 | 1 << 28)
        extended = riff + b"VP8X" + bytes(8) + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")
        for data in (lossy, lossless, extended):
            self.assertEqual(images.size(data), ("webp", 640, 480))

    def test_what_is_no_picture_is_refused(self):
        for data in (b"", b"<html>", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\0\0\0\0WEBPABCD" + bytes(20)):
            with self.assertRaises(images.NotAPicture):
                images.size(data)


if __name__ == "__main__":
    unittest.main()

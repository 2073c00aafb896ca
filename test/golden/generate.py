#!/usr/bin/python3
"""Makes the golden values in data/ with PyTorch 1.13 in float64 (Debian: apt install python3-torch).

    /usr/bin/python3 test/golden/generate.py [family ...]

Each family has a seed of its own, so that adding cases to one leaves the files of the others as they are.
"""

import importlib
import sys
import zlib

import torch

from cases import Book

FAMILIES = ['creation', 'elementwise', 'reductions', 'matmul', 'indexing', 'views', 'conv', 'conv_transpose', 'pool',
            'activations', 'norms', 'losses', 'orders']


def main():
    for family in sys.argv[1:] or FAMILIES:
        torch.manual_seed(zlib.crc32(family.encode()))
        book = Book(family)
        importlib.import_module('families.' + family).fill(book)
        book.write()


if __name__ == '__main__':
    main()

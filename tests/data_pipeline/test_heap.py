"""What glibc does with memory that is freed, in processes of their own."""

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='another allocator')


def told(program):
  return float(subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True).stdout)


def test_freed_memory_is_returned():
  # A block of 16 MB is freed first: from then on glibc keeps smaller ones in the heap, where what stays pins them.
  program = '''
import pathlib, resource, numpy as np
from data_pipeline import heap
resident = lambda: int(pathlib.Path('/proc/self/statm').read_text().split()[1]) * resource.getpagesize() / 2 ** 20
np.ones(2 << 20)
blocks = [(np.ones(1 << 18), bytearray(50_000)) for _ in range(60)]  # 120 MB; what stays fits into no hole below
stay = [small for _, small in blocks]
before = resident()
del blocks
{call}
print(before - resident())
'''
  returned = [told(program.format(call=call)) for call in ('', 'heap.give_back()')]
  assert returned[0] < 20 and returned[1] > 110


def test_kept_memory_is_not_touched_anew():
  program = '''
import resource, numpy as np
from data_pipeline import heap
{call}
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def work():
  parts = [np.ones(1 << 20) for _ in range(4)]  # 8 MB each
work()
before = faults()
for _ in range(5):
  work()
print(faults() - before)
'''
  anew, kept = (told(program.format(call=call)) for call in ('', 'heap.keep()'))
  assert kept < 0.1 * anew

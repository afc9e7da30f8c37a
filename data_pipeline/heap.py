"""Memory that is freed and wanted again: what glibc gives back to the system has to be touched anew, page by page."""

from __future__ import annotations

import ctypes
import platform


def keep() -> None:
  """Makes glibc keep freed memory instead of returning it. For entry points and worker processes, before any computation.

  XLA's CPU client allocates a program's scratch memory anew for every call, numpy every array. Large ones glibc maps and unmaps
  each time, and touching the fresh pages cost a tenth to a sixth of a training step here, and half of the time of a phase
  vocoder. One arena that only grows has them at hand.
  """
  if platform.libc_ver()[0] == 'glibc':
    m_trim_threshold, m_mmap_max, m_arena_max = -1, -4, -8  # malloc.h
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(m_arena_max, 1)
    mallopt(m_mmap_max, 0)
    mallopt(m_trim_threshold, -1)  # never


def give_back() -> None:
  """Makes glibc give all whole pages of freed memory back. For entry points that run for hours, every now and then.

  By itself it does so at the end of a heap alone: what is freed between blocks that stay adds up.
  """
  if platform.libc_ver()[0] == 'glibc':
    ctypes.CDLL(None).malloc_trim(0)

"""Tasks, and how a configuration becomes one."""

from sgm.tasks.build import build
from sgm.tasks.build import build_frontend

__all__ = ['build', 'build_frontend']

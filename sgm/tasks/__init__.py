"""Tasks, and how a configuration becomes one."""

from sgm.tasks.factory import build
from sgm.tasks.factory import build_frontend

__all__ = ['build', 'build_frontend']

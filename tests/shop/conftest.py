"""Leaves out what runs on the app until there is one."""

from __future__ import annotations

import duetto

collect_ignore = [] if hasattr(duetto, "App") else ["test_services.py", "test_command.py"]

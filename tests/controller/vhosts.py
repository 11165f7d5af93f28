# SPDX-License-Identifier: Apache-2.0
"""A virtual host for the time of a test: a second bus on the same broker."""

import contextlib

import bus


@contextlib.contextmanager
def vhost(name):
    """Makes the virtual host; its URL."""
    base = bus.address()
    bus.ctl("add_vhost", name)
    try:
        bus.ctl("set_permissions", "-p", name, base.user, ".*", ".*", ".*")
        yield base.url(vhost=name)
    finally:
        bus.ctl("delete_vhost", name)

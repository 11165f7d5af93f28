# SPDX-License-Identifier: Apache-2.0
"""What the Python peers share: a transport from JSON options, and the line protocol.

A peer is started as `PROGRAM '{"url": …}'`, answers {"event": "ready"} when its links are up, then
takes one JSON command a line on standard input and writes JSON lines on standard output. A command
has "do" and "id"; every line about it carries that id and its last line is {"event": "done"}.
Commands run at the same time unless the peer says otherwise. {"do": "close"} closes all cleanly and
ends with {"event": "closed"}; end of input does the same. tests/interop/native_peer speaks the same.

Options that every peer takes: url; config (an oslo.config file); exchange (control_exchange);
rabbit (options of [oslo_messaging_rabbit]); log (a file for what the library logs).
"""

import json
import logging
import os
import sys
import threading
import traceback

import oslo_messaging
from oslo_config import cfg

_output = threading.Lock()


def say(**line):
    """Writes one line; the only thing that writes to standard output."""
    text = json.dumps(line)
    with _output:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def options():
    given = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    given.setdefault("url", os.environ.get("OMBT_URL"))
    # oslo.messaging names its connections after argv[0]; the rest of the line is ours alone.
    del sys.argv[1:]
    if given.get("log"):
        logging.basicConfig(filename=given["log"], level=logging.DEBUG)
        logging.getLogger("amqp").setLevel(logging.INFO)
    else:
        logging.disable(logging.CRITICAL)
    return given


def configuration(given):
    # The global one: the library's metrics and its RPC dispatcher read no other.
    conf = cfg.CONF
    files = ["--config-file", given["config"]] if given.get("config") else []
    conf(files, project="ombt-test-peer", default_config_files=[], default_config_dirs=[])
    return conf


def _prepare(conf, given):
    if given.get("exchange"):
        conf.set_default("control_exchange", given["exchange"])
    for name, value in given.get("rabbit", {}).items():
        conf.set_override(name, value, group="oslo_messaging_rabbit")


def _register(conf, given):
    # Registers what the library reads, so that overrides can be set before the driver is made.
    from oslo_messaging import server, transport
    from oslo_messaging._drivers import amqp, base, impl_rabbit
    from oslo_messaging.rpc import dispatcher
    for opts in (transport._transport_opts, server._pool_opts, dispatcher._dispatcher_opts):
        conf.register_opts(opts)
    group = cfg.OptGroup(name="oslo_messaging_rabbit")
    conf.register_group(group)
    for opts in (impl_rabbit.rabbit_opts, amqp.amqp_opts, base.base_opts):
        conf.register_opts(opts, group=group)
    _prepare(conf, given)


def rpc_transport(given, conf=None):
    conf = conf or configuration(given)
    _register(conf, given)
    return oslo_messaging.get_rpc_transport(conf, url=given["url"])


def notification_transport(given, conf=None):
    conf = conf or configuration(given)
    _register(conf, given)
    return oslo_messaging.get_notification_transport(conf, url=given["url"])


def target(given):
    keys = ("exchange", "topic", "namespace", "version", "server", "fanout")
    return oslo_messaging.Target(**{k: given[k] for k in keys if given.get(k) is not None})


def describe_error(error):
    """An exception of a send as the fields that both kinds of peer report."""
    names = {"MessagingTimeout": "messaging_timeout",
             "MessageUndeliverable": "message_undeliverable",
             "MessageDeliveryFailure": "delivery_failure"}
    name = type(error).__name__
    if isinstance(error, oslo_messaging.RemoteError):
        return {"error": "remote_exception", "class": error.exc_type, "message": error.value,
                "traceback": "".join(error.traceback or [])}
    if name.endswith("_Remote"):
        text = str(error)
        message, _, trace = text.partition("\n")
        return {"error": "remote_exception", "class": name[:-len("_Remote")], "message": message,
                "traceback": trace}
    if type(error).__module__ == "builtins" and error.args and isinstance(error.args[0], str) \
            and "\nTraceback (most recent call last)" in error.args[0]:
        message, _, trace = error.args[0].partition("\n")
        return {"error": "remote_exception", "class": name, "message": message, "traceback": trace}
    return {"error": names.get(name, name), "message": str(error)}


def serve_commands(handlers, close, in_order=False):
    """Runs commands until input ends. handlers: name -> function(command)."""
    def run(command):
        try:
            handlers[command["do"]](command)
        except Exception as problem:  # pylint: disable=broad-except
            say(event="failed", id=command.get("id"), message=str(problem),
                traceback=traceback.format_exc())
        say(event="done", id=command.get("id"))

    threads = []
    for line in sys.stdin:
        if not line.strip():
            continue
        command = json.loads(line)
        if command["do"] == "close":
            break
        if in_order:
            run(command)
        else:
            threads.append(threading.Thread(target=run, args=(command,), daemon=True))
            threads[-1].start()
    for thread in threads:
        thread.join()
    close()
    say(event="closed")

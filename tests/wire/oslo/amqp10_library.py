# SPDX-License-Identifier: Apache-2.0
"""oslo.messaging's AMQP 1.0 driver without a bus.

Everything from the RPC client, the notifier and the server down to the message that a link is given
to send is the library's own code; only the I/O thread and the connection below it are replaced, by
ones that do at once what they are told and keep it.
"""
import types

from oslo_config import cfg
import oslo_messaging
from oslo_messaging import transport
from oslo_messaging._drivers import impl_amqp1
from oslo_messaging._drivers.amqp1_driver import controller
import proton
import pyngus

REPLY_TO = 'amqp:/_topo/0/Router.A/temp.xH_1'


class Timer:
    def cancel(self):
        pass


class Processor:
    """The I/O thread: no thread, no clock."""

    def wakeup(self, function):
        function()

    def defer(self, function, delay):
        return Timer()

    alarm = defer


class Link:
    """A link of pyngus that is up."""
    active = True
    closed = False
    capacity = 100

    def __init__(self, bus, source_address):
        self._bus = bus
        self.source_address = source_address or REPLY_TO

    def open(self):
        pass

    def add_capacity(self, messages):
        pass

    def message_accepted(self, handle):
        pass

    def send(self, message, delivery_callback=None, handle=None, deadline=None):
        self._bus.sent.append(message)
        if delivery_callback:
            delivery_callback(self, handle, pyngus.SenderLink.ACCEPTED, None)
        if message.id:
            self._bus.answer(message)


class Connection:
    active = True

    def __init__(self, bus, properties):
        self._bus = bus
        self.remote_properties = properties

    def create_sender(self, name, source_address, target_address, event_handler):
        assert source_address == target_address
        return Link(self._bus, source_address)

    def create_receiver(self, target_address, event_handler, name, source_address=None,
                        properties=None):
        link = Link(self._bus, source_address)
        if source_address:
            assert source_address == target_address
            self._bus.listened.append(source_address)
        else:
            self._bus.reply_link = (event_handler, link)
        return link


class Bus:
    """A transport of the library at a bus whose open has these properties. `sent` gathers the proton
    messages, `listened` the addresses that are received from."""

    def __init__(self, url='amqp://', control_exchange='openstack', properties=None,
                 config_file=None):
        cfg.CONF(['--config-file', config_file] if config_file else [])
        # Its thread would keep the program for 10 s.
        cfg.CONF.set_override('metrics_thread_stop_timeout', 0, 'oslo_messaging_metrics')
        self.sent = []
        self.listened = []
        parsed = transport.TransportURL.parse(cfg.CONF, url)
        self.driver = impl_amqp1.ProtonDriver(cfg.CONF, parsed, control_exchange)
        connection = Connection(self, properties)
        connected = self._connected(connection)
        controller.Controller.connect, original = connected, controller.Controller.connect
        try:
            self.driver.listen_for_notifications([], None, 1, None)  # the first use connects
        finally:
            controller.Controller.connect = original
        self._control = self.driver._ctrl
        self._control.connection_active(connection)
        handler, link = self.reply_link
        handler.receiver_active(link)

    @staticmethod
    def _connected(connection):
        def connect(self):
            self.processor = Processor()
            self._socket_connection = types.SimpleNamespace(pyngus_conn=connection)
        return connect

    def answer(self, request):
        reply = proton.Message()
        reply.correlation_id = request.id
        reply.body = '{"response": null}'
        handler, link = self.reply_link
        handler.message_received(link, reply, None)

    def rpc_transport(self):
        return oslo_messaging.transport.RPCTransport(self.driver)

    def notification_transport(self):
        return oslo_messaging.transport.NotificationTransport(self.driver)

    def last(self):
        return self.sent[-1]

    def incoming(self, request):
        """A request as a server's listener gives it out, to be answered."""
        listener = types.SimpleNamespace(driver=self.driver)
        return impl_amqp1.ProtonIncomingMessage(listener, request, None)

"""The simulator's addresses: which call goes to which provider's service, and which to the simulator itself."""

from urllib.parse import unquote

from loadtests.simulator import anthropic_messages, openai_chat, openai_embeddings
from loadtests.simulator.calls import Call
from loadtests.simulator.control import Control
from loadtests.simulator.desk import Desk
from loadtests.simulator.http import Connection, Request
from loadtests.simulator.openai_errors import azure_error, openai_error
from loadtests.simulator.service import Service

_AZURE_PREFIX = "/openai/deployments/"

_CHAT = "chatcmpl-"
_EMBEDDINGS = "embd-"
_SERVICES = {
    "/v1/chat/completions": Service("openai", "chat", _CHAT, "x-request-id", openai_chat.read, openai_error),
    "/v1/embeddings": Service(
        "openai", "embeddings", _EMBEDDINGS, "x-request-id", openai_embeddings.read, openai_error
    ),
    "/v1/messages": Service(
        "anthropic", "chat", "msg_", "request-id", anthropic_messages.read, anthropic_messages.error
    ),
}
_AZURE_SERVICES = {
    "chat/completions": Service("azure", "chat", _CHAT, "x-request-id", openai_chat.read, azure_error),
    "embeddings": Service("azure", "embeddings", _EMBEDDINGS, "x-request-id", openai_embeddings.read, azure_error),
}


class Server:
    """Hands each request to a call or to the control endpoints."""

    def __init__(self, desk: Desk, control: Control) -> None:
        self._desk = desk
        self._control = control

    def handle(self, request: Request, connection: Connection) -> None:
        """Answer one request."""
        path, _, query = request.target.partition("?")
        service, deployment = _SERVICES.get(path), None
        if service is None and path.startswith(_AZURE_PREFIX):
            name, _, operation = path.removeprefix(_AZURE_PREFIX).partition("/")
            service, deployment = _AZURE_SERVICES.get(operation), unquote(name)
        if service is None or request.method != "POST":
            self._control.handle(request, connection, path, query)
        else:
            Call(self._desk, service, request, connection).start(deployment, query)

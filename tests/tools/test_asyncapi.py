"""docs/asyncapi.yaml says what the sources say: each fact here is read from both, and must be the same in both directions."""
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = ROOT / "src" / "gateway"


class Loader(yaml.SafeLoader):
    """A key twice in a mapping is an error, not a silent loss of the first."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key twice: {node.start_mark}"
        return super().construct_mapping(node, deep)


DOCUMENT: dict[str, Any] = yaml.load((ROOT / "docs" / "asyncapi.yaml").read_text(), Loader)


def source(path: str) -> str:
    return (ROOT / path).read_text()


def gateway_sources() -> str:
    return "\n".join(path.read_text() for path in sorted(GATEWAY.glob("*.c")))


def resolve(node: Any) -> Any:
    """What a reference leads to; anything else is itself. A reference to nothing fails the test."""
    while isinstance(node, dict) and "$ref" in node:
        assert node["$ref"].startswith("#/"), node
        found: Any = DOCUMENT
        for part in node["$ref"][2:].split("/"):
            assert part in found, f"{node['$ref']} leads nowhere"
            found = found[part]
        node = found
    return node


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def headers(message: dict[str, Any]) -> dict[str, Any]:
    """The header properties of a message, those of its traits included."""
    found: dict[str, Any] = {}
    for part in [*map(resolve, message.get("traits", [])), message]:
        found.update(part.get("headers", {}).get("properties", {}))
    return found


def messages(action: str) -> dict[str, dict[str, Any]]:
    """What clients send (`receive`) or get (`send`, replies too), by the name under components."""
    names = {id(message): name for name, message in DOCUMENT["components"]["messages"].items()}
    found = {}
    for operation in DOCUMENT["operations"].values():
        listed = list(operation["messages"]) if operation["action"] == action else []
        if action == "send" and "reply" in operation:
            listed += resolve(operation["reply"])["messages"]
        for reference in listed:
            message = resolve(reference)
            found[names[id(message)]] = message
    return found


def codes() -> dict[str, bool]:
    """Each code that is a refusal, and whether it is retryable."""
    rows = re.findall(r"X\((\w+), (\d+), (true|false),", source("src/wire/code.h"))
    return {name: retryable == "true" for name, status, retryable in rows if int(status) >= 400}


def test_every_reference_leads_somewhere() -> None:
    references = [node for node in walk(DOCUMENT) if "$ref" in node]
    assert len(references) > 100
    for node in references:
        assert set(node) == {"$ref"}, f"what stands beside a reference counts for nothing: {node}"
        resolve(node)


def test_every_component_is_used() -> None:
    used = {node["$ref"] for node in walk(DOCUMENT) if "$ref" in node}
    for kind in ("messages", "messageTraits", "schemas", "parameters", "replies", "securitySchemes"):
        for name in DOCUMENT["components"][kind]:
            assert f"#/components/{kind}/{name}" in used, name


def test_every_message_of_a_channel_is_of_an_operation() -> None:
    used = {node["$ref"] for node in walk(DOCUMENT["operations"]) if "$ref" in node}
    used |= {node["$ref"] for node in walk(DOCUMENT["components"]["replies"]) if "$ref" in node}
    for channel, value in DOCUMENT["channels"].items():
        for name in value["messages"]:
            assert f"#/channels/{channel}/messages/{name}" in used, (channel, name)


def addresses_with(command: str) -> set[str]:
    return {channel["address"] for channel in DOCUMENT["channels"].values() if command in channel["messages"]}


def test_the_destinations_of_send_are_those_of_the_gateway() -> None:
    rows = re.findall(r'\{"([^"]*)", "([^"]*)", (true|false), DESTINATION_\w+\}', source("src/gateway/destination.c"))
    assert rows
    expected = {("prefix", prefix, has_id, suffix) for prefix, suffix, has_id in rows}
    found = set()
    for address in addresses_with("SEND"):
        match = re.fullmatch(r"([^{]*)(?:(\{\w+\})(.*))?", address)
        assert match is not None
        found.add(("prefix", match[1], "true" if match[2] else "false", match[3] or ""))
    assert found == expected


def test_the_destinations_of_subscribe_are_those_of_the_gateway() -> None:
    expected = set(re.findall(r'kith_slice_is\(destination, "([^"]+)"\)', source("src/gateway/frame_subscribe.c")))
    assert expected
    assert addresses_with("SUBSCRIBE") == expected


def test_parameters_are_those_of_the_address() -> None:
    for channel in DOCUMENT["channels"].values():
        assert set(channel.get("parameters", {})) == set(re.findall(r"\{(\w+)\}", channel["address"] or ""))


def test_the_destinations_of_events_are_those_of_the_gateway() -> None:
    expected = set(re.findall(r'send_event\(session, chat, "(/\w+)"', source("src/gateway/events.c")))
    found = {f"/{name}" for name in DOCUMENT["channels"]["events"]["messages"] if name.islower()}
    assert expected and found == expected


def test_the_commands_of_clients_are_those_of_the_gateway() -> None:
    expected = set(re.findall(r"\[STOMP_(\w+)\] = \{frame_", source("src/gateway/frames.c")))
    found = {name for channel in DOCUMENT["channels"].values() for name in channel["messages"]
             if name.isupper() and name not in ("CONNECTED", "RECEIPT", "ERROR")}
    assert expected and found == expected


def test_the_codes_are_those_of_the_table() -> None:
    schema = DOCUMENT["components"]["schemas"]["Code"]
    assert schema["enum"] == list(codes())
    streamed, rest_only = set(schema["x-codes"]), set(schema["x-rest-only"])
    client_only = set(schema["x-client-only"])
    assert streamed | rest_only | client_only == set(schema["enum"])
    assert len(streamed) + len(rest_only) + len(client_only) == len(schema["enum"])


def test_no_server_says_what_is_for_clients_only() -> None:
    client_only = set(DOCUMENT["components"]["schemas"]["Code"]["x-client-only"])
    said = {code for file in (ROOT / "src").rglob("*.c") for code in re.findall(r"CODE_(\w+)", file.read_text())}
    assert client_only and not said & client_only


def test_what_is_said_of_a_code_is_so() -> None:
    switch = re.search(r"uint16_t session_close_code.*?\n\}", source("src/gateway/refuse.c"), re.S)
    assert switch is not None
    closes: dict[str, int] = {}
    for labels, close in re.findall(r"((?:case CODE_\w+:\s*)+)return (\d+);", switch[0]):
        closes |= {name: int(close) for name in re.findall(r"CODE_(\w+)", labels)}
    default = re.search(r"default: return (\d+);", switch[0])
    assert closes and default is not None
    for name, said in DOCUMENT["components"]["schemas"]["Code"]["x-codes"].items():
        assert said == {"retryable": codes()[name], "close": closes.get(name, int(default[1]))}, name


def test_no_code_of_the_gateway_and_the_core_is_for_requests_only() -> None:
    rest_only = set(DOCUMENT["components"]["schemas"]["Code"]["x-rest-only"])
    # What the gateway itself says, and what the core may answer to the commands that it asks for: see SEND's tables.
    said = set(re.findall(r"CODE_(\w+)", gateway_sources() + source("src/chat/send.c") + source("src/chat/receipt.c")))
    assert not said & rest_only


def test_the_types_of_messages_are_those_of_the_core() -> None:
    function = re.search(r"row_message_type_name.*?\n\}", source("src/wire/row.c"), re.S)
    assert function is not None
    expected = set(re.findall(r'case MESSAGE_\w+: return "(\w+)";', function[0]))
    expected |= set(re.findall(r'"type", "(\w+)"', source("src/gateway/deliver.c")))
    found = {}
    for name, reference in DOCUMENT["channels"]["inbox"]["messages"].items():
        if name.islower():
            found[name] = resolve(reference)["headers"]["properties"]["type"]["const"]
    assert set(found) == expected
    assert all(name == type_ for name, type_ in found.items())


def test_the_headers_that_are_sent_are_those_of_the_gateway() -> None:
    pattern = r'(?:stomp_put(?:_str|_u64)?|put_uuid|put_time)\((?:&writer|writer), "([a-z-]+)"'
    expected = set(re.findall(pattern, gateway_sources()))
    found = {name for message in messages("send").values() for name in headers(message)}
    assert expected and found - {"content-length"} == expected  # stomp_end() writes that one


def test_the_headers_that_are_taken_are_those_of_the_gateway() -> None:
    pattern = r'(?:stomp_header|frame_header_u64|frame_header_uuid)\(frame, "([a-z-]+)"'
    expected = set(re.findall(pattern, gateway_sources()))
    found = {name for message in messages("receive").values() for name in headers(message)}
    assert expected and found - {"content-length"} == expected  # the codec's


def limit(name: str) -> int:
    """The value of a macro: numbers and other macros, added and multiplied."""
    match = re.search(rf"#define {name}\s+([^/\n]+)", source("src/base/limits.h") + source("src/gateway/gateway.h"))
    assert match is not None, name
    total = 0
    for term in match[1].strip(" ()").split("+"):
        product = 1
        for factor in term.split("*"):
            product *= int(factor) if factor.strip().isdigit() else limit(factor.strip())
        total += product
    return total


@pytest.mark.parametrize("message, header, macro", [("Connected", "max-frame-bytes", "KITH_FRAME_BYTES_MAX"),
                                                    ("Connected", "max-in-flight", "KITH_IN_FLIGHT_MAX"),
                                                    ("SubscribeInbox", "prefetch-count", "KITH_PREFETCH_DEFAULT")])
def test_the_limits_are_those_of_the_server(message: str, header: str, macro: str) -> None:
    assert headers(DOCUMENT["components"]["messages"][message])[header]["default"] == limit(macro)


@pytest.mark.parametrize("schema, macro", [("ReceiptId", "GATEWAY_RECEIPT_BYTES_MAX"),
                                           ("SubscriptionId", "GATEWAY_SUBSCRIPTION_ID_BYTES_MAX"),
                                           ("MediaType", "KITH_CONTENT_TYPE_BYTES_MAX")])
def test_the_lengths_are_those_of_the_server(schema: str, macro: str) -> None:
    assert DOCUMENT["components"]["schemas"][schema]["maxLength"] == limit(macro)


def test_every_page_that_is_named_is_there() -> None:
    text = source("docs/asyncapi.yaml")
    pages = set(re.findall(r"docs/wire/(\w+\.md)", text))
    assert pages
    for page in pages:
        assert (ROOT / "docs" / "wire" / page).is_file(), page

"""Runs the steps of a known answer, `{do, args}`, and says what comes of each: `out` or `err`, and the session's state.

Another implementation's runner is this file in its own language. Byte strings are hex here; the runner keeps pins by account,
sessions, private keys, groups and chains by name, from one step of a case to the next.

    cd tests && python -m model.run

answers steps of a script of one's own: a line in, `{"do": ..., "args": {...}}`, a line out. `{"do": "reset"}` begins a new case.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from . import device_list, group, payload, prekey, primitives, ratchet, resend, run_groups, sender_chain, session, state
from .coins import Coins
from .refused import Refused

STATE_SHOWN_MAX = 8192
NAMES = ("session", "ours", "accepted", "secrets", "kind", "group", "chain")
Args = dict[str, Any]


def raw(value: Any) -> Any:
    """JSON to what the model takes: hex to bytes, through lists and objects."""
    if isinstance(value, str):
        return bytes.fromhex(value)
    if isinstance(value, list):
        return [raw(item) for item in value]
    return {key: raw(item) for key, item in value.items()} if isinstance(value, dict) else value


def shown(value: Any) -> Any:
    """The other way round."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    return {key: shown(item) for key, item in value.items()} if isinstance(value, dict) else value


def by_id(prekeys: list[Args] | None) -> dict[int, bytes]:
    return {entry["id"]: entry["secret"] for entry in prekeys or []}


@dataclass
class Run:
    """What a case has built up so far."""

    pins: dict[bytes, device_list.Pin] = field(default_factory=dict)
    sessions: dict[str, state.State] = field(default_factory=dict)
    secrets: dict[str, session.Secrets] = field(default_factory=dict)
    groups: dict[str, group.Group] = field(default_factory=dict)
    chains: dict[str, sender_chain.Sending | sender_chain.Receiving] = field(default_factory=dict)
    coins_left: int = 0

    def step(self, do: str, args: Args) -> dict[str, Any]:
        """What is to be written beside `do` and `args`."""
        names = {key: args[key] for key in NAMES if key in args}
        given: Args = {key: names[key] if key in names else raw(value) for key, value in args.items()}
        before = self.kept(args)
        try:
            result: dict[str, Any] = {"out": shown(OPS[do](self, given))}
        except Refused as refused:
            assert self.kept(args) is before, "refused, and something has changed"
            return {"err": refused.known_name}
        kept = self.kept(args)
        if kept is not None:
            encoded = kept.state.encode() if isinstance(kept, group.Group) else kept.encode()
            short = len(encoded) <= STATE_SHOWN_MAX
            result |= {"state": encoded.hex()} if short else {"state_sha256": primitives.sha256(encoded).hex()}
        return result

    def kept(self, args: Args) -> state.State | group.Group | sender_chain.Sending | sender_chain.Receiving | None:
        """The session, group or chain that the step names."""
        found = (self.sessions.get(args.get("session", "")), self.groups.get(args.get("group", "")), self.chains.get(args.get("chain", "")))
        return next((one for one in found if one is not None), None)

    def coins(self, args: Args) -> Coins:
        return Coins(args.get("coins", b""))


# ---------------------------------------------------------------------------------------------- lists
def op_certify(_run: Run, args: Args) -> Args:
    return {"signature": device_list.certificate_sign(args["ark_seed"], args)}


def op_acceptance(_run: Run, args: Args) -> Args:
    return {
        "encoding": device_list.acceptance_encode(args, {}),
        "signature": device_list.acceptance_sign(args["dsk_seed"], args, {}),
    }


def op_make_list(_run: Run, args: Args) -> Args:
    encoded = device_list.list_encode(args)
    signature = primitives.sign(args["aik_seed"], "devlist", encoded)
    accepts = {accept["device_id"]: accept["signature"] for accept in args["accepts"]}
    return {
        "list": encoded,
        "hash": primitives.sha256(encoded),
        "signature": signature,
        "signed": device_list.signed_encode(encoded, signature, accepts),
    }


def op_read_list(run: Run, args: Args) -> Args:
    account = args["account_id"]
    pin = device_list.read(run.pins.get(account), account, args["signed"], args["now"])
    run.pins[account] = pin
    return {
        "seq": pin.signed.list.seq,
        "hash": pin.signed.list.hash,
        "usable": sorted(pin.usable),
        "may_begin": sorted(pin.may_begin(args["now"])),
    }


def op_may_begin(run: Run, args: Args) -> Args:
    """Of what is pinned, at another time."""
    return {"may_begin": sorted(run.pins[args["account_id"]].may_begin(args["now"]))}


# ---------------------------------------------------------------------------------------------- prekeys
def op_make_prekey(_run: Run, args: Args) -> Args:
    owner = prekey.Owner(args["account_id"], args["device_id"], primitives.sign_public(args["dsk_seed"]))
    public = prekey.PUBLIC[args["kind"]](args["secret"])
    return {
        "public": public,
        "encoding": prekey.signed_encode(args["kind"], owner, args["id"], public, args["expires_at"]),
        "prekey": prekey.make(args["kind"], owner, args["dsk_seed"], args["id"], args["secret"], args["expires_at"]),
    }


def op_check_prekey(_run: Run, args: Args) -> Args:
    owner = prekey.Owner(args["account_id"], args["device_id"], args["dsk_pub"])
    found = prekey.check(args["kind"], owner, args["prekey"], args["now"])
    return {"id": found.id, "public": found.public, "expires_at": found.expires_at}


# ---------------------------------------------------------------------------------------------- sessions
def op_secrets(run: Run, args: Args) -> Args:
    """The private keys of a device, from now on called by the name in `secrets`."""
    run.secrets[args["secrets"]] = session.Secrets(
        ddh=args["ddh"],
        spk=by_id(args["spk"]),
        opk=by_id(args.get("opk")),
        kem_ot=by_id(args.get("kem_ot")),
        kem_lr=by_id(args.get("kem_lr")),
    )
    return {}


def op_begin(run: Run, args: Args) -> Args:
    us = session.party(run.pins[args["us"]], args["us_device"])
    them = session.party_to_begin_with(run.pins[args["them"]], args["them_device"], args["now"])
    kem_is_last = bool(args.get("kem_is_last"))
    bundle = session.bundle_check(them, args["spk"], args.get("kem"), kem_is_last, args.get("opk"), args["now"])
    coins = run.coins(args)
    begun = session.begin(us, args["ddh_secret"], them, bundle, coins, args["now"])
    run.sessions[args["session"]], run.coins_left = begun, coins.left
    return {"transcript": begun.transcript}


def op_accept(run: Run, args: Args) -> Args:
    us = session.party(run.pins[args["us"]], args["us_device"])
    secrets, coins = run.secrets[args["secrets"]], run.coins(args)
    made, left, plaintext = session.accept(us, secrets, run.pins[args["them"]], args["message"], coins, args["now"])
    run.sessions[args["session"]], run.coins_left = made, coins.left
    run.secrets[args["secrets"]] = left
    return {"transcript": made.transcript, "plaintext": plaintext}


def op_load(run: Run, args: Args) -> Args:
    run.sessions[args["session"]] = state.decode(args["state"])
    return {}


def op_encrypt(run: Run, args: Args) -> Args:
    coins = run.coins(args)
    after, message = ratchet.encrypt(run.sessions[args["session"]], args["plaintext"], coins, args["now"])
    run.sessions[args["session"]], run.coins_left = after, coins.left
    return {"message": message}


def op_decrypt(run: Run, args: Args) -> Args:
    coins = run.coins(args)
    after, plaintext = ratchet.decrypt(run.sessions[args["session"]], args["message"], coins, args["now"])
    run.sessions[args["session"]], run.coins_left = after, coins.left
    return {"plaintext": plaintext}


def op_choose(run: Run, args: Args) -> Args:
    """Which session to send with: the transcript says it."""
    ours = run.sessions.get(args.get("ours", ""))
    return {"transcript": session.sends_with(ours, run.sessions[args["accepted"]]).transcript}


def op_is_silent(run: Run, args: Args) -> Args:
    return {"silent": int(session.is_silent(run.sessions[args["session"]], args["now"]))}


# ---------------------------------------------------------------------------------------------- payload
def op_make_payload(_run: Run, args: Args) -> Args:
    made = payload.encode(args)
    return {"payload": made, "length": len(made)}


def op_read_payload(_run: Run, args: Args) -> Args:
    expected = payload.Expected(**{row.name: args[row.name] for row in fields(payload.Expected)})
    found = payload.decode(args["payload"], expected)
    return {name: value for name, value in found.items() if value is not None and name != "padding"}


def op_padded_lengths(_run: Run, args: Args) -> Args:
    return {"lengths": [payload.padded_length(length) for length in args["lengths"]]}


# ---------------------------------------------------------------------------------------------- asking again
def op_make_resend(_run: Run, args: Args) -> Args:
    """A request's body. The items are in their order."""
    return {"request": resend.encode([resend.Item(**item) for item in args["items"]])}


def op_read_resend(_run: Run, args: Args) -> Args:
    return {"items": [vars(item) for item in resend.decode(args["request"])]}


def op_make_again(_run: Run, args: Args) -> Args:
    return {"again": resend.Item(**args).encode()}


def op_read_again(_run: Run, args: Args) -> Args:
    return vars(resend.item_decode(args["again"]))


def main() -> None:
    run = Run()
    for line in sys.stdin:
        step = json.loads(line)
        if step["do"] == "reset":
            run, result = Run(), {}
        else:
            result = run.step(step["do"], step["args"])
        print(json.dumps(result), flush=True)


OPS: dict[str, Callable[[Run, Args], Args]] = {
    name.removeprefix("op_"): value for name, value in list(globals().items()) if name.startswith("op_")
} | run_groups.OPS

if __name__ == "__main__":
    main()

"""The steps of groups and sender chains: run.py runs them with the others. Groups and chains are kept by the names that the steps use."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import group, group_info, join, payload, sender_chain, tlv

if TYPE_CHECKING:
    from .run import Run

Args = dict[str, Any]


def there(values: Args) -> Args:
    return {name: value for name, value in values.items() if value is not None}


# ---------------------------------------------------------------------------------------------- operations
def op_make_op(run: Run, args: Args) -> Args:
    """The operation that its author would send now; the group stays as it is until the operation comes back in its order."""
    members = args.get("members")
    fields = {**args, "members": None if members is None else group.founders_encode(members)}
    made = group.make(run.groups.get(args["group"]), fields)
    signed = group.signed_encode(made.raw, args["dsk_seed"])
    return {"op": made.raw, "hash": made.hash, "signed": signed, "state_hash": made.state_hash}


def op_compare_op(run: Run, args: Args) -> Args:
    op, _ = group.signed_split(args["signed"])
    return {"step": group.compare(run.groups.get(args["group"]), op), "seq": op.seq, "hash": op.hash}


def op_read_op(run: Run, args: Args) -> Args:
    step, after = group.take(run.groups.get(args["group"]), args["signed"], args["dsk_pub"])
    run.groups[args["group"]] = after
    return {"step": step, "seq": after.state.seq, "head": after.head}


def op_join_group(run: Run, args: Args) -> Args:
    """All operations at once, of who has no state yet. `first`: the signatures from this seq on were looked at."""
    given = [(one["signed"], one.get("dsk_pub")) for one in args["ops"]]
    first, after = group.join(args["account_id"], given, args.get("op_hash"))
    run.groups[args["group"]] = after
    return {"first": first, "seq": after.state.seq, "head": after.head}


def op_load_group(run: Run, args: Args) -> Args:
    """The group of a state and its head; of the operations before the head nothing is remembered."""
    run.groups[args["group"]] = group.Group(group.state_decode(args["state"]), (args["head"],))
    return {}


def op_signer(run: Run, args: Args) -> Args:
    """Whose key the signature must hold under, by what is pinned of the author; or the list that is to be asked for first."""
    op, _ = group.signed_split(args["signed"])
    found = group.signer(run.pins[op.author], op)
    return {"ask_list": found} if isinstance(found, int) else {"dsk_pub": found}


# ---------------------------------------------------------------------------------------------- invite links
def op_make_link(_run: Run, args: Args) -> Args:
    link = join.Link(args["chat_id"], args["secret"], args["op_hash"])
    return {"link": link.encode(), "text": link.text, "join_key": link.join_key}


def op_read_link(_run: Run, args: Args) -> Args:
    """Of its bytes, or of what stands behind the `#`."""
    link = join.text_decode(args["text"]) if "text" in args else join.link_decode(args["link"])
    return {**vars(link), "join_key": link.join_key}


def op_sign_join(_run: Run, args: Args) -> Args:
    made = join.sign(join.link_decode(args["link"]), args, args["dsk_seed"])
    return {"request": made.raw, "signed": join.encode(made)}


def op_read_join(_run: Run, args: Args) -> Args:
    """What it says. Whether it is true, the next two ask."""
    return there(tlv.decode(join.REQUEST, join.decode(args["signed"]).raw))


def op_prove_join(_run: Run, args: Args) -> Args:
    join.prove(join.decode(args["signed"]))
    return {}


def op_verify_join(_run: Run, args: Args) -> Args:
    join.verify(join.decode(args["signed"]), args["dsk_pub"])
    return {}


# ---------------------------------------------------------------------------------------------- messages
def op_check_epoch(run: Run, args: Args) -> Args:
    known = run.groups[args["group"]]
    return {"step": group.epoch_check(known, args["account_id"], args["group_epoch"], args["group_hash"])}


def op_read_group_payload(run: Run, args: Args) -> Args:
    nobody = b""  # `dest` is never there, not even from another device of the reader's own account
    expected = payload.Expected(args["thread_id"], args["account_id"], args["device_id"], nobody)
    header = {name: args[name] for name in ("group_epoch", "group_hash") if name in args}
    found = group.payload_read(run.groups[args["group"]], args["payload"], expected, header)
    return {name: value for name, value in found.items() if value is not None and name != "padding"}


# ---------------------------------------------------------------------------------------------- info and keys
def op_seal_info(run: Run, args: Args) -> Args:
    coins = run.coins(args)
    made = group_info.seal(args["group_id"], args, coins)
    run.coins_left = coins.left
    return {"key_id": made.key_id, "key": made.key, "info": made.info}


def op_open_info(_run: Run, args: Args) -> Args:
    return there(group_info.open(args["group_id"], args["key"], args["info"]))


def op_make_group_keys(_run: Run, args: Args) -> Args:
    return {"keys": group_info.keys_encode({**args, "chain": args.get("given")})}


def op_read_group_keys(_run: Run, args: Args) -> Args:
    found = group_info.keys_decode(args["keys"])
    return there({**found, "chain": None, "given": found["chain"]})


# ---------------------------------------------------------------------------------------------- chains
def owner_of(args: Args) -> sender_chain.Owner:
    return sender_chain.Owner(args["group_id"], args["account_id"], args["device_id"])


def sending(run: Run, args: Args) -> sender_chain.Sending:
    chain = run.chains[args["chain"]]
    assert isinstance(chain, sender_chain.Sending), "a chain of somebody else"
    return chain


def receiving(run: Run, args: Args) -> sender_chain.Receiving | None:
    chain = run.chains.get(args["chain"])
    assert chain is None or isinstance(chain, sender_chain.Receiving), "a chain of one's own"
    return chain


def op_new_chain(run: Run, args: Args) -> Args:
    coins = run.coins(args)
    made = sender_chain.new(owner_of(args), coins, args["now"])
    run.chains[args["chain"]], run.coins_left = made, coins.left
    return {"chain_id": made.chain_id}


def op_load_chain(run: Run, args: Args) -> Args:
    decode = {"sending": sender_chain.sending_decode, "receiving": sender_chain.receiving_decode}[args["kind"]]
    run.chains[args["chain"]] = decode(args["state"])
    return {}


def op_chain_is_due(run: Run, args: Args) -> Args:
    return {"due": int(sending(run, args).due(args["now"]))}


def op_give_chain(run: Run, args: Args) -> Args:
    return {"given": sender_chain.give(sending(run, args), args["group_epoch"], args["group_hash"])}


def op_take_chain(run: Run, args: Args) -> Args:
    """A chain that came by the session with the device that `account_id` and `device_id` are."""
    known = receiving(run, args)
    run.chains[args["chain"]] = sender_chain.take(known, owner_of(args), args["given"])
    return {"step": "new" if known is None else "same"}


def op_chain_encrypt(run: Run, args: Args) -> Args:
    coins = run.coins(args)
    chain = sending(run, args)
    after, message = sender_chain.encrypt(chain, args["group_epoch"], args["group_hash"], args["plaintext"], coins)
    run.chains[args["chain"]], run.coins_left = after, coins.left
    return {"message": message}


def op_chain_decrypt(run: Run, args: Args) -> Args:
    chain = receiving(run, args)
    assert chain is not None
    after, message, plaintext = sender_chain.decrypt(chain, args["message"], args["now"])
    run.chains[args["chain"]] = after
    return {"plaintext": plaintext, "group_epoch": message.epoch, "group_hash": message.group_hash}


OPS: dict[str, Callable[[Any, Args], Args]] = {
    name.removeprefix("op_"): value for name, value in list(globals().items()) if name.startswith("op_")
}

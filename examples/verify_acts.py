#!/usr/bin/env python3
"""Verifies the signed acts in Andon's log sink without Andon: python3 verify_acts.py SINK https://andon.example.org

SINK is the sink with a folder for each incarnation of the log, which are read one after the other, or one such folder: then those before it are
read as well, since what they say of people's keys goes on. Needs the package cryptography. Checks of every signature: type, challenge (SHA-256 of the act), origin, relying party, user present and
verified, who acted, and the key as recorded at its enrolment. The log around it is checked by verify_log.py."""
import base64, hashlib, json, pathlib, re, sys, urllib.parse
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

def raw(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

def cbor(data, at=0):  # what a COSE key is made of: integers, byte strings, a map
    kind, more = data[at] >> 5, data[at] & 31
    size = {24: 1, 25: 2}.get(more, 0)
    n, at = (int.from_bytes(data[at + 1:at + 1 + size], "big") if size else more), at + 1 + size
    if kind < 3:
        return [(n, at), (-1 - n, at), (data[at:at + n], at + n)][kind]
    items = []
    for _ in range(2 * n):
        item, at = cbor(data, at)
        items.append(item)
    return dict(zip(items[::2], items[1::2])), at

def verify(cose, signature, signed):
    key, number = cbor(raw(cose))[0], lambda b: int.from_bytes(b, "big")
    if key[3] == -257:  # RS256
        return rsa.RSAPublicNumbers(number(key[-2]), number(key[-1])).public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    curve, digest = {-7: (ec.SECP256R1, hashes.SHA256), -35: (ec.SECP384R1, hashes.SHA384)}[key[3]]  # ES256, ES384
    ec.EllipticCurvePublicNumbers(number(key[-2]), number(key[-3]), curve()).public_key().verify(signature, signed, ec.ECDSA(digest()))

origin, host = sys.argv[2].rstrip("/"), lambda url: urllib.parse.urlsplit(url).hostname

def incarnations(given):  # oldest first: NAME-1, NAME-2 and so on; what is no such folder stands alone
    whole = (given / "entries.ndjson").exists()
    number = lambda folder: int((re.fullmatch(r".+-(\d+)", folder.name) or [0, 0])[1])
    stem = lambda folder: folder.name.rsplit("-", 1)[0]
    found = [f for f in (given.parent if whole else given).iterdir() if number(f) and (f / "entries.ndjson").exists()]
    if whole:
        found = [f for f in found if stem(f) == stem(given) and number(f) <= number(given)] or [given]
    return sorted(found, key=number)

def read(folder):  # a line that a crash has torn is mended by the server
    return [json.loads(line) for line in open(folder / "entries.ndjson", encoding="utf-8") if line.endswith("\n")]

folders = incarnations(pathlib.Path(sys.argv[1]).resolve())
logs = [(folder.name, read(folder)) for folder in folders]
# How much of each the database still had when the next one began: what follows is in the sink alone, and ended no key and moved nothing.
kept = [log[0]["data"]["database_size"] if log and log[0]["kind"] == "log.recovered" else None for _, log in logs[1:]] + [None]
every = [(name, seq, entry, size) for (name, log), size in zip(logs, kept) for seq, entry in enumerate(log)]
moves = [(n, e["data"]["from"]) for n, (_, s, e, size) in enumerate(every) if e["kind"] == "installation.rp_id_changed" and (size is None or s < size)]
keys, standing, good, wrong, old = {}, {}, 0, 0, 0
for n, (name, seq, entry, size) in enumerate(every):
    if seq == 0 and n > 0:
        keys = standing
    kind, data, before = entry["kind"], entry["data"], [rp for at, rp in moves if n < at]  # host names that the installation left later
    signed = data.get("signed") or (kind == "act.signed" and data["by"]) or {"assertions": []}
    for a in signed["assertions"]:
        try:
            auth, client, (owner, cose) = raw(a["authenticator_data"]), raw(a["client_data"]), keys[a["credential"]]
            said, rp = json.loads(client), before[0] if before else host(origin)
            at_home = host(said["origin"]) == rp if before else said["origin"].rstrip("/") == origin
            assert said["type"] == "webauthn.get" and at_home and owner == a["user"], "type, origin or owner"
            assert raw(said["challenge"]) == hashlib.sha256(raw(signed["act"])).digest(), "another act"
            assert auth[:32] == hashlib.sha256(rp.encode()).digest() and auth[32] & 5 == 5, "relying party or user verification"
            assert entry["actor"] == {"t": "user", "id": signed["assertions"][-1]["user"]}, "who acted did not sign"
            cose and verify(cose, raw(a["signature"]), auth + hashlib.sha256(client).digest())
            good, old = good + bool(cose), old + (not cose)
        except Exception as error:
            wrong += 1
            print(f"WRONG  {name} entry {seq}: {error!r}")
    if kind == "credential.added":
        keys[data["credential"]] = (data["user"], data.get("cose"))
    elif kind == "installation.rp_id_changed":
        keys.clear()
    elif kind in ("credential.removed", "credential.suspended", "recovery.keys_removed"):
        for credential in data.get("credentials") or [data["credential"]]:
            keys.pop(credential, None)
    if size is None or seq < size:
        standing = dict(keys)
print(f"{', '.join(name for name, _ in logs)}: {good} signatures good, {wrong} wrong, {old} not checked: by keys of an earlier version, which did not record them as COSE")
sys.exit(1 if wrong or not good else 0)

"""A repository written by python-tuf into a folder, in the names of consistent snapshots.

Arguments: folder, collection, key type (ed25519, ecdsa or rsa), layout (plain, releases or bins).
"""

import hashlib
import sys
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)

EXPIRES = datetime(2035, 1, 1, tzinfo=timezone.utc)


def target(path):
    content = f"manifest {path}".encode()
    fields = {"length": len(content), "hashes": {"sha256": hashlib.sha256(content).hexdigest()}}
    return TargetFile.from_dict({**fields, "custom": {"mediaType": "application/x"}}, path)


def sign(signed, *signers):
    metadata = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes()


def meta(data, version=1):
    return MetaFile(version, len(data), {"sha256": hashlib.sha256(data).hexdigest()})


def main(folder, collection, key_type, layout):
    make = getattr(CryptoSigner, f"generate_{key_type}")
    owner, online, releaser = make(), make(), make()
    root = Root(expires=EXPIRES, consistent_snapshot=True)
    root.unrecognized_fields["x-dtrust"] = {"collection": collection, "names": [collection]}
    root.add_key(owner.public_key, "root")
    for role in ("targets", "snapshot", "timestamp"):
        root.add_key(online.public_key, role)
    files, listed = {"1.root.json": sign(root, owner)}, {}

    top, path = Targets(expires=EXPIRES), f"{collection}:1.0"
    below = Targets(expires=EXPIRES)
    keys = {releaser.public_key.keyid: releaser.public_key}
    name = None
    if layout == "plain":
        top.targets[path] = target(path)
    else:
        below.targets[path] = target(path)
    if layout == "releases":
        name = "targets/releases"
        prefixes = list("0123456789abcdef")
        role = DelegatedRole(name, list(keys), 1, True, path_hash_prefixes=prefixes)
        top.delegations = Delegations(keys, roles={name: role})
    if layout == "bins":
        bins = SuccinctRoles(list(keys), 1, 10, "bin")
        top.delegations = Delegations(keys, succinct_roles=bins)
        name = bins.get_role_for_target(path)
    if name is not None:
        data = sign(below, releaser)
        files[f"1.{quote(name, '')}.json"] = data
        listed[f"{name}.json"] = meta(data)

    data = sign(top, online)
    files["1.targets.json"] = data
    listed["targets.json"] = meta(data)
    data = sign(Snapshot(expires=EXPIRES, meta=listed), online)
    files["1.snapshot.json"] = data
    files["timestamp.json"] = sign(Timestamp(expires=EXPIRES, snapshot_meta=meta(data)), online)
    for file, data in files.items():
        (Path(folder) / file).write_bytes(data)


main(*sys.argv[1:])

"""A collection for one image, written by python-tuf into a folder under the names that the registry's manifest gives.

Arguments: folder, collection, tag, digest, length, media type, key type (ed25519 or ecdsa). Prints the root key ID.
"""

import hashlib
import sys
from datetime import datetime, timezone
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

EXPIRES = datetime(2035, 1, 1, tzinfo=timezone.utc)


def sign(signed, signer):
    metadata = Metadata(signed)
    metadata.sign(signer)
    return metadata.to_bytes()


def meta(data):
    return MetaFile(1, len(data), {"sha256": hashlib.sha256(data).hexdigest()})


def main(folder, collection, tag, digest, length, media_type, key_type):
    make = getattr(CryptoSigner, f"generate_{key_type}")
    owner, online = make(), make()
    root = Root(expires=EXPIRES, consistent_snapshot=True)
    root.unrecognized_fields["x-dtrust"] = {"collection": collection, "names": [collection]}
    root.add_key(owner.public_key, "root")
    for role in ("targets", "snapshot", "timestamp"):
        root.add_key(online.public_key, role)
    path = f"{collection}:{tag}"
    fields = {"length": int(length), "hashes": {"sha256": digest.removeprefix("sha256:")}}
    targets = Targets(expires=EXPIRES)
    targets.targets[path] = TargetFile.from_dict({**fields, "custom": {"mediaType": media_type}}, path)
    targets_data = sign(targets, online)
    snapshot = Snapshot(expires=EXPIRES, meta={"targets.json": meta(targets_data)})
    snapshot.unrecognized_fields["x-dtrust"] = {"turn": 1, "history": []}
    snapshot_data = sign(snapshot, online)
    files = {
        "1.root.json": sign(root, owner),
        "1.targets.json": targets_data,
        "1.snapshot.json": snapshot_data,
        "timestamp.json": sign(Timestamp(expires=EXPIRES, snapshot_meta=meta(snapshot_data)), online),
    }
    for name, data in files.items():
        (Path(folder) / name).write_bytes(data)
    print(owner.public_key.keyid)


main(*sys.argv[1:])

"""python-tuf's client over a folder of metadata files.

Arguments: folder, first root, target path. Prints one JSON line: what the client found, or the class that refused.
"""

import json
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from tuf.api.exceptions import DownloadHTTPError, RepositoryError
from tuf.ngclient import FetcherInterface, Updater


class FolderFetcher(FetcherInterface):
    def __init__(self, folder):
        self.folder = Path(folder)

    def _fetch(self, url):
        file = self.folder / urlsplit(url).path.rsplit("/metadata/", 1)[1]
        if not file.is_file():
            raise DownloadHTTPError("absent", 404)
        return iter([file.read_bytes()])


def main(folder, root, path):
    with tempfile.TemporaryDirectory() as own:
        try:
            updater = Updater(
                metadata_dir=own,
                metadata_base_url="folder://host/metadata/",
                fetcher=FolderFetcher(folder),
                bootstrap=Path(root).read_bytes(),
            )
            updater.refresh()
            info = updater.get_targetinfo(path)
        except RepositoryError as error:
            return {"refused": type(error).__name__}
        if info is None:
            return {"found": None}
        return {"found": {"length": info.length, "sha256": info.hashes["sha256"]}}


print(json.dumps(main(*sys.argv[1:])))

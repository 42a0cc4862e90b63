/** The marker image as an OCI layout beside the context. */
import { MEDIA, sha256 } from '../../helpers/peers.ts';
import type { World } from '../world.ts';

export async function writeLayout(world: World): Promise<void> {
  const { config, layer } = world.marker.image();
  const blob = (bytes: Buffer, mediaType: string) => {
    const digest = sha256(bytes);
    world.write(`../blobs/sha256/${digest.slice('sha256:'.length)}`, {
      text: bytes.toString('latin1'),
      as: 'latin1',
    });
    return { mediaType, digest, size: bytes.length };
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: blob(config, 'application/vnd.oci.image.config.v1+json'),
    layers: [blob(layer, 'application/vnd.oci.image.layer.v1.tar')],
  };
  const entry = blob(Buffer.from(JSON.stringify(manifest)), MEDIA.ociManifest);
  const annotations = { 'org.opencontainers.image.ref.name': '1' };
  world.write('../oci-layout', '{"imageLayoutVersion":"1.0.0"}');
  world.write('../index.json', JSON.stringify({ schemaVersion: 2, manifests: [{ ...entry, annotations }] }));
}

/**
 * Something that can sign with one key, wherever the private half is: a decrypted file, a keychain, a token.
 */
import type { PublicKey } from './keys.ts';

export interface Signer {
  /** The public half, in the form it is listed with in metadata. */
  readonly publicKey: PublicKey;
  /**
   * Signs the bytes by the key's scheme: Ed25519 64 raw bytes, ECDSA a DER sequence, RSA-PSS with SHA-256 and a
   * salt as long as the digest.
   *
   * @throws KeyError as the key's store defines.
   */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

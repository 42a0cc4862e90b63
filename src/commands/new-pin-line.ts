/** After a change of keys: the pin that machines without memory start from is another one. */
import type { PublishTools } from '../publish/prepare.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { pinFor } from '../trust/core/pin.ts';
import { renderPinLine } from '../trust/pins.ts';

export function sayPinLine(
  { say, repository }: Pick<PublishTools, 'say' | 'repository'>,
  { trusted }: VerifiedCollection,
): void {
  const version = trusted.timestamp?.signed.version ?? 1;
  say(
    `pin for machines without memory: ${renderPinLine(repository.canonical, pinFor(trusted.root, version))}`,
  );
}

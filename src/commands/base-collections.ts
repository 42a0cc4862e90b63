/** The collections of trust data that a build asks: each opened once, whoever asks first. */
import type { Repository } from '../reference/reference.ts';
import type { VerifiedCollection } from '../trust/collection.ts';
import { openFor, printWarnings, sourceFor } from './open-collection.ts';
import type { Services } from './services.ts';

export class BaseCollections {
  readonly #services: Services;
  readonly #opening = new Map<string, Promise<VerifiedCollection>>();
  readonly #mayAsk = new Set<string>();

  constructor(services: Services) {
    this.#services = services;
  }

  /**
   * The collection, its source asked just now. Nobody is asked about a first key unless `mayAsk` was called: several
   * are opened side by side, and two questions at once on one terminal would get each other's answers.
   * @throws as `openCollection`
   */
  open(repository: Repository): Promise<VerifiedCollection> {
    const { canonical } = repository;
    const opening = this.#opening.get(canonical) ?? this.#open(repository);
    this.#opening.set(canonical, opening);
    return opening;
  }

  /** The next opening may ask; what came of an earlier one is forgotten. */
  mayAsk({ canonical }: Repository): void {
    if (this.#mayAsk.has(canonical)) return;
    this.#mayAsk.add(canonical);
    this.#opening.delete(canonical);
  }

  async #open(repository: Repository): Promise<VerifiedCollection> {
    const services = this.#services;
    const mayAsk = this.#mayAsk.has(repository.canonical);
    // Several are opened at a time, beside other work: none of them is the repository in hand.
    const { about } = services;
    const opening = sourceFor(services, repository);
    services.about = about;
    const source = await opening;
    const collection = await openFor(services, repository, source, { purpose: 'use', mayAsk });
    printWarnings(services, collection);
    return collection;
  }
}

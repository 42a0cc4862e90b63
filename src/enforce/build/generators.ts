/** Images that attestations of a build are made with: BuildKit runs them over the result. */

import { parseGoBool } from '../../cli/content-trust.ts';
import { readCsvRecord } from '../../cli/csv.ts';

/** What BuildKit takes when no generator is named. */
export const DEFAULT_GENERATOR = 'docker/buildkit-syft-scanner:stable-1';

/**
 * The generators that `--sbom` and `--attest` ask for. What cannot be read names none: buildx refuses it, and the
 * source policy denies what was not found here.
 */
export function sbomGenerators(sbom: string | undefined, attest: readonly string[]): readonly string[] {
  const asked = [...attest, ...(sbom === undefined || sbom === '' ? [] : [sbomAttestation(sbom)])];
  return asked.flatMap((text) => {
    const fields = (readCsvRecord(text) ?? []).map((field) => {
      const at = field.indexOf('=');
      return { name: (at < 0 ? field : field.slice(0, at)).toLowerCase(), value: field.slice(at + 1) };
    });
    const value = (name: string) => fields.findLast((field) => field.name === name)?.value;
    if (value('type') !== 'sbom' || parseGoBool(value('disabled') ?? '') === true) return [];
    return [value('generator') || DEFAULT_GENERATOR];
  });
}

/** `--sbom=true`, `--sbom=false`, `--sbom=generator=NAME` */
function sbomAttestation(text: string): string {
  const truth = parseGoBool(text);
  return truth === undefined ? `type=sbom,${text}` : `type=sbom,disabled=${!truth}`;
}

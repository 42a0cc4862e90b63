/** `--call`, `--check` and `--print` of buildx: a Dockerfile is looked at, and no image is made. */
import { type FlagMap, flagOn } from '../../cli/argv.ts';
import { readCsvRecord } from '../../cli/csv.ts';

/**
 * Whether the build surely makes no image. All three write one variable of buildx's, and the last of them counts; where
 * any of them says `build`, it may well build, and push.
 */
export function makesNoImage(flags: FlagMap): boolean {
  const methods = [...(flags.get('call') ?? []), ...(flags.get('print') ?? [])].map(methodOf);
  if (methods.some((method) => method === '' || method === 'build')) return false;
  return methods.length > 0 || flagOn(flags, 'check');
}

/** `outline` of `outline,format=json`; empty where none is named. */
function methodOf(text: string): string {
  return readCsvRecord(text)?.find((field) => !field.includes('=')) ?? '';
}

import { describeCorpus } from './corpus.ts';

await describeCorpus('buildkit on the classic store');

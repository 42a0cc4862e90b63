import { describeCorpus } from './corpus.ts';

await describeCorpus('classic 26.1');

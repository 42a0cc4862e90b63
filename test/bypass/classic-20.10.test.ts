import { describeCorpus } from './corpus.ts';

await describeCorpus('classic 20.10');

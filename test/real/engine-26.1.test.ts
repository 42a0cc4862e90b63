import { describeMainJob } from './main-job.ts';

await describeMainJob({ version: '26.1', containerdStore: false });

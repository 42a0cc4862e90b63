import { describeMainJob } from './main-job.ts';

await describeMainJob({ version: '20.10', containerdStore: false });

/** The command line in its usual variety. */
import type { Ordinary } from './ordinary-build.ts';

const DOCKERFILE = 'FROM <base>\nCOPY . /all\nRUN echo built > /built\n';

export const INVOCATIONS: readonly Ordinary[] = [
  {
    name: '-f in another folder',
    files: { 'docker/Dockerfile.prod': DOCKERFILE, file: 'f' },
    args: ['build', '--network=none', '-f', 'docker/Dockerfile.prod', '-t', '<case>', '.'],
  },
  {
    name: '-f outside the context',
    files: { '../Dockerfile': 'FROM <base>\nCOPY file /file\n', file: 'f' },
    args: ['build', '--network=none', '-f', '<beside>/Dockerfile', '-t', '<case>', '.'],
  },
  {
    name: 'the Dockerfile on stdin, with a context',
    files: { file: 'f' },
    args: ['build', '--network=none', '-t', '<case>', '-f', '-', '.'],
    stdin: 'FROM <base>\nCOPY file /file\n',
  },
  {
    name: 'the Dockerfile on stdin, without one',
    args: ['build', '--network=none', '-t', '<case>', '-'],
    stdin: 'FROM <base>\nRUN echo a > /a\n',
  },
  {
    name: 'a tar archive on stdin',
    args: ['build', '--network=none', '-t', '<case>', '-'],
    stdin: {
      tar: [
        { path: 'Dockerfile', text: DOCKERFILE },
        { path: 'sub/file', text: 'f' },
      ],
    },
  },
  {
    name: 'a compressed archive on stdin, with -f',
    args: ['build', '--network=none', '-t', '<case>', '-f', 'sub/D', '-'],
    stdin: {
      tar: [
        { path: './sub/D', text: DOCKERFILE },
        { path: './file', text: 'f' },
      ],
      gzip: true,
    },
  },
  {
    name: 'several tags, labels and limits',
    files: { Dockerfile: DOCKERFILE },
    args: [
      'build',
      '--network=none',
      '-t<case>',
      '--tag=<case>:other',
      '--label=a=b',
      '--no-cache',
      '--pull',
      '--shm-size=64m',
      '--ulimit',
      'nofile=1024:1024',
      '--add-host=there:10.0.0.1',
      '.',
    ],
  },
  {
    name: 'quietly, with the ID in a file',
    files: { Dockerfile: DOCKERFILE },
    args: ['build', '-q', '--network=none', '--iidfile', '<beside>/id', '-t', '<case>', '.'],
  },
  {
    name: '--target',
    files: {
      Dockerfile:
        'FROM <base> AS one\nRUN echo 1 > /1\nFROM one AS two\nRUN echo 2 > /2\nFROM two\nRUN false\n',
    },
    args: ['build', '--network=none', '--target=two', '-t', '<case>', '.'],
  },
  {
    name: 'image build',
    files: { Dockerfile: DOCKERFILE },
    args: ['image', 'build', '--network=none', '-t', '<case>', '.'],
  },
  {
    name: 'builder build, with the flags at the end',
    files: { Dockerfile: DOCKERFILE },
    args: ['builder', 'build', '.', '--network=none', '-t', '<case>'],
  },
];

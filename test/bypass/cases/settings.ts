/** The environment, config.json, and what the user's own files say. */
import { BUILDKIT } from '../builders.ts';
import type { Case } from '../case.ts';

const GOOD = 'FROM <base>\nLABEL a=b\n';
const EVIL = 'FROM <evil>\nLABEL a=b\n';
const BUILD = ['build', '--network=none', '.'];

const policy = (...rules: object[]): string => JSON.stringify({ version: 1, rules });

export const SETTINGS: readonly Case[] = [
  {
    name: 'a policy of the user that allows everything',
    tries: 'rules that come after those of dtrust',
    builders: BUILDKIT,
    files: {
      Dockerfile: GOOD,
      '../policy.json': policy({ action: 'ALLOW', selector: { identifier: '*' } }),
      '../evil': EVIL,
    },
    args: ['build', '--network=none', '-f', '<beside>/evil', '.'],
    env: { EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: '<beside>/policy.json' },
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'a policy of the user that converts a signed name',
    tries: 'another image for a name that is good',
    builders: BUILDKIT,
    files: {
      Dockerfile: GOOD,
      '../policy.json': policy({
        action: 'CONVERT',
        selector: { identifier: 'docker-image://<base>' },
        updates: { identifier: 'docker-image://<evil>' },
      }),
    },
    args: BUILD,
    env: { EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: '<beside>/policy.json' },
    gets: 'denied',
  },
  {
    name: 'a policy of the user that converts what dtrust pins',
    tries: 'another image for a digest that is good',
    builders: BUILDKIT,
    files: {
      Dockerfile: GOOD,
      '../policy.json': policy({
        action: 'CONVERT',
        selector: { identifier: 'docker-image://<base>*' },
        updates: { identifier: 'docker-image://<evil>' },
      }),
    },
    args: BUILD,
    env: { EXPERIMENTAL_BUILDKIT_SOURCE_POLICY: '<beside>/policy.json' },
    gets: 'denied',
  },
  {
    name: 'DOCKER_BUILDKIT=0 beside buildx',
    tries: 'the builder that is not looked at',
    builders: BUILDKIT,
    files: { Dockerfile: EVIL },
    args: BUILD,
    env: { DOCKER_BUILDKIT: '0' },
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'DOCKER_BUILDKIT=1 with an engine that knows no policies',
    tries: 'a builder that does not do as it is told',
    builders: ['classic 20.10'],
    files: { Dockerfile: 'FROM <signed:app>\nLABEL a=b\n' },
    signed: { app: {} },
    args: BUILD,
    arrange: (world) => world.moveTag('app'),
    env: { DOCKER_BUILDKIT: '1' },
    gets: 'BUILDER_CANNOT_ENFORCE',
  },
  {
    name: 'buildx with an engine that knows no policies',
    tries: 'a builder that passes over a policy in silence',
    builders: ['classic 20.10'],
    files: { Dockerfile: 'FROM <signed:app>\nLABEL a=b\n' },
    signed: { app: {} },
    args: ['buildx', 'build', '--network=none', '.'],
    arrange: (world) => world.moveTag('app'),
    gets: 'BUILDER_CANNOT_ENFORCE',
  },
  {
    name: 'DOCKER_BUILDKIT=1 without buildx',
    tries: 'a builder that is not there',
    builders: ['classic 26.1'],
    files: { Dockerfile: EVIL },
    args: BUILD,
    env: { DOCKER_BUILDKIT: '1' },
    cannot: { classic: 'docker refuses it' },
    gets: 'BUILDX_MISSING',
  },
  {
    name: 'DOCKER_BUILDKIT with a value that is none',
    tries: 'two readings of one value',
    files: { Dockerfile: EVIL },
    args: BUILD,
    env: { DOCKER_BUILDKIT: 'perhaps' },
    cannot: { classic: 'docker refuses it', buildkit: 'docker refuses it' },
    gets: 'USAGE',
  },
  {
    name: 'DOCKER_CONTENT_TRUST with a value that is none',
    tries: 'trust switched off by a slip',
    files: { Dockerfile: EVIL },
    args: BUILD,
    env: { DOCKER_CONTENT_TRUST: 'no' },
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'an alias for builder',
    tries: 'a build that is another command',
    builders: BUILDKIT,
    files: { Dockerfile: EVIL },
    args: ['builder', 'build', '--network=none', '.'],
    config: { aliases: { builder: 'buildx' } },
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'another folder of settings',
    tries: 'settings that dtrust does not read',
    builders: BUILDKIT,
    files: { Dockerfile: EVIL },
    args: BUILD,
    env: { BUILDX_CONFIG: '<beside>' },
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'BUILDX_BUILDER',
    tries: 'another builder than the usual one',
    builders: BUILDKIT,
    files: { Dockerfile: EVIL },
    args: BUILD,
    env: { BUILDX_BUILDER: 'default' },
    gets: 'NO_TRUST_DATA',
  },
  {
    name: 'an engine of another context',
    tries: 'an engine that is not the one that dtrust asks',
    files: { Dockerfile: EVIL },
    args: ['--context', 'other', 'build', '--network=none', '.'],
    arrange: (world) => world.makeContext('other'),
    gets: 'NO_TRUST_DATA',
  },
];

/** What docker and buildx say of themselves: answers of real programs. */
import { describe, expect, test } from 'vitest';
import { cliMajorVersion, isBuildx, parseBuilder } from '../../src/engine/buildx.ts';

const answer = (stdout: string, status: number | null = 0) => ({ status, stdout: Buffer.from(stdout) });

const ENGINE = `Name:   default
Driver: docker

Nodes:
Name:             default
Endpoint:         default
Status:           running
BuildKit version: v0.12.5
Platforms:        linux/amd64*, linux/amd64/v2, linux/386
Labels:
 org.mobyproject.buildkit.worker.moby.host-gateway-ip: <nil>
`;

const CONTAINER = `Name:          mine
Driver:        docker-container
Last Activity: 2026-01-02 03:04:05 +0000 UTC

Nodes:
Name:                  mine0
Endpoint:              unix:///var/run/docker.sock
Driver Options:        network="host" image="moby/buildkit@sha256:aa"
Status:                inactive
BuildKit daemon flags: --allow-insecure-entitlement=network.host
Platforms:
`;

describe('docker --version', () => {
  test.each<[string, number | undefined]>([
    ['Docker version 26.1.5+dfsg1, build a72d7cd\n', 26],
    ['Docker version 20.10.24+dfsg1, build 297e128\n', 20],
    ['podman version 4.9.3\n', undefined],
    ['', undefined],
  ])('%j is %j', (text, major) => expect(cliMajorVersion(answer(text))).toBe(major));

  test('a failure says nothing', () => {
    expect(cliMajorVersion(answer('Docker version 26.1.5\n', 1))).toBeUndefined();
    expect(cliMajorVersion(answer('Docker version 26.1.5\n', null))).toBeUndefined();
  });
});

describe('docker buildx version', () => {
  test.each<[string, number, boolean]>([
    ['github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n', 0, true],
    ['github.com/docker/buildx v0.12.1 30feaa1\n', 0, true],
    ['buildah 1.33.7 (image-spec 1.1.0)\n', 0, false],
    ["docker: 'buildx' is not a docker command.\n", 1, false],
    ['github.com/docker/buildx v0.12.1 30feaa1\n', 1, false],
  ])('%j with status %i: %j', (text, status, wanted) => {
    expect(isBuildx(answer(text, status))).toBe(wanted);
  });
});

describe('docker buildx inspect', () => {
  test("the engine's own builder", () => {
    expect(parseBuilder(ENGINE)).toEqual({
      name: 'default',
      driver: 'docker',
      nodes: 1,
      endpoint: 'default',
      running: true,
      buildkit: 'v0.12.5',
      platforms: ['linux/amd64', 'linux/amd64/v2', 'linux/386'],
      image: undefined,
    });
  });

  test('one in a container that does not run yet, with the image it would be made of', () => {
    expect(parseBuilder(CONTAINER)).toMatchObject({
      name: 'mine',
      driver: 'docker-container',
      endpoint: 'unix:///var/run/docker.sock',
      running: false,
      buildkit: '',
      platforms: [],
      image: 'moby/buildkit@sha256:aa',
    });
  });

  test('nodes are counted', () => {
    const second = CONTAINER.slice(CONTAINER.indexOf('Name:                  mine0'));
    expect(parseBuilder(`${CONTAINER}\n${second}`)?.nodes).toBe(2);
  });

  test.each(['', 'Name: x\n', 'Name: x\nDriver: docker\n', 'Name: x\nDriver: docker\nNodes:\n', 'buildah\n'])(
    '%j is no builder',
    (text) => expect(parseBuilder(text)).toBeUndefined(),
  );
});

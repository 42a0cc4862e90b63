/** What only BuildKit has. */
import { generateKeyPairSync } from 'node:crypto';
import { BUILDKIT } from '../builders.ts';
import type { Ordinary } from './ordinary-build.ts';

const BUILD = ['build', '--network=none', '-t', '<case>', '.'];

export const BUILDKIT_FEATURES: readonly Ordinary[] = (
  [
    {
      name: 'cache mounts',
      files: {
        Dockerfile: `FROM <base> AS build
RUN --mount=type=cache,target=/root/.cache,id=packages,sharing=locked echo cached > /root/.cache/x && cat /root/.cache/x > /x
RUN --mount=type=cache,target=/root/.cache,id=packages cat /root/.cache/x > /y
FROM <base>
COPY --from=build /x /y /
`,
      },
      args: BUILD,
    },
    {
      name: 'secrets',
      files: {
        Dockerfile:
          'FROM <base>\nRUN --mount=type=secret,id=token cat /run/secrets/token | wc -c > /length\nRUN --mount=type=secret,id=env,target=/e cat /e | wc -c > /other\n',
        '../token': 'hush',
      },
      args: [
        'build',
        '--network=none',
        '--secret',
        'id=token,src=<beside>/token',
        '--secret=id=env,env=TOKEN',
        '-t',
        '<case>',
        '.',
      ],
      env: { TOKEN: 'quiet' },
    },
    {
      name: 'ssh',
      files: {
        Dockerfile: 'FROM <base>\nRUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && echo yes > /ssh\n',
      },
      args: ['build', '--network=none', '--ssh', 'default=<beside>/key', '-t', '<case>', '.'],
      arrange: async (world) => {
        const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
        world.write('../key', privateKey.export({ type: 'pkcs1', format: 'pem' }).toString());
      },
    },
    {
      name: 'heredocs',
      files: {
        Dockerfile: `FROM <base>
RUN <<EOF
echo one > /one
echo two > /two
EOF
COPY <<first.txt <<"second.txt" /texts/
expanded: $PATH
first.txt
FROM nowhere: $PATH
second.txt
RUN <<-SCRIPT cat > /three
	indented
	SCRIPT
RUN cat <<A <<'B' > /four
a
A
b
B
`,
      },
      args: BUILD,
    },
    {
      name: 'mounts of the context, of a stage and of memory',
      files: {
        Dockerfile: `FROM <base> AS tools
RUN echo tool > /tool
FROM <base>
RUN --mount=type=bind,source=input,target=/input \\
    --mount=from=tools,source=/tool,target=/tool \\
    --mount=type=tmpfs,target=/scratch \\
    cat /input /tool > /scratch/x && cp /scratch/x /result
`,
        input: 'in',
      },
      args: BUILD,
    },
    {
      name: 'a mount from a signed image',
      signed: { tools: {} },
      files: { Dockerfile: 'FROM <base>\nRUN --mount=from=<signed:tools>,target=/t cat /t/message > /m\n' },
      args: BUILD,
    },
    {
      name: 'COPY --link and --chmod',
      files: {
        Dockerfile: 'FROM <base>\nCOPY --link --chmod=0750 a /a\nCOPY --link --chown=5:6 b /b\n',
        a: 'a',
        b: 'b',
      },
      args: BUILD,
    },
    {
      name: 'a second context in a folder',
      files: { Dockerfile: 'FROM <base>\nCOPY --from=more extra /extra\n', '../more/extra': 'e' },
      args: ['build', '--network=none', '--build-context', 'more=<beside>/more', '-t', '<case>', '.'],
    },
    {
      name: 'a second context with a signed image',
      signed: { app: {} },
      files: { Dockerfile: 'FROM <base>\nCOPY --from=app /message /m\n' },
      args: [
        'build',
        '--network=none',
        '--build-context',
        'app=docker-image://<signed:app>',
        '-t',
        '<case>',
        '.',
      ],
    },
    {
      name: 'the result in a folder',
      files: { Dockerfile: 'FROM <base> AS b\nRUN echo a > /a\nFROM scratch\nCOPY --from=b /a /\n' },
      args: ['build', '--network=none', '-o', '<beside>/out', '.'],
      result: 'folder',
    },
    {
      name: 'the result in an archive',
      files: { Dockerfile: 'FROM <base> AS b\nRUN echo a > /a\nFROM scratch\nCOPY --from=b /a /\n' },
      args: ['build', '--network=none', '--output', 'type=tar,dest=<beside>/out', '.'],
      result: 'archive',
    },
    {
      name: 'arguments of the platform',
      files: {
        Dockerfile: `FROM --platform=$BUILDPLATFORM <base> AS build
ARG TARGETPLATFORM
ARG TARGETARCH
ARG BUILDPLATFORM
RUN echo "$BUILDPLATFORM $TARGETPLATFORM $TARGETARCH" > /platform
FROM scratch
COPY --from=build /platform /platform
`,
      },
      args: ['build', '--network=none', '--platform', 'linux/<other-arch>', '-t', '<case>', '.'],
    },
    {
      name: 'a base of several platforms for another platform',
      signed: { multi: { index: { amd64: 'innocent', arm64: 'innocent' } } },
      files: { Dockerfile: 'FROM <signed:multi>\nCOPY a /a\n', a: 'a' },
      args: ['build', '--network=none', '--platform=linux/<other-arch>', '-t', '<case>', '.'],
    },
    {
      name: 'several platforms at once',
      builders: ['buildkit on the containerd store'],
      signed: { multi: { index: { amd64: 'innocent', arm64: 'innocent' } } },
      files: { Dockerfile: 'FROM <signed:multi>\nCOPY a /a\n', a: 'a' },
      args: ['buildx', 'build', '--network=none', '--platform=linux/amd64,linux/arm64', '-t', '<case>', '.'],
    },
    {
      name: 'buildx build with a file of metadata',
      files: { Dockerfile: 'FROM <base>\nCOPY a /a\n', a: 'a' },
      args: [
        'buildx',
        'build',
        '--load',
        '--metadata-file',
        '<beside>/metadata',
        '--network=none',
        '-t',
        '<case>',
        '.',
      ],
    },
    {
      name: 'RUN --network',
      files: { Dockerfile: 'FROM <base>\nRUN --network=none echo a > /a\n' },
      args: BUILD,
    },
  ] satisfies Ordinary[]
).map((each): Ordinary => ({ builders: BUILDKIT, ...each }));

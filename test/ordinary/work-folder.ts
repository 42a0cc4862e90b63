/** The folder that all invocations run in: files to read, and contexts to build. */
import fs from 'node:fs';
import path from 'node:path';

/** Fills a new folder; `team` is the registry with the namespace of the images. */
export function writeWork(folder: string, team: string): void {
  const files: Readonly<Record<string, string>> = {
    'hello.txt': 'hello from a file\n',
    'env.list': 'FROM_FILE=yes\n',
    'labels.list': 'c=d\n',
    'other/named.txt': 'from another context\n',
    'app/hello.txt': 'hello from the context\n',
    'app/.dockerignore': '*.md\n',
    'app/Dockerfile': [
      `FROM ${team}/busybox:1.36 AS build`,
      'ARG VERSION=1',
      'RUN --network=none echo "built $VERSION" > /built',
      '',
      `FROM ${team}/app:1.0`,
      'COPY --from=build /built /built',
      'COPY hello.txt /hello.txt',
      'CMD ["cat", "/built"]',
    ].join('\n'),
    'app/Classic.Dockerfile': [
      `FROM ${team}/busybox:1.36 AS build`,
      'ARG VERSION=1',
      'RUN echo "built $VERSION" > /built',
      `FROM ${team}/app:1.0`,
      'COPY --from=build /built /built',
      'COPY hello.txt /hello.txt',
      'CMD ["cat", "/built"]',
    ].join('\n'),
    'app/Simple.Dockerfile': `FROM ${team}/app:2.0\nLABEL simple=yes\n`,
    'app/Context.Dockerfile': `FROM ${team}/app:1.0\nCOPY --from=other named.txt /\n`,
    'app/Secret.Dockerfile': `FROM ${team}/busybox:1.36\nRUN --network=none --mount=type=secret,id=token wc -c < /run/secrets/token > /size\n`,
    'app/Export.Dockerfile': 'FROM scratch\nCOPY hello.txt /\n',
    'app/Arg.Dockerfile': 'ARG BASE\nFROM $BASE\nLABEL from=argument\n',
    'app/OnLocal.Dockerfile': 'FROM mine/built\nCMD ["echo", "on what was built here"]\n',
    'app/OnClassic.Dockerfile': 'FROM mine/classic\nCMD ["echo", "on what was built here"]\n',
    'app/Broken.Dockerfile': `FROM ${team}/app:1.0\nNONSENSE\n`,
    'app/Failing.Dockerfile': `FROM ${team}/busybox:1.36\nRUN --network=none exit 3\n`,
    'app/Missing.Dockerfile': `FROM ${team}/app:9.9\n`,
    'app/NoFile.Dockerfile': `FROM ${team}/app:1.0\nCOPY no-such-file /\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  }
}

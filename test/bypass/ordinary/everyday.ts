/** Projects as they are found everywhere, with a shell in place of their compilers. */
import type { Ordinary } from './ordinary-build.ts';

const BUILD = ['build', '--network=none', '-t', '<case>', '.'];

export const EVERYDAY: readonly Ordinary[] = [
  {
    name: 'a service in Go',
    files: {
      Dockerfile: `# The compiler stays behind.
FROM <base> AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN cat go.mod go.sum > /deps.lock
COPY . .
ARG VERSION=dev
RUN mkdir -p /out \\
 && printf 'binary %s\\n' "$VERSION" > /out/server \\
 && chmod 755 /out/server

FROM scratch
COPY --from=build /out/server /server
EXPOSE 8080/tcp
USER 65532:65532
ENTRYPOINT ["/server"]
CMD ["--listen", ":8080"]
`,
      'go.mod': 'module example.test/server\n',
      'go.sum': '',
      'main.go': 'package main\n',
      '.dockerignore': '.git\n*.md\n',
      'README.md': 'not copied',
    },
    args: ['build', '--network=none', '--build-arg', 'VERSION=1.2.3', '-t', '<case>', '.'],
  },
  {
    name: 'a web application in JavaScript',
    files: {
      Dockerfile: `ARG BASE=<base>
FROM \${BASE} AS dependencies
WORKDIR /app
COPY package*.json ./
RUN mkdir node_modules && cp package.json node_modules/.lock

FROM dependencies AS build
COPY src/ src/
RUN mkdir dist && cat src/*.js > dist/bundle.js

FROM \${BASE} AS production
ENV NODE_ENV=production \\
    PORT=3000
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
EXPOSE $PORT
CMD ["cat", "dist/bundle.js"]
`,
      'package.json': '{}\n',
      'package-lock.json': '{}\n',
      'src/a.js': 'a();\n',
      'src/b.js': 'b();\n',
    },
    args: BUILD,
  },
  {
    name: 'an application in Python',
    files: {
      Dockerfile: `FROM <base>
LABEL maintainer="team@example.test"
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=off
WORKDIR /usr/src/app
COPY requirements.txt .
RUN set -eu; \\
    # each line a package
    for name in $(cat requirements.txt); do \\
      mkdir -p "/site/$name"; \\
    done
COPY . .
VOLUME ["/data", "/logs"]
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s --retries=3 CMD ["cat", "/usr/src/app/app.py"]
USER 1000
CMD cat app.py
`,
      'requirements.txt': 'flask\nrequests\n',
      'app.py': 'print("hello")\n',
    },
    args: BUILD,
  },
  {
    name: 'a database with an entrypoint',
    files: {
      Dockerfile: `FROM <base>

# A user of its own before anything else.
RUN set -eux; \\
	mkdir -p /etc; \\
	printf 'root:x:0:0::/:/bin/sh\\ndb:x:999:999::/var/lib/db:/bin/sh\\n' > /etc/passwd; \\
	printf 'root:x:0:\\ndb:x:999:\\n' > /etc/group

ENV DB_MAJOR 16
ENV DB_VERSION 16.2-1
ENV PGDATA /var/lib/db/data
RUN mkdir -p "$PGDATA" && chmod 777 "$PGDATA"
VOLUME /var/lib/db/data

COPY --chown=db:db docker-entrypoint.sh /bin/
RUN chmod +x /bin/docker-entrypoint.sh
ENTRYPOINT ["docker-entrypoint.sh"]

STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["db"]
`,
      'docker-entrypoint.sh': '#!/bin/sh\nset -e\nexec "$@"\n',
    },
    args: BUILD,
  },
  {
    name: 'a web server with its configuration',
    files: {
      Dockerfile: `FROM <base> AS assets
COPY site /site
RUN find /site -name '*.txt' | sort | tr '\\n' ' ' > /site/index

FROM <base>
ARG UID=101
ARG GID=101
RUN mkdir -p /etc/web /var/www /var/log/web \\
    && ln -s /dev/stdout /var/log/web/access.log \\
    && ln -s /dev/stderr /var/log/web/error.log
COPY web.conf /etc/web/web.conf
COPY --from=assets /site/ /var/www/
EXPOSE 80 443
STOPSIGNAL SIGQUIT
USER $UID:$GID
CMD ["web", "-g", "daemon off;"]
`,
      'web.conf': 'listen 80;\n',
      'site/a.txt': 'a',
      'site/sub/b.txt': 'b',
    },
    args: BUILD,
  },
  {
    name: 'one Dockerfile for development, test and production',
    files: {
      Dockerfile: `FROM <base> AS base
WORKDIR /app
COPY app.sh .

FROM base AS test
RUN sh app.sh > /result

FROM base AS development
ENV DEBUG=1

FROM base AS production
COPY --from=test /result /checked
CMD ["sh", "app.sh"]
`,
      'app.sh': 'echo works\n',
    },
    args: ['build', '--network=none', '--target', 'production', '-t', '<case>', '.'],
  },
  {
    name: 'a tool in an image of nothing else',
    files: {
      Dockerfile: 'FROM scratch\nCOPY tool /\nENTRYPOINT ["/tool"]\n',
      tool: 'static',
    },
    args: BUILD,
  },
  {
    name: 'an application on a base with triggers',
    signed: { onbuild: { onBuild: ['WORKDIR /app', 'COPY . /app', 'RUN cat /app/input > /app/output'] } },
    files: { Dockerfile: 'FROM <signed:onbuild>\nCMD ["cat", "output"]\n', input: 'in' },
    args: BUILD,
  },
  {
    name: 'a static site from one stage by its number',
    files: {
      Dockerfile: `FROM <base>
RUN echo '<h1>hello</h1>' > /index.html
FROM <base>
COPY --from=0 /index.html /www/index.html
`,
    },
    args: BUILD,
  },
  {
    name: 'files of another signed image',
    signed: { tools: {} },
    files: {
      Dockerfile: 'FROM <base>\nCOPY --from=<signed:tools> /message /tools/message\nRUN cat /tools/message\n',
    },
    args: BUILD,
  },
  {
    name: 'a batch job with its labels',
    files: {
      Dockerfile: `FROM <base>
ARG BUILD_DATE
ARG VCS_REF
LABEL org.opencontainers.image.created=$BUILD_DATE \\
      org.opencontainers.image.revision=$VCS_REF \\
      org.opencontainers.image.title="a job" \\
      multi.line="first \\
second"
COPY job.sh /
CMD ["/bin/sh", "/job.sh"]
`,
      'job.sh': 'echo job\n',
    },
    args: [
      'build',
      '--network=none',
      '--build-arg=BUILD_DATE=2024-01-01',
      '--build-arg',
      'VCS_REF=abc',
      '--label',
      'team=ops',
      '-t',
      '<case>',
      '.',
    ],
  },
];

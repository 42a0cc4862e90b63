/** One build for each instruction that people use, in its less usual forms. */
import type { Ordinary } from './ordinary-build.ts';

const BUILD = ['build', '--network=none', '-t', '<case>', '.'];

export const INSTRUCTIONS: readonly Ordinary[] = [
  {
    name: 'ARG in all its expansions',
    files: {
      Dockerfile: `ARG NAME=<base-name>
ARG TAG
FROM \${NAME}:\${TAG:-1}
ARG NAME
ARG EMPTY=
ARG SET=set
ENV A=\${EMPTY:-default} B=\${SET:+alternative} C="$SET \${SET}" D='$SET' E=\\$SET
RUN echo "$NAME|$A|$B|$C|$D|$E" | sed 's,.*/,,' > /values
`,
    },
    args: BUILD,
  },
  {
    name: 'SHELL, then RUN in both forms',
    files: {
      Dockerfile: `FROM <base>
SHELL ["/bin/sh", "-euc"]
RUN echo shell > /one
RUN ["/bin/sh", "-c", "echo exec > /two"]
SHELL ["/bin/busybox", "sh", "-c"]
RUN echo other > /three
CMD echo default
`,
    },
    args: BUILD,
  },
  {
    name: 'WORKDIR and USER, one after the other',
    files: {
      Dockerfile: `FROM <base>
WORKDIR /a
WORKDIR b
ENV SUB=c
WORKDIR $SUB/d
RUN touch here
USER nobody
USER 10:20
WORKDIR /tmp/x
`,
    },
    args: BUILD,
  },
  {
    name: 'HEALTHCHECK NONE and MAINTAINER',
    files: { Dockerfile: 'FROM <base>\nMAINTAINER somebody\nHEALTHCHECK CMD true\nHEALTHCHECK NONE\n' },
    args: BUILD,
  },
  {
    name: 'ADD of an archive and of files',
    files: {
      Dockerfile:
        'FROM <base>\nADD a.txt b.txt /files/\nADD ["with space.txt", "/files/with space.txt"]\nADD sub /sub\n',
      'a.txt': 'a',
      'b.txt': 'b',
      'with space.txt': 'c',
      'sub/d/e': 'e',
    },
    args: BUILD,
  },
  {
    name: 'COPY with wildcards',
    files: {
      Dockerfile: 'FROM <base>\nCOPY src/*.c src/?.h /src/\nCOPY hom* /dst/\n',
      'src/a.c': 'a',
      'src/b.h': 'b',
      'src/no.txt': 'n',
      home: 'h',
      homer: 'r',
    },
    args: BUILD,
  },
  {
    name: 'ENV in its old form',
    files: {
      Dockerfile:
        'FROM <base>\nENV GREETING hello   world \\\n  again\nENV A=1 B="two words" C=three\\ words\nRUN echo "$GREETING $B" > /g\n',
    },
    args: BUILD,
  },
  {
    name: 'ONBUILD for those who come later',
    files: { Dockerfile: 'FROM <base>\nONBUILD COPY . /app\nONBUILD RUN cat /app/x\n' },
    args: BUILD,
  },
  {
    name: 'a .dockerignore with exceptions',
    files: {
      Dockerfile: 'FROM <base>\nCOPY . /all\n',
      '.dockerignore': '# comment\n*\n!keep\n!docs/*.md\nkeep/secret*\n**/*.tmp\n',
      'keep/a': 'a',
      'keep/secret1': 's',
      'keep/b.tmp': 't',
      'docs/x.md': 'x',
      'docs/x.txt': 'x',
      other: 'o',
    },
    args: BUILD,
  },
  {
    name: 'lines that end as in Windows',
    files: {
      Dockerfile: 'FROM <base>\r\nRUN echo a && \\\r\n  echo b > /b\r\nLABEL a=b\r\nCMD ["true"]\r\n',
    },
    args: BUILD,
  },
  {
    name: 'another escape sign',
    files: {
      Dockerfile: '# escape=`\nFROM <base>\nENV DIR=C:\\dir\nRUN echo one > /one `\n && echo two > /two\n',
    },
    args: BUILD,
  },
  {
    name: 'comments and empty lines wherever they may be',
    files: {
      Dockerfile:
        '\n\n# first\n\n  # indented\nFROM <base>\n\n\nRUN echo a \\\n  # in between\n\n  b > /ab\n# last',
    },
    args: BUILD,
  },
  {
    name: 'a base by tag and digest',
    files: { Dockerfile: 'FROM <base>@<base-digest>\nRUN echo a > /a\n' },
    args: BUILD,
  },
  {
    name: 'small letters',
    files: { Dockerfile: 'from <base> as Build\nrun echo a > /a\nfrom <base>\ncopy --from=build /a /a\n' },
    args: BUILD,
  },
];

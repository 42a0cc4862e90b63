/**
 * What each instruction asks of its arguments, as BuildKit checks it before it looks at any of them closer. Values that
 * name no image (durations, ports, signals) are left to the builder.
 */
import type { Instruction } from './dockerfile.ts';
import { heredocIn } from './heredoc.ts';
import type { Refuse } from './invalid.ts';
import { orRefuse } from './lex-error.ts';
import { mountSources } from './mounts.ts';
import { trimSpace } from './space.ts';

type Check = (instruction: Instruction, refuse: Refuse) => void;

const exactlyOne: Check = ({ keyword, args }, refuse) => {
  if (args.length !== 1) refuse(`${keyword} requires exactly one argument`);
};

const atLeastOne: Check = ({ keyword, args }, refuse) => {
  if (args.length === 0) refuse(`${keyword} requires at least one argument`);
};

const pairs: Check = (instruction, refuse) => {
  atLeastOne(instruction, refuse);
  const isBlank = instruction.args.some((name, index) => index % 2 === 0 && name === '');
  if (isBlank) refuse(`${instruction.keyword} names can not be blank`);
};

const sources: Check = ({ keyword, args }, refuse) => {
  if (args.length < 2) refuse(`${keyword} requires at least two arguments: sources and a destination`);
  if (orRefuse(() => heredocIn(args.at(-1) ?? ''), refuse) !== undefined) {
    refuse(`${keyword} cannot accept a heredoc as a destination`);
  }
};

const from: Check = ({ args }, refuse) => {
  const [, as, name] = args;
  if (args.length !== 1 && !(args.length === 3 && /^as$/i.test(as ?? ''))) {
    refuse('FROM requires either one or three arguments');
  }
  if (name !== undefined && !/^[a-z][a-z0-9_.-]*$/i.test(name))
    refuse(`invalid name for build stage: ${name}`);
};

const arg: Check = (instruction, refuse) => {
  atLeastOne(instruction, refuse);
  if (instruction.args.some((word) => word.startsWith('='))) refuse('ARG names can not be blank');
};

const run: Check = ({ flags }, refuse) => {
  mountSources(flags, refuse);
  for (const { name, value } of flags) {
    if (name === 'network' && !/^(?:default|none|host)$/.test(value ?? '')) {
      refuse(`invalid network mode ${value}`);
    }
  }
};

const healthcheck: Check = (instruction, refuse) => {
  atLeastOne(instruction, refuse);
  const [type = '', ...command] = instruction.args;
  if (/^none$/i.test(type)) {
    if (command.length > 0) refuse('HEALTHCHECK NONE takes no arguments');
  } else if (!/^cmd$/i.test(type)) {
    refuse(`unknown type ${type} in HEALTHCHECK (try CMD)`);
  } else if (command.length === 0) {
    refuse('missing command after HEALTHCHECK CMD');
  }
};

const shell: Check = (instruction, refuse) => {
  atLeastOne(instruction, refuse);
  if (!instruction.json) refuse('SHELL requires the arguments to be in JSON form');
};

const volume: Check = (instruction, refuse) => {
  atLeastOne(instruction, refuse);
  if (instruction.args.some((path) => trimSpace(path) === '')) {
    refuse('VOLUME specified can not be an empty string');
  }
};

const CHECKS: ReadonlyMap<string, Check> = new Map([
  ['ADD', sources],
  ['ARG', arg],
  ['COPY', sources],
  ['ENV', pairs],
  ['EXPOSE', atLeastOne],
  ['FROM', from],
  ['HEALTHCHECK', healthcheck],
  ['LABEL', pairs],
  ['MAINTAINER', exactlyOne],
  ['ONBUILD', exactlyOne],
  ['RUN', run],
  ['SHELL', shell],
  ['STOPSIGNAL', exactlyOne],
  ['USER', exactlyOne],
  ['VOLUME', volume],
  ['WORKDIR', exactlyOne],
]);

/** Refuses an instruction whose arguments BuildKit refuses. */
export function checkInstruction(instruction: Instruction, refuse: Refuse): void {
  CHECKS.get(instruction.keyword)?.(instruction, refuse);
}

/** References that docker accepts, in every form: hosts, ports, addresses, deep paths, tags and digests. */
import fc from 'fast-check';

const alphanumeric = fc.string({
  unit: fc.constantFrom(...'abcxyz0129'),
  minLength: 1,
  maxLength: 6,
});
const separator = fc.constantFrom('.', '_', '__', '-', '--');

const component = fc
  .tuple(alphanumeric, fc.array(fc.tuple(separator, alphanumeric), { maxLength: 2 }))
  .map(([first, more]) => first + more.map((part) => part.join('')).join(''));

const path = fc.oneof(
  fc.array(component, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
  fc.constantFrom(
    'library/nginx',
    'nginx',
    'localhost/x',
    'a.b/c',
    'library/a/b',
    `library/${'0'.repeat(64)}`,
  ),
);

const label = fc
  .tuple(alphanumeric, fc.constantFrom('', '-', '--'), alphanumeric)
  .map((parts) => parts.join(''));
const mixedCase = fc
  .tuple(label, fc.boolean())
  .map(([text, upper]) => (upper ? `A${text.toUpperCase()}` : text));

const host = fc.oneof(
  fc.constantFrom(
    'docker.io',
    'index.docker.io',
    'registry-1.docker.io',
    'Docker.IO',
    'localhost',
    'LOCALHOST',
  ),
  fc.array(mixedCase, { minLength: 2, maxLength: 3 }).map((labels) => labels.join('.')),
  fc.ipV4(),
  fc
    .ipV6()
    .filter((address) => !address.includes('.'))
    .map((address) => `[${address}]`),
  label.map((text) => `A${text}`.toUpperCase()),
);
const port = fc.oneof(fc.constantFrom(443, 80, 5000), fc.integer({ min: 1, max: 65_535 }));
const hostAndPort = fc.oneof(
  host,
  fc.tuple(fc.oneof(host, label), port).map(([name, number]) => `${name}:${number}`),
);

/** A repository as somebody may type it; a lone `localhost` or host is the name of an official image. */
export const repositoryName = fc
  .oneof(
    path,
    fc.tuple(hostAndPort, path).map((parts) => parts.join('/')),
  )
  // An image ID, or a first part with a dot that can be no host: docker reads neither as a name.
  .filter((name) => !/^[a-f0-9]{64}$/.test(name) && !/^(?=[^/]*\.)[^/]*_[^/]*\//.test(name));

const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);
const digest = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => `sha256:${Buffer.from(bytes).toString('hex')}`);

export const anyReference = fc
  .tuple(repositoryName, fc.option(tag), fc.option(digest))
  .map(([name, t, d]) => name + (t === null ? '' : `:${t}`) + (d === null ? '' : `@${d}`));

import { describe, expect, it } from 'vitest';
import { insecureRegistries, loopbackOnly } from '../../src/settings/insecure-registries.ts';

const INFO = {
  RegistryConfig: {
    InsecureRegistryCIDRs: [
      '::1/128',
      '127.0.0.0/8',
      '10.1.0.0/16',
      'fd00::/8',
      'nonsense',
      '10.0.0.0/99',
      5,
    ],
    IndexConfigs: {
      'docker.io': { Name: 'docker.io', Mirrors: [], Secure: true, Official: true },
      'lab.example:5000': { Name: 'lab.example:5000', Mirrors: [], Secure: false, Official: false },
      'Upper.example': { Name: 'Upper.example', Secure: false },
      'safe.example': { Name: 'safe.example', Secure: true },
      'odd.example': { Secure: 'false' },
      __proto__: { Secure: false },
    },
  },
};

describe("contract (Network): plain http, or TLS unverified, exactly for what the engine's /info lists", () => {
  it.each([
    ['localhost', 'http'],
    ['localhost:5000', 'http'],
    ['127.0.0.1:5000', 'http'],
    ['127.9.9.9', 'http'],
    ['[::1]:5000', 'http'],
    ['lab.example:5000', 'skip-verify'],
    ['LAB.example:5000', 'skip-verify'],
    ['upper.example', 'skip-verify'],
    ['10.1.2.3', 'skip-verify'],
    ['10.1.2.3:5000', 'skip-verify'],
    ['[fd00::1]:443', 'skip-verify'],
    ['lab.example', undefined],
    ['lab.example:5001', undefined],
    ['sub.lab.example:5000', undefined],
    ['safe.example', undefined],
    ['odd.example', undefined],
    ['10.2.0.1', undefined],
    ['docker.io', undefined],
    ['registry-1.docker.io', undefined],
    ['localhost.evil.example', undefined],
    ['127.0.0.1.evil.example', undefined],
    ['10.1.2.3.evil.example', undefined],
    ['toString', undefined],
  ])('%s: %s', (host, expected) => {
    expect(insecureRegistries(INFO)(host)).toBe(expected);
  });

  it('lists loopback alone when the answer has another shape, or there is none', () => {
    const shapes = [
      undefined,
      null,
      5,
      [],
      {},
      { RegistryConfig: null },
      { RegistryConfig: { IndexConfigs: [], InsecureRegistryCIDRs: {} } },
    ];
    for (const info of shapes) {
      const insecure = insecureRegistries(info);
      expect(insecure('lab.example:5000')).toBeUndefined();
      expect(insecure('localhost:5000')).toBe('http');
    }
    expect(loopbackOnly('localhost:5000')).toBe('http');
    expect(loopbackOnly('lab.example:5000')).toBeUndefined();
  });

  it('never lists Docker Hub, whatever the answer says', () => {
    const info = {
      RegistryConfig: {
        InsecureRegistryCIDRs: ['0.0.0.0/0'],
        IndexConfigs: { 'docker.io': { Secure: false } },
      },
    };
    expect(insecureRegistries(info)('docker.io')).toBeUndefined();
  });
});

import { describe, expect, it } from 'vitest';
import { NetworkError } from '../../src/lib/errors.ts';
import { proxyFor } from '../../src/settings/proxies.ts';

const PROXIES = { httpProxy: 'http://for-http:1', httpsProxy: 'http://for-https:2', noProxy: undefined };

function goesDirect(noProxy: string, url: string): boolean {
  return proxyFor(new URL(url), { ...PROXIES, noProxy }) === undefined;
}

describe('the proxy of a URL', () => {
  it('is chosen by its scheme', () => {
    expect(proxyFor(new URL('http://a.example'), PROXIES)?.host).toBe('for-http:1');
    expect(proxyFor(new URL('https://a.example'), PROXIES)?.host).toBe('for-https:2');
    expect(proxyFor(new URL('https://a.example'), { ...PROXIES, httpsProxy: undefined })).toBeUndefined();
  });

  it('is http where the variable names no scheme, and keeps its credentials', () => {
    const at = (httpsProxy: string) =>
      proxyFor(new URL('https://a.example'), { ...PROXIES, httpsProxy })?.href;
    expect(at('proxy.example:3128')).toBe('http://proxy.example:3128/');
    expect(at('proxy.example')).toBe('http://proxy.example/');
    expect(at('me:p%40ss@proxy.example:3128')).toBe('http://me:p%40ss@proxy.example:3128/');
    expect(at('https://proxy.example')).toBe('https://proxy.example/');
    expect(at(' http://proxy.example:3128 ')).toBe('http://proxy.example:3128/');
  });

  it.each([
    'socks5://secret@proxy.example:1080',
    'ftp://secret.example',
    'http://',
    '://secret',
    'http://secret.example:99999',
  ])('is an error at %j, and the value is not shown', (httpsProxy) => {
    const choose = () => proxyFor(new URL('https://a.example'), { ...PROXIES, httpsProxy });
    expect(choose).toThrow(NetworkError);
    expect(choose).toThrow(expect.objectContaining({ code: 'NETWORK_PROXY' }));
    expect(choose).toThrow(/^(?!.*secret)/);
  });

  it.each(['http://localhost:5000', 'http://127.0.0.1', 'https://127.8.8.8', 'http://[::1]:5000'])(
    'is none for this machine: %s',
    (url) => {
      expect(proxyFor(new URL(url), PROXIES)).toBeUndefined();
    },
  );
});

describe("contract (Network): Go's NO_PROXY rules", () => {
  it.each([
    ['*', 'https://anything.example'],
    ['other.example, *', 'https://anything.example'],
    ['a.example', 'https://a.example'],
    ['a.example', 'https://sub.a.example'],
    ['A.Example', 'https://a.example'],
    ['.a.example', 'https://sub.a.example'],
    ['*.a.example', 'https://deep.sub.a.example'],
    ['a.example:443', 'https://a.example'],
    ['a.example:5000', 'https://a.example:5000'],
    ['a.example:80', 'http://a.example'],
    ['x, a.example ,y', 'https://a.example'],
    ['10.0.0.0/8', 'https://10.1.2.3'],
    ['10.1.2.3', 'https://10.1.2.3:5000'],
    ['10.1.2.3:5000', 'https://10.1.2.3:5000'],
    ['fd00::/8', 'https://[fd00::1]'],
    ['fd00:0::1', 'https://[fd00::1]'],
    ['[fd00::1]', 'https://[fd00::1]:5000'],
    ['[fd00::1]:5000', 'https://[fd00::1]:5000'],
    ['example', 'https://a.example'],
    // Go compares addresses with names as text, too.
    ['1.2.3', 'https://10.1.2.3'],
  ])('%s lets %s go direct', (noProxy, url) => {
    expect(goesDirect(noProxy, url)).toBe(true);
  });

  it.each([
    ['', 'https://a.example'],
    [',,', 'https://a.example'],
    ['.a.example', 'https://a.example'],
    ['*.a.example', 'https://a.example'],
    ['a.example', 'https://nota.example'],
    ['a.example', 'https://a.example.evil'],
    ['a.example:443', 'https://a.example:5000'],
    ['a.example:443', 'http://a.example'],
    ['10.0.0.0/8', 'https://11.1.2.3'],
    ['10.0.0.0/8', 'https://10.example'],
    ['10.1.2.3:5000', 'https://10.1.2.3'],
    ['10.0.0.0/33', 'https://10.1.2.3'],
    ['fd00::/8', 'https://[fe80::1]'],
    [':443', 'https://a.example'],
    ['a.*.example', 'https://a.b.example'],
  ])('%s leaves %s to the proxy', (noProxy, url) => {
    expect(goesDirect(noProxy, url)).toBe(false);
  });
});

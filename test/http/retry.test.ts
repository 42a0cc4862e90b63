import { describe, expect, it } from 'vitest';
import { parseRetryAfter, withRetry } from '../../src/http/retry.ts';
import type { HttpRequest, HttpResponse } from '../../src/http/transport.ts';
import { NetworkError } from '../../src/lib/errors.ts';
import { startServer } from '../helpers/http-server.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { createTestTransport, get } from '../helpers/transport.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

function answer(status: number, headers: Record<string, string> = {}): HttpResponse {
  return {
    status,
    headers: new Map(Object.entries(headers)),
    body: new Uint8Array(0),
    url: new URL('http://x/'),
  };
}

const BROKEN = new NetworkError({ code: 'NETWORK_BROKEN', message: 'broken' });

/** Plays the outcomes one after another; the clock runs by itself. */
async function play(outcomes: (HttpResponse | Error)[], request: Partial<HttpRequest> = {}, random = 0.5) {
  const clock = new ManualClock(NOW);
  const sent: HttpRequest[] = [];
  const send = withRetry(
    async (asked) => {
      sent.push(asked);
      const outcome = outcomes[sent.length - 1] ?? answer(200);
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
    { clock, random: () => random },
  );
  const running = send(get('http://x/', request)).catch((error: unknown) => error as Error);
  let result: HttpResponse | Error | undefined;
  running.then((value) => {
    result = value;
  });
  for (let i = 0; i < 20 && result === undefined; i += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(60_000);
  }
  return { result, sent: sent.length, waits: clock.sleeps };
}

describe('trying again', () => {
  it.each([502, 503, 504, 429])('tries a GET again after %i, waiting longer each time', async (status) => {
    const { result, sent, waits } = await play([answer(status), answer(status), answer(status)]);
    expect(result).toMatchObject({ status: 200 });
    expect(sent).toBe(4);
    expect(waits).toEqual([250, 500, 1000]);
  });

  it('spreads its waits from nothing to the whole of each step (full jitter)', async () => {
    expect((await play([answer(503), answer(503)], {}, 0)).waits).toEqual([0, 0]);
    expect((await play([answer(503), answer(503)], {}, 0.999)).waits).toEqual([499, 999]);
  });

  it('hands over the last answer, or error, after four attempts', async () => {
    const answers = [answer(503), answer(503), answer(503), answer(503), answer(200)];
    expect(await play(answers)).toMatchObject({ result: { status: 503 }, sent: 4 });
    expect(await play([BROKEN, BROKEN, BROKEN, BROKEN])).toMatchObject({ result: BROKEN, sent: 4 });
  });

  it.each([400, 401, 403, 404, 501])('does not try again after %i', async (status) => {
    expect(await play([answer(status)])).toMatchObject({ result: { status }, sent: 1 });
  });

  it('reads again soon after 500, which a registry answers while a tag is being written, and writes nothing twice', async () => {
    const { result, sent, waits } = await play([answer(500), answer(500)]);
    expect(result).toMatchObject({ status: 200 });
    expect(sent).toBe(3);
    expect(waits).toEqual([125, 125]);
    expect(await play([answer(500)], { method: 'PUT' })).toMatchObject({ result: { status: 500 }, sent: 1 });
  });

  it('sends a write again only after 429, which says that it was not done', async () => {
    expect(await play([BROKEN], { method: 'PUT' })).toMatchObject({ result: BROKEN, sent: 1 });
    expect(await play([answer(503)], { method: 'PUT' })).toMatchObject({ result: { status: 503 }, sent: 1 });
    expect(await play([answer(429)], { method: 'PUT' })).toMatchObject({ result: { status: 200 }, sent: 2 });
    expect(await play([BROKEN], { method: 'PUT', retryable: true })).toMatchObject({ sent: 2 });
    expect(await play([BROKEN], { retryable: false })).toMatchObject({ result: BROKEN, sent: 1 });
  });

  it('does not try again what cannot get better: time-outs, TLS, names, size', async () => {
    for (const code of [
      'NETWORK_TIMEOUT',
      'NETWORK_TLS',
      'NETWORK_DNS',
      'NETWORK_REFUSED',
      'NETWORK_TOO_LARGE',
    ] as const) {
      const error = new NetworkError({ code, message: code });
      expect(await play([error])).toMatchObject({ result: error, sent: 1 });
    }
  });

  it('stops waiting when the caller aborts', async () => {
    const clock = new ManualClock(NOW);
    const controller = new AbortController();
    const send = withRetry(async () => answer(503), { clock, random: () => 0.5 });
    const sending = send(get('http://x/', { signal: controller.signal })).catch((error: unknown) => error);
    await clock.asked(1);
    const reason = new Error('stop');
    controller.abort(reason);
    expect(await sending).toBe(reason);
    expect(clock.sleeping).toBe(0);
  });
});

describe('contract (Network): 429 honours Retry-After', () => {
  it('waits for the seconds, or until the date, that the server names', async () => {
    expect((await play([answer(429, { 'retry-after': '7' })])).waits).toEqual([7000]);
    const date = 'Fri, 02 Jan 2026 03:04:17 GMT';
    expect((await play([answer(429, { 'retry-after': date })])).waits).toEqual([12_000]);
    expect((await play([answer(503, { 'retry-after': '2' })])).waits).toEqual([2000]);
  });

  it("does not wait at all for more than half a minute: the answer is the caller's", async () => {
    const { result, sent, waits } = await play([answer(429, { 'retry-after': '21600' })]);
    expect(result).toMatchObject({ status: 429 });
    expect(sent).toBe(1);
    expect(waits).toEqual([]);
  });

  it.each([
    ['0', 0],
    ['120', 120_000],
    ['Fri, 02 Jan 2026 03:04:05 GMT', 0],
    ['Thu, 01 Jan 2026 00:00:00 GMT', 0],
    ['-1', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['soon', undefined],
    ['2026-01-02', undefined],
    ['9999999999', undefined],
    ['Fri, 99 Jan 2026 03:04:05 GMT', undefined],
    [undefined, undefined],
  ])('reads %s as %s ms', (value, expected) => {
    expect(parseRetryAfter(value, NOW)).toBe(expected);
  });
});

describe('over a real connection', () => {
  it('tries again when the server drops the connection', async () => {
    await using server = await startServer((_request, response, socket) => {
      if (server.requests.length === 1) socket.destroy();
      else response.end('x');
    });
    await using transport = createTestTransport({ random: () => 0 });
    const sending = transport.send(get(`${server.origin}/`));
    await expect.poll(() => transport.clock.sleeps.includes(0)).toBe(true);
    await transport.clock.advance(0);
    expect((await sending).status).toBe(200);
    expect(server.requests).toHaveLength(2);
  });

  it('opens a new connection when the kept one was closed in between', async () => {
    let gone = () => {};
    const closed = new Promise<void>((resolve) => {
      gone = resolve;
    });
    await using server = await startServer((_request, response, socket) => {
      socket.on('close', () => setImmediate(gone));
      response.end('x', () => setImmediate(() => socket.destroy()));
    });
    await using transport = createTestTransport();
    await transport.send(get(`${server.origin}/`));
    await closed;
    expect((await transport.send({ ...get(`${server.origin}/`), method: 'PUT' })).status).toBe(200);
    expect(server.connections()).toBe(2);
  });
});

/** One plain HTTP request with node's own client: tests look at real peers without the code under test. */
import http from 'node:http';
import https from 'node:https';

export interface RawAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly bytes: Buffer;
  /** The bytes as UTF-8. */
  readonly body: string;
}

export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: Uint8Array | string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export type RawTarget = { readonly socketPath: string } | { readonly port: number; readonly tls: boolean };

/** Certificates are not checked: whoever needs that tests it on the code under test. */
export function rawRequest(target: RawTarget, request: RawRequest): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const tls = 'port' in target && target.tls;
    const where = 'port' in target ? { host: '127.0.0.1', port: target.port } : target;
    const options = {
      ...where,
      method: request.method,
      path: request.path,
      headers: { ...request.headers },
      agent: false as const,
    };
    const call = tls ? https.request({ ...options, rejectUnauthorized: false }) : http.request(options);
    call.on('error', reject);
    call.on('response', (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const bytes = Buffer.concat(chunks);
        const body = bytes.toString('utf8');
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, bytes, body });
      });
    });
    call.end(request.body);
  });
}

/**
 * The one part of undici that dtrust uses, imported by its path: the index loads fetch, WebSocket, caches, mocks
 * and HTTP/2 with it. undici types its index only; this states what undici-transport.ts relies on.
 */
declare module 'undici/lib/dispatcher/client.js' {
  import type { Socket } from 'node:net';

  class Client {
    constructor(origin: string, options: Client.Options);
    readonly destroyed: boolean;
    dispatch(options: Client.DispatchOptions, handler: Client.Handler): boolean;
    destroy(error: Error): Promise<void>;
  }

  namespace Client {
    interface Options {
      readonly connect: (
        target: object,
        callback: (error: Error | null, socket: Socket | null) => void,
      ) => void;
      readonly pipelining: number;
      readonly allowH2: boolean;
      readonly maxHeaderSize: number;
      readonly headersTimeout: number;
      readonly bodyTimeout: number;
      readonly keepAliveTimeout: number;
      readonly keepAliveMaxTimeout: number;
    }

    interface DispatchOptions {
      readonly path: string;
      readonly method: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Uint8Array | string | null;
      readonly idempotent: boolean;
    }

    interface Controller {
      abort(reason: Error): void;
    }

    interface Handler {
      onRequestStart(controller: Controller): void;
      onRequestSent(): void;
      onResponseStart(
        controller: Controller,
        statusCode: number,
        headers: Readonly<Record<string, string | readonly string[]>>,
      ): void;
      onResponseData(controller: Controller, chunk: Buffer): void;
      onResponseEnd(): void;
      onResponseError(controller: Controller | undefined, error: Error): void;
    }
  }

  export = Client;
}
